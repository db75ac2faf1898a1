// simd.h - one vector register of fp32 values, the few operations that the kernels need, and the tile sizes of the
// instruction set.
//
// Part of the sources that are compiled once per instruction set (see backend.h). Everything in them has internal
// linkage, and nothing of the C++ library is used: an inline function that several objects share would be kept by the
// linker in one copy, perhaps the one that an older processor cannot run.
//
// Files are compiled with -ffp-contract=off: where a product and a sum are to be rounded once, fma() says so. So the
// bits do not depend on what the compiler makes of a particular loop.
#pragma once

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define RMT_INLINE inline __attribute__((always_inline))

namespace rmt::RMT_ISA {
namespace {

// Tile sizes. A panel is kRows = kVectors x kLanes positions; a weight tile is kTile output columns, the last one of a
// matrix may be narrower by multiples of kTileUnit; kVectors x kTile accumulators fill the registers. kKeyTile keys and
// kValueTile columns of a head are the tiles of attention.
#if defined(__AVX512F__)
constexpr int32_t kLanes = 16, kVectors = 2, kTile = 12, kTileUnit = 4, kKeyTile = 8, kValueTile = 8;
#elif defined(__AVX2__) && defined(__FMA__)
constexpr int32_t kLanes = 8, kVectors = 2, kTile = 6, kTileUnit = 2, kKeyTile = 4, kValueTile = 4;
#elif defined(__aarch64__)
constexpr int32_t kLanes = 4, kVectors = 4, kTile = 6, kTileUnit = 2, kKeyTile = 4, kValueTile = 4;
#else
constexpr int32_t kLanes = 4, kVectors = 4, kTile = 2, kTileUnit = 2, kKeyTile = 2, kValueTile = 2;
#endif
constexpr int32_t kRows = kVectors * kLanes;
static_assert(kTile % kTileUnit == 0 && kRows % kKeyTile == 0 && 16 % kTileUnit == 0, "tiles must fit");

typedef float Vec __attribute__((vector_size(kLanes * sizeof(float)), may_alias));
typedef uint32_t BitVec __attribute__((vector_size(kLanes * sizeof(float)), may_alias));

typedef double DoubleVec __attribute__((vector_size(kLanes * sizeof(double))));

#if defined(__AVX512F__)
// The unmasked intrinsics read a variable that GCC 12 knows to be uninitialised, and warn about it.
constexpr __mmask16 kAllLanes = 0xffff;
#endif

RMT_INLINE Vec load(const float *p) { return *reinterpret_cast<const Vec *>(p); }
RMT_INLINE void store(float *p, Vec v) { *reinterpret_cast<Vec *>(p) = v; }
RMT_INLINE Vec splat(float value) { return value - Vec{}; }
RMT_INLINE BitVec bits(Vec v) { return reinterpret_cast<BitVec>(v); }
RMT_INLINE Vec from_bits(BitVec v) { return reinterpret_cast<Vec>(v); }
// Functions that return vectors wider than a register earn a warning about their ABI; these functions are always
// inlined.
#pragma GCC diagnostic ignored "-Wpsabi"
RMT_INLINE DoubleVec to_double(Vec v) { return __builtin_convertvector(v, DoubleVec); }
RMT_INLINE Vec to_float(const DoubleVec &v) { return __builtin_convertvector(v, Vec); }
RMT_INLINE Vec abs(Vec v) { return from_bits(bits(v) & 0x7fffffffu); }

// a * b + c, rounded once where the instruction set can.
RMT_INLINE Vec fma(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__) && defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

// The larger of the two; the second where one is not a number.
RMT_INLINE Vec max(Vec a, Vec b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(kAllLanes, a, b);
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#elif defined(__x86_64__)
  return _mm_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

RMT_INLINE Vec square_root(Vec v) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(kAllLanes, v);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(v);
#elif defined(__x86_64__)
  return _mm_sqrt_ps(v);
#else
  for (int32_t i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

// 2^x for x < 128, relative error below 1.5e-7; 0 where x rounds to -127 or less; not a number stays so.
RMT_INLINE Vec exp2(Vec x) {
  // x = n + f with a whole n and |f| <= 1/2. Adding 1.5 * 2^23 rounds to a whole number and leaves n in the low bits.
  const Vec shift = splat(12582912.0f);
#if !defined(__AVX512F__)
  x = max(splat(-127.0f), x);
#endif
  const Vec shifted = x + shift;
  const Vec n = shifted - shift;
  const Vec f = x - n;
  Vec p = splat(1.5353362e-04f);
  p = fma(p, f, splat(1.3398874e-03f));
  p = fma(p, f, splat(9.6184369e-03f));
  p = fma(p, f, splat(5.5503324e-02f));
  p = fma(p, f, splat(2.4022648e-01f));
  p = fma(p, f, splat(6.9314718e-01f));
  p = fma(p, f, splat(1.0f));
#if defined(__AVX512F__)
  return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(n, splat(-126.0f), _CMP_NLT_UQ), p, n);
#else
  return p * from_bits((bits(shifted) + 127u) << 23);  // n = -127 gives the bits of 0
#endif
}

// GELU(x) = x * Phi(x) with the normal distribution function Phi; absolute error below 1e-7 * max(1, |x|).
RMT_INLINE Vec gelu(Vec x) {
  // With t = |x|, GELU(x) = max(x, 0) - t * Phi(-t): no digits cancel. log2 Phi(-t) is close to a parabola; the
  // polynomial weighs its error by t * Phi(-t), and falls without bound where that is below any fp32 digit of interest.
  const Vec t = abs(x);
  Vec p = splat(-1.6903999e-06f);
  p = fma(p, t, splat(2.5083289e-05f));
  p = fma(p, t, splat(-1.1446261e-04f));
  p = fma(p, t, splat(-3.2334224e-04f));
  p = fma(p, t, splat(7.3333842e-03f));
  p = fma(p, t, splat(-5.2714199e-02f));
  p = fma(p, t, splat(-4.5911544e-01f));
  p = fma(p, t, splat(-1.15112326f));
  p = fma(p, t, splat(-0.99999887f));
  return max(splat(0.0f), x) - t * exp2(p);
}

RMT_INLINE int32_t min(int32_t a, int32_t b) { return a < b ? a : b; }
RMT_INLINE int32_t max(int32_t a, int32_t b) { return a > b ? a : b; }
RMT_INLINE int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }
RMT_INLINE int32_t divide_up(int32_t value, int32_t unit) { return (value + unit - 1) / unit; }

}  // namespace
}  // namespace rmt::RMT_ISA
