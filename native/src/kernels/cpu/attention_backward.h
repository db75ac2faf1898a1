// attention_backward.h - the backward of attend() for one head and a panel of queries.
//
// Here the keys lie in the lanes and the queries pass by, so that of the five products only that of dQ sums over lanes.
// With e = 2^exponent_of(score) = weight / inverse_sum, as in the forward, and dO the gradient of the head's output
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

namespace rmt::RMT_ISA {
namespace {

// Queries of a tile; there are kVectors x 2 accumulators for each of them. Tile of products with sums over lanes:
// kSumsA by kSumsB.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int32_t kQueryTile = 4, kSumsA = 4, kSumsB = 4;
#else
constexpr int32_t kQueryTile = 2, kSumsA = 2, kSumsB = 4;
#endif
static_assert(kLanes % kQueryTile == 0 && kLanes % kSumsA == 0, "a panel holds whole tiles of queries");
static_assert(kSumsA * kSumsB % kLanes == 0, "sums of a tile fill vectors");
constexpr int32_t kQueryUnit = kQueryTile > kSumsA ? kQueryTile : kSumsA;

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
  bool causal;
  float scale;             // log2(e) / sqrt(head_size)
  float root_scale;        // 1 / sqrt(head_size)
  const Dropped *dropped;  // null: none
};

// Neighbouring queries, a panel of them at most; zeros up to a whole kQueryUnit.
struct QueryPanel {
  const float *queries;
  const float *dattended;
  float *dqueries;
  const float *shifts;  // (kRows)
  const float *dots;    // (kRows): D, nearly
  int32_t position;     // of the first
  int32_t count;
};

// A vector of keys: where it lies in a panel of e or dS, and in one of keys.
RMT_INLINE int64_t plane_of(int32_t vector) {
  return static_cast<int64_t>(vector / kVectors) * kRows * kRows + vector % kVectors * kLanes;
}
RMT_INLINE int64_t place_of(int32_t vector, int64_t panel_stride) {
  return vector / kVectors * panel_stride + vector % kVectors * kLanes;
}

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
    Vec weight[kNumVectors];
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) weight[v] = exponent_of(score[v][n], scale, splat(shifts[n]));
    exp2<kNumVectors>(weight);
#pragma GCC unroll 16
    for (int32_t v = 0; v < kNumVectors; ++v) {
      store(weights + n * kRows + v * kLanes, weight[v]);
      store(dweights + n * kRows + v * kLanes, dweight[v][n] - splat(dots[n]));
    }
  }
}

// Applies the mask to values of the queries and of the keys from position `first_key` on, `vectors` vectors of them.
// Each query has its own offset, which is taken off before and put back; null: none.
inline void drop_keys(const Dropped &dropped, const QueryPanel &rows, int32_t first_key, int32_t vectors,
                      const float *offsets, float *values) {
  for (int32_t i = 0; i < rows.count; ++i, values += kRows) {
    const uint32_t row = dropped.hash_of_row(rows.position + i);
    for (int32_t v = 0; v < vectors; ++v) {
      BitVec columns;
      for (int32_t j = 0; j < kLanes; ++j) columns[j] = row + static_cast<uint32_t>(first_key + v * kLanes + j);
      const Vec offset = splat(offsets == nullptr ? 0.0f : offsets[i]);
      store(values + v * kLanes, dropped.keep(columns, load(values + v * kLanes) + offset) - offset);
    }
  }
}

// Zeros for the keys that a query does not see: those from `length` on, and with `causal` those behind the query.
inline void hide_keys(const HeadBackward &head, const QueryPanel &rows, int32_t first_key, int32_t vectors,
                      float *weights, float *dweights) {
  for (int32_t i = 0; i < rows.count; ++i) {
    const int32_t visible = head.causal ? min(head.length, rows.position + i + 1) : head.length;
    const Vec end = splat(static_cast<float>(visible));
    for (int32_t v = 0; v < vectors; ++v) {
      Vec positions;
      for (int32_t j = 0; j < kLanes; ++j) positions[j] = static_cast<float>(first_key + v * kLanes + j);
      const int32_t at = i * kRows + v * kLanes;
      store(weights + at, positions < end ? load(weights + at) : splat(0.0f));
      store(dweights + at, positions < end ? load(dweights + at) : splat(0.0f));
    }
  }
}

