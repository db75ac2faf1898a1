// cublas.cpp - the functions of cuBLAS that rmt calls, on the emulated GPU: one thread for each element. Its own words
// for columns and rows are those of cuBLAS, so that a leading dimension or a transposition that is wrong shows. TF32
// and BF16 are what tensor cores make of them: operands rounded, products and sums exact (here in double).
#include "kernels/cuda/cublas.h"

#include <cuda_runtime.h>

#include <cstring>

#include "kernels/cuda/launch.h"

namespace rmt::emulation {
namespace {

struct Context {
  cudaStream_t stream = nullptr;
};

// To the nearest value with so many bits of mantissa; values beyond the range of floats do not occur here.
float rounded(float value, int mantissa_bits) {
  const int dropped = 23 - mantissa_bits;
  if (dropped == 0) return value;
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t half = uint32_t{1} << (dropped - 1);
  bits += half - 1 + (bits >> dropped & 1);  // ties to even
  bits &= ~(half * 2 - 1);
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

int mantissa_bits(int compute) {
  return compute == cuda::kCublasFastBf16 ? 7 : compute == cuda::kCublasFastTf32 ? 10 : 23;
}

__global__ void gemm_kernel(int operation_a, int operation_b, int m, int n, int k, const float *a, int lda,
                            const float *b, int ldb, float beta, float *c, int ldc, int bits) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= static_cast<int64_t>(m) * n) return;
  const int64_t row = i % m;
  const int64_t column = i / m;
  double sum = 0;
  for (int64_t p = 0; p < k; ++p) {
    const float left = operation_a == cuda::kCublasNone ? a[row + p * lda] : a[p + row * lda];
    const float right = operation_b == cuda::kCublasNone ? b[p + column * ldb] : b[column + p * ldb];
    sum += static_cast<double>(rounded(left, bits)) * rounded(right, bits);
  }
  float *out = c + row + column * ldc;
  *out = static_cast<float>(beta == 0 ? sum : sum + beta * static_cast<double>(*out));
}

int create(void **handle) {
  *handle = new Context;
  return 0;
}
int destroy(void *handle) {
  delete static_cast<Context *>(handle);
  return 0;
}
int get_version(void *, int *version) {
  *version = 120402;
  return 0;
}
int set_stream(void *handle, cudaStream_t stream) {
  static_cast<Context *>(handle)->stream = stream;
  return 0;
}
int set_workspace(void *, void *, size_t) { return 0; }

int gemm(void *handle, int operation_a, int operation_b, int m, int n, int k, const void *alpha, const void *a, int,
         int lda, const void *b, int, int ldb, const void *beta, void *c, int, int ldc, int compute, int) {
  constexpr int kInvalidValue = 7;
  if (*static_cast<const float *>(alpha) != 1) return kInvalidValue;
  if (lda < (operation_a == cuda::kCublasNone ? m : k) || ldb < (operation_b == cuda::kCublasNone ? k : n) || ldc < m) {
    return kInvalidValue;
  }
  const dim3 grid(static_cast<unsigned>((static_cast<int64_t>(m) * n + 127) / 128));
  RMT_LAUNCH(gemm_kernel, grid, dim3(128), 0, static_cast<Context *>(handle)->stream, operation_a, operation_b, m, n, k,
             static_cast<const float *>(a), lda, static_cast<const float *>(b), ldb, *static_cast<const float *>(beta),
             static_cast<float *>(c), ldc, mantissa_bits(compute));
  return 0;
}

}  // namespace

void *cublas_library() {
  static Context library;  // any address that is not null
  return &library;
}

void *cublas_symbol(void *, const char *name) {
  const struct {
    const char *name;
    void *function;
  } functions[] = {
      {"cublasCreate_v2", reinterpret_cast<void *>(create)},
      {"cublasDestroy_v2", reinterpret_cast<void *>(destroy)},
      {"cublasGetVersion_v2", reinterpret_cast<void *>(get_version)},
      {"cublasSetStream_v2", reinterpret_cast<void *>(set_stream)},
      {"cublasSetWorkspace_v2", reinterpret_cast<void *>(set_workspace)},
      {"cublasGemmEx", reinterpret_cast<void *>(gemm)},
  };
  for (const auto &function : functions) {
    if (std::strcmp(function.name, name) == 0) return function.function;
  }
  return nullptr;
}

}  // namespace rmt::emulation
