#include "kernels/host_memory.h"

#include <algorithm>
#include <new>

namespace rmt {

namespace {

float *allocate(void *, int64_t count) { return new (std::nothrow) float[count](); }
void release(void *, float *values) { delete[] values; }
void write(void *, float *to, const float *host, int64_t count) { std::copy_n(host, count, to); }
void read(void *, const float *from, float *host, int64_t count) { std::copy_n(from, count, host); }
void copy(void *, float *to, const float *from, int64_t count) { std::copy_n(from, count, to); }

void add(void *, float *to, const float *from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace

const DeviceMemory kHostMemory = {allocate, release, write, read, copy, add, nullptr, nullptr};

}  // namespace rmt
