// attention_backward.h - the backward of attend() for one head and the queries of one slice.
//
// Here the keys lie in the lanes and the queries pass by, so that of the five products only that of dQ sums over lanes.
// With P the weights before dropout and e = P / inverse_sum = 2^(score x scale + base), as the forward left them, and
// dO the gradient of the head's output times inverse_sum:
//   D  = rowsum(dO * O)               dS = e (dO V^T - D), the gradient of the scores
//   dV = e^T dO                       dK = dS^T Q / sqrt(head_size)       dQ = dS K / sqrt(head_size)
// With dropout, e in dV and dO V^T in dS are multiplied by the mask.
#pragma once

#include "kernels/cpu/attention.h"
#include "kernels/cpu/linear_backward.h"

namespace rmt::RMT_ISA {
namespace {

// Queries of a tile; there are kVectors x 2 accumulators for each of them.
#if defined(__AVX512F__)
constexpr int32_t kQueryTile = 4;
#else
constexpr int32_t kQueryTile = 2;
#endif
static_assert(kLanes % kQueryTile == 0 && kLanes % kSumsA == 0, "tiles of queries do not leave their slice");

// One head of a document: first columns of panel 0.
struct HeadBackward {
  const float *keys;
  const float *values;
  int64_t panel_stride;  // of keys and values
  float *dkeys;
  float *dvalues;
  int64_t gradient_stride;  // panels of dkeys and dvalues
  int32_t head_size;
  int32_t length;
  float scale;             // log2(e) / sqrt(head_size)
  float root_scale;        // 1 / sqrt(head_size)
  const Dropped *dropped;  // null: none
};

// The queries [begin, end) of a panel, whole tiles: first columns of the panel.
struct QueryRows {
  const float *queries;
  const float *dattended;
  float *dqueries;
  const float *base;  // (kRows)
  const float *dots;  // (kRows): D
  int32_t first_row;  // position of row 0 of the panel
  int32_t begin;
  int32_t end;
};

// weights[n] = e and dscores[n] = e (dO V^T - D) of kQueryTile queries; with kRaw dscores[n] = dO V^T.
template <int32_t kNumVectors, bool kRaw>
__attribute__((noinline)) void score_backward_tile(const HeadBackward &head, const float *keys, const float *values,
                                                   const float *queries, const float *dattended, const float *base,
                                                   const float *dots, float *weights, float *dscores) {
  Vec score[kNumVectors][kQueryTile];
  Vec dweight[kNumVectors][kQueryTile];
#pragma GCC unroll 16
  for (int32_t n = 0; n < kQueryTile; ++n) {
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) {
      score[v][n] = Vec{};
      dweight[v][n] = Vec{};
    }
  }
  for (int32_t d = 0; d < head.head_size; ++d) {
    Vec key[kNumVectors];
    Vec value[kNumVectors];
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) {
      key[v] = load(keys + d * kRows + v * kLanes);
      value[v] = load(values + d * kRows + v * kLanes);
    }
#pragma GCC unroll 16
    for (int32_t n = 0; n < kQueryTile; ++n) {
      const Vec query = splat(queries[d * kRows + n]);
      const Vec gradient = splat(dattended[d * kRows + n]);
#pragma GCC unroll 16
      for (int32_t v = 0; v < kNumVectors; ++v) {
        score[v][n] = fma(key[v], query, score[v][n]);
        dweight[v][n] = fma(value[v], gradient, dweight[v][n]);
      }
    }
  }
  const Vec scale = splat(head.scale);
#pragma GCC unroll 16
  for (int32_t n = 0; n < kQueryTile; ++n) {
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) {
      const Vec e = exp2(fma(score[v][n], scale, splat(base[n])));
      store(weights + n * kRows + v * kLanes, e);
      store(dscores + n * kRows + v * kLanes, kRaw ? dweight[v][n] : e * (dweight[v][n] - splat(dots[n])));
    }
  }
}

// What score_backward_tile() leaves to do with dropout, for queries [begin, end) and the keys of a panel.
inline void drop_backward(const Dropped &dropped, const QueryRows &rows, int32_t first_key, float *weights,
                          float *dscores) {
  for (int32_t i = rows.begin; i < rows.end; ++i, weights += kRows, dscores += kRows) {
    const uint32_t row = dropped.hash_of_row(rows.first_row + i);
    for (int32_t v = 0; v < kVectors; ++v) {
      BitVec columns;
      for (int32_t j = 0; j < kLanes; ++j) columns[j] = row + static_cast<uint32_t>(first_key + v * kLanes + j);
      const Vec e = load(weights + v * kLanes);
      const Vec dweight = dropped.keep(columns, load(dscores + v * kLanes));
      store(dscores + v * kLanes, e * (dweight - splat(rows.dots[i])));
      store(weights + v * kLanes, dropped.keep(columns, e));
    }
  }
}

