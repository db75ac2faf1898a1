#define RMT_ISA avx512
#include "probe.h"
