// segment.h - one segment of a batch of documents through the model: which operations run on which rows.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernels.h"
#include "model/model.h"
#include "model/slots.h"
#include "rmt/rmt.h"

namespace rmt {

// Everything that a segment call writes on the way, allocated once: a call allocates nothing.
class SegmentWorkspace {
 public:
  SegmentWorkspace(const Model &model, const rmt_memory_options &options);
  static int64_t required_bytes(const Model &model, const rmt_memory_options &options);

  void *activations() const { return activations_.get(); }
  int32_t max_batch_size() const { return static_cast<int32_t>(blocks.size()); }
  int32_t max_input_length() const { return max_input_length_; }

  std::vector<RowBlock> blocks;     // (max_batch_size): one per document
  std::vector<RowBlock> active;     // (max_batch_size): those that take part in the running operation
  std::vector<float> head;          // (H)
  std::vector<uint8_t> slot_taken;  // (num_slots): all 0 between calls

 private:
  int32_t max_input_length_;
  std::unique_ptr<void, void (*)(void *)> activations_;
};

// Throws RMT_INVALID_ARGUMENT where the segment or the output does not fit the model, the workspace or the slots.
// Nothing is changed.
void validate(const Model &model, SegmentWorkspace &workspace, const MemorySlots &slots, const rmt_segment *segment,
              const rmt_segment_output *output);

// Runs a validated segment: fills `output` (may be null), then replaces the memory of the slots that take part.
void run_segment(const Model &model, SegmentWorkspace &workspace, MemorySlots &slots, const rmt_segment &segment,
                 const rmt_segment_output *output);

}  // namespace rmt
