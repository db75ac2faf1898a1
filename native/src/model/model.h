// model.h - the weights of a model on a device: filled in pieces, then frozen and shared.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/kernels.h"
#include "model/device.h"
#include "model/parameters.h"

namespace rmt {

class Model {
 public:
  // Bytes that a model of this shape takes on the device.
  static int64_t required_bytes(const Device &device, const ModelShape &shape);

  // Throws RMT_OUT_OF_MEMORY, before allocating, where the bytes are not there.
  Model(std::shared_ptr<const Device> device, const ModelShape &shape);

  const Device &device() const { return *device_; }
  const std::shared_ptr<const Device> &shared_device() const { return device_; }
  const ModelShape &shape() const { return shape_; }
  const void *weights() const { return weights_.get(); }
  const std::vector<Parameter> &parameters() const { return parameters_; }
  // Throws RMT_INVALID_ARGUMENT where there is no such index.
  const Parameter &parameter(int32_t index) const;
  bool finished() const { return finished_.load(std::memory_order_acquire); }

  // Elements [offset, offset + count) of a parameter in row-major order. All of `values` is checked before any is
  // taken.
  void set_parameter(int32_t index, const float *values, int64_t offset, int64_t count);
  // Refused where an element of the range has not been set.
  void get_parameter(int32_t index, float *values, int64_t offset, int64_t count) const;
  // Throws RMT_FAILED_PRECONDITION naming a parameter of which elements are missing.
  void finish();
  void require_finished() const;

  // Copies the initial memory, (M, H).
  void read_initial_memory(float *values) const;

 private:
  const Parameter &checked(int32_t index, const void *values, int64_t offset, int64_t count) const;

  std::shared_ptr<const Device> device_;
  ModelShape shape_;
  std::vector<Parameter> parameters_;
  mutable std::mutex mutex_;  // while the model is being filled; a finished model is only read
  std::vector<Coverage> coverage_;
  std::unique_ptr<void, void (*)(void *)> weights_;
  std::atomic<bool> finished_{false};
};

}  // namespace rmt
