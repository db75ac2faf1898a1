// simt.h - runs the blocks of a kernel, one after another.
#pragma once

#include <string>

#include "emulation.h"

namespace rmt::emulation {

// Empty, or what is wrong with the kernel: then it stopped there. One call at a time in the process.
std::string run_blocks(const Launch &launch);

}  // namespace rmt::emulation
