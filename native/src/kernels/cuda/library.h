// library.h - what librmt_cuda shows to librmt: one function that returns a table. Plain C structs, since both sides
// have a C++ runtime of their own.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace rmt {

// Raised with every change of this table, of kernels.h or of training.h: both libraries are of one build.
constexpr int32_t kCudaLibraryVersion = 2;

// What its kernels take: columns of a head in registers, documents of a batch in a grid.
constexpr int32_t kCudaMaxHeadSize = 256;
constexpr int32_t kCudaMaxBatchSize = 65534;

enum class Precision : int32_t { kFp32 = 0, kTf32 = 1, kBf16 = 2 };  // of matrix products: rmt_precision

struct CudaOptions {
  int32_t index;        // which GPU
  Precision precision;  // of matrix products
  const char *cublas;   // path; null: found by name; "": own products
};

// What there is, whether it can be used or not.
struct CudaInfo {
  int32_t num_devices;
  int32_t driver_version;   // 13000 = 13.0; 0: no driver
  int32_t runtime_version;  // of the library itself
  char problem[512];        // why nothing can be used; empty: something can
};

struct CudaDeviceInfo {
  int32_t compute_capability;  // 10 x major + minor
  int64_t total_bytes;
  char name[128];
  char products[160];  // "own", or "cuBLAS 12.4 from ..."
};

struct CudaLibrary {
  void (*get_info)(CudaInfo *info);
  // Null with one sentence in `error` where the GPU cannot be used.
  void *(*open_device)(const CudaOptions *options, char *error, int32_t error_size);
  void (*close_device)(void *device);
  void (*describe)(void *device, CudaDeviceInfo *info);
  const Backend *backend;
};

}  // namespace rmt

// Null where `version` is not kCudaLibraryVersion.
extern "C" __attribute__((visibility("default"))) const rmt::CudaLibrary *rmt_cuda_library(int32_t version);
