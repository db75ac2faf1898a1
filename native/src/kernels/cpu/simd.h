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
typedef int32_t IndexVec __attribute__((vector_size(kLanes * sizeof(float))));

typedef double DoubleVec __attribute__((vector_size(kLanes * sizeof(double))));

#if defined(__AVX512F__)
// The unmasked intrinsics read a variable that GCC 12 knows to be uninitialised, and warn about it.
constexpr __mmask16 kAllLanes = 0xffff;
#endif

RMT_INLINE Vec load(const float *p) { return *reinterpret_cast<const Vec *>(p); }
RMT_INLINE void store(float *p, Vec v) { *reinterpret_cast<Vec *>(p) = v; }
// Of the caller's arrays, which lie anywhere.
RMT_INLINE Vec load_unaligned(const float *p) {
  Vec v;
  memcpy(&v, p, sizeof(v));
  return v;
}
RMT_INLINE void store_unaligned(float *p, Vec v) { memcpy(p, &v, sizeof(v)); }
RMT_INLINE Vec splat(float value) { return value - Vec{}; }
RMT_INLINE BitVec bits(Vec v) { return reinterpret_cast<BitVec>(v); }
RMT_INLINE Vec from_bits(BitVec v) { return reinterpret_cast<Vec>(v); }
// Functions that return vectors wider than a register earn a warning about their ABI; these functions are always
// inlined.
#pragma GCC diagnostic ignored "-Wpsabi"
RMT_INLINE DoubleVec to_double(Vec v) { return __builtin_convertvector(v, DoubleVec); }
RMT_INLINE Vec to_float(const DoubleVec &v) { return __builtin_convertvector(v, Vec); }
RMT_INLINE Vec abs(Vec v) { return from_bits(bits(v) & 0x7fffffffu); }

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__)) || defined(__aarch64__)
constexpr bool kRoundsOnce = true;
#else
constexpr bool kRoundsOnce = false;
#endif

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

// The smaller of the two; the second where one is not a number.
RMT_INLINE Vec min(Vec a, Vec b) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_ps(kAllLanes, a, b);
#elif defined(__AVX2__)
  return _mm256_min_ps(a, b);
#elif defined(__x86_64__)
  return _mm_min_ps(a, b);
#else
  return a < b ? a : b;
#endif
}

// The functions below work on kCount vectors at a time, one step on all of them before the next: a vector alone would
// wait for its own results most of the time, and the processor does not look far enough ahead to find the next one.
// kTogether is about what the registers hold.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int32_t kTogether = 8;
#else
constexpr int32_t kTogether = 4;
#endif

// p = c[0] x^n + c[1] x^(n-1) + ...
template <int32_t kCount, int32_t kTerms>
RMT_INLINE void polynomial(const float (&c)[kTerms], const Vec *x, Vec *p) {
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) p[i] = splat(c[0]);
#pragma GCC unroll 16
  for (int32_t term = 1; term < kTerms; ++term) {
#pragma GCC unroll 16
    for (int32_t i = 0; i < kCount; ++i) p[i] = fma(p[i], x[i], splat(c[term]));
  }
}

// 2^x in place of x < 128, relative error below 1.5e-7; 0 where x rounds to -127 or less; not a number stays so.
template <int32_t kCount>
RMT_INLINE void exp2(Vec *x) {
  // x = n + f with a whole n and |f| <= 1/2.
  constexpr float kPowers[] = {
      1.5353362e-04f, 1.3398874e-03f, 9.6184369e-03f, 5.5503324e-02f, 2.4022648e-01f, 6.9314718e-01f, 1.0f};
  Vec n[kCount];
  Vec p[kCount];
#if defined(__AVX512F__)
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) n[i] = _mm512_maskz_roundscale_ps(kAllLanes, x[i], _MM_FROUND_TO_NEAREST_INT);
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) x[i] -= n[i];
  polynomial<kCount>(kPowers, x, p);
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) {
    x[i] = _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(n[i], splat(-126.0f), _CMP_NLT_UQ), p[i], n[i]);
  }
#else
  // Adding 1.5 * 2^23 rounds to a whole number and leaves n in the low bits.
  const Vec shift = splat(12582912.0f);
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) x[i] = max(splat(-127.0f), x[i]);
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) n[i] = x[i] + shift;
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) x[i] -= n[i] - shift;
  polynomial<kCount>(kPowers, x, p);
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) {
    x[i] = p[i] * from_bits((bits(n[i]) + 127u) << 23);  // n = -127 gives the bits of 0
  }
#endif
}

// Phi(-t) for t >= 0, of the normal distribution function. log2 Phi(-t) is close to a parabola; the polynomial weighs
// its error by t * Phi(-t), and falls without bound where that is below any fp32 digit of interest.
template <int32_t kCount>
RMT_INLINE void normal_tail(const Vec *t, Vec *tail) {
  constexpr float kLogarithm[] = {-1.6903999e-06f, 2.5083289e-05f,  -1.1446261e-04f, -3.2334224e-04f, 7.3333842e-03f,
                                  -5.2714199e-02f, -4.5911544e-01f, -1.15112326f,    -0.99999887f};
  polynomial<kCount>(kLogarithm, t, tail);
  exp2<kCount>(tail);
}

