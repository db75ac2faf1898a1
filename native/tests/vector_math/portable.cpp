#define RMT_ISA portable
#include "probe.h"
