// device.h - a place to compute: a backend, the threads it may use, and what it keeps there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/thread_pool.h"
#include "rmt/rmt.h"

namespace rmt {

class Device {
 public:
  // `place` is the backend's own; null for the CPU.
  Device(const Backend &backend, int32_t threads, std::shared_ptr<void> place = nullptr)
      : backend_(backend), pool_(threads), place_(std::move(place)) {}
  virtual ~Device() = default;
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  const Backend &backend() const { return backend_; }
  // Its use does not change the device: concurrent calls share it.
  ThreadPool &pool() const { return pool_; }
  int32_t threads() const { return pool_.threads(); }
  void *place() const { return place_.get(); }

  // Memory that could be taken now.
  int64_t available_bytes() const;
  // Throws RMT_OUT_OF_MEMORY with both figures where `needed` bytes for `what` exceed what is available. Asked before
  // allocating: a kernel that overcommits would grant the memory and kill the process when it is touched.
  void require_memory(int64_t needed, const char *what) const;
  // Throws RMT_INVALID_ARGUMENT where the device has no kernels for models of this shape or batches of this size.
  virtual void require_computable(const ModelShape &, int32_t /* max_batch_size */) const {}
  // Throws RMT_DEVICE with the reason where the device has failed.
  void require_working() const;

  // What products of segments have cost so far; -1: this device does not count.
  int64_t operations() const;
  // Where segments count them; null: this device does not count.
  int64_t *operations_counter() const { return place_ == nullptr ? &operations_ : nullptr; }

  // Everything of `info` but struct_size.
  virtual void describe(rmt_device_info *info) const;

 private:
  const Backend &backend_;
  mutable ThreadPool pool_;
  std::shared_ptr<void> place_;
  mutable int64_t operations_ = 0;  // shared by threads, see add_operations
};

// Floats where a device computes.
class DeviceFloats {
 public:
  // Throws RMT_OUT_OF_MEMORY where the device refuses. Zero at first.
  DeviceFloats(std::shared_ptr<const Device> device, int64_t count, const char *what);

  float *data() const { return values_.get(); }
  void write(int64_t offset, const float *host, int64_t count);
  void read(int64_t offset, float *host, int64_t count) const;
  void copy(int64_t to, int64_t from, int64_t count);

 private:
  struct Release {
    std::shared_ptr<const Device> device;
    void operator()(float *values) const { device->backend().memory->release(device->place(), values); }
  };

  std::unique_ptr<float, Release> values_;
};

// Throws RMT_DEVICE with the names there are where the instruction set is unknown or cannot run here.
std::shared_ptr<const Device> make_cpu_device(const rmt_device_options *options);

// Backends that this build holds and this processor can run, best first, the reference last.
const std::vector<const Backend *> &cpu_backends();

// Their names, separated by commas; static storage.
const std::string &cpu_backend_names();

}  // namespace rmt