// GELU(x) = x * Phi(x) in place of x, with the normal distribution function Phi; absolute error below
// 1e-7 * max(1, |x|). With t = |x|, GELU(x) = max(x, 0) - t * Phi(-t): no digits cancel.
template <int32_t kCount>
RMT_INLINE void gelu(Vec *x) {
  Vec t[kCount];
  Vec tail[kCount];
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) t[i] = abs(x[i]);
  normal_tail<kCount>(t, tail);
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) x[i] = max(splat(0.0f), x[i]) - t[i] * tail[i];
}

// GELU, in the same bits, and its derivative Phi(x) + x * phi(x); absolute error of that below 2e-7.
template <int32_t kCount>
RMT_INLINE void gelu_and_slope(Vec *x, Vec *slope) {
  constexpr float kRatio[] = {2.1538202e-06f, -3.9997906e-05f, 2.9980483e-04f,  -1.0252469e-03f, -1.4701014e-04f,
                              1.9326520e-02f, -1.0903014e-01f, -6.3664510e-01f, -7.9787543e-01f, 9.9999928e-01f};
  Vec t[kCount];
  Vec tail[kCount];
  Vec near[kCount];
  Vec q[kCount];
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) t[i] = abs(x[i]);
  normal_tail<kCount>(t, tail);
  // At -t the derivative is Phi(-t) * q(t), where q makes up for the error of `tail` too; at t it is 1 less that. Far
  // out, where tail is next to nothing, q must not grow without bound.
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) near[i] = min(splat(12.0f), t[i]);
  polynomial<kCount>(kRatio, near, q);
#pragma GCC unroll 16
  for (int32_t i = 0; i < kCount; ++i) {
    const Vec below = tail[i] * q[i];
    slope[i] = x[i] < splat(0.0f) ? below : 1.0f - below;
    x[i] = max(splat(0.0f), x[i]) - t[i] * tail[i];
  }
}

// y = GELU(x), `count` vectors of them one behind the other.
inline void gelu_all(const float *x, int32_t count, float *y) {
  int32_t i = 0;
  for (; i + kTogether <= count; i += kTogether) {
    Vec v[kTogether];
#pragma GCC unroll 16
    for (int32_t j = 0; j < kTogether; ++j) v[j] = load(x + (i + j) * kLanes);
    gelu<kTogether>(v);
#pragma GCC unroll 16
    for (int32_t j = 0; j < kTogether; ++j) store(y + (i + j) * kLanes, v[j]);
  }
  for (; i < count; ++i) {
    Vec v = load(x + i * kLanes);
    gelu<1>(&v);
    store(y + i * kLanes, v);
  }
}

#if defined(__clang__)
#define RMT_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define RMT_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, IndexVec{__VA_ARGS__})
#endif

// The lanes of the lower halves of both in turn, and of the upper halves.
#if defined(__AVX512F__)
RMT_INLINE Vec interleave_low(Vec a, Vec b) {
  return RMT_SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
RMT_INLINE Vec interleave_high(Vec a, Vec b) {
  return RMT_SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#elif defined(__AVX2__)
RMT_INLINE Vec interleave_low(Vec a, Vec b) { return RMT_SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
RMT_INLINE Vec interleave_high(Vec a, Vec b) { return RMT_SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#else
RMT_INLINE Vec interleave_low(Vec a, Vec b) { return RMT_SHUFFLE(a, b, 0, 4, 1, 5); }
RMT_INLINE Vec interleave_high(Vec a, Vec b) { return RMT_SHUFFLE(a, b, 2, 6, 3, 7); }
#endif

// The two halves of `a` added up, in the even lanes; those of `b` in the odd ones.
RMT_INLINE Vec add_halves(Vec a, Vec b) { return interleave_low(a, b) + interleave_high(a, b); }

// Lane i of the result is the sum of all lanes of vectors[i], by a tree.
template <int32_t kFirst = 0, int32_t kStep = 1, int32_t kCount = kLanes>
RMT_INLINE Vec sum_lanes(const Vec *vectors) {
  if constexpr (kCount == 1) {
    return vectors[kFirst];
  } else {
    return add_halves(sum_lanes<kFirst, 2 * kStep, kCount / 2>(vectors),
                      sum_lanes<kFirst + kStep, 2 * kStep, kCount / 2>(vectors));
  }
}

// Lane j of vectors[i] becomes lane i of vectors[j]: log2(kLanes) perfect shuffles.
RMT_INLINE void transpose(Vec *vectors) {
#pragma GCC unroll 4
  for (int32_t step = 1; step < kLanes; step *= 2) {
    Vec shuffled[kLanes];
#pragma GCC unroll 8
    for (int32_t i = 0; i < kLanes / 2; ++i) {
      shuffled[2 * i] = interleave_low(vectors[i], vectors[i + kLanes / 2]);
      shuffled[2 * i + 1] = interleave_high(vectors[i], vectors[i + kLanes / 2]);
    }
#pragma GCC unroll 16
    for (int32_t i = 0; i < kLanes; ++i) vectors[i] = shuffled[i];
  }
}

RMT_INLINE constexpr int32_t min(int32_t a, int32_t b) { return a < b ? a : b; }
RMT_INLINE constexpr int32_t max(int32_t a, int32_t b) { return a > b ? a : b; }
RMT_INLINE int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }
RMT_INLINE int32_t divide_up(int32_t value, int32_t unit) { return (value + unit - 1) / unit; }

}  // namespace
}  // namespace rmt::RMT_ISA
