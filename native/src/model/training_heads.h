// training_heads.h - the losses of a segment: pooler and classifier on head rows, probes on chosen rows of any level.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/training.h"
#include "rmt/rmt.h"

namespace rmt {

class TrainingHeads {
 public:
  TrainingHeads(const ModelShape &shape, const TapeLimits &limits);
  static int64_t required_bytes(const ModelShape &shape, const TapeLimits &limits);

  // Probes of one segment are at most this many.
  static int64_t max_probes(const TapeLimits &limits) { return 4 * limits.max_total_length; }

  // Before the others, in each call that works on a segment.
  void begin(const rmt_training_segment &segment);

  // Fill the parts of `output` that are wanted, from the levels on the tape.
  void read_labels(const TrainingBackend &backend, const TrainingContext &context, const TrainingBlock *blocks,
                   const rmt_training_segment &segment, const rmt_training_output &output);
  void read_probes(const TrainingBackend &backend, const TrainingContext &context, const TrainingBlock *blocks,
                   const rmt_training_segment &segment, const rmt_training_output &output);

  // Add the gradient of weight x loss to dx, which stands at the last level, or at `level`.
  void labels_backward(const TrainingBackend &backend, const TrainingContext &context, const TrainingBlock *blocks,
                       const rmt_training_segment &segment);
  void probes_backward(const TrainingBackend &backend, const TrainingContext &context, const TrainingBlock *blocks,
                       const rmt_training_segment &segment, int32_t level);

 private:
  int32_t gather_heads(const TrainingBackend &backend, const TrainingContext &context, const TrainingBlock *blocks,
                       const rmt_training_segment &segment, bool labelled_only);
  void drop(const TrainingContext &context, const TrainingBlock &block, float *row) const;
  template <typename Visit>
  void for_each_chunk(const TrainingBackend &backend, const TrainingContext &context, const TrainingBlock *blocks,
                      const rmt_training_segment &segment, int32_t level, Visit visit);

  static constexpr int32_t kAllLevels = -1;
  static constexpr int32_t kChunk = 256;  // rows of probes that are worked on at a time

  int32_t hidden_size_;
  int32_t num_labels_;
  std::vector<int32_t> documents_;  // (max_batch_size): those whose head rows were gathered
  std::vector<RowPlace> places_;    // (chunk or max_batch_size): where the gathered rows are
  std::vector<float> rows_;         // (chunk or max_batch_size, H): levels' rows, like the next
  std::vector<float> drows_;
  std::vector<float> slopes_;    // (max_batch_size, H): the pooler before tanh, then the slope of tanh there
  std::vector<float> pooled_;    // (max_batch_size, H): the pooler behind tanh and dropout
  std::vector<float> logits_;    // (max_batch_size, num_labels)
  std::vector<float> dlogits_;   // (max_batch_size, num_labels)
  std::vector<int32_t> sorted_;  // (max_probes): probes by level and outputs
  std::vector<float> outputs_;   // (chunk, num_probe_outputs)
  std::vector<float> doutputs_;  // (chunk, num_probe_outputs)
};

}  // namespace rmt
