// attention_backward.h - the backward of attend() for one head and the queries of one slice.
//
// Here the keys lie in the lanes and the queries pass by, so that of the five products only that of dQ sums over lanes.
// With e = weight_of(score) = weight / inverse_sum, as in the forward, and dO the gradient of the head's output
// times inverse_sum:
//   dE = dO V^T             D = sum(e dE) / sum(e), of a query         dS = e (dE - D), the gradient of the scores
//   dV = e^T dO             dK = dS^T Q / sqrt(head_size)              dQ = dS K / sqrt(head_size)
// With dropout, e in dV and dE are multiplied by the mask.
//
// The dS of a query have to add up to zero, else what all keys have in common gets into dQ; and where D is far larger
// than the differences dE - D, its own rounding would see to that. D is the scalar product of dO and the head's output
// too: that is taken off first, and then the mean of what is left.
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
  const float *shifts;  // (kRows)
  const float *dots;    // (kRows): D, nearly
  int32_t first_row;    // position of row 0 of the panel
  int32_t begin;
  int32_t end;
};

// weights[n] = e and dweights[n] = dE - dots[n] of kQueryTile queries.
template <int32_t kNumVectors>
__attribute__((noinline)) void score_backward_tile(const HeadBackward &head, const float *keys, const float *values,
                                                   const float *queries, const float *dattended, const float *shifts,
                                                   const float *dots, float *weights, float *dweights) {
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
      store(weights + n * kRows + v * kLanes, weight_of(score[v][n], scale, splat(shifts[n])));
      store(dweights + n * kRows + v * kLanes, dweight[v][n] - splat(dots[n]));
    }
  }
}

// Applies the mask to values of the queries and of the panel of keys that begins with position `first_key`; each query
// has its own `offset`, which is taken off before and put back. Null: none.
inline void drop_keys(const Dropped &dropped, const QueryRows &rows, int32_t first_key, const float *offsets,
                      float *values) {
  for (int32_t i = rows.begin; i < rows.end; ++i, values += kRows) {
    const uint32_t row = dropped.hash_of_row(rows.first_row + i);
    for (int32_t v = 0; v < kVectors; ++v) {
      BitVec columns;
      for (int32_t j = 0; j < kLanes; ++j) columns[j] = row + static_cast<uint32_t>(first_key + v * kLanes + j);
      const Vec offset = splat(offsets == nullptr ? 0.0f : offsets[i]);
      store(values + v * kLanes, dropped.keep(columns, load(values + v * kLanes) + offset) - offset);
    }
  }
}

// e and dE - dots of the queries and of a panel of keys. Keys that a query does not see get zeros: those from `length`
// on, and with `causal` those behind the query.
inline void score_backward(const HeadBackward &head, const QueryRows &rows, int32_t panel, bool causal, float *weights,
                           float *dweights) {
  const float *keys = head.keys + panel * head.panel_stride;
  const float *values = head.values + panel * head.panel_stride;
  const int32_t num_queries = rows.end - rows.begin;
  for (int32_t i = 0; i < num_queries; i += kQueryTile) {
    const int32_t row = rows.begin + i;
    score_backward_tile<kVectors>(head, keys, values, rows.queries + row, rows.dattended + row, rows.shifts + row,
                                  rows.dots + row, weights + i * kRows, dweights + i * kRows);
  }
  const int32_t first_key = panel * kRows;
  if (head.dropped != nullptr) drop_keys(*head.dropped, rows, first_key, rows.dots, dweights);
  if (first_key + kRows <= head.length && !(causal && first_key + kRows > rows.first_row + rows.begin)) return;
  for (int32_t i = 0; i < num_queries; ++i) {
    const int32_t visible = causal ? min(head.length, rows.first_row + rows.begin + i + 1) : head.length;
    for (int32_t v = 0; v < kVectors; ++v) {
      Vec positions;
      for (int32_t j = 0; j < kLanes; ++j) positions[j] = static_cast<float>(first_key + v * kLanes + j);
      const int32_t at = i * kRows + v * kLanes;
      const Vec end = splat(static_cast<float>(visible));
      store(weights + at, positions < end ? load(weights + at) : splat(0.0f));
      store(dweights + at, positions < end ? load(dweights + at) : splat(0.0f));
    }
  }
}

// What is left of D for kLanes queries, over the keys of all panels; queries are kRows apart, panels kRows^2.
inline Vec mean_dweights(const float *weights, const float *dweights, int32_t panels) {
  Vec sums[kLanes];
  Vec products[kLanes];
  for (int32_t n = 0; n < kLanes; ++n) {
    sums[n] = Vec{};
    products[n] = Vec{};
    for (int32_t p = 0; p < panels; ++p) {
      for (int32_t v = 0; v < kVectors; ++v) {
        const int32_t at = (p * kRows + n) * kRows + v * kLanes;
        sums[n] += load(weights + at);
        products[n] = fma(load(weights + at), load(dweights + at), products[n]);
      }
    }
  }
  return sum_lanes(products) / sum_lanes(sums);
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
// their dqueries. `scratch`: e, then dS, of all panels of keys; `places` of the panels' vectors, there and in `keys`.
inline void attend_backward(const HeadBackward &head, const QueryRows &rows, bool causal, const VectorPlace *places,
                            float *scratch) {
  constexpr int32_t kPanel = kRows * kRows;
  const int32_t end = causal ? min(head.length, rows.first_row + rows.end) : head.length;
  const int32_t panels = divide_up(end, kRows);
  const int32_t num_queries = rows.end - rows.begin;
  float *const weights = scratch;
  float *const dscores = scratch + static_cast<int64_t>(panels) * kPanel;
  for (int32_t p = 0; p < panels; ++p) {
    score_backward(head, rows, p, causal, weights + p * kPanel, dscores + p * kPanel);
  }
  Vec means[kVectors];
  for (int32_t v = 0; v * kLanes < num_queries; ++v) {
    means[v] = mean_dweights(weights + v * kLanes * kRows, dscores + v * kLanes * kRows, panels);
  }
  for (int32_t p = 0; p < panels; ++p) {
    float *e = weights + p * kPanel;
    float *dscore = dscores + p * kPanel;
    for (int32_t i = 0; i < num_queries; ++i) {
      const Vec mean = splat(means[i / kLanes][i % kLanes]);
      for (int32_t v = 0; v < kVectors; ++v) {
        const int32_t at = i * kRows + v * kLanes;
        store(dscore + at, load(e + at) * (load(dscore + at) - mean));
      }
    }
    if (head.dropped != nullptr) drop_keys(*head.dropped, rows, p * kRows, nullptr, e);
    add_to_keys(e, rows.dattended + rows.begin, num_queries, head.head_size, head.dvalues + p * head.gradient_stride);
    add_to_keys(dscore, rows.queries + rows.begin, num_queries, head.head_size, head.dkeys + p * head.gradient_stride);
  }

  float sums[kMaxSums] __attribute__((aligned(64)));
  for (int32_t i = 0; i < num_queries; i += kSumsA) {
    for (int32_t d = 0; d < head.head_size;) {
      const int32_t width = sums_width(head.head_size - d);
      sums_tile_of(width, dscores + i * kRows, head.keys + d * kRows, places, &VectorPlace::in_chunk,
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
