// The CPU kernels for AVX2 and FMA.
#define RMT_ISA avx2
#include "kernels/cpu/backend.h"