// Sums of e, and of e (dE - dots), of the queries over the keys of kNumVectors vectors: one vector for each query,
// whose lanes are still to be added up.
template <int32_t kNumVectors>
inline void add_sums(const float *weights, const float *dweights, int32_t num_queries, Vec *sums, Vec *products) {
  for (int32_t i = 0; i < num_queries; ++i) {
#pragma GCC unroll 4
    for (int32_t v = 0; v < kNumVectors; ++v) {
      const Vec e = load(weights + i * kRows + v * kLanes);
      sums[i] += e;
      products[i] = fma(e, load(dweights + i * kRows + v * kLanes), products[i]);
    }
  }
}

// e and dE - dots of the queries and kNumVectors vectors of the keys of a panel, and what add_sums() makes of them.
template <int32_t kNumVectors>
inline void score_backward(const HeadBackward &head, const QueryPanel &rows, int32_t panel, float *weights,
                           float *dweights, Vec *sums, Vec *products) {
  const float *keys = head.keys + panel * head.panel_stride;
  const float *values = head.values + panel * head.panel_stride;
  for (int32_t i = 0; i < rows.count; i += kQueryTile) {
    score_backward_tile<kNumVectors>(head, keys, values, rows.queries + i, rows.dattended + i, rows.shifts + i,
                                     rows.dots + i, weights + i * kRows, dweights + i * kRows);
  }
  const int32_t first_key = panel * kRows;
  if (head.dropped != nullptr) drop_keys(*head.dropped, rows, first_key, kNumVectors, rows.dots, dweights);
  const int32_t end = first_key + kNumVectors * kLanes;
  if (end > head.length || (head.causal && end > rows.position + 1)) {
    hide_keys(head, rows, first_key, kNumVectors, weights, dweights);
  }
  add_sums<kNumVectors>(weights, dweights, rows.count, sums, products);
}

// gradient[d] += weights^T x rows[d] for the columns of a head: `num_queries` queries, the keys of a panel in the
// lanes.
template <int32_t kNumVectors>
inline void add_to_keys(const float *weights, const float *rows, int32_t num_queries, int32_t head_size,
                        float *gradient) {
  Vec keep[kNumVectors];
  for (Vec &k : keep) k = splat(1.0f);
  int32_t d = 0;
  for (; d + kValueTile <= head_size; d += kValueTile) {
    value_tile<kNumVectors, kValueTile>(weights, rows + d * kRows, 0, num_queries, false, keep, gradient + d * kRows);
  }
  for (; d < head_size; ++d) {
    value_tile<kNumVectors, 1>(weights, rows + d * kRows, 0, num_queries, false, keep, gradient + d * kRows);
  }
}

// dE - D to dS, and what the queries give to dvalues and dkeys of kNumVectors vectors of the keys of a panel.
template <int32_t kNumVectors>
inline void add_panel(const HeadBackward &head, const QueryPanel &rows, int32_t panel, const Vec *means, float *weights,
                      float *dscores) {
  for (int32_t i = 0; i < rows.count; ++i) {
    const Vec mean = splat(means[i / kLanes][i % kLanes]);
    for (int32_t v = 0; v < kNumVectors; ++v) {
      const int32_t at = i * kRows + v * kLanes;
      store(dscores + at, load(weights + at) * (load(dscores + at) - mean));
    }
  }
  if (head.dropped != nullptr) drop_keys(*head.dropped, rows, panel * kRows, kNumVectors, nullptr, weights);
  add_to_keys<kNumVectors>(weights, rows.dattended, rows.count, head.head_size,
                           head.dvalues + panel * head.gradient_stride);
  add_to_keys<kNumVectors>(dscores, rows.queries, rows.count, head.head_size,
                           head.dkeys + panel * head.gradient_stride);
}

