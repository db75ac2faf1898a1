// cublas.h - the few functions of cuBLAS that rmt calls, looked up at run time: librmt_cuda builds and runs without it.
#pragma once

#include <cuda_runtime.h>

#include <string>

namespace rmt::cuda {

// Values of cublas_api.h; they are the same in cuBLAS 11, 12 and 13.
enum CublasOperation : int { kCublasNone = 0, kCublasTransposed = 1 };
enum CublasType : int { kCublasFloat = 0 };
enum CublasCompute : int { kCublasFp32 = 68, kCublasFastBf16 = 75, kCublasFastTf32 = 77 };
constexpr int kCublasDefaultAlgorithm = -1;

struct Cublas {
  using Handle = void *;

  int (*create)(Handle *handle);
  int (*destroy)(Handle handle);
  int (*get_version)(Handle handle, int *version);
  int (*set_stream)(Handle handle, cudaStream_t stream);
  int (*set_workspace)(Handle handle, void *memory, size_t bytes);
  int (*gemm)(Handle handle, int operation_a, int operation_b, int m, int n, int k, const void *alpha, const void *a,
              int type_a, int lda, const void *b, int type_b, int ldb, const void *beta, void *c, int type_c, int ldc,
              int compute, int algorithm);
};

// What the system calls the cuBLAS that rmt can use, newest first.
constexpr const char *kUsualCublas[] = {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11"};

// Loads the library of that path or name. Returns where it was found; empty: it was not, and `problem` says why.
std::string load_cublas(const char *path, Cublas *cublas, std::string *problem);

}  // namespace rmt::cuda
