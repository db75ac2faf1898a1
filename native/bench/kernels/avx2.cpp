#define RMT_ISA avx2
#include "measure.h"

namespace rmt::bench {
KernelTimes kernel_times_avx2(const EncoderSize &size) { return rmt::avx2::measure(size); }
}  // namespace rmt::bench
