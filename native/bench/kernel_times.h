// kernel_times.h - what the kernels of a segment take one after the other on one thread, each alone with its data.
#pragma once

#include <cstdint>

namespace rmt::bench {

struct EncoderSize {
  int32_t hidden_size, num_layers, num_heads, intermediate_size, positions;
};

// Seconds for all layers and positions of one segment.
struct KernelTimes {
  double linears;    // with weights that come from as far as in the model
  double attention;  // with `softmax`
  double softmax;    // exponentials and their sums
  double gelu;
  double norms;
  double linear_operations;     // floating-point operations of the products in `linears`
  double attention_operations;  // likewise
};

// The middle one; sorts them.
double median_of(double *values, int32_t count);

// Of an instruction set that this processor runs: "avx512", "avx2" or "portable".
KernelTimes kernel_times(const char *cpu_isa, const EncoderSize &size);

}  // namespace rmt::bench
