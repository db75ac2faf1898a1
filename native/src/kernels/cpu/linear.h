// linear.h - products of activation panels with weight tiles.
#pragma once

#include "kernels/cpu/layout.h"

namespace rmt::RMT_ISA {
namespace {

// Inputs that pass through all tiles before the next ones do: those of a panel stay in the first cache meanwhile. Their
// products are summed in one go and longer sums are made of such partial sums, which keeps fp32 rounding small.
constexpr int32_t kInputChunk = kRoundsOnce ? 64 : 32;

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

// What is done to a tile besides its products, all of it in the order: earlier + products + bias + add, activation.
struct TileEnds {
  bool continued;     // the output holds sums of earlier inputs
  const float *bias;  // null: none yet
  const float *add;   // null: nothing
};

// out = activation(in x weights + ...): kNumVectors vectors of rows, kWidth outputs, `count` inputs. Every array of
// accumulators is unrolled in full, else the compiler keeps it in memory.
template <int32_t kNumVectors, int32_t kWidth, Activation kActivation>
__attribute__((noinline)) void linear_tile(const float *in, const float *weights, int32_t count, const TileEnds &ends,
                                           float *out) {
  Vec sum[kNumVectors][kWidth];
#pragma GCC unroll 16
  for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] = Vec{};
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
  if (ends.continued) {
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] = load(out + n * kRows + v * kLanes) + sum[v][n];
    }
  }
  if (ends.bias != nullptr) {
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
      const Vec b = splat(ends.bias[n]);
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] += b;
    }
  }
  if (ends.add != nullptr) {
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] += load(ends.add + n * kRows + v * kLanes);
    }
  }
#pragma GCC unroll 16
  for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) store(out + n * kRows + v * kLanes, sum[v][n]);
  }
  if (kActivation == Activation::kGelu) {  // afterwards: it wants registers of its own
    for (int32_t n = 0; n < kWidth; n += kTileUnit) {
      Vec x[kTileUnit * kNumVectors];
#pragma GCC unroll 16
      for (int32_t i = 0; i < kTileUnit * kNumVectors; ++i) {
        x[i] = load(out + (n + i / kNumVectors) * kRows + i % kNumVectors * kLanes);
      }
      gelu<kTileUnit * kNumVectors>(x);
#pragma GCC unroll 16
      for (int32_t i = 0; i < kTileUnit * kNumVectors; ++i) {
        store(out + (n + i / kNumVectors) * kRows + i % kNumVectors * kLanes, x[i]);
      }
    }
  }
}

// Finds the tile function for a width that is known only now.
template <int32_t kWidth, Activation kActivation>
RMT_INLINE void linear_tile_of(int32_t width, int32_t vectors, const float *in, const float *weights, int32_t count,
                               const TileEnds &ends, float *out) {
  if (width == kWidth) {
    if (vectors == kVectors) {
      linear_tile<kVectors, kWidth, kActivation>(in, weights, count, ends, out);
    } else {
      linear_tile<1, kWidth, kActivation>(in, weights, count, ends, out);
    }
  } else if constexpr (kWidth > kTileUnit) {
    linear_tile_of<kWidth - kTileUnit, kActivation>(width, vectors, in, weights, count, ends, out);
  }
}

// Asks for `count` weights that will be needed soon. A tile is read once per group of rows, and the processor does not
// guess where the next one begins.
RMT_INLINE void prefetch(const float *weights, int32_t count) {
  for (int32_t i = 0; i < count; i += kAlignment) __builtin_prefetch(weights + i);
}

// out = activation(in x weights + bias + add) for the outputs [out_begin, out_end) and the inputs [in_begin, in_end).
// Calls for successive ranges of inputs add up in `out`; the one with the last input brings in `bias`, `add` and the
// activation. `rows` point at the first input and output of the ranges; out_begin is a multiple of kTile, and so is
// out_end unless it is the last. Returns the operations of its products, with what only fills up tiles.
template <Activation kActivation>
inline int64_t linear(const Linear &layer, int32_t in_begin, int32_t in_end, int32_t out_begin, int32_t out_end,
                      const LinearRows *rows, int32_t num_rows) {
  int64_t operations = 0;
  for (int32_t k = in_begin; k < in_end; k += kInputChunk) {
    const int32_t count = min(kInputChunk, in_end - k);
    const bool last = k + count == layer.in;
    for (int32_t n = out_begin; n < out_end; n += kTile) {
      const int32_t width = min(kTile, static_cast<int32_t>(padded(out_end - n)));
      const float *weights = layer.weights + static_cast<int64_t>(n) * layer.in + static_cast<int64_t>(k) * width;
      const int64_t in_offset = static_cast<int64_t>(k - in_begin) * kRows;
      const int64_t out_offset = static_cast<int64_t>(n - out_begin) * kRows;
      const int32_t fetched = count * width / num_rows;  // of the next tile, by each of the rows
      for (int32_t i = 0; i < num_rows; ++i) {
        prefetch(weights + static_cast<int64_t>(layer.in) * width + i * fetched, fetched);
        const float *in = rows[i].in + in_offset;
        float *out = rows[i].out + out_offset;
        operations += int64_t{2} * rows[i].vectors * kLanes * count * width;
        if (last) {
          const TileEnds ends{k > 0, layer.bias + n, rows[i].add != nullptr ? rows[i].add + out_offset : nullptr};
          linear_tile_of<kTile, kActivation>(width, rows[i].vectors, in, weights, count, ends, out);
        } else {
          const TileEnds ends{k > 0, nullptr, nullptr};
          linear_tile_of<kTile, Activation::kNone>(width, rows[i].vectors, in, weights, count, ends, out);
        }
      }
    }
  }
  return operations;
}

}  // namespace
}  // namespace rmt::RMT_ISA
