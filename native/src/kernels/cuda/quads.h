// quads.h - rows in global memory four floats at a time, whether or not their length and place allow it.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace rmt::cuda {

// True where each row of `stride` floats from `values` on begins at a multiple of 16 bytes.
__host__ __device__ inline bool begins_in_quads(const void *values, int64_t stride) {
  return stride % 4 == 0 && reinterpret_cast<uintptr_t>(values) % 16 == 0;
}

// The quad at `values`, of which `remaining` floats exist; zeros for the others, which are not read. `whole`: rows
// begin in quads and their length is a multiple of four.
__device__ inline float4 load_quad(const float *values, int64_t remaining, bool whole) {
  float4 quad = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  if (whole) {
    if (remaining > 0) quad = *reinterpret_cast<const float4 *>(values);
  } else {
    if (remaining > 0) quad.x = values[0];
    if (remaining > 1) quad.y = values[1];
    if (remaining > 2) quad.z = values[2];
    if (remaining > 3) quad.w = values[3];
  }
  return quad;
}

__device__ inline void store_quad(float *values, int64_t remaining, bool whole, float4 quad) {
  if (whole) {
    if (remaining > 0) *reinterpret_cast<float4 *>(values) = quad;
  } else {
    if (remaining > 0) values[0] = quad.x;
    if (remaining > 1) values[1] = quad.y;
    if (remaining > 2) values[2] = quad.z;
    if (remaining > 3) values[3] = quad.w;
  }
}

// The same for groups of kGroup floats; groups but quads are read one by one.
template <int kGroup>
__device__ inline void load_group(const float *from, int64_t remaining, bool whole, float (&values)[kGroup]) {
  if constexpr (kGroup == 4) {
    const float4 quad = load_quad(from, remaining, whole);
    values[0] = quad.x;
    values[1] = quad.y;
    values[2] = quad.z;
    values[3] = quad.w;
  } else {
#pragma unroll
    for (int j = 0; j < kGroup; ++j) values[j] = j < remaining ? from[j] : 0.0f;
  }
}

template <int kGroup>
__device__ inline void store_group(float *to, int64_t remaining, bool whole, const float (&values)[kGroup]) {
  if constexpr (kGroup == 4) {
    store_quad(to, remaining, whole, make_float4(values[0], values[1], values[2], values[3]));
  } else {
#pragma unroll
    for (int j = 0; j < kGroup; ++j) {
      if (j < remaining) to[j] = values[j];
    }
  }
}

__device__ inline float4 operator+(float4 a, float4 b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

}  // namespace rmt::cuda
