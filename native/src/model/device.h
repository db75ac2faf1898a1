// device.h - a place to compute: a backend and the threads it may use.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/thread_pool.h"
#include "rmt/rmt.h"

namespace rmt {

class Device {
 public:
  Device(const Backend &backend, int32_t threads) : backend_(backend), pool_(threads) {}
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  const Backend &backend() const { return backend_; }
  // Its use does not change the device: concurrent calls share it.
  ThreadPool &pool() const { return pool_; }
  int32_t threads() const { return pool_.threads(); }

 private:
  const Backend &backend_;
  mutable ThreadPool pool_;
};

// Throws RMT_DEVICE with the names there are where the instruction set is unknown or cannot run here.
std::shared_ptr<const Device> make_cpu_device(const rmt_device_options *options);

// Backends that this build holds and this processor can run, best first, the reference last.
const std::vector<const Backend *> &cpu_backends();

// Their names, separated by commas; static storage.
const std::string &cpu_backend_names();

}  // namespace rmt
