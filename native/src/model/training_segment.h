// training_segment.h - one segment of a batch of documents in training: its forward onto a tape, and its backward.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/training.h"
#include "model/device.h"
#include "model/training_heads.h"
#include "rmt/rmt.h"

namespace rmt {

// Memory states, (M, H) each, and their gradients.
class TrainingStates {
 public:
  TrainingStates(std::shared_ptr<const Device> device, int32_t num_states, int64_t state_size)
      : num_states_(num_states),
        state_size_(state_size),
        values_(device, num_states * state_size, "the memory states"),
        gradients_(device, num_states * state_size, "the gradients of the memory states"),
        zeros_(state_size) {}

  static int64_t required_bytes(int32_t num_states, int64_t state_size) {
    return (int64_t{2} * num_states + 1) * state_size * static_cast<int64_t>(sizeof(float));
  }

  int32_t num_states() const { return num_states_; }
  int64_t state_size() const { return state_size_; }
  // Where the device finds them.
  float *value(int32_t state) { return values_.data() + state * state_size_; }
  float *gradient(int32_t state) { return gradients_.data() + state * state_size_; }

  void write_value(int32_t state, const float *values) { values_.write(state * state_size_, values, state_size_); }
  void read_value(int32_t state, float *values) const { values_.read(state * state_size_, values, state_size_); }
  void write_gradient(int32_t state, const float *values) {
    gradients_.write(state * state_size_, values, state_size_);
  }
  void read_gradient(int32_t state, float *values) const { gradients_.read(state * state_size_, values, state_size_); }
  void clear_gradient(int32_t state) { write_gradient(state, zeros_.data()); }

 private:
  int32_t num_states_;
  int64_t state_size_;
  DeviceFloats values_;
  DeviceFloats gradients_;
  std::vector<float> zeros_;
};

// Everything that a segment call writes on the way but the tape, allocated once: a call allocates nothing.
struct TrainingScratch {
  TrainingScratch(const std::shared_ptr<const Device> &device, const ModelShape &shape, const TapeLimits &limits,
                  int32_t num_states);
  static int64_t required_bytes(const ModelShape &shape, const TapeLimits &limits, int32_t num_states);

  std::vector<TrainingBlock> blocks;   // (max_batch_size): one per document
  std::vector<TrainingBlock> active;   // (max_batch_size): those that take part in the running operation
  std::vector<int32_t> highest_level;  // (max_batch_size): where gradients enter each document; -1: nowhere
  DeviceFloats initial_memory;         // (M, H)
  DeviceFloats dinitial_memory;        // (M, H)
  DeviceFloats dread_memory;           // (max_batch_size, M, H)
  std::vector<uint8_t> state_written;  // (num_states): all 0 between calls
  TrainingHeads heads;
};

// Throws RMT_INVALID_ARGUMENT where the segment or the output (may be null) does not fit. Nothing is changed.
void validate(const ModelShape &shape, const TapeLimits &limits, const TrainingStates &states, TrainingScratch &scratch,
              const rmt_training_segment *segment, const rmt_training_output *output);

// A number that tells segments apart whose forwards differ in anything but weights and the states that they read.
uint64_t fingerprint(const ModelShape &shape, const rmt_training_segment &segment);

// One validated segment. The forward has run on the tape of `context` before its backward does.
class TrainingPass {
 public:
  TrainingPass(const Device &device, const TrainingContext &context, TrainingStates &states, TrainingScratch &scratch,
               const rmt_training_segment &segment);

  // Embedding and layers.
  void forward();
  // Replaces the states that the segment writes.
  void write_states();
  // Losses and what else is wanted of the heads.
  void read_heads(const rmt_training_output &output);
  void backward(bool with_loss);

 private:
  int32_t activate_blocks(int32_t layer);
  int32_t activate_blocks_below(int32_t level);
  void find_highest_levels(bool with_loss);
  void add_read_gradients();

  const ModelShape &shape_;
  const TrainingBackend &backend_;
  const DeviceMemory &memory_;
  const TrainingContext &context_;
  TrainingStates &states_;
  TrainingScratch &scratch_;
  const rmt_training_segment &segment_;
};

}  // namespace rmt
