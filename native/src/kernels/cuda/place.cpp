#include "kernels/cuda/place.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "kernels/cuda/operations.h"

namespace rmt::cuda {

namespace {

// Pascal: the oldest whose kernels the toolkits of librmt_cuda can compile.
constexpr int32_t kLeastCapability = 61;

std::string version_text(int32_t version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

void put(char *target, int32_t size, const std::string &text) {
  std::snprintf(target, static_cast<size_t>(size), "%s", text.c_str());
}

// Why no GPU can be used; empty: one can.
std::string find_problem(CudaInfo *info) {
  cudaDriverGetVersion(&info->driver_version);
  cudaRuntimeGetVersion(&info->runtime_version);
  const std::string needed = version_text(info->runtime_version);
  if (info->driver_version == 0) {
    return "CUDA cannot be used: there is no NVIDIA driver on this machine, or it does not answer; install one for "
           "CUDA " +
           needed + " or later";
  }
  if (info->driver_version / 1000 < info->runtime_version / 1000) {
    return "CUDA cannot be used: the NVIDIA driver is for CUDA " + version_text(info->driver_version) +
           ", and this build of rmt needs " + needed + "; install a newer driver";
  }
  const cudaError_t error = cudaGetDeviceCount(&info->num_devices);
  if (error == cudaSuccess && info->num_devices > 0) return "";
  cudaGetLastError();  // it is told here, and not to be found by a later call
  info->num_devices = 0;
  if (error == cudaSuccess || error == cudaErrorNoDevice) {
    return "CUDA cannot be used: the NVIDIA driver is there and finds no GPU";
  }
  return std::string("CUDA cannot be used: the NVIDIA driver says \"") + cudaGetErrorString(error) + "\"";
}

}  // namespace

void get_info(CudaInfo *info) {
  *info = CudaInfo{};
  put(info->problem, sizeof(info->problem), find_problem(info));
}

Place *Place::open(const CudaOptions &options, char *error, int32_t error_size) {
  const auto refuse = [&](const std::string &reason) {
    put(error, error_size, reason);
    return static_cast<Place *>(nullptr);
  };
  cudaGetLastError();  // what failed in this thread before is nothing of this GPU
  CudaInfo info{};
  get_info(&info);
  if (info.problem[0] != '\0') return refuse(info.problem);
  if (options.index >= info.num_devices) {
    return refuse("There is no GPU " + std::to_string(options.index) + ": this machine has " +
                  std::to_string(info.num_devices) + ", counted from 0");
  }
  cudaDeviceProp properties{};
  cudaError_t status = cudaGetDeviceProperties(&properties, options.index);
  const std::string name = "GPU " + std::to_string(options.index) + " (" + properties.name + ")";
  if (status == cudaSuccess && 10 * properties.major + properties.minor < kLeastCapability) {
    return refuse(name + " has compute capability " + std::to_string(properties.major) + "." +
                  std::to_string(properties.minor) + ", and rmt needs 6.1 or more");
  }
  Place *place = new Place(options.index, properties);
  if (status == cudaSuccess) status = cudaSetDevice(options.index);
  for (cudaStream_t *stream : {&place->stream_, &place->copies_}) {
    if (status == cudaSuccess) status = cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking);
  }
  std::string reason = status == cudaSuccess ? "" : name + " cannot be used: " + cudaGetErrorString(status);
  if (reason.empty()) {
    const bool tensor_cores = properties.major >= 8;
    reason = options.precision != Precision::kFp32 && !tensor_cores
                 ? name + " computes in fp32 alone: TF32 and BF16 need compute capability 8.0"
                 : place->products_.open(options.cublas, options.precision, place->stream_);
  }
  if (reason.empty() && !place->runs_kernels())
    reason = name + " cannot run the kernels of this build: " + place->failure_;
  if (reason.empty()) return place;
  cudaGetLastError();
  delete place;
  return refuse(reason);
}

bool Place::runs_kernels() {
  float *const values = static_cast<float *>(allocate(2 * sizeof(float)));
  if (values == nullptr) {
    failure_ = "it has no free memory";
    return false;
  }
  add(stream_, values, 1, values + 1);
  cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess) error = cudaStreamSynchronize(stream_);
  if (error == cudaSuccess) error = cudaFree(values);
  if (error != cudaSuccess) failure_ = cudaGetErrorString(error);
  return error == cudaSuccess;
}

