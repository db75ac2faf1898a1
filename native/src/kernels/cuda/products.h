// products.h - matrix products: by cuBLAS where it is found, else by rmt's own kernels (linear.cu).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "kernels/cuda/cublas.h"
#include "kernels/cuda/library.h"
#include "kernels/cuda/operations.h"

namespace rmt::cuda {

class Products {
 public:
  // Returns why not, in one sentence; empty: done. `cublas` as in CudaOptions.
  std::string open(const char *cublas, Precision precision, cudaStream_t stream);
  void close();

  // "own", or "cuBLAS 12.4 from <path>".
  const std::string &name() const { return name_; }
  // The first failure of cuBLAS, as its number; 0: none.
  int failure() const { return failure_; }

  // As their namesakes in operations.h.
  void linear(cudaStream_t stream, const float *x, const float *weight, const float *bias, int64_t rows, int32_t n,
              int32_t k, Activation activation, float *before, float *y);
  void linear_backward_input(cudaStream_t stream, const float *dy, const float *weight, int64_t rows, int32_t n,
                             int32_t k, bool accumulate, float *dx);
  void linear_backward_weight(cudaStream_t stream, const float *dy, const float *x, int64_t rows, int32_t n, int32_t k,
                              float *scratch, float *dweight, float *dbias);

 private:
  // Starts the cuBLAS of that path or name. Returns why not.
  std::string start(const char *cublas, cudaStream_t stream);

  // C (m, n) = A B, or += ; all in the order of columns, as cuBLAS has it.
  void multiply(CublasOperation operation_a, CublasOperation operation_b, int64_t m, int64_t n, int64_t k,
                const float *a, int64_t lda, const float *b, int64_t ldb, bool accumulate, float *c, int64_t ldc);

  std::string name_ = "own";
  Cublas cublas_{};
  Cublas::Handle handle_ = nullptr;  // null: own products
  void *workspace_ = nullptr;
  CublasCompute compute_ = kCublasFp32;
  int failure_ = 0;
};

}  // namespace rmt::cuda
