// launch.h - how kernels are written and started, the same for nvcc and for the emulation (tests/emulation).
//
// Shared memory is always that of the launch, taken by RMT_SHARED_MEMORY: at most 48 KB, which every GPU since Pascal
// has without asking. A kernel is started by RMT_LAUNCH, never by <<< >>>.
#pragma once

#include <cuda_runtime.h>

#ifdef RMT_CUDA_EMULATED
#define RMT_SHARED_MEMORY(type, name) type *name = static_cast<type *>(rmt::emulation::shared_memory())
#define RMT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  rmt::emulation::launch(#kernel, grid, block, shared_bytes, stream, kernel, __VA_ARGS__)
#else
#define RMT_SHARED_MEMORY(type, name)                          \
  extern __shared__ __align__(16) unsigned char rmt_shared_[]; \
  type *name = reinterpret_cast<type *>(rmt_shared_)
#define RMT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  kernel<<<grid, block, shared_bytes, stream>>>(__VA_ARGS__)
#endif
