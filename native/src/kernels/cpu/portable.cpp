// The CPU kernels for the baseline of the architecture: SSE2 on x86-64, NEON on AArch64, plain vectors elsewhere.
#define RMT_ISA portable
#include "kernels/cpu/backend.h"
