// rows.cu - moves and adds rows of H floats: one warp for each.
#include "kernels/cuda/device.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/quads.h"

namespace rmt::cuda {
namespace {

constexpr int kBlockSize = 256;
constexpr int kWarps = kBlockSize / kWarpSize;

dim3 blocks_for_rows(int64_t count) { return dim3(static_cast<unsigned>((count + kWarps - 1) / kWarps)); }

__device__ int64_t row_of_warp() { return static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kWarpSize; }

// The lanes of a warp go through a row; function(h, remaining) gets each quad.
template <typename Function>
__device__ void for_each_quad(int32_t hidden_size, Function function) {
  for (int32_t h = 4 * (threadIdx.x % kWarpSize); h < hidden_size; h += 4 * kWarpSize) function(h, hidden_size - h);
}

__device__ void copy_row(const float *from, int32_t hidden_size, float *to) {
  const bool whole = begins_in_quads(from, hidden_size) && begins_in_quads(to, hidden_size);
  for_each_quad(hidden_size, [=](int32_t h, int32_t remaining) {
    store_quad(to + h, remaining, whole, load_quad(from + h, remaining, whole));
  });
}

__device__ void add_row(const float *from, int32_t hidden_size, float *to) {
  const bool whole = begins_in_quads(from, hidden_size) && begins_in_quads(to, hidden_size);
  for_each_quad(hidden_size, [=](int32_t h, int32_t remaining) {
    const float4 sum = load_quad(to + h, remaining, whole) + load_quad(from + h, remaining, whole);
    store_quad(to + h, remaining, whole, sum);
  });
}

__global__ void gather_kernel(const float *x, const int32_t *rows, int64_t count, int32_t hidden_size, float *out) {
  const int64_t i = row_of_warp();
  if (i >= count) return;
  float *to = out + i * hidden_size;
  if (rows[i] >= 0) {
    copy_row(x + static_cast<int64_t>(rows[i]) * hidden_size, hidden_size, to);
  } else {
    for (int32_t h = threadIdx.x % kWarpSize; h < hidden_size; h += kWarpSize) to[h] = 0.0f;
  }
}

__global__ void scatter_kernel(const float *in, const int32_t *rows, int64_t count, int32_t hidden_size,
                               bool accumulate, float *x) {
  const int64_t i = row_of_warp();
  if (i >= count || rows[i] < 0) return;
  float *to = x + static_cast<int64_t>(rows[i]) * hidden_size;
  if (accumulate) {
    add_row(in + i * hidden_size, hidden_size, to);
  } else {
    copy_row(in + i * hidden_size, hidden_size, to);
  }
}

// The first of equal rows adds them all.
__global__ void scatter_add_in_order_kernel(const float *in, const int32_t *rows, int64_t count, int32_t hidden_size,
                                            float *x) {
  const int64_t i = row_of_warp();
  if (i >= count || rows[i] < 0) return;
  const int32_t row = rows[i];
  const int lane = threadIdx.x % kWarpSize;
  for (int64_t begin = 0; begin < i; begin += kWarpSize) {
    const int64_t j = begin + lane;
    if (__ballot_sync(kAllLanes, j < i && rows[j] == row) != 0) return;
  }
  float *to = x + static_cast<int64_t>(row) * hidden_size;
  for (int64_t begin = i; begin < count; begin += kWarpSize) {
    const int64_t j = begin + lane;
    unsigned equal = __ballot_sync(kAllLanes, j < count && rows[j] == row);
    for (; equal != 0; equal &= equal - 1) {
      add_row(in + (begin + __ffs(static_cast<int>(equal)) - 1) * hidden_size, hidden_size, to);
    }
  }
}

__global__ void read_memory_rows_kernel(const float *x, const int32_t *memory_row, int32_t count,
                                        int32_t num_mem_tokens, int32_t hidden_size, float *const *target) {
  const int64_t i = row_of_warp();
  const int32_t b = static_cast<int32_t>(i / num_mem_tokens);
  if (b >= count || memory_row[b] < 0) return;
  const int64_t m = i % num_mem_tokens;
  copy_row(x + (memory_row[b] + m) * hidden_size, hidden_size, target[b] + m * hidden_size);
}

__global__ void add_memory_rows_kernel(float *x, const int32_t *memory_row, int32_t count, int32_t num_mem_tokens,
                                       int32_t hidden_size, const float *const *source) {
  const int64_t i = row_of_warp();
  const int32_t b = static_cast<int32_t>(i / num_mem_tokens);
  if (b >= count || memory_row[b] < 0) return;
  const int64_t m = i % num_mem_tokens;
  add_row(source[b] + m * hidden_size, hidden_size, x + (memory_row[b] + m) * hidden_size);
}

__global__ void add_kernel(const float *from, int64_t count, float *to) {
  const int64_t i = 4 * (static_cast<int64_t>(blockIdx.x) * kBlockSize + threadIdx.x);
  if (i >= count) return;
  const bool whole = begins_in_quads(from, 0) && begins_in_quads(to, 0) && count - i >= 4;
  store_quad(to + i, count - i, whole, load_quad(to + i, count - i, whole) + load_quad(from + i, count - i, whole));
}

}  // namespace

void gather(cudaStream_t stream, const float *x, const int32_t *rows, int64_t count, int32_t hidden_size, float *out) {
  if (count == 0) return;
  RMT_LAUNCH(gather_kernel, blocks_for_rows(count), kBlockSize, 0, stream, x, rows, count, hidden_size, out);
}

void scatter(cudaStream_t stream, const float *in, const int32_t *rows, int64_t count, int32_t hidden_size,
             bool accumulate, float *x) {
  if (count == 0) return;
  RMT_LAUNCH(scatter_kernel, blocks_for_rows(count), kBlockSize, 0, stream, in, rows, count, hidden_size, accumulate,
             x);
}

void scatter_add_in_order(cudaStream_t stream, const float *in, const int32_t *rows, int64_t count, int32_t hidden_size,
                          float *x) {
  if (count == 0) return;
  RMT_LAUNCH(scatter_add_in_order_kernel, blocks_for_rows(count), kBlockSize, 0, stream, in, rows, count, hidden_size,
             x);
}

void read_memory_rows(cudaStream_t stream, const float *x, const int32_t *memory_row, int32_t count,
                      int32_t num_mem_tokens, int32_t hidden_size, float *const *target) {
  const int64_t rows = static_cast<int64_t>(count) * num_mem_tokens;
  if (rows == 0) return;
  RMT_LAUNCH(read_memory_rows_kernel, blocks_for_rows(rows), kBlockSize, 0, stream, x, memory_row, count,
             num_mem_tokens, hidden_size, target);
}

void add_memory_rows(cudaStream_t stream, float *x, const int32_t *memory_row, int32_t count, int32_t num_mem_tokens,
                     int32_t hidden_size, const float *const *source) {
  const int64_t rows = static_cast<int64_t>(count) * num_mem_tokens;
  if (rows == 0) return;
  RMT_LAUNCH(add_memory_rows_kernel, blocks_for_rows(rows), kBlockSize, 0, stream, x, memory_row, count, num_mem_tokens,
             hidden_size, source);
}

void add(cudaStream_t stream, const float *from, int64_t count, float *to) {
  if (count == 0) return;
  const dim3 blocks(static_cast<unsigned>((count + 4 * kBlockSize - 1) / (4 * kBlockSize)));
  RMT_LAUNCH(add_kernel, blocks, kBlockSize, 0, stream, from, count, to);
}

}  // namespace rmt::cuda
