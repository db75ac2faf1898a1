// linear_backward.h - gradients of a linear y = x W^T + b: of its input (dx += dy W) with the tiles of the forward and
// a transposed copy of W; of W and b by sums over rows, which lie in the lanes.
#pragma once

#include "kernels/cpu/linear.h"
#include "kernels/cpu/tape.h"

namespace rmt::RMT_ISA {
namespace {

// out += in x weights for all `in` inputs and `out` outputs of a linear without bias; with `overwrite`, out = that.
inline void add_linear(const float *weights, int32_t in, int32_t out, bool overwrite, const LinearRows *rows,
                       int32_t num_rows) {
  for (int32_t k = 0; k < in; k += kInputChunk) {
    const int32_t count = min(kInputChunk, in - k);
    const TileEnds ends{!overwrite || k > 0, nullptr, nullptr};
    for (int32_t n = 0; n < out; n += kTile) {
      const int32_t width = min(kTile, static_cast<int32_t>(padded(out - n)));
      const float *tile = weights + static_cast<int64_t>(n) * in + static_cast<int64_t>(k) * width;
      const int32_t fetched = count * width / num_rows;  // of the next tile, by each of the rows
      for (int32_t i = 0; i < num_rows; ++i) {
        prefetch(tile + static_cast<int64_t>(in) * width + i * fetched, fetched);
        linear_tile_of<kTile, Activation::kNone>(width, rows[i].vectors, rows[i].in + k * kRows, tile, count, ends,
                                                 rows[i].out + n * kRows);
      }
    }
  }
}

// Tile of sums over rows: kSumsA columns of one panel by kSumsB of another.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int32_t kSumsA = 4;
#else
constexpr int32_t kSumsA = 2;
#endif
constexpr int32_t kSumsB = 6;
constexpr int32_t kMaxSums = (kSumsA * kSumsB + kLanes - 1) / kLanes * kLanes;  // of a tile, in whole vectors

// Width of the next tile where `rest` columns of B are left: kSumsB, or less by whole kTileUnit.
RMT_INLINE int32_t sums_width(int32_t rest) {
  const int32_t columns = static_cast<int32_t>(padded(rest));
  if (columns >= kSumsB && columns % kSumsB != 2) return kSumsB;
  return columns >= 4 ? 4 : 2;
}

// Vectors of rows that are summed in one go, for the sake of rounding.
constexpr int32_t kPartialPlaces = kLanes >= 16 ? 64 : 32;

// sums[a * kWidth + b] = sum over the rows of columns a of A and b of B, for the vectors of rows at `places`, whose
// fields `in_a` and `in_b` say where in A and B they lie.
template <int32_t kWidth>
__attribute__((noinline)) void sums_tile(const float *a, const float *b, const VectorPlace *places,
                                         int64_t VectorPlace::*in_a, int64_t VectorPlace::*in_b, int32_t num_places,
                                         float *sums) {
  for (int32_t begin = 0;;) {
    Vec sum[kMaxSums];
#pragma GCC unroll 32
    for (Vec &s : sum) s = Vec{};
    const int32_t end = min(num_places, begin + kPartialPlaces);
    for (int32_t i = begin; i < end; ++i) {
      const float *from_a = a + places[i].*in_a;
      const float *from_b = b + places[i].*in_b;
      Vec x[kSumsA];
#pragma GCC unroll 16
      for (int32_t m = 0; m < kSumsA; ++m) x[m] = load(from_a + m * kRows);
#pragma GCC unroll 16
      for (int32_t n = 0; n < kWidth; ++n) {
        const Vec y = load(from_b + n * kRows);
#pragma GCC unroll 16
        for (int32_t m = 0; m < kSumsA; ++m) sum[m * kWidth + n] = fma(x[m], y, sum[m * kWidth + n]);
      }
    }
#pragma GCC unroll 16
    for (int32_t i = 0; i < kSumsA * kWidth; i += kLanes) {
      const Vec total = sum_lanes(sum + i);
      store(sums + i, begin == 0 ? total : load(sums + i) + total);
    }
    begin = end;
    if (begin == num_places) break;
  }
}

inline void sums_tile_of(int32_t width, const float *a, const float *b, const VectorPlace *places,
                         int64_t VectorPlace::*in_a, int64_t VectorPlace::*in_b, int32_t num_places, float *sums) {
  if (width == kSumsB) {
    sums_tile<kSumsB>(a, b, places, in_a, in_b, num_places, sums);
  } else if (width == 4) {
    sums_tile<4>(a, b, places, in_a, in_b, num_places, sums);
  } else {
    sums_tile<2>(a, b, places, in_a, in_b, num_places, sums);
  }
}

// sums[c] += sum over the rows of column c, for `columns` columns.
inline void add_column_sums(const float *from, const VectorPlace *places, int64_t VectorPlace::*in_from,
                            int32_t num_places, int32_t columns, float *sums) {
  for (int32_t c = 0; c < columns; c += kLanes) {
    const int32_t count = min(kLanes, columns - c);
    Vec sum[kLanes] = {};
    for (int32_t i = 0; i < num_places; ++i) {
      const float *x = from + places[i].*in_from + static_cast<int64_t>(c) * kRows;
      if (count == kLanes) {
#pragma GCC unroll 16
        for (int32_t n = 0; n < kLanes; ++n) sum[n] += load(x + n * kRows);
      } else {
        for (int32_t n = 0; n < count; ++n) sum[n] += load(x + n * kRows);
      }
    }
    const Vec total = sum_lanes(sum);
    for (int32_t n = 0; n < count; ++n) sums[c + n] += total[n];
  }
}

// What the rows of a chunk add to the gradients of a linear. The columns of A stay in the first cache while those of B
// pass by, so A is the wider of the two: gradients of the outputs, or inputs.
struct WeightGradient {
  const float *a;
  const float *b;
  int64_t VectorPlace::*in_a;
  int64_t VectorPlace::*in_b;
  const VectorPlace *places;
  int32_t num_places;
  int32_t a_columns;
  int32_t b_columns;
  bool a_is_output;
  float *weight;  // tiles of (out, in)
  float *bias;    // (out)

