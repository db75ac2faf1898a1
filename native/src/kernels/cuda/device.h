// device.h - what several kernels use: sums over a warp or a block, and dropout.
//
// Every sum has one order, and every thread gets the same bits. Blocks are one-dimensional and of whole warps.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/operations.h"
#include "kernels/dropout.h"

namespace rmt::cuda {

constexpr int kWarpSize = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// All lanes of the warp take part. a + b and b + a have the same bits, hence so do all lanes.
template <typename Real>
__device__ inline Real warp_sum(Real value) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

// NaNs are passed over, as by fmaxf.
__device__ inline float warp_max(float value) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

// All threads of the block take part. `shared` has room for one number of each warp; it may be used again at once.
template <typename Real>
__device__ inline Real block_sum(Real value, Real *shared) {
  value = warp_sum(value);
  __syncthreads();  // `shared` may still be read from the sum before
  if (threadIdx.x % kWarpSize == 0) shared[threadIdx.x / kWarpSize] = value;
  __syncthreads();
  Real sum = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarpSize; ++warp) sum += shared[warp];
  return sum;
}

__device__ inline float block_max(float value, float *shared) {
  value = warp_max(value);
  __syncthreads();
  if (threadIdx.x % kWarpSize == 0) shared[threadIdx.x / kWarpSize] = value;
  __syncthreads();
  float largest = shared[0];
  for (unsigned warp = 1; warp < blockDim.x / kWarpSize; ++warp) largest = fmaxf(largest, shared[warp]);
  return largest;
}

// Dropout in one row: factor() of a column is 0 where the element is dropped, else what it is multiplied by.
struct DroppedRow {
  uint32_t hash;
  uint32_t threshold;
  float kept_scale;

  __device__ inline float factor(int32_t column) const {
    if (threshold == 0) return 1.0f;
    return dropout_mix(hash + static_cast<uint32_t>(column)) >= threshold ? kept_scale : 0.0f;
  }
};

// Dropout in one document at one site: that of the mask, or that many sites behind it (attention: the head).
struct DroppedSite {
  uint32_t hash;
  uint32_t threshold;
  float kept_scale;

  __device__ inline DroppedSite(const Mask &mask, uint64_t key, uint32_t offset = 0)
      : hash(mask.threshold == 0 ? 0 : dropout_site(key, mask.site + offset)),
        threshold(mask.threshold),
        kept_scale(mask.kept_scale) {}

  __device__ inline DroppedRow row(int32_t position) const {
    const uint32_t row_hash = threshold == 0 ? 0 : dropout_mix(hash + static_cast<uint32_t>(position));
    return DroppedRow{row_hash, threshold, kept_scale};
  }
};

}  // namespace rmt::cuda
