#include "peak.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rmt::bench {

namespace {

constexpr int kSteps = 1 << 18;
constexpr int kChains = 12;  // independent sums: enough to hide the latency of a step
volatile float sink;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void run_avx512() {
  __m512 sum[kChains];
  for (auto &s : sum) s = _mm512_setzero_ps();
  const __m512 factor = _mm512_set1_ps(0.5f);
  for (int i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kChains; ++j) sum[j] = _mm512_fmadd_ps(sum[j], factor, factor);
  }
  float total = 0;
  for (auto &s : sum) total += s[0];
  sink = total;
}

__attribute__((target("avx2,fma"))) void run_avx2() {
  __m256 sum[kChains];
  for (auto &s : sum) s = _mm256_setzero_ps();
  const __m256 factor = _mm256_set1_ps(0.5f);
  for (int i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kChains; ++j) sum[j] = _mm256_fmadd_ps(sum[j], factor, factor);
  }
  float total = 0;
  for (auto &s : sum) total += s[0];
  sink = total;
}
#endif

// A multiplication and an addition: the compiler joins them where the baseline of the architecture can.
void run_portable() {
  typedef float Vec __attribute__((vector_size(16)));
  Vec sum[kChains] = {};
  const Vec factor = {0.5f, 0.5f, 0.5f, 0.5f};
  for (int i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kChains; ++j) sum[j] = sum[j] * factor + factor;
  }
  float total = 0;
  for (auto &s : sum) total += s[0];
  sink = total;
}

double seconds_of(void (*loop)(), int threads) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  const auto repeat = [loop] {
    for (int i = 0; i < 16; ++i) loop();
  };
  for (int i = 1; i < threads; ++i) others.emplace_back(repeat);
  repeat();
  for (auto &thread : others) thread.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double peak_gflops(const std::string &cpu_isa, int threads) {
  void (*loop)() = nullptr;
  int lanes = 4;
  if (cpu_isa == "portable") loop = run_portable;
#if defined(__x86_64__)
  if (cpu_isa == "avx512") loop = run_avx512, lanes = 16;
  if (cpu_isa == "avx2") loop = run_avx2, lanes = 8;
#endif
  if (loop == nullptr) return 0;
  double best = seconds_of(loop, threads);
  for (int i = 0; i < 7; ++i) best = std::min(best, seconds_of(loop, threads));
  return 16.0 * kSteps * kChains * lanes * 2 * threads / best * 1e-9;
}

}  // namespace rmt::bench
