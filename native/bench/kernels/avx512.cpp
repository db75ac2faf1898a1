#define RMT_ISA avx512
#include "measure.h"

namespace rmt::bench {
KernelTimes kernel_times_avx512(const EncoderSize &size) { return rmt::avx512::measure(size); }
}  // namespace rmt::bench
