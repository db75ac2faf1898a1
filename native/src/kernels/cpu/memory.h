// memory.h - the one allocation of a set of weights or of a workspace.
#pragma once

#include <cstdint>

namespace rmt {

// Zeroed memory, aligned to a cache line at least; null where it is refused.
void *allocate_zeroed(int64_t bytes);
void release(void *memory);

}  // namespace rmt
