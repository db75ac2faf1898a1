// linear.h - products of activation panels with weight tiles.
#pragma once

#include "kernels/cpu/layout.h"

namespace rmt::RMT_ISA {
namespace {

// Inputs that are summed in one go. Longer sums are made of partial sums, which keeps fp32 rounding small and the
// inputs of a panel within the first cache.
constexpr int32_t kSumChunk = 256;

struct Linear {
  const float *weights;  // tiles of (out, in)
  const float *bias;     // (out)
  int32_t in;
};

// One panel (or one vector of it) that passes through a linear.
struct LinearRows {
  const float *in;   // column of the first input
  const float *add;  // column of the first output of what is added to the product; null: nothing
  float *out;        // column of the first output
  int32_t vectors;
};

enum class Activation { kNone, kGelu };

// out = activation(in x weights + bias + add): kNumVectors vectors of rows, kWidth outputs, `count` inputs. `bias` and
// `add` may be null. Every array of accumulators is unrolled in full, else the compiler keeps it in memory.
template <int32_t kNumVectors, int32_t kWidth, Activation kActivation>
__attribute__((noinline)) void linear_tile(const float *in, const float *weights, int32_t count, const float *bias,
                                           const float *add, float *out) {
  Vec sum[kNumVectors][kWidth];
  if (bias != nullptr) {
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
      const Vec b = splat(bias[n]);
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] = b;
    }
  } else {
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] = Vec{};
    }
  }
  for (int32_t k = 0; k < count; ++k) {
    Vec x[kNumVectors];
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) x[v] = load(in + k * kRows + v * kLanes);
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
      const Vec w = splat(weights[k * kWidth + n]);
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] = fma(x[v], w, sum[v][n]);
    }
  }
  if (add != nullptr) {
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] += load(add + n * kRows + v * kLanes);
    }
  }
#pragma GCC unroll 16
  for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) {
      store(out + n * kRows + v * kLanes, kActivation == Activation::kGelu ? gelu(sum[v][n]) : sum[v][n]);
    }
  }
}

// Finds the tile function for a width that is known only now.
template <int32_t kWidth, Activation kActivation>
RMT_INLINE void linear_tile_of(int32_t width, const LinearRows &rows, int64_t in_offset, int64_t out_offset,
                               const float *weights, int32_t count, const float *bias, bool continued) {
  if (width == kWidth) {
    const float *in = rows.in + in_offset;
    float *out = rows.out + out_offset;
    const float *add = continued ? out : rows.add != nullptr ? rows.add + out_offset : nullptr;
    if (rows.vectors == kVectors) {
      linear_tile<kVectors, kWidth, kActivation>(in, weights, count, bias, add, out);
    } else {
      linear_tile<1, kWidth, kActivation>(in, weights, count, bias, add, out);
    }
  } else if constexpr (kWidth > kTileUnit) {
    linear_tile_of<kWidth - kTileUnit, kActivation>(width, rows, in_offset, out_offset, weights, count, bias,
                                                    continued);
  }
}

// Asks for `count` weights that will be needed soon. A tile is read once per group of rows, and the processor does not
// guess where the next one begins.
RMT_INLINE void prefetch(const float *weights, int32_t count) {
  for (int32_t i = 0; i < count; i += kAlignment) __builtin_prefetch(weights + i, 0, 2);
}

// out = activation(in x weights + bias + add) for the outputs [out_begin, out_end) and the inputs [in_begin, in_end).
// Calls for successive ranges of inputs add up: the one that begins with input 0 brings in `bias` and `add`, those
// after it continue in `out`. The activation comes with the last input. `rows` point at the first input and output of
// the ranges; out_begin is a multiple of kTile, and so is out_end unless it is the last.
template <Activation kActivation>
inline void linear(const Linear &layer, int32_t in_begin, int32_t in_end, int32_t out_begin, int32_t out_end,
                   const LinearRows *rows, int32_t num_rows) {
  for (int32_t k = in_begin; k < in_end; k += kSumChunk) {
    const int32_t count = min(kSumChunk, in_end - k);
    const bool continued = k > 0;
    const bool last = k + count == layer.in;
    for (int32_t n = out_begin; n < out_end; n += kTile) {
      const int32_t width = min(kTile, static_cast<int32_t>(padded(out_end - n)));
      const float *weights = layer.weights + static_cast<int64_t>(n) * layer.in + static_cast<int64_t>(k) * width;
      const float *bias = continued ? nullptr : layer.bias + n;
      const int64_t in_offset = static_cast<int64_t>(k - in_begin) * kRows;
      const int64_t out_offset = static_cast<int64_t>(n - out_begin) * kRows;
      const int32_t fetched = count * width / num_rows;  // of the next tile, by each of the rows
      for (int32_t i = 0; i < num_rows; ++i) {
        prefetch(weights + static_cast<int64_t>(layer.in) * width + i * fetched, fetched);
        if (kActivation == Activation::kNone || !last) {
          linear_tile_of<kTile, Activation::kNone>(width, rows[i], in_offset, out_offset, weights, count, bias,
                                                   continued);
        } else {
          linear_tile_of<kTile, kActivation>(width, rows[i], in_offset, out_offset, weights, count, bias, continued);
        }
      }
    }
  }
}

}  // namespace
}  // namespace rmt::RMT_ISA
