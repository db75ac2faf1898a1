// peak.h - what the processor could do at best: fused multiply-adds on registers alone.
#pragma once

#include <string>

namespace rmt::bench {

// GFLOP/s of `threads` threads that do nothing but multiply and add fp32 vectors of the instruction set ("avx512",
// "avx2" or "portable"), the best of a few short windows; 0 where there is no such loop.
double peak_gflops(const std::string &cpu_isa, int threads);

}  // namespace rmt::bench
