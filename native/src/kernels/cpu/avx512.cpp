// The CPU kernels for AVX-512 (F, BW, VL, DQ).
#define RMT_ISA avx512
#include "kernels/cpu/backend.h"
