// device.cpp - the driver, the devices and their memory. The environment says what to make believe:
//   RMT_EMULATED_DRIVER      none, or a version as CUDA writes it: 11080. Default: that of the runtime.
//   RMT_EMULATED_DEVICES     how many devices; default 1
//   RMT_EMULATED_CAPABILITY  of each, for example 5.2; default 9.0. Kernels are made for 6.1 to 19.9.
//   RMT_EMULATED_MEMORY      bytes of each device; default 4 GiB
//   RMT_EMULATED_ORDER       forward, reverse, random or random:SEED, see emulation.h
//   RMT_EMULATED_STREAMS     now, late or ahead, see emulation.h
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "state.h"

namespace rmt::emulation {

namespace {

constexpr unsigned char kNaN = 0xff;
constexpr int kRuntimeVersion = CUDART_VERSION;

thread_local int chosen_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

std::string environment(const char *name, const char *otherwise) {
  const char *value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

void configure(State &state) {
  const std::string driver = environment("RMT_EMULATED_DRIVER", std::to_string(kRuntimeVersion).c_str());
  state.driver_version = driver == "none" ? 0 : std::atoi(driver.c_str());
  state.num_devices = std::max(0, std::atoi(environment("RMT_EMULATED_DEVICES", "1").c_str()));
  const std::string capability = environment("RMT_EMULATED_CAPABILITY", "9.0");
  const size_t dot = capability.find('.');
  state.capability = 10 * std::atoi(capability.c_str());
  if (dot != std::string::npos) state.capability += std::atoi(capability.c_str() + dot + 1);
  state.memory_bytes = std::strtoull(environment("RMT_EMULATED_MEMORY", "4294967296").c_str(), nullptr, 10);
  state.used_bytes.resize(std::max<size_t>(state.used_bytes.size(), static_cast<size_t>(state.num_devices)), 0);

  const std::string order = environment("RMT_EMULATED_ORDER", "forward");
  if (order == "reverse") {
    set_order(Order::kReverse);
  } else if (order.rfind("random", 0) == 0) {
    const size_t colon = order.find(':');
    set_order(Order::kRandom, colon == std::string::npos ? 1 : std::strtoull(order.c_str() + colon + 1, nullptr, 10));
  } else {
    set_order(Order::kForward);
  }
  const std::string streams = environment("RMT_EMULATED_STREAMS", "now");
  set_streams(streams == "late" ? Streams::kLate : streams == "ahead" ? Streams::kAhead : Streams::kNow);
}

// Exactly `bytes`, so that AddressSanitizer sees the first byte too far; aligned as cudaMalloc aligns.
void *allocate(size_t bytes) {
  void *memory = nullptr;
  if (posix_memalign(&memory, 256, bytes) != 0) return nullptr;
  std::memset(memory, kNaN, bytes);
  return memory;
}

cudaError_t driver_error() {
  return state().driver_version / 1000 < kRuntimeVersion / 1000 ? cudaErrorInsufficientDriver : cudaSuccess;
}

cudaError_t allocate_pinned(void **memory, size_t bytes) {
  return call([&] {
    if (spoils_capture()) return cudaErrorStreamCaptureUnsupported;
    *memory = allocate(bytes);
    if (*memory == nullptr) return cudaErrorMemoryAllocation;
    state().pinned_memory[reinterpret_cast<uintptr_t>(*memory)] = {bytes, -1};
    return cudaSuccess;
  });
}

// Frees even on a device that has failed: nobody else would.
cudaError_t release(std::map<uintptr_t, Block> &blocks, void *memory) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  if (memory == nullptr) return remember(usable());
  if (spoils_capture()) return remember(cudaErrorStreamCaptureUnsupported);
  finish();
  const auto block = blocks.find(reinterpret_cast<uintptr_t>(memory));
  if (block == blocks.end()) return remember(cudaErrorInvalidValue);
  if (block->second.device >= 0) state().used_bytes[static_cast<size_t>(block->second.device)] -= block->second.bytes;
  blocks.erase(block);
  std::free(memory);
  return remember(usable());
}

}  // namespace

State &state() {
  static State *const only = [] {  // never destroyed: static objects of others may call to the last
    auto *made = new State;
    configure(*made);
    return made;
  }();
  return *only;
}

void read_environment() {
  State &all = state();
  const std::lock_guard<std::mutex> lock(all.mutex);
  configure(all);
}

void reset() {
  const std::lock_guard<std::mutex> lock(state().mutex);
  state().broken = cudaSuccess;
  state().error_text.clear();
  last_error = cudaSuccess;
}

std::string last_error_text() {
  const std::lock_guard<std::mutex> lock(state().mutex);
  return state().error_text;
}

int current_device() { return chosen_device; }

cudaError_t usable() {
  if (const cudaError_t error = driver_error(); error != cudaSuccess) return error;
  if (state().num_devices == 0) return cudaErrorNoDevice;
  return state().broken;
}

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

cudaError_t fail_device(cudaError_t error, const std::string &text) {
  state().broken = error;
  state().error_text = text;
  return error;
}

const Block *find(const std::map<uintptr_t, Block> &blocks, const void *address, size_t bytes) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  auto block = blocks.upper_bound(wanted);
  if (block == blocks.begin()) return nullptr;
  --block;
  return wanted - block->first <= block->second.bytes && bytes <= block->second.bytes - (wanted - block->first)
             ? &block->second
             : nullptr;
}

cudaError_t check_copy(const void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0 || kind == cudaMemcpyDefault) return cudaSuccess;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if ((find(state().device_memory, to, bytes) != nullptr) != to_device ||
      (find(state().device_memory, from, bytes) != nullptr) != from_device) {
    state().error_text =
        "a copy of " + std::to_string(bytes) + " bytes leaves its block of memory, or its direction is wrong";
    return cudaErrorInvalidValue;
  }
  return cudaSuccess;
}

}  // namespace rmt::emulation

