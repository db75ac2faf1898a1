// heads.cu - linears on few rows, summed in double: pooler, classifier and probes. Their outputs are small differences
// of large sums, and there is too little work for it to matter.
#include "kernels/cuda/device.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/operations.h"

namespace rmt::cuda {
namespace {

constexpr int kBlockSize = 128;
constexpr int kWarps = kBlockSize / kWarpSize;

// One warp for each output of each row.
__global__ void head_linear_kernel(const float *x, const float *weight, const float *bias, int64_t outputs, int32_t n,
                                   int32_t k, Activation activation, float *y) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarpSize;
  if (i >= outputs) return;
  const float *row = x + i / n * k;
  const float *column = weight + i % n * static_cast<int64_t>(k);
  double sum = 0;
  for (int32_t j = threadIdx.x % kWarpSize; j < k; j += kWarpSize) sum += static_cast<double>(row[j]) * column[j];
  sum = warp_sum(sum);
  if (threadIdx.x % kWarpSize != 0) return;
  sum += bias[i % n];
  y[i] = static_cast<float>(activation == Activation::kTanh ? tanh(sum) : sum);
}

}  // namespace

void head_linear(cudaStream_t stream, const float *x, const float *weight, const float *bias, int64_t rows, int32_t n,
                 int32_t k, Activation activation, float *y) {
  const int64_t outputs = rows * n;
  if (outputs == 0) return;
  const dim3 grid(static_cast<unsigned>((outputs + kWarps - 1) / kWarps));
  RMT_LAUNCH(head_linear_kernel, grid, dim3(kBlockSize), 0, stream, x, weight, bias, outputs, n, k, activation, y);
}

}  // namespace rmt::cuda
