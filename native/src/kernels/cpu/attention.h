// attention.h - softmax attention of one head for the rows of one slice, without the T x T matrix of scores.
#pragma once

#include "kernels/cpu/dropped.h"
#include "kernels/cpu/layout.h"

namespace rmt::RMT_ISA {
namespace {

constexpr float kMinusInfinity = -__builtin_inff();

// What a slice attends to. Panels are `panel_stride` apart; columns of the head lie kRows apart in a panel.
struct AttentionHead {
  const float *keys;    // first column of the head in panel 0
  const float *values;  // likewise
  int64_t panel_stride;
  int32_t head_size;
  int32_t length;  // keys that count
  float scale;     // log2(e) / sqrt(head_size): softmax is computed with powers of two
};

// Scores of kWidth neighbouring keys: scores[n] = sum over d of query[d] x keys[d][n]. Keys from `valid` on do not
// enter the maximum; with kMasked, key n counts only for rows at or behind position `key_position + n`.
template <int32_t kNumVectors, int32_t kWidth, bool kMasked>
__attribute__((noinline)) void score_tile(const float *query, const float *keys, int32_t head_size, int32_t valid,
                                          float key_position, const Vec *positions, float *scores, Vec *maximum) {
  Vec sum[kNumVectors][kWidth];
#pragma GCC unroll 16
  for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] = Vec{};
  }
  for (int32_t d = 0; d < head_size; ++d) {
    Vec q[kNumVectors];
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) q[v] = load(query + d * kRows + v * kLanes);
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
      const Vec key = splat(keys[d * kRows + n]);
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] = fma(q[v], key, sum[v][n]);
    }
  }
#pragma GCC unroll 16
  for (int32_t v = 0; v < kNumVectors; ++v) {
    Vec m = maximum[v];
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
      Vec s = sum[v][n];
      if (kMasked) {
        const Vec key = splat(key_position + static_cast<float>(n));
        s = positions[v] >= key ? s : splat(kMinusInfinity);
      }
      store(scores + n * kRows + v * kLanes, s);
      if (n < valid) m = max(m, s);
    }
    maximum[v] = m;
  }
}

// Keys that are summed in one go, for the sake of rounding.
constexpr int32_t kPartialKeys = kRoundsOnce ? 32 : kRows;
static_assert(kPartialKeys % kRows == 0, "partial sums are made of whole panels");

// output[n] = output[n] x keep + sum over keys of weights[j] x values[n][j], kWidth columns. `first`: there is no
// output yet.
template <int32_t kNumVectors, int32_t kWidth>
__attribute__((noinline)) void value_tile(const float *weights, const float *values, int64_t panel_stride,
                                          int32_t num_keys, bool first, const Vec *keep, float *output) {
  for (int32_t begin = 0; begin < num_keys;) {
    Vec sum[kNumVectors][kWidth];
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] = Vec{};
    }
    const bool initial = begin == 0;
    const int32_t end = min(num_keys, begin + kPartialKeys);
    for (; begin < end; begin += kRows, values += panel_stride, weights += kRows * kRows) {
      const int32_t count = min(kRows, end - begin);
      for (int32_t j = 0; j < count; ++j) {
        Vec p[kNumVectors];
#pragma GCC unroll 16
        for (int32_t v = 0; v < kNumVectors; ++v) p[v] = load(weights + j * kRows + v * kLanes);
#pragma GCC unroll 16
        for (int32_t n = 0; n < kWidth; ++n) {
          const Vec value = splat(values[n * kRows + j]);
#pragma GCC unroll 16
          for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] = fma(p[v], value, sum[v][n]);
        }
      }
    }
    if (initial && !first) {
#pragma GCC unroll 16
      for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
        for (int32_t v = 0; v < kNumVectors; ++v) {
          sum[v][n] = fma(load(output + n * kRows + v * kLanes), keep[v], sum[v][n]);
        }
      }
    } else if (!initial) {
#pragma GCC unroll 16
      for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
        for (int32_t v = 0; v < kNumVectors; ++v) sum[v][n] = load(output + n * kRows + v * kLanes) + sum[v][n];
      }
    }
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) store(output + n * kRows + v * kLanes, sum[v][n]);
    }
  }
}

