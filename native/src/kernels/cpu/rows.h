// rows.h - operations on the rows of a panel: LayerNorm, embedding, reading.
#pragma once

#include "kernels/cpu/layout.h"

namespace rmt::RMT_ISA {
namespace {

// Sum over columns of value(c), in eight partial sums for each lane to keep rounding small.
template <typename Value>
RMT_INLINE DoubleVec sum_columns(int32_t columns, const Value &value) {
  constexpr int32_t kParts = 8;
  Vec part[kParts] = {};
  int32_t c = 0;
  for (; c + kParts <= columns; c += kParts) {
#pragma GCC unroll 8
    for (int32_t i = 0; i < kParts; ++i) part[i] += value(c + i);
  }
  for (; c < columns; ++c) part[0] += value(c);
  return to_double((part[0] + part[1]) + (part[2] + part[3])) + to_double((part[4] + part[5]) + (part[6] + part[7]));
}

struct Norm {
  const float *weight;  // (H)
  const float *bias;    // (H)
  float eps;
};

// What the backward of a LayerNorm needs of its forward.
struct NormTape {
  float *normalized;  // panel of H columns: before weight and bias
  float *factor;      // (kRows): 1 / standard deviation
};

// out = LayerNorm(in), in two passes; `in` and `out` may be the same. What holds for a whole row is worked out in
// double: an error there would go into every column in the same direction. `tape` is written with kKeep.
template <bool kKeep = false>
inline void layer_norm(const Norm &norm, int32_t columns, int32_t vectors, const float *in, float *out,
                       const NormTape &tape = {}) {
  for (int32_t v = 0; v < vectors; ++v, in += kLanes, out += kLanes) {
    const DoubleVec mean = sum_columns(columns, [in](int32_t c) { return load(in + c * kRows); }) / columns;
    const Vec near_mean = to_float(mean);
    const DoubleVec squares = sum_columns(columns, [in, near_mean](int32_t c) {
      const Vec d = load(in + c * kRows) - near_mean;
      return d * d;
    });
    const DoubleVec variance = squares / columns + static_cast<double>(norm.eps);
    const DoubleVec rough = to_double(1.0f / square_root(to_float(variance)));
    const DoubleVec exact = rough * (1.5 - 0.5 * variance * rough * rough);  // a step of Newton's method
    const Vec factor = to_float(exact);
    // The mean is taken off first: in x * factor - mean * factor, rows far from zero would lose their digits.
    const Vec shift = to_float((to_double(near_mean) - mean) * exact);
    if (kKeep) store(tape.factor + v * kLanes, factor);
    for (int32_t c = 0; c < columns; ++c) {
      const Vec x = fma(load(in + c * kRows) - near_mean, factor, shift);
      if (kKeep) store(tape.normalized + c * kRows + v * kLanes, x);
      store(out + c * kRows, fma(x, splat(norm.weight[c]), splat(norm.bias[c])));
    }
  }
}

struct EmbeddingTables {
  const float *words;      // (V, H)
  const float *positions;  // panels of (P, H)
  const float *type;       // (H): row 0
};

// Where the word of a position is, or the memory row in its place.
inline const float *embedding_row(const float *words, const ModelShape &shape, const RowBlock &block,
                                  int32_t position) {
  return reads_memory(block, position, shape.num_mem_tokens)
             ? block.read_memory + static_cast<int64_t>(position - block.read_memory_start) * shape.hidden_size
             : words + static_cast<int64_t>(block.ids[position]) * shape.hidden_size;
}

// One panel of LayerNorm(row + position + type); `positions` is a panel.
template <bool kKeep = false>
inline void embed_rows(const float *const *rows, const float *positions, const float *type, const Norm &norm,
                       int32_t columns, float *out, const NormTape &tape = {}) {
  const int32_t whole = columns / kLanes * kLanes;
  for (int32_t begin = 0; begin < whole; begin += kLanes) {
    for (int32_t v = 0; v < kVectors; ++v) {
      Vec vectors[kLanes];
#pragma GCC unroll 16
      for (int32_t i = 0; i < kLanes; ++i) vectors[i] = load_unaligned(rows[v * kLanes + i] + begin);
      transpose(vectors);
#pragma GCC unroll 16
      for (int32_t i = 0; i < kLanes; ++i) {
        const int32_t at = (begin + i) * kRows + v * kLanes;
        store(out + at, vectors[i] + (load(positions + at) + type[begin + i]));
      }
    }
  }
  for (int32_t c = whole; c < columns; ++c) {
    for (int32_t r = 0; r < kRows; ++r) {
      const int32_t at = c * kRows + r;
      out[at] = rows[r][c] + (positions[at] + type[c]);
    }
  }
  layer_norm<kKeep>(norm, columns, kVectors, out, out, tape);
}

// One panel of x of a document. Rows behind the valid ones repeat the last word: they never reach a result, but must
// stay finite.
inline void embed_panel(const EmbeddingTables &tables, const Norm &norm, const ModelShape &shape, const RowBlock &block,
                        int32_t panel, float *out) {
  const float *rows[kRows];
  for (int32_t r = 0; r < kRows; ++r) {
    rows[r] = embedding_row(tables.words, shape, block, min(panel * kRows + r, block.length - 1));
  }
  const float *positions = tables.positions + static_cast<int64_t>(panel) * kRows * shape.hidden_size;
  embed_rows(rows, positions, tables.type, norm, shape.hidden_size, out);
}

// Scalar product with eight partial sums in double: one row only, and nothing waits for it.
inline double dot(const float *a, const float *b, int32_t count) {
  double part[8] = {};
  int32_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int32_t j = 0; j < 8; ++j) part[j] += static_cast<double>(a[i + j]) * b[i + j];
  }
  double sum = 0;
  for (; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  for (int32_t j = 0; j < 8; ++j) sum += part[j];
  return sum;
}

}  // namespace
}  // namespace rmt::RMT_ISA
