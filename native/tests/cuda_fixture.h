// cuda_fixture.h - device memory for the tests of kernels, on a GPU and under the emulation alike.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>
#include <vector>

#include "check.h"

namespace test {

// Skips the test where there is no device.
inline void need_device() {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) SKIP(std::string("no device: ") + cudaGetErrorString(error));
}

inline void check_cuda(cudaError_t error, const char *what, const char *file, int line) {
  if (error == cudaSuccess) return;
  std::string text = std::string(what) + ": " + cudaGetErrorString(error);
#ifdef RMT_CUDA_EMULATED
  text += ": " + rmt::emulation::last_error_text();
#endif
  fail(file, line, text);
}
#define CHECK_CUDA(call) test::check_cuda((call), #call, __FILE__, __LINE__)

// Waits for all kernels; fails the test where one of them failed.
#define CHECK_KERNELS()                  \
  do {                                   \
    CHECK_CUDA(cudaGetLastError());      \
    CHECK_CUDA(cudaDeviceSynchronize()); \
  } while (false)

// `count` elements on the device: those of a new one are NaN (all bits set).
template <typename T>
class DeviceBuffer {
 public:
  explicit DeviceBuffer(size_t count) : count_(count) {
    need_device();
    CHECK_CUDA(cudaMalloc(reinterpret_cast<void **>(&data_), bytes()));
    if (count > 0) CHECK_CUDA(cudaMemset(data_, 0xff, bytes()));
  }
  explicit DeviceBuffer(const std::vector<T> &values) : DeviceBuffer(values.size()) { upload(values); }
  ~DeviceBuffer() { cudaFree(data_); }
  DeviceBuffer(const DeviceBuffer &) = delete;
  DeviceBuffer &operator=(const DeviceBuffer &) = delete;

  T *data() { return data_; }
  const T *data() const { return data_; }
  size_t size() const { return count_; }

  void upload(const std::vector<T> &values) {
    CHECK_EQUAL(values.size(), count_);
    CHECK_CUDA(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice));
  }
  std::vector<T> download() const {
    std::vector<T> values(count_);
    CHECK_KERNELS();
    CHECK_CUDA(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  size_t bytes() const { return count_ * sizeof(T); }

  size_t count_;
  T *data_ = nullptr;
};

}  // namespace test