// Takes out keys that a query does not see: from `length` on, and with `causal` those behind the query.
inline void hide_keys(const QueryRows &rows, int32_t first_key, int32_t length, bool causal, float *weights,
                      float *dscores) {
  for (int32_t i = rows.begin; i < rows.end; ++i, weights += kRows, dscores += kRows) {
    const int32_t visible = causal ? min(length, rows.first_row + i + 1) : length;
    for (int32_t v = 0; v < kVectors; ++v) {
      Vec positions;
      for (int32_t j = 0; j < kLanes; ++j) positions[j] = static_cast<float>(first_key + v * kLanes + j);
      const Vec end = splat(static_cast<float>(visible));
      store(weights + v * kLanes, positions < end ? load(weights + v * kLanes) : splat(0.0f));
      store(dscores + v * kLanes, positions < end ? load(dscores + v * kLanes) : splat(0.0f));
    }
  }
}

// gradient[d] += weights^T x rows[d] for the columns of a head: `num_queries` queries, the keys of a panel in the
// lanes.
inline void add_to_keys(const float *weights, const float *rows, int32_t num_queries, int32_t head_size,
                        float *gradient) {
  Vec keep[kVectors];
  for (Vec &k : keep) k = splat(1.0f);
  int32_t d = 0;
  for (; d + kValueTile <= head_size; d += kValueTile) {
    value_tile<kVectors, kValueTile>(weights, rows + d * kRows, 0, num_queries, false, keep, gradient + d * kRows);
  }
  for (; d < head_size; ++d) {
    value_tile<kVectors, 1>(weights, rows + d * kRows, 0, num_queries, false, keep, gradient + d * kRows);
  }
}

// Adds what the queries of a slice give to dkeys and dvalues (dkeys still lacks its factor root_scale), and writes
// their dqueries. `scratch`: weights of a panel of keys; dscores of all panels; `places` of the panels' vectors.
inline void attend_backward(const HeadBackward &head, const QueryRows &rows, bool causal, const VectorPlace *places,
                            float *scratch) {
  float *const weights = scratch;
  float *const all_dscores = scratch + kRows * kRows;
  const int32_t num_queries = rows.end - rows.begin;
  const int32_t end = causal ? min(head.length, rows.first_row + rows.end) : head.length;
  const int32_t panels = divide_up(end, kRows);
  for (int32_t p = 0; p < panels; ++p) {
    const float *keys = head.keys + p * head.panel_stride;
    const float *values = head.values + p * head.panel_stride;
    float *dscores = all_dscores + static_cast<int64_t>(p) * kRows * kRows;
    for (int32_t i = 0; i < num_queries; i += kQueryTile) {
      const int32_t row = rows.begin + i;
      if (head.dropped == nullptr) {
        score_backward_tile<kVectors, false>(head, keys, values, rows.queries + row, rows.dattended + row,
                                             rows.base + row, rows.dots + row, weights + i * kRows,
                                             dscores + i * kRows);
      } else {
        score_backward_tile<kVectors, true>(head, keys, values, rows.queries + row, rows.dattended + row,
                                            rows.base + row, rows.dots + row, weights + i * kRows, dscores + i * kRows);
      }
    }
    const int32_t first_key = p * kRows;
    if (head.dropped != nullptr) drop_backward(*head.dropped, rows, first_key, weights, dscores);
    if (first_key + kRows > head.length || (causal && first_key + kRows > rows.first_row + rows.begin)) {
      hide_keys(rows, first_key, head.length, causal, weights, dscores);
    }
    add_to_keys(weights, rows.dattended + rows.begin, num_queries, head.head_size,
                head.dvalues + p * head.gradient_stride);
    add_to_keys(dscores, rows.queries + rows.begin, num_queries, head.head_size, head.dkeys + p * head.gradient_stride);
  }

  float sums[kMaxSums] __attribute__((aligned(64)));
  for (int32_t i = 0; i < num_queries; i += kSumsA) {
    for (int32_t d = 0; d < head.head_size;) {
      const int32_t width = sums_width(head.head_size - d);
      sums_tile_of(width, all_dscores + i * kRows, head.keys + d * kRows, places, &VectorPlace::in_chunk,
                   &VectorPlace::in_tape, panels * kVectors, sums);
      float *dqueries = rows.dqueries + d * kRows + rows.begin + i;
      for (int32_t n = 0; n < min(width, head.head_size - d); ++n) {
        for (int32_t m = 0; m < kSumsA; ++m) dqueries[n * kRows + m] = sums[m * width + n] * head.root_scale;
      }
      d += width;
    }
  }
}

}  // namespace
}  // namespace rmt::RMT_ISA
