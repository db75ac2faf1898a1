#include "kernel_times.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace rmt::bench {

KernelTimes kernel_times_portable(const EncoderSize &size);
KernelTimes kernel_times_avx2(const EncoderSize &size);
KernelTimes kernel_times_avx512(const EncoderSize &size);

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

float *filled_floats(int64_t count) {
  constexpr size_t kLine = 64;
  static std::vector<std::unique_ptr<float, void (*)(void *)>> kept;
  const size_t bytes = (static_cast<size_t>(count) * sizeof(float) + kLine - 1) / kLine * kLine;
  kept.emplace_back(static_cast<float *>(std::aligned_alloc(kLine, bytes)), std::free);
  float *floats = kept.back().get();
  if (floats == nullptr) throw std::bad_alloc();
  std::mt19937 random(5);
  for (int64_t i = 0; i < count; ++i) floats[i] = static_cast<float>(random()) * (0.1f / 4294967296.0f) - 0.05f;
  return floats;
}

double median_of(double *values, int32_t count) {
  std::sort(values, values + count);
  return values[count / 2];
}

KernelTimes kernel_times(const char *cpu_isa, const EncoderSize &size) {
  const std::string isa(cpu_isa);
#if RMT_HAVE_AVX512
  if (isa == "avx512") return kernel_times_avx512(size);
#endif
#if RMT_HAVE_AVX2
  if (isa == "avx2") return kernel_times_avx2(size);
#endif
  if (isa == "portable") return kernel_times_portable(size);
  throw std::runtime_error("no kernels for " + isa);
}

}  // namespace rmt::bench
