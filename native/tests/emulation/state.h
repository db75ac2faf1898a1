// state.h - the driver and the devices that are made believe, for device.cpp and stream.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "cuda_runtime.h"

namespace rmt::emulation {

struct Block {
  size_t bytes;
  int device;
};

struct State {
  std::mutex mutex;  // held in every call, and while kernels run
  // From the environment.
  int driver_version;
  int num_devices;
  int capability;       // 10 x major + minor
  size_t memory_bytes;  // of each device
  // Now.
  std::vector<size_t> used_bytes;            // of each device
  std::map<uintptr_t, Block> device_memory;  // by address
  std::map<uintptr_t, Block> pinned_memory;
  cudaError_t broken = cudaSuccess;  // an error of a kernel: every call answers it from then on
  std::string error_text;
};
State &state();

int current_device();  // of the calling thread

// What a call answers where there is no usable driver or device, or a kernel has failed.
cudaError_t usable();
// Remembers the error of a call for cudaGetLastError, and returns it.
cudaError_t remember(cudaError_t error);
// An error of a kernel or of other work that had been enqueued.
cudaError_t fail_device(cudaError_t error, const std::string &text);

// The block of memory that has bytes [address, address + bytes); the end of a block belongs to it where bytes is 0.
const Block *find(const std::map<uintptr_t, Block> &blocks, const void *address, size_t bytes);
cudaError_t check_copy(const void *to, const void *from, size_t bytes, cudaMemcpyKind kind);

// Calls that wait for the device or allocate spoil a capture that is going on, and fail.
bool spoils_capture();
// Does all that streams had been given.
cudaError_t finish();

// A call: `what` runs under the lock, on a usable device.
template <typename What>
cudaError_t call(const What &what) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  const cudaError_t error = usable();
  return remember(error != cudaSuccess ? error : what());
}

}  // namespace rmt::emulation
