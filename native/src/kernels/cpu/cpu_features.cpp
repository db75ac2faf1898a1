#include "kernels/cpu/cpu_features.h"

#include "kernels/reference/reference_backend.h"

namespace rmt {

// Null where the build does not hold them.
#if RMT_HAVE_AVX512
const Backend *avx512_backend();
#else
static const Backend *avx512_backend() { return nullptr; }
#endif
#if RMT_HAVE_AVX2
const Backend *avx2_backend();
#else
static const Backend *avx2_backend() { return nullptr; }
#endif
const Backend *portable_backend();

namespace {

// The compiler's run-time library asks the processor, and asks the operating system whether it keeps the registers.
bool can_run_avx512() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

bool can_run_avx2() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

}  // namespace

std::vector<const Backend *> runnable_backends() {
  std::vector<const Backend *> backends;
  if (avx512_backend() != nullptr && can_run_avx512()) backends.push_back(avx512_backend());
  if (avx2_backend() != nullptr && can_run_avx2()) backends.push_back(avx2_backend());
  backends.push_back(portable_backend());
  backends.push_back(reference_backend());
  return backends;
}

}  // namespace rmt
