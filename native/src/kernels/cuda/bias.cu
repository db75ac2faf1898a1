// bias.cu - what stands around a matrix product that another library computes: bias and activation behind it, and the
// gradient of the bias.
#include "kernels/cuda/device.h"
#include "kernels/cuda/gelu.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/operations.h"

namespace rmt::cuda {
namespace {

constexpr int kBlockSize = 256;
constexpr int kWarps = kBlockSize / kWarpSize;

__global__ void add_bias_kernel(const float *bias, int64_t count, int32_t n, Activation activation, float *before,
                                float *y) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kBlockSize + threadIdx.x;
  if (i >= count) return;
  float value = y[i];
  if (bias != nullptr) value += bias[i % n];
  if (before != nullptr) before[i] = value;
  if (activation == Activation::kGelu) value = gelu_of(value);
  if (activation == Activation::kTanh) value = tanhf(value);
  y[i] = value;
}

// A block sums 32 neighbouring columns: each warp every eighth row, then all warps in their order.
__global__ void column_sums_kernel(const float *dy, int64_t rows, int32_t n, float *dbias) {
  RMT_SHARED_MEMORY(float, sums);  // (kWarps, 32)
  const int lane = threadIdx.x % kWarpSize;
  const int warp = threadIdx.x / kWarpSize;
  const int32_t column = static_cast<int32_t>(blockIdx.x) * kWarpSize + lane;
  float sum = 0;
  for (int64_t row = warp; column < n && row < rows; row += kWarps) sum += dy[row * n + column];
  sums[warp * kWarpSize + lane] = sum;
  __syncthreads();
  if (warp != 0 || column >= n) return;
  float total = 0;
  for (int w = 0; w < kWarps; ++w) total += sums[w * kWarpSize + lane];
  dbias[column] += total;
}

}  // namespace

void add_bias(cudaStream_t stream, const float *bias, int64_t rows, int32_t n, Activation activation, float *before,
              float *y) {
  const int64_t count = rows * n;
  if (count == 0) return;
  const dim3 grid(static_cast<unsigned>((count + kBlockSize - 1) / kBlockSize));
  RMT_LAUNCH(add_bias_kernel, grid, dim3(kBlockSize), 0, stream, bias, count, n, activation, before, y);
}

void add_column_sums(cudaStream_t stream, const float *dy, int64_t rows, int32_t n, float *dbias) {
  const dim3 grid(static_cast<unsigned>((n + kWarpSize - 1) / kWarpSize));
  RMT_LAUNCH(column_sums_kernel, grid, dim3(kBlockSize), kBlockSize * sizeof(float), stream, dy, rows, n, dbias);
}

}  // namespace rmt::cuda
