// fma_peak - prints the GFLOP/s of threads that do nothing but multiply and add; needs no librmt. For the report.
//
//   fma_peak ISA THREADS      avx512, avx2 or portable
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "peak.h"

int main(int argc, char **argv) {
  const int threads = argc == 3 ? std::atoi(argv[2]) : 0;
  if (threads < 1) {
    std::fprintf(stderr, "usage: fma_peak avx512|avx2|portable THREADS\n");
    return 2;
  }
  try {
    std::printf("%.1f\n", rmt::bench::peak_gflops(argv[1], threads));
    return 0;
  } catch (const std::exception &failure) {
    std::fprintf(stderr, "fma_peak: %s\n", failure.what());
    return 1;
  }
}
