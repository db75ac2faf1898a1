// dropped.h - dropout masks (see kernels/dropout.h), a vector of elements at a time.
#pragma once

#include "kernels/cpu/simd.h"
#include "kernels/dropout.h"

namespace rmt::RMT_ISA {
namespace {

// Which elements of one site are dropped. The same for values and for gradients.
struct Dropped {
  uint32_t site_hash;
  uint32_t threshold;
  float scale;  // of the elements that stay

  Dropped(uint64_t key, uint32_t site, float probability)
      : site_hash(dropout_site(key, site)),
        threshold(dropout_threshold(probability)),
        scale(1.0f / (1.0f - probability)) {}

  static RMT_INLINE BitVec mix(BitVec h) {
    h ^= h >> 16;
    h *= kDropoutMultiplier1;
    h ^= h >> 15;
    h *= kDropoutMultiplier2;
    h ^= h >> 15;
    return h;
  }

  // Hashes of neighbouring rows in the lanes, and of one row.
  BitVec hash_of_rows(int32_t first_row) const {
    BitVec rows;
    for (int32_t i = 0; i < kLanes; ++i) rows[i] = static_cast<uint32_t>(first_row + i);
    return mix(site_hash + rows);
  }
  uint32_t hash_of_row(int32_t row) const { return dropout_mix(site_hash + static_cast<uint32_t>(row)); }

  // `row_and_column`: hash of the row plus the column.
  RMT_INLINE Vec keep(BitVec row_and_column, Vec value) const {
    return mix(row_and_column) >= threshold ? value * scale : splat(0.0f);
  }
};

// The site of a layer in DropoutSite's numbering.
inline uint32_t layer_site(int32_t layer, uint32_t site) {
  return (static_cast<uint32_t>(layer + 1) << DropoutSite::kLayerShift) + site;
}

}  // namespace
}  // namespace rmt::RMT_ISA
