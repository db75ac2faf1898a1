// cuda_device.h - the language of kernels as functions and macros of C++. Shared memory is that of the launch alone
// (kernels/cuda/launch.h): there is no __shared__ here.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "host_types.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

namespace rmt::emulation {

// Where the running thread is. Set at each switch; one thread of one kernel runs at a time in the whole process.
extern uint3 thread_index;
extern uint3 block_index;
extern dim3 block_size;
extern dim3 grid_size;

enum class Call : uint8_t { kSyncthreads, kSyncwarp, kShuffle, kVote };

// Waits for all threads of the block.
void sync_block(const char *file, int line);
// Waits for the lanes of `mask`. A shuffle returns the value of lane `source`, a vote the lanes that gave one.
uint64_t sync_lanes(Call call, unsigned mask, uint64_t value, int source, const char *file, int line);
int lane();

template <typename T>
T shuffle(unsigned mask, T value, int source, const char *file, int line) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "as on a GPU");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = sync_lanes(Call::kShuffle, mask, bits, source, file, line);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace rmt::emulation

#define threadIdx (static_cast<const uint3 &>(rmt::emulation::thread_index))
#define blockIdx (static_cast<const uint3 &>(rmt::emulation::block_index))
#define blockDim (static_cast<const dim3 &>(rmt::emulation::block_size))
#define gridDim (static_cast<const dim3 &>(rmt::emulation::grid_size))
constexpr int warpSize = 32;

// The last two parameters of each are the caller's place, for errors.
#define RMT_EMULATION_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(RMT_EMULATION_PLACE) { rmt::emulation::sync_block(file, line); }
inline void __syncwarp(unsigned mask = 0xffffffffu, RMT_EMULATION_PLACE) {
  rmt::emulation::sync_lanes(rmt::emulation::Call::kSyncwarp, mask, 0, 0, file, line);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, RMT_EMULATION_PLACE) {
  return static_cast<unsigned>(
      rmt::emulation::sync_lanes(rmt::emulation::Call::kVote, mask, predicate != 0, 0, file, line));
}
inline int __any_sync(unsigned mask, int predicate, RMT_EMULATION_PLACE) {
  return __ballot_sync(mask, predicate, file, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, RMT_EMULATION_PLACE) {
  return __ballot_sync(mask, predicate, file, line) == mask;
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize, RMT_EMULATION_PLACE) {
  const int first = rmt::emulation::lane() & ~(width - 1);
  return rmt::emulation::shuffle(mask, value, first + (source & (width - 1)), file, line);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = warpSize, RMT_EMULATION_PLACE) {
  const int lane = rmt::emulation::lane();
  const int source = lane ^ lanes;
  const bool within = source < (lane & ~(width - 1)) + width;
  return rmt::emulation::shuffle(mask, value, within ? source : lane, file, line);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = warpSize, RMT_EMULATION_PLACE) {
  const int lane = rmt::emulation::lane();
  const int source = lane + static_cast<int>(lanes);
  const bool within = source < (lane & ~(width - 1)) + width;
  return rmt::emulation::shuffle(mask, value, within ? source : lane, file, line);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = warpSize, RMT_EMULATION_PLACE) {
  const int lane = rmt::emulation::lane();
  const int source = lane - static_cast<int>(lanes);
  const bool within = source >= (lane & ~(width - 1));
  return rmt::emulation::shuffle(mask, value, within ? source : lane, file, line);
}
#undef RMT_EMULATION_PLACE

template <typename T>
inline T __ldg(const T *address) {
  return *address;
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
// Never joined with another operation.
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __ddiv_rn(double x, double y) { return x / y; }
inline double __dsqrt_rn(double x) { return std::sqrt(x); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __umulhi(unsigned x, unsigned y) { return static_cast<unsigned>((uint64_t{x} * y) >> 32); }
inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float __int_as_float(int bits) { return __uint_as_float(static_cast<unsigned>(bits)); }
inline int __float_as_int(float value) { return static_cast<int>(__float_as_uint(value)); }

#define RMT_EMULATION_MIN_MAX(type)                         \
  inline type min(type x, type y) { return y < x ? y : x; } \
  inline type max(type x, type y) { return x < y ? y : x; }
RMT_EMULATION_MIN_MAX(int)
RMT_EMULATION_MIN_MAX(unsigned)
RMT_EMULATION_MIN_MAX(long)
RMT_EMULATION_MIN_MAX(unsigned long)
RMT_EMULATION_MIN_MAX(long long)
RMT_EMULATION_MIN_MAX(unsigned long long)
#undef RMT_EMULATION_MIN_MAX
inline float min(float x, float y) { return std::fmin(x, y); }
inline float max(float x, float y) { return std::fmax(x, y); }
inline double min(double x, double y) { return std::fmin(x, y); }
inline double max(double x, double y) { return std::fmax(x, y); }
