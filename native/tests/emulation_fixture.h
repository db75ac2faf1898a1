// emulation_fixture.h - for the tests of the emulation itself.
#pragma once

#include "cuda_fixture.h"
#include "kernels/cuda/launch.h"

namespace test {

// Every test begins with a device that works, and a schedule that is known.
struct Fresh {
  Fresh() { restore(); }
  ~Fresh() { restore(); }
  static void restore() {
    for (const char *name : {"RMT_EMULATED_DRIVER", "RMT_EMULATED_DEVICES", "RMT_EMULATED_CAPABILITY",
                             "RMT_EMULATED_MEMORY", "RMT_EMULATED_ORDER", "RMT_EMULATED_STREAMS"}) {
      unsetenv(name);
    }
    rmt::emulation::read_environment();
    rmt::emulation::reset();
  }
};
inline void make_believe(const char *name, const char *value) {
  setenv(name, value, 1);
  rmt::emulation::read_environment();
}

class Stream {
 public:
  Stream() { CHECK_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace test
