// packed_rows.h - rows of panels on the move: between layouts whose panels begin at different rows, and transposed.
#pragma once

#include "kernels/cpu/tape.h"

namespace rmt::RMT_ISA {
namespace {

// to[i] = from[i], with kAdd to[i] += from[i], for `count` <= kRows floats anywhere; no others are touched.
template <bool kAdd>
RMT_INLINE void move_few(const float *from, float *to, int32_t count) {
#if defined(__AVX512F__)
  for (; count > 0; count -= kLanes, from += kLanes, to += kLanes) {
    const __mmask16 lanes = static_cast<__mmask16>(count >= kLanes ? 0xffff : (1u << count) - 1);
    Vec v = _mm512_maskz_loadu_ps(lanes, from);
    if (kAdd) v += _mm512_maskz_loadu_ps(lanes, to);
    _mm512_mask_storeu_ps(to, lanes, v);
  }
#else
  int32_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec v = load_unaligned(from + i);
    store_unaligned(to + i, kAdd ? load_unaligned(to + i) + v : v);
  }
  for (; i < count; ++i) to[i] = kAdd ? to[i] + from[i] : from[i];
#endif
}

// Where rows lie: panel 0 and the stride of panels.
struct Panels {
  float *first;
  int64_t stride;
};

// Copies `count` rows of `columns` columns, from row `from_row` on to row `to_row` on; with kAdd they are added.
template <bool kAdd = false>
inline void move_rows(const Panels &from, int32_t from_row, const Panels &to, int32_t to_row, int32_t count,
                      int32_t columns) {
  while (count > 0) {
    const int32_t from_lane = from_row % kRows;
    const int32_t to_lane = to_row % kRows;
    const int32_t few = min(count, kRows - max(from_lane, to_lane));
    const float *source = from.first + from_row / kRows * from.stride + from_lane;
    float *target = to.first + to_row / kRows * to.stride + to_lane;
    for (int32_t c = 0; c < columns; ++c) move_few<kAdd>(source + c * kRows, target + c * kRows, few);
    from_row += few;
    to_row += few;
    count -= few;
  }
}

// Zeros in rows [begin, kRows) of a panel.
inline void clear_rows(float *panel, int32_t begin, int32_t columns) {
  for (int32_t c = 0; c < columns; ++c) {
    for (int32_t r = begin; r < kRows; ++r) panel[c * kRows + r] = 0;
  }
}

// The rows of a panel, one behind the other, in blocks of kRows columns that are `block_stride` apart.
inline void transpose_panel(const float *panel, int32_t columns, int64_t block_stride, float *rows) {
  for (int32_t c = 0; c < columns; c += kLanes) {
    const int32_t count = min(kLanes, columns - c);
    float *block = rows + c / kRows * block_stride + c % kRows;
    for (int32_t v = 0; v < kVectors; ++v) {
      const float *from = panel + c * kRows + v * kLanes;
      Vec vectors[kLanes] = {};
      if (count == kLanes) {
#pragma GCC unroll 16
        for (int32_t i = 0; i < kLanes; ++i) vectors[i] = load(from + i * kRows);
      } else {
        for (int32_t i = 0; i < count; ++i) vectors[i] = load(from + i * kRows);
      }
      transpose(vectors);
#pragma GCC unroll 16
      for (int32_t i = 0; i < kLanes; ++i) store(block + (v * kLanes + i) * kRows, vectors[i]);
    }
  }
}

}  // namespace
}  // namespace rmt::RMT_ISA
