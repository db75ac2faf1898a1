// tiles.h - what one thread reads and holds of a tile in shared memory.
//
// A line of a tile is shared by kThreads threads, each with kValues of its numbers: neighbours up to four, and with
// eight two quads that lie half a line apart. So threads of a warp read neighbouring quads and no bank twice.
#pragma once

#include <cuda_runtime.h>

namespace rmt::cuda {

template <int kValues, int kThreads>
struct Fragment {
  static_assert(kValues == 1 || kValues == 2 || kValues % 4 == 0, "a thread has one number, two, or quads");
  static constexpr int kGroup = kValues < 4 ? kValues : 4;  // neighbours that are read at once
  static constexpr int kGroups = kValues / kGroup;

  // Where in the line the first number of a group is.
  __device__ static int place(int thread, int group) { return (group * kThreads + thread) * kGroup; }

  __device__ static void load(const float *line, int thread, float (&values)[kValues]) {
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      const float *from = line + place(thread, group);
      float *to = values + group * kGroup;
      if constexpr (kGroup == 4) {
        const float4 quad = *reinterpret_cast<const float4 *>(from);
        to[0] = quad.x;
        to[1] = quad.y;
        to[2] = quad.z;
        to[3] = quad.w;
      } else if constexpr (kGroup == 2) {
        const float2 pair = *reinterpret_cast<const float2 *>(from);
        to[0] = pair.x;
        to[1] = pair.y;
      } else {
        to[0] = *from;
      }
    }
  }

  __device__ static void store(float *line, int thread, const float (&values)[kValues]) {
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      float *to = line + place(thread, group);
      const float *from = values + group * kGroup;
      if constexpr (kGroup == 4) {
        *reinterpret_cast<float4 *>(to) = make_float4(from[0], from[1], from[2], from[3]);
      } else if constexpr (kGroup == 2) {
        *reinterpret_cast<float2 *>(to) = make_float2(from[0], from[1]);
      } else {
        *to = *from;
      }
    }
  }
};

}  // namespace rmt::cuda
