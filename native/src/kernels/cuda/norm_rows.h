// norm_rows.h - a row of H floats in the registers of a warp, for LayerNorm and its backward.
//
// Rows of whole quads, up to 1024 floats, are kept: kQuads quads for each lane. All others are read again for each use
// (kQuads = 0), one float at a time.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "kernels/cuda/device.h"
#include "kernels/cuda/quads.h"

namespace rmt::cuda {

constexpr int kNormBlockSize = 128;
constexpr int kNormWarps = kNormBlockSize / kWarpSize;

template <int kQuads>
class WarpRow {
 public:
  static constexpr bool kKept = kQuads > 0;
  static constexpr int kWidth = kKept ? 4 : 1;  // floats that a lane reads at once
  using Group = float[kWidth];

  __device__ explicit WarpRow(int32_t hidden_size) : hidden_size_(hidden_size) {}

  // read(h, group) gives the floats from h on.
  template <typename Read>
  __device__ void keep(Read read) {
    if constexpr (kKept) {
#pragma unroll
      for (int i = 0; i < kQuads; ++i) {
        const int32_t h = first() + i * kStep;
        if (h < hidden_size_) read(h, kept_[i]);
      }
    }
  }

  // function(h, group, i) for each group of this lane; the i-th of them, where rows are kept.
  template <typename Read, typename Function>
  __device__ void for_each(Read read, Function function) {
    if constexpr (kKept) {
#pragma unroll
      for (int i = 0; i < kQuads; ++i) {
        const int32_t h = first() + i * kStep;
        if (h < hidden_size_) function(h, kept_[i], i);
      }
    } else {
      for (int32_t h = first(); h < hidden_size_; h += kStep) {
        Group group;
        read(h, group);
        function(h, group, 0);
      }
    }
  }

 private:
  static constexpr int kStep = kWidth * kWarpSize;
  __device__ static int32_t first() { return static_cast<int32_t>(threadIdx.x % kWarpSize) * kWidth; }

  int32_t hidden_size_;
  Group kept_[kKept ? kQuads : 1] = {};
};

// Calls function(std::integral_constant<int, kQuads>) with what suits the size. `whole`: all rows begin in quads.
template <typename Function>
void with_quads(int32_t hidden_size, bool whole, Function function) {
  const int32_t quads = (hidden_size + 4 * kWarpSize - 1) / (4 * kWarpSize);
  if (!whole || quads > 8) return function(std::integral_constant<int, 0>());
  if (quads <= 1) return function(std::integral_constant<int, 1>());
  if (quads == 2) return function(std::integral_constant<int, 2>());
  if (quads == 3) return function(std::integral_constant<int, 3>());
  if (quads == 4) return function(std::integral_constant<int, 4>());
  if (quads <= 6) return function(std::integral_constant<int, 6>());
  return function(std::integral_constant<int, 8>());
}

}  // namespace rmt::cuda
