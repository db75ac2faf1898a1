// gelu.h - GELU with erf, and its derivative.
#pragma once

#include <cuda_runtime.h>

namespace rmt::cuda {

__device__ inline float gelu_of(float x) {
  constexpr float kRootHalf = 0.70710678118654752440f;
  return 0.5f * x * (1.0f + erff(x * kRootHalf));
}

// Phi(x) + x phi(x).
__device__ inline float gelu_slope_of(float x) {
  constexpr float kRootHalf = 0.70710678118654752440f;
  constexpr float kDensityAt0 = 0.39894228040143267794f;
  return 0.5f * (1.0f + erff(x * kRootHalf)) + x * kDensityAt0 * expf(-0.5f * x * x);
}

}  // namespace rmt::cuda
