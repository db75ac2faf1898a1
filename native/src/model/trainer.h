// trainer.h - weights being trained, the state of their optimizer, memory states and tapes; one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/training.h"
#include "model/device.h"
#include "model/parameters.h"
#include "model/training_segment.h"
#include "rmt/rmt.h"

namespace rmt {

class Trainer {
 public:
  // Bytes that a trainer takes; they never grow. Throws where the options do not fit the config.
  static int64_t required_bytes(const Device &device, const rmt_model_config *config,
                                const rmt_trainer_options *options);

  // Throws RMT_OUT_OF_MEMORY, before allocating, where the bytes are not there. Everything is zero.
  Trainer(std::shared_ptr<const Device> device, const rmt_model_config *config, const rmt_trainer_options *options);

  const std::vector<Parameter> &parameters() const { return parameters_; }
  // Throws RMT_INVALID_ARGUMENT where there is no such index.
  const Parameter &parameter(int32_t index) const;

  // Each of these throws RMT_FAILED_PRECONDITION, and does nothing, while another thread is in one of them.
  void set_values(int32_t which, int32_t index, const float *values, int64_t offset, int64_t count);
  void get_values(int32_t which, int32_t index, float *values, int64_t offset, int64_t count);
  void set_state(int32_t state, const float *values, int64_t count);
  void get_state(int32_t state, float *values, int64_t count);
  void set_state_gradient(int32_t state, const float *values, int64_t count);
  void get_state_gradient(int32_t state, float *values, int64_t count);
  void clear_state_gradient(int32_t state);  // -1: all states
  void forward(int32_t tape, const rmt_training_segment *segment, const rmt_training_output *output);
  void backward(int32_t tape, const rmt_training_segment *segment, int32_t with_loss, int32_t recompute);
  // Returns the norm of the scaled gradient before clipping.
  double step(const rmt_adamw *options);
  void clear_gradients();

 private:
  // Activations of one segment, and which one.
  struct Tape {
    std::unique_ptr<void, void (*)(void *)> activations;
    uint64_t segment = 0;          // fingerprint of the segment whose forward it holds
    int64_t weights_version = -1;  // with which weights that forward ran; -1: it holds none
  };

  void require_kept(int32_t which) const;
  const Parameter &checked(int32_t which, int32_t index, const void *values, int64_t offset, int64_t count) const;
  void require_state(int32_t state) const;
  void require_state_values(int32_t state, const void *values, int64_t count) const;
  Tape &checked_tape(int32_t tape);
  TrainingContext context(void *activations) const;
  [[noreturn]] void fail_naming_gradient(double norm) const;

  std::shared_ptr<const Device> device_;
  ModelShape shape_;
  TapeLimits limits_;
  bool keep_average_;
  const TrainingBackend &backend_;
  std::vector<Parameter> parameters_;
  std::unique_ptr<void, void (*)(void *)> weights_;
  std::vector<Tape> tapes_;
  TrainingStates states_;
  TrainingScratch scratch_;
  int64_t weights_version_ = 0;  // raised by everything that changes weights
  std::atomic<bool> in_use_{false};
};

}  // namespace rmt
