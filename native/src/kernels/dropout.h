// dropout.h - which elements are dropped: a hash of a key and of the element's place, so that a recomputed forward
// drops the same ones, on any backend, with any number of threads and any batch.
//
// Three rounds: h = mix(key ^ site), h = mix(h + row), h = mix(h + column). An element is kept where h >= threshold,
// threshold = probability x 2^32, and kept elements are multiplied by 1 / (1 - probability).
#pragma once

#include <stdint.h>

// Functions that kernels on a GPU call as well.
#ifdef __CUDACC__
#define RMT_HOST_DEVICE __host__ __device__
#else
#define RMT_HOST_DEVICE
#endif

namespace rmt {

// Where in a segment: kEmbedding; for each layer kAttention + head (row: query position, column: key position),
// kAttentionOutput, kOutput (row: position, column: hidden index); kHead behind the pooler (row 0).
struct DropoutSite {
  static constexpr uint32_t kEmbedding = 0;
  static constexpr uint32_t kHead = 1;
  static constexpr uint32_t kAttentionOutput = 2;
  static constexpr uint32_t kOutput = 3;
  static constexpr uint32_t kAttention = 4;    // + head
  static constexpr uint32_t kLayerShift = 20;  // (layer + 1) << kLayerShift is added to the sites of a layer
};

static constexpr uint32_t kDropoutMultiplier1 = 0x21f0aaadu;
static constexpr uint32_t kDropoutMultiplier2 = 0xd35a2d97u;

RMT_HOST_DEVICE static inline uint32_t dropout_mix(uint32_t h) {
  h ^= h >> 16;
  h *= kDropoutMultiplier1;
  h ^= h >> 15;
  h *= kDropoutMultiplier2;
  h ^= h >> 15;
  return h;
}

// The hash of a site; its rows follow as dropout_mix(dropout_site(...) + row).
RMT_HOST_DEVICE static inline uint32_t dropout_site(uint64_t key, uint32_t site) {
  const uint32_t folded = dropout_mix(static_cast<uint32_t>(key) + 0x9e3779b9u) ^ static_cast<uint32_t>(key >> 32);
  return dropout_mix(folded ^ dropout_mix(site));
}

// The hash of a site and row; the columns follow as dropout_mix(dropout_row(...) + column).
RMT_HOST_DEVICE static inline uint32_t dropout_row(uint64_t key, uint32_t site, uint32_t row) {
  return dropout_mix(dropout_site(key, site) + row);
}

static inline uint32_t dropout_threshold(float probability) {
  return static_cast<uint32_t>(static_cast<double>(probability) * 4294967296.0);
}

}  // namespace rmt
