#define RMT_ISA avx2
#include "probe.h"
