// probe.h - the functions of kernels/cpu/simd.h on arrays, compiled once per instruction set.
#pragma once

#include "kernels/cpu/simd.h"

#define RMT_PROBE_JOIN_(a, b) a##b
#define RMT_PROBE_JOIN(a, b) RMT_PROBE_JOIN_(a, b)

// y = function(x), `count` values; a multiple of 16.
void RMT_PROBE_JOIN(exp2_, RMT_ISA)(const float *x, float *y, int count) {
  using namespace rmt::RMT_ISA;
  for (int i = 0; i < count; i += kLanes) {
    Vec v;
    memcpy(&v, x + i, sizeof(v));
    exp2<1>(&v);
    memcpy(y + i, &v, sizeof(v));
  }
}

void RMT_PROBE_JOIN(gelu_, RMT_ISA)(const float *x, float *y, int count) {
  using namespace rmt::RMT_ISA;
  for (int i = 0; i < count; i += kLanes) {
    Vec v;
    memcpy(&v, x + i, sizeof(v));
    gelu<1>(&v);
    memcpy(y + i, &v, sizeof(v));
  }
}

void RMT_PROBE_JOIN(gelu_slope_, RMT_ISA)(const float *x, float *y, int count) {
  using namespace rmt::RMT_ISA;
  for (int i = 0; i < count; i += kLanes) {
    Vec v;
    memcpy(&v, x + i, sizeof(v));
    Vec slope;
    Vec value = v;
    Vec alone = v;
    gelu_and_slope<1>(&value, &slope);
    gelu<1>(&alone);
    // The value beside the slope has the bits of gelu(); where it has not, the test sees NaN.
    if (memcmp(&value, &alone, sizeof(value)) != 0) slope += __builtin_nanf("");
    memcpy(y + i, &slope, sizeof(slope));
  }
}
