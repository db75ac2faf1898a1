#include "model/cuda_device.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>

#include "kernels/cuda/library.h"
#include "model/error.h"

namespace rmt {

namespace {

constexpr char kLibraryName[] = "librmt_cuda.so";

std::string library_path(const char *library) {
  if (library != nullptr) return library;
  const char *environment = std::getenv("RMT_CUDA_LIBRARY");
  return environment != nullptr && *environment != '\0' ? environment : kLibraryName;
}

// A loaded library stays: memory, streams and kernels of the driver may outlive every handle of ours.
const CudaLibrary &load_library(const std::string &path) {
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char *reason = dlerror();
    fail(RMT_DEVICE, "CUDA cannot be used: ", path, " is not there or does not load (",
         reason == nullptr ? "no reason given" : reason, ")");
  }
  using Entry = const CudaLibrary *(*)(int32_t);
  const Entry entry = reinterpret_cast<Entry>(dlsym(handle, "rmt_cuda_library"));
  const CudaLibrary *library = entry == nullptr ? nullptr : entry(kCudaLibraryVersion);
  if (library == nullptr) {
    fail(RMT_DEVICE, "CUDA cannot be used: ", path, " is of another build of rmt than librmt; take both from one");
  }
  return *library;
}

class CudaDevice : public Device {
 public:
  CudaDevice(const CudaLibrary &library, std::shared_ptr<void> place, const CudaOptions &options)
      : Device(*library.backend, 1, std::move(place)), library_(library), options_(options) {}

  void describe(rmt_device_info *info) const override {
    Device::describe(info);
    CudaDeviceInfo cuda{};
    library_.describe(place(), &cuda);
    copy_text(info->name, "cuda");
    copy_text(info->cpu_isa, "");
    info->index = options_.index;
    info->compute_capability = cuda.compute_capability;
    info->total_bytes = cuda.total_bytes;
    copy_text(info->device_name, cuda.name);
    copy_text(info->products, cuda.products);
    constexpr const char *kPrecisions[] = {"fp32", "tf32", "bf16"};
    copy_text(info->precision, kPrecisions[static_cast<int>(options_.precision)]);
  }

  void require_computable(const ModelShape &shape, int32_t max_batch_size) const override {
    require(shape.head_size <= kCudaMaxHeadSize, "hidden_size ", shape.hidden_size, " / num_heads ", shape.num_heads,
            " is ", shape.head_size, ", expected at most ", kCudaMaxHeadSize, " on a GPU; the CPU takes more");
    require(max_batch_size <= kCudaMaxBatchSize, "max_batch_size is ", max_batch_size, ", expected at most ",
            kCudaMaxBatchSize, " on a GPU");
  }

 private:
  const CudaLibrary &library_;
  const CudaOptions options_;
};

}  // namespace

std::shared_ptr<const Device> make_cuda_device(const rmt_cuda_options *options) {
  require_struct(options, "rmt_cuda_options");
  require(options->index >= 0, "index is ", options->index, ", expected 0 or more: GPUs are counted from 0");
  require(options->precision >= RMT_FP32 && options->precision <= RMT_BF16, "precision is ", options->precision,
          ", expected one of rmt_precision, ", static_cast<int>(RMT_FP32), " to ", static_cast<int>(RMT_BF16));
  const CudaLibrary &library = load_library(library_path(options->library));
  const CudaOptions cuda{options->index, static_cast<Precision>(options->precision), options->cublas};
  char error[512] = "";
  void *place = library.open_device(&cuda, error, sizeof(error));
  if (place == nullptr) fail(RMT_DEVICE, error);
  return std::make_shared<const CudaDevice>(library, std::shared_ptr<void>(place, library.close_device), cuda);
}

void describe_cuda(const char *library, rmt_cuda_info *info) {
  require_struct(info, "rmt_cuda_info");
  const std::string path = library_path(library);
  CudaInfo cuda{};
  try {
    load_library(path).get_info(&cuda);
  } catch (const Error &reason) {
    copy_text(cuda.problem, reason.what());
  }
  info->num_devices = cuda.num_devices;
  info->driver_version = cuda.driver_version;
  info->runtime_version = cuda.runtime_version;
  copy_text(info->library, path);
  copy_text(info->problem, cuda.problem);
}

}  // namespace rmt
