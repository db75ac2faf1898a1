// linear_backward.h - gradients of a linear y = x W^T + b: of its input, dx += dy W, with the tiles of the forward and
// a transposed copy of W; of W, dW = dy^T x, with tiles of the same shape that run over rows.
#pragma once

#include "kernels/cpu/linear.h"
#include "kernels/cpu/packed_rows.h"

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

// Rows that are summed in one go, for the sake of rounding: whole panels.
constexpr int32_t kPartialRows = kLanes >= 8 ? 64 : 16;
static_assert(kPartialRows % kRows == 0, "partial sums are made of whole panels");

// sums[n][k] = sum over rows r of columns[n][r] x rows[r][k], for kWidth columns of panels and kRows values of the
// transposed rows.
template <int32_t kWidth>
__attribute__((noinline)) void outer_tile(const float *columns, int64_t panel_stride, const float *rows,
                                          int32_t num_rows, float *sums) {
  for (int32_t begin = 0; begin < num_rows;) {
    Vec sum[kVectors][kWidth];
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
      for (int32_t v = 0; v < kVectors; ++v) sum[v][n] = Vec{};
    }
    const bool first = begin == 0;
    const int32_t end = min(num_rows, begin + kPartialRows);
    for (; begin < end; begin += kRows, columns += panel_stride) {
      const int32_t count = min(kRows, end - begin);
      for (int32_t r = 0; r < count; ++r, rows += kRows) {
        Vec x[kVectors];
#pragma GCC unroll 16
        for (int32_t v = 0; v < kVectors; ++v) x[v] = load(rows + v * kLanes);
#pragma GCC unroll 16
        for (int32_t n = 0; n < kWidth; ++n) {
          const Vec y = splat(columns[n * kRows + r]);
#pragma GCC unroll 16
          for (int32_t v = 0; v < kVectors; ++v) sum[v][n] = fma(x[v], y, sum[v][n]);
        }
      }
    }
#pragma GCC unroll 16
    for (int32_t n = 0; n < kWidth; ++n) {
#pragma GCC unroll 16
      for (int32_t v = 0; v < kVectors; ++v) {
        float *s = sums + n * kRows + v * kLanes;
        store(s, first ? sum[v][n] : load(s) + sum[v][n]);
      }
    }
  }
}

template <int32_t kWidth = kTile>
RMT_INLINE void outer_tile_of(int32_t width, const float *columns, int64_t panel_stride, const float *rows,
                              int32_t num_rows, float *sums) {
  if (width == kWidth) {
    outer_tile<kWidth>(columns, panel_stride, rows, num_rows, sums);
  } else if constexpr (kWidth > kTileUnit) {
    outer_tile_of<kWidth - kTileUnit>(width, columns, panel_stride, rows, num_rows, sums);
  }
}

// What the rows of a chunk add to the weights of a linear. Of its outputs' gradients and its inputs, one comes in
// panels, the other transposed; best the wider in panels.
struct WeightGradient {
  const float *columns;  // panels
  int64_t panel_stride;
  int32_t num_columns;
  const float *rows;  // transposed: blocks of kRows values of each row
  int64_t block_stride;
  int32_t row_size;
  int32_t num_rows;
  bool columns_are_outputs;
  float *weight;  // tiles of (out, in)

  // The part of columns [begin, end), which begins with a whole tile.
  void add(int32_t begin, int32_t end) const {
    float sums[kTile * kRows] __attribute__((aligned(64)));
    for (int32_t k = 0; k < row_size; k += kRows) {  // a block of rows serves all columns while it is near
      for (int32_t n = begin; n < end; n += kTile) {
        outer_tile_of(min(kTile, static_cast<int32_t>(padded(end - n))), columns + static_cast<int64_t>(n) * kRows,
                      panel_stride, rows + k / kRows * block_stride, num_rows, sums);
        const int32_t num_n = min(kTile, end - n);
        const int32_t num_k = min(kRows, row_size - k);
        if (columns_are_outputs) {
          add_by_outputs(n, num_n, k, num_k, sums);
        } else {
          add_by_inputs(n, num_n, k, num_k, sums);
        }
      }
    }
  }