  int32_t out() const { return a_is_output ? a_columns : b_columns; }
  int32_t in() const { return a_is_output ? b_columns : a_columns; }

  // The part of columns [begin, end) of A.
  void add(int32_t begin, int32_t end) const {
    if (a_is_output) {
      add_column_sums(a + static_cast<int64_t>(begin) * kRows, places, in_a, num_places, end - begin, bias + begin);
    } else if (begin == 0) {
      add_column_sums(b, places, in_b, num_places, b_columns, bias);
    }
    float sums[kMaxSums] __attribute__((aligned(64)));
    for (int32_t m = begin; m < end; m += kSumsA) {
      for (int32_t n = 0; n < b_columns;) {
        const int32_t width = sums_width(b_columns - n);
        sums_tile_of(width, a + static_cast<int64_t>(m) * kRows, b + static_cast<int64_t>(n) * kRows, places, in_a,
                     in_b, num_places, sums);
        const int32_t num_m = min(kSumsA, end - m);
        const int32_t num_n = min(width, b_columns - n);
        if (a_is_output) {
          for (int32_t i = 0; i < num_m; ++i) add_to_row(m + i, n, num_n, sums + i * width, 1);
        } else {
          for (int32_t j = 0; j < num_n; ++j) add_to_row(n + j, m, num_m, sums + j, width);
        }
        n += width;
      }
    }
  }

 private:
  // weight[row][column + i] += values[i x stride].
  void add_to_row(int32_t row, int32_t column, int32_t count, const float *values, int32_t stride) const {
    const int32_t first = row / kTile * kTile;
    const int32_t width = min(kTile, static_cast<int32_t>(padded(out() - first)));
    float *g = weight + static_cast<int64_t>(first) * in() + static_cast<int64_t>(column) * width + row - first;
    for (int32_t i = 0; i < count; ++i) g[i * width] += values[i * stride];
  }
};

}  // namespace
}  // namespace rmt::RMT_ISA