// sums[a * kSumsB + b] = sum over the lanes of `vectors` vectors of dS of query a x column b of the keys.
__attribute__((noinline)) inline void dquery_tile(const float *dscores, const float *keys, int64_t panel_stride,
                                                  int32_t vectors, float *sums) {
  Vec sum[kSumsA * kSumsB];
#pragma GCC unroll 16
  for (Vec &s : sum) s = Vec{};
  for (int32_t v = 0; v < vectors; ++v) {
    const float *from_a = dscores + plane_of(v);
    const float *from_b = keys + place_of(v, panel_stride);
    Vec x[kSumsA];
#pragma GCC unroll 16
    for (int32_t a = 0; a < kSumsA; ++a) x[a] = load(from_a + a * kRows);
#pragma GCC unroll 16
    for (int32_t b = 0; b < kSumsB; ++b) {
      const Vec y = load(from_b + b * kRows);
#pragma GCC unroll 16
      for (int32_t a = 0; a < kSumsA; ++a) sum[a * kSumsB + b] = fma(x[a], y, sum[a * kSumsB + b]);
    }
  }
#pragma GCC unroll 16
  for (int32_t i = 0; i < kSumsA * kSumsB; i += kLanes) store(sums + i, sum_lanes(sum + i));
}

// Adds what the queries give to dkeys and dvalues (dkeys still lacks its factor root_scale), and writes dqueries.
// `scratch` holds kRows x kRows values twice for each panel of keys.
inline void attend_backward(const HeadBackward &head, const QueryPanel &rows, float *scratch) {
  constexpr int32_t kPlane = kRows * kRows;
  const int32_t end = head.causal ? min(head.length, rows.position + rows.count) : head.length;
  const int32_t vectors = divide_up(end, kLanes);
  const int32_t panels = divide_up(end, kRows);
  // Of the last panel, only the first vector where that holds all of its keys.
  const bool last_is_short = vectors % kVectors == 1;
  float *const weights = scratch;
  float *const dscores = scratch + static_cast<int64_t>(panels) * kPlane;
  Vec sums[kRows] = {};
  Vec products[kRows] = {};
  for (int32_t p = 0; p < panels; ++p) {
    if (p == panels - 1 && last_is_short) {
      score_backward<1>(head, rows, p, weights + p * kPlane, dscores + p * kPlane, sums, products);
    } else {
      score_backward<kVectors>(head, rows, p, weights + p * kPlane, dscores + p * kPlane, sums, products);
    }
  }
  const int32_t used = last_is_short ? vectors : panels * kVectors;
  Vec means[kVectors];
  for (int32_t v = 0; v < kVectors; ++v) {  // what is left of D
    means[v] = sum_lanes(products + v * kLanes) / sum_lanes(sums + v * kLanes);
  }
  for (int32_t p = 0; p < panels; ++p) {
    if (p == panels - 1 && last_is_short) {
      add_panel<1>(head, rows, p, means, weights + p * kPlane, dscores + p * kPlane);
    } else {
      add_panel<kVectors>(head, rows, p, means, weights + p * kPlane, dscores + p * kPlane);
    }
  }
  float tile[kSumsA * kSumsB] __attribute__((aligned(64)));
  for (int32_t i = 0; i < rows.count; i += kSumsA) {
    for (int32_t d = 0; d < head.head_size; d += kSumsB) {
      dquery_tile(dscores + i * kRows, head.keys + d * kRows, head.panel_stride, used, tile);
      for (int32_t b = 0; b < min(kSumsB, head.head_size - d); ++b) {
        for (int32_t a = 0; a < kSumsA; ++a) {
          rows.dqueries[(d + b) * kRows + i + a] = tile[a * kSumsB + b] * head.root_scale;
        }
      }
    }
  }
}

}  // namespace
}  // namespace rmt::RMT_ISA