 private:
  int32_t out() const { return columns_are_outputs ? num_columns : row_size; }
  int32_t in() const { return columns_are_outputs ? row_size : num_columns; }

  // The outputs are those of one tile of weights: weight[input][output] += sums[output][input].
  void add_by_outputs(int32_t output, int32_t outputs, int32_t input, int32_t inputs, const float *sums) const {
    const int32_t width = min(kTile, static_cast<int32_t>(padded(out() - output)));
    float *g = weight + static_cast<int64_t>(output) * in() + static_cast<int64_t>(input) * width;
    if constexpr (kTile <= kLanes) {
      for (int32_t k = 0; k < inputs; k += kLanes) {
        Vec vectors[kLanes] = {};
#pragma GCC unroll 16
        for (int32_t n = 0; n < kTile; ++n) vectors[n] = load(sums + n * kRows + k);
        transpose(vectors);
        float turned[kLanes * kLanes] __attribute__((aligned(64)));
#pragma GCC unroll 16
        for (int32_t i = 0; i < kLanes; ++i) store(turned + i * kLanes, vectors[i]);
        for (int32_t i = 0; i < min(kLanes, inputs - k); ++i) {
          move_few<true>(turned + i * kLanes, g + (k + i) * width, outputs);
        }
      }
    } else {
      for (int32_t k = 0; k < inputs; ++k) {
        for (int32_t n = 0; n < outputs; ++n) g[k * width + n] += sums[n * kRows + k];
      }
    }
  }

  // weight[input][output] += sums[input][output], tile by tile of the weights.
  void add_by_inputs(int32_t input, int32_t inputs, int32_t output, int32_t outputs, const float *sums) const {
    for (int32_t begin = 0; begin < outputs;) {
      const int32_t first = (output + begin) / kTile * kTile;
      const int32_t width = min(kTile, static_cast<int32_t>(padded(out() - first)));
      const int32_t count = min(outputs - begin, first + kTile - output - begin);
      float *g =
          weight + static_cast<int64_t>(first) * in() + static_cast<int64_t>(input) * width + output + begin - first;
      for (int32_t i = 0; i < inputs; ++i) move_few<true>(sums + i * kRows + begin, g + i * width, count);
      begin += count;
    }
  }
};

// sums[c] += sum over the rows of column c; rows beyond the last one hold zeros.
inline void add_column_sums(const float *panels, int64_t panel_stride, int32_t num_rows, int32_t columns, float *sums) {
  constexpr int32_t kPartialPanels = 8;
  const int32_t num_panels = divide_up(num_rows, kRows);
  for (int32_t c = 0; c < columns; c += kLanes) {
    const int32_t count = min(kLanes, columns - c);
    Vec total[kLanes] = {};
    for (int32_t first = 0; first < num_panels; first += kPartialPanels) {
      const float *panel = panels + first * panel_stride + static_cast<int64_t>(c) * kRows;
      const int32_t few = min(kPartialPanels, num_panels - first);
      for (int32_t n = 0; n < count; ++n) {
        Vec part[kVectors] = {};
        for (int32_t p = 0; p < few; ++p) {
#pragma GCC unroll 4
          for (int32_t v = 0; v < kVectors; ++v) part[v] += load(panel + p * panel_stride + n * kRows + v * kLanes);
        }
#pragma GCC unroll 4
        for (int32_t v = 0; v < kVectors; ++v) total[n] += part[v];
      }
    }
    const Vec sum = sum_lanes(total);
    for (int32_t n = 0; n < count; ++n) sums[c + n] += sum[n];
  }
}

}  // namespace
}  // namespace rmt::RMT_ISA
