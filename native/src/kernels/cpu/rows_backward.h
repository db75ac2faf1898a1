// rows_backward.h - backwards of what rows.h does with the rows of a panel, dropout of rows, GELU with its derivative.
#pragma once

#include "kernels/cpu/dropped.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/rows.h"

namespace rmt::RMT_ISA {
namespace {

// Which elements of the rows of a panel are dropped; the rows may be of several documents.
struct DroppedRows {
  uint32_t hashes[kRows] __attribute__((aligned(64)));
  uint32_t threshold;
  float scale;

  // out = dropout of `in`, plus `add` where that is not null.
  void apply(int32_t columns, const float *in, const float *add, float *out) const {
    for (int32_t v = 0; v < kVectors; ++v) {
      BitVec rows;
      memcpy(&rows, hashes + v * kLanes, sizeof(rows));
      for (int32_t c = 0; c < columns; ++c) {
        const int32_t at = c * kRows + v * kLanes;
        const BitVec hash = Dropped::mix(rows + static_cast<uint32_t>(c));
        const Vec kept = hash >= threshold ? load(in + at) * scale : splat(0.0f);
        store(out + at, add == nullptr ? kept : kept + load(add + at));
      }
    }
  }
};

// The backward of LayerNorm for the rows of a panel: dx comes in as the gradient of its output and goes out as that of
// its input. `partials` takes what the rows add to the gradients of its weight and bias, round_up(columns, kAlignment)
// values each.
inline void layer_norm_backward(const float *weight, int32_t columns, const NormTape &tape, float *dx,
                                float *partials) {
  float *weight_partials = partials;
  float *bias_partials = partials + round_up(columns, kAlignment);
  for (int32_t c = 0; c < columns; c += kLanes) {
    Vec products[kLanes] = {};
    Vec gradients[kLanes] = {};
    const int32_t count = min(kLanes, columns - c);
    for (int32_t v = 0; v < kVectors; ++v) {
      for (int32_t i = 0; i < count; ++i) {
        const int32_t at = (c + i) * kRows + v * kLanes;
        const Vec d = load(dx + at);
        products[i] = fma(d, load(tape.normalized + at), products[i]);
        gradients[i] += d;
      }
    }
    store(weight_partials + c, sum_lanes(products));
    store(bias_partials + c, sum_lanes(gradients));
  }
  for (int32_t v = 0; v < kVectors; ++v, dx += kLanes) {
    const float *normalized = tape.normalized + v * kLanes;
    const DoubleVec mean =
        sum_columns(columns, [=](int32_t c) { return load(dx + c * kRows) * splat(weight[c]); }) / columns;
    const DoubleVec product =
        sum_columns(columns,
                    [=](int32_t c) { return load(dx + c * kRows) * splat(weight[c]) * load(normalized + c * kRows); }) /
        columns;
    const Vec m = to_float(mean);
    const Vec p = to_float(product);
    const Vec factor = load(tape.factor + v * kLanes);
    for (int32_t c = 0; c < columns; ++c) {
      const Vec d = load(dx + c * kRows) * splat(weight[c]) - m;
      store(dx + c * kRows, (d - load(normalized + c * kRows) * p) * factor);
    }
  }
}

// Adds up `count` partials, `stride` floats apart, to the gradients of a LayerNorm.
inline void add_norm_partials(const float *partials, int64_t stride, int32_t count, int32_t columns, float *weight,
                              float *bias) {
  const int64_t bias_begin = round_up(columns, kAlignment);
  for (int32_t c = 0; c < columns; c += kLanes) {
    Vec weights{};
    Vec biases{};
    for (int32_t i = 0; i < count; ++i) {
      weights += load(partials + i * stride + c);
      biases += load(partials + i * stride + bias_begin + c);
    }
    for (int32_t i = 0; i < min(kLanes, columns - c); ++i) {
      weight[c + i] += weights[i];
      bias[c + i] += biases[i];
    }
  }
}

// dinner comes in as the gradient of GELU(inner) and goes out as that of `inner`; `activations` takes GELU(inner).
inline void gelu_backward(int32_t columns, const float *inner, float *dinner, float *activations) {
  for (int32_t i = 0; i < columns * kRows; i += kRows) {
    Vec x[kVectors];
    Vec slope[kVectors];
#pragma GCC unroll 16
    for (int32_t v = 0; v < kVectors; ++v) x[v] = load(inner + i + v * kLanes);
    gelu_and_slope<kVectors>(x, slope);
#pragma GCC unroll 16
    for (int32_t v = 0; v < kVectors; ++v) {
      store(activations + i + v * kLanes, x[v]);
      store(dinner + i + v * kLanes, load(dinner + i + v * kLanes) * slope[v]);
    }
  }
}

}  // namespace
}  // namespace rmt::RMT_ISA