// (score - maximum) x scale, for the shift of a maximum. Scores may be large, and an error of their product with
// `scale` would be one of the weight: it is not rounded, or there is none of that size.
RMT_INLINE Vec shift_of(Vec maximum, Vec scale) { return kRoundsOnce ? -maximum * scale : -maximum; }
RMT_INLINE Vec exponent_of(Vec score, Vec scale, Vec shift) {
  return kRoundsOnce ? fma(score, scale, shift) : (score + shift) * scale;
}

// scores[j] = 2^exponent_of(scores[j]) for kKeys keys; each is added to the part of the sum that its place asks for.
template <int32_t kNumVectors, int32_t kKeys>
RMT_INLINE void exponentials_of(float *scores, Vec scale, const Vec *shift, Vec (*part)[kNumVectors]) {
  Vec p[kKeys * kNumVectors];
#pragma GCC unroll 16
  for (int32_t i = 0; i < kKeys * kNumVectors; ++i) {
    const float *s = scores + i / kNumVectors * kRows + i % kNumVectors * kLanes;
    p[i] = exponent_of(load(s), scale, shift[i % kNumVectors]);
  }
  exp2<kKeys * kNumVectors>(p);
#pragma GCC unroll 16
  for (int32_t i = 0; i < kKeys * kNumVectors; ++i) {
    store(scores + i / kNumVectors * kRows + i % kNumVectors * kLanes, p[i]);
    part[i / kNumVectors][i % kNumVectors] += p[i];
  }
}

// The same for all keys; returns their sum in `sum`, made of four parts for each row.
template <int32_t kNumVectors>
RMT_INLINE void exponentials(float *scores, int32_t num_keys, Vec scale, const Vec *shift, Vec *sum) {
  constexpr int32_t kParts = 4;
  constexpr int32_t kKeys = max(1, kParts / kNumVectors);
  Vec part[kParts][kNumVectors] = {};
  int32_t j = 0;
  for (; j + kParts <= num_keys; j += kParts) {
#pragma GCC unroll 4
    for (int32_t i = 0; i < kParts; i += kKeys) {
      exponentials_of<kNumVectors, kKeys>(scores + (j + i) * kRows, scale, shift, part + i);
    }
  }
  for (; j < num_keys; ++j) exponentials_of<kNumVectors, 1>(scores + j * kRows, scale, shift, part);
#pragma GCC unroll 16
  for (int32_t v = 0; v < kNumVectors; ++v) sum[v] = (part[0][v] + part[1][v]) + (part[2][v] + part[3][v]);
}

// What training wants besides the context. The weight of a key is 2^exponent_of(score) x inverse_sum.
struct AttentionTape {
  float *shift;            // (rows of the slice)
  float *inverse_sum;      // likewise
  const Dropped *weights;  // which weights are dropped; null: none
};

// Drops weights of the keys from position `first_key` on.
template <int32_t kNumVectors>
inline void drop_weights(const Dropped &dropped, int32_t first_row, int32_t first_key, int32_t num_keys,
                         float *weights) {
  for (int32_t v = 0; v < kNumVectors; ++v) {
    const BitVec rows = dropped.hash_of_rows(first_row + v * kLanes);
    for (int32_t j = 0; j < num_keys; ++j) {
      float *w = weights + j * kRows + v * kLanes;
      store(w, dropped.keep(rows + static_cast<uint32_t>(first_key + j), load(w)));
    }
  }
}

