// system.h - what of this machine the process may use: memory and processors, limits of its control groups included.
#pragma once

#include <cstdint>
#include <string>

namespace rmt {

// Bytes that could be taken now without swapping: free and reclaimable memory, cut by what is left in each control
// group (v2 or v1) above the process. `root` is put before /proc and /sys, for tests.
int64_t available_memory_bytes(const std::string &root = "");

// Threads that can run at the same time: processors of the affinity mask, cut by the control group's quota.
int32_t usable_threads(const std::string &root = "");

}  // namespace rmt
