#include "kernels/cuda/products.h"

namespace rmt::cuda {

std::string Products::open(const char *cublas, Precision precision, cudaStream_t) {
  if (precision != Precision::kFp32) return "TF32 and BF16 need cuBLAS, which this build of rmt does not use yet";
  if (cublas != nullptr && cublas[0] != '\0') {
    return std::string("cuBLAS was asked for (") + cublas + "), and this build of rmt does not use it yet";
  }
  return "";
}

void Products::close() {}

void Products::linear(cudaStream_t stream, const float *x, const float *weight, const float *bias, int64_t rows,
                      int32_t n, int32_t k, Activation activation, float *before, float *y) {
  cuda::linear(stream, x, weight, bias, rows, n, k, activation, before, y);
}

void Products::linear_backward_input(cudaStream_t stream, const float *dy, const float *weight, int64_t rows, int32_t n,
                                     int32_t k, bool accumulate, float *dx) {
  cuda::linear_backward_input(stream, dy, weight, rows, n, k, accumulate, dx);
}

void Products::linear_backward_weight(cudaStream_t stream, const float *dy, const float *x, int64_t rows, int32_t n,
                                      int32_t k, float *scratch, float *dweight, float *dbias) {
  cuda::linear_backward_weight(stream, dy, x, rows, n, k, scratch, dweight, dbias);
}

}  // namespace rmt::cuda
