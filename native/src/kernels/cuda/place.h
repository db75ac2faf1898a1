// place.h - one GPU: its streams, its memory, and what went wrong on it.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <mutex>
#include <string>

#include "kernels/cuda/library.h"
#include "kernels/cuda/products.h"

namespace rmt::cuda {

// Everything of a GPU runs on one stream, in the order of the calls, but copies that are to be there in time for what
// comes later: these run beside it. The lock keeps a thread's calls together where they are recorded. A failure is
// kept: what comes after it on the GPU means nothing.
class Place {
 public:
  using Lock = std::lock_guard<std::recursive_mutex>;

  // Null with one sentence in `error` where the GPU cannot be used.
  static Place *open(const CudaOptions &options, char *error, int32_t error_size);
  ~Place();
  Place(const Place &) = delete;
  Place &operator=(const Place &) = delete;

  cudaStream_t stream() const { return stream_; }
  // For copies that run beside the stream; events say who waits for whom.
  cudaStream_t copies() const { return copies_; }
  std::recursive_mutex &mutex() { return mutex_; }
  Products &products() { return products_; }
  void describe(CudaDeviceInfo *info) const;

  // Makes the GPU that of the calling thread; before the first call of a thread's piece of work.
  void enter();
  // Keeps the first failure.
  void check(cudaError_t error, const char *what);
  // The first failure as a sentence; null: none.
  const char *failure();

  int64_t available_bytes();
  // Zero; null where memory is refused. Releasing waits for what still runs.
  void *allocate(int64_t bytes);
  void release(void *memory);
  // The host memory may be used again on return.
  void upload(void *to, const void *host, int64_t bytes);
  void download(void *host, const void *from, int64_t bytes);  // waits
  void copy(void *to, const void *from, int64_t bytes);
  void clear(void *memory, int64_t bytes);

 private:
  Place(int32_t index, const cudaDeviceProp &properties) : index_(index), properties_(properties) {}

  // Runs the smallest kernel: a GPU for which there is no code is refused when it is opened, not in its first segment.
  bool runs_kernels();

  const int32_t index_;
  const cudaDeviceProp properties_;
  cudaStream_t stream_ = nullptr;
  cudaStream_t copies_ = nullptr;
  std::recursive_mutex mutex_;
  Products products_;
  std::string failure_;
};

void get_info(CudaInfo *info);

}  // namespace rmt::cuda
