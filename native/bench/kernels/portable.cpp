#define RMT_ISA portable
#include "measure.h"

namespace rmt::bench {
KernelTimes kernel_times_portable(const EncoderSize &size) { return rmt::portable::measure(size); }
}  // namespace rmt::bench
