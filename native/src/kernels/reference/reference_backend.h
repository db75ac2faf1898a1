// reference_backend.h - the oracle: every operation as plain loops over doubles.
#pragma once

#include "kernels/kernels.h"

namespace rmt {

// Runs on any processor, on the calling thread alone.
const Backend *reference_backend();

}  // namespace rmt
