// cpu_features.h - which of the compiled backends this processor can run.
#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace rmt {

// Backends that this build holds and this processor (with its operating system) can run, best first; the last one is
// the reference, which always can.
std::vector<const Backend *> runnable_backends();

}  // namespace rmt