using namespace rmt::emulation;

#define RMT_ERRORS(X)                                                                                               \
  X(cudaSuccess, "no error")                                                                                        \
  X(cudaErrorInvalidValue, "invalid argument")                                                                      \
  X(cudaErrorMemoryAllocation, "out of memory")                                                                     \
  X(cudaErrorInitializationError, "initialization error")                                                           \
  X(cudaErrorInvalidConfiguration, "invalid configuration argument")                                                \
  X(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy")                                           \
  X(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version")                    \
  X(cudaErrorNoDevice, "no CUDA-capable device is detected")                                                        \
  X(cudaErrorInvalidDevice, "invalid device ordinal")                                                               \
  X(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device")                    \
  X(cudaErrorInvalidResourceHandle, "invalid resource handle")                                                      \
  X(cudaErrorNotReady, "device not ready")                                                                          \
  X(cudaErrorIllegalAddress, "an illegal memory access was encountered")                                            \
  X(cudaErrorLaunchFailure, "unspecified launch failure")                                                           \
  X(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing")                          \
  X(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture")                   \
  X(cudaErrorStreamCaptureMerge, "operation would result in a merge of separate capture sequences")                 \
  X(cudaErrorStreamCaptureUnmatched, "capture was not ended in the same stream as it began")                        \
  X(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work")                                           \
  X(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream")                     \
  X(cudaErrorStreamCaptureImplicit, "operation would make the legacy stream depend on a capturing blocking stream") \
  X(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream")              \
  X(cudaErrorStreamCaptureWrongThread, "attempt to terminate a thread-local capture sequence from another thread")  \
  X(cudaErrorUnknown, "unknown error")

const char *cudaGetErrorName(cudaError_t error) {
#define RMT_NAME(code, text) \
  if (error == code) return #code;
  RMT_ERRORS(RMT_NAME)
#undef RMT_NAME
  return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error) {
#define RMT_TEXT(code, text) \
  if (error == code) return text;
  RMT_ERRORS(RMT_TEXT)
#undef RMT_TEXT
  return "unrecognized error code";
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard<std::mutex> lock(state().mutex);
  return state().broken != cudaSuccess ? state().broken : last_error;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaDriverGetVersion(int *version) {
  *version = state().driver_version;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = kRuntimeVersion;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count) {
  *count = 0;
  return call([&] {
    *count = state().num_devices;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call([&] {
    if (device < 0 || device >= state().num_devices) return cudaErrorInvalidDevice;
    chosen_device = device;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int *device) {
  return call([&] {
    *device = chosen_device;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
  return call([&] {
    if (device < 0 || device >= state().num_devices) return cudaErrorInvalidDevice;
    *properties = {};
    std::strcpy(properties->name, "emulated GPU");
    properties->totalGlobalMem = state().memory_bytes;
    properties->sharedMemPerBlock = 48 << 10;
    properties->regsPerBlock = 65536;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->major = state().capability / 10;
    properties->minor = state().capability % 10;
    properties->multiProcessorCount = 2;
    properties->l2CacheSize = 1 << 20;
    properties->pciDeviceID = device;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, device); error != cudaSuccess) return error;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      return cudaSuccess;
  }
  return remember(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceSynchronize() {
  return call([] { return spoils_capture() ? cudaErrorStreamCaptureUnsupported : finish(); });
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
  return call([&] {
    *total_bytes = state().memory_bytes;
    *free_bytes =
        state().memory_bytes - std::min(state().memory_bytes, state().used_bytes[static_cast<size_t>(chosen_device)]);
    return cudaSuccess;
  });
}

cudaError_t cudaMalloc(void **memory, size_t bytes) {
  return call([&] {
    *memory = nullptr;
    if (spoils_capture()) return cudaErrorStreamCaptureUnsupported;
    if (bytes == 0) return cudaSuccess;
    size_t &used = state().used_bytes[static_cast<size_t>(chosen_device)];
    if (used > state().memory_bytes || bytes > state().memory_bytes - used) return cudaErrorMemoryAllocation;
    *memory = allocate(bytes);
    if (*memory == nullptr) return cudaErrorMemoryAllocation;
    state().device_memory[reinterpret_cast<uintptr_t>(*memory)] = {bytes, chosen_device};
    used += bytes;
    return cudaSuccess;
  });
}

cudaError_t cudaFree(void *memory) { return release(state().device_memory, memory); }
cudaError_t cudaMallocHost(void **memory, size_t bytes, unsigned) { return allocate_pinned(memory, bytes); }
cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned) { return allocate_pinned(memory, bytes); }
cudaError_t cudaFreeHost(void *memory) { return release(state().pinned_memory, memory); }

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
  return call([&] {
    if (spoils_capture()) return cudaErrorStreamCaptureUnsupported;
    if (const cudaError_t error = finish(); error != cudaSuccess) return error;
    if (const cudaError_t error = check_copy(to, from, bytes, kind); error != cudaSuccess) return error;
    if (bytes > 0) std::memcpy(to, from, bytes);
    return cudaSuccess;
  });
}

cudaError_t cudaMemset(void *memory, int value, size_t bytes) {
  return call([&] {
    if (spoils_capture()) return cudaErrorStreamCaptureUnsupported;
    if (const cudaError_t error = finish(); error != cudaSuccess) return error;
    if (bytes == 0) return cudaSuccess;
    if (find(state().device_memory, memory, bytes) == nullptr) return cudaErrorInvalidValue;
    std::memset(memory, value, bytes);
    return cudaSuccess;
  });
}