// context = softmax(query x keys^T / sqrt(head_size)) x values for the rows of a slice, with a running maximum and sum
// over blocks of keys. `query` and `context` point at the slice's rows in the first column of the head; `scratch` holds
// (kKeyBlock + head_size) x kRows values. Rows behind `length` get some finite value. `first_row` is the position of
// the slice's first row, used if `causal`. `tape` is null but in training. Returns the operations of its products, with
// what only fills up tiles.
template <int32_t kNumVectors>
inline int64_t attend(const AttentionHead &head, const float *query, int32_t first_row, bool causal, float *scratch,
                      float *context, const AttentionTape *tape = nullptr) {
  constexpr int64_t kSliceRows = int64_t{2} * kNumVectors * kLanes;  // a product and a sum each
  int64_t operations = 0;
  float *const scores = scratch;
  float *const output = scratch + kKeyBlock * kRows;
  const Vec scale = splat(head.scale);
  Vec positions[kNumVectors];
  Vec maximum[kNumVectors];
  Vec sum[kNumVectors];
  for (int32_t v = 0; v < kNumVectors; ++v) {
    for (int32_t i = 0; i < kLanes; ++i) positions[v][i] = static_cast<float>(first_row + v * kLanes + i);
    maximum[v] = splat(kMinusInfinity);
    sum[v] = Vec{};
  }
  const int32_t end = causal ? min(head.length, first_row + kNumVectors * kLanes) : head.length;

  for (int32_t block = 0; block < end; block += kKeyBlock) {
    const int32_t num_keys = min(kKeyBlock, end - block);
    const int64_t block_offset = block / kRows * head.panel_stride;

    Vec new_maximum[kNumVectors];
    for (int32_t v = 0; v < kNumVectors; ++v) new_maximum[v] = maximum[v];
    for (int32_t j = 0; j < num_keys; j += kKeyTile) {
      operations += kSliceRows * kKeyTile * head.head_size;
      const float *keys = head.keys + block_offset + j / kRows * head.panel_stride + j % kRows;
      const int32_t valid = num_keys - j;
      if (causal && block + j + kKeyTile > first_row) {
        score_tile<kNumVectors, kKeyTile, true>(query, keys, head.head_size, valid, static_cast<float>(block + j),
                                                positions, scores + j * kRows, new_maximum);
      } else {
        score_tile<kNumVectors, kKeyTile, false>(query, keys, head.head_size, valid, 0.0f, positions,
                                                 scores + j * kRows, new_maximum);
      }
    }

    Vec keep[kNumVectors];
    Vec shift[kNumVectors];
    Vec block_sum[kNumVectors];
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) {
      keep[v] = (maximum[v] - new_maximum[v]) * scale;
      shift[v] = shift_of(new_maximum[v], scale);
      maximum[v] = new_maximum[v];
    }
    exp2<kNumVectors>(keep);
    exponentials<kNumVectors>(scores, num_keys, scale, shift, block_sum);
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) sum[v] = fma(sum[v], keep[v], block_sum[v]);
    if (tape != nullptr && tape->weights != nullptr) {
      drop_weights<kNumVectors>(*tape->weights, first_row, block, num_keys, scores);
    }

    operations += kSliceRows * num_keys * head.head_size;
    const float *values = head.values + block_offset;
    const bool first = block == 0;
    int32_t d = 0;
    for (; d + kValueTile <= head.head_size; d += kValueTile) {
      value_tile<kNumVectors, kValueTile>(scores, values + d * kRows, head.panel_stride, num_keys, first, keep,
                                          output + d * kRows);
    }
    for (; d < head.head_size; ++d) {
      value_tile<kNumVectors, 1>(scores, values + d * kRows, head.panel_stride, num_keys, first, keep,
                                 output + d * kRows);
    }
  }

  for (int32_t v = 0; v < kNumVectors; ++v) sum[v] = 1.0f / sum[v];
  if (tape != nullptr) {
    for (int32_t v = 0; v < kNumVectors; ++v) {
      store(tape->shift + v * kLanes, shift_of(maximum[v], scale));
      store(tape->inverse_sum + v * kLanes, sum[v]);
    }
  }
  for (int32_t d = 0; d < head.head_size; ++d) {
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) {
      const int32_t at = d * kRows + v * kLanes;
      store(context + at, load(output + at) * sum[v]);
    }
  }
  return operations;
}

}  // namespace
}  // namespace rmt::RMT_ISA
