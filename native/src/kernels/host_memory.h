// host_memory.h - memory states of the backends that compute on the host.
#pragma once

#include "kernels/kernels.h"

namespace rmt {

extern const DeviceMemory kHostMemory;

}  // namespace rmt
