// memory.h - memory of a set of documents and the workspace of one segment; one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "model/model.h"
#include "model/segment.h"
#include "model/slots.h"
#include "rmt/rmt.h"

namespace rmt {

class Memory {
 public:
  // Bytes that a memory takes; they never grow. Throws where the options do not fit the model.
  static int64_t required_bytes(const Model &model, const rmt_memory_options *options);

  // Throws RMT_OUT_OF_MEMORY, before allocating, where the bytes are not there.
  Memory(std::shared_ptr<const Model> model, const rmt_memory_options *options);

  int32_t num_tensors() const { return model_->shape().num_mem_tokens > 0 ? 1 : 0; }
  void tensor_info(int32_t tensor, rmt_memory_tensor_info *info) const;

  // Each of these throws RMT_FAILED_PRECONDITION, and does nothing, while another thread is in one of them.
  void reset(int32_t slot);  // -1: all slots
  void copy(int32_t from_slot, int32_t to_slot);
  void get(int32_t slot, int32_t tensor, float *values, int64_t count);
  void set(int32_t slot, int32_t tensor, const float *values, int64_t count);
  void forward(const rmt_segment *segment, const rmt_segment_output *output);

 private:
  void require_slot(const char *field, int32_t slot) const;
  void require_tensor(int32_t tensor) const;
  void require_values(int32_t slot, int32_t tensor, const void *values, int64_t count) const;

  std::shared_ptr<const Model> model_;
  MemorySlots slots_;
  SegmentWorkspace workspace_;
  std::atomic<bool> in_use_{false};
};

}  // namespace rmt