Place::~Place() {
  enter();
  products_.close();
  for (const cudaStream_t stream : {stream_, copies_}) {
    if (stream != nullptr) cudaStreamDestroy(stream);
  }
}

void Place::describe(CudaDeviceInfo *info) const {
  *info = CudaDeviceInfo{};
  info->compute_capability = 10 * properties_.major + properties_.minor;
  info->total_bytes = static_cast<int64_t>(properties_.totalGlobalMem);
  put(info->name, sizeof(info->name), properties_.name);
  put(info->products, sizeof(info->products), products_.name());
}

void Place::enter() { check(cudaSetDevice(index_), "choosing the GPU"); }

void Place::check(cudaError_t error, const char *what) {
  if (error == cudaSuccess) return;
  const Lock lock(mutex_);
  if (!failure_.empty()) return;
  failure_ = "GPU " + std::to_string(index_) + " (" + properties_.name + ") failed while " + what + ": " +
             cudaGetErrorString(error) + "; everything on it has to be made again";
}

const char *Place::failure() {
  const Lock lock(mutex_);
  check(cudaGetLastError(), "running kernels");  // taken away: it would be found by another device of this thread
  if (failure_.empty() && products_.failure() != 0) {
    failure_ = "GPU " + std::to_string(index_) + " (" + properties_.name + "): " + products_.name() +
               " refused a product with status " + std::to_string(products_.failure());
  }
  return failure_.empty() ? nullptr : failure_.c_str();
}

int64_t Place::available_bytes() {
  enter();
  size_t free_bytes = 0;
  size_t total = 0;
  check(cudaMemGetInfo(&free_bytes, &total), "asking for its memory");
  return static_cast<int64_t>(free_bytes);
}

void *Place::allocate(int64_t bytes) {
  enter();
  void *memory = nullptr;
  if (cudaMalloc(&memory, static_cast<size_t>(std::max<int64_t>(bytes, 1))) != cudaSuccess) {
    cudaGetLastError();  // refused is not failed
    return nullptr;
  }
  clear(memory, bytes);
  return memory;
}

void Place::release(void *memory) {
  if (memory == nullptr) return;
  const Lock lock(mutex_);
  enter();
  check(cudaStreamSynchronize(stream_), "waiting for its work");
  check(cudaFree(memory), "giving memory back");
}

void Place::upload(void *to, const void *host, int64_t bytes) {
  const Lock lock(mutex_);
  enter();
  check(cudaMemcpyAsync(to, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, stream_), "copying to it");
  // Some systems read pageable memory from the GPU itself, after the call has returned.
  check(cudaStreamSynchronize(stream_), "copying to it");
}

void Place::download(void *host, const void *from, int64_t bytes) {
  const Lock lock(mutex_);  // while it waits too: a stream that records for another thread must not be waited for
  enter();
  check(cudaMemcpyAsync(host, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, stream_), "copying from it");
  check(cudaStreamSynchronize(stream_), "running kernels");
}

void Place::copy(void *to, const void *from, int64_t bytes) {
  const Lock lock(mutex_);
  enter();
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, stream_), "copying on it");
}

void Place::clear(void *memory, int64_t bytes) {
  const Lock lock(mutex_);
  enter();
  check(cudaMemsetAsync(memory, 0, static_cast<size_t>(bytes), stream_), "clearing memory");
}

}  // namespace rmt::cuda
