// norm_backward.cu - the backward of LayerNorm.
//
// A block has a slab of rows, each of its warps some of them, one after another. What a slab adds to the gradients of
// weight and bias goes to scratch; a second kernel adds the slabs in their order.
#include "kernels/cuda/launch.h"
#include "kernels/cuda/norm_rows.h"
#include "kernels/cuda/operations.h"

namespace rmt::cuda {
namespace {

struct Slabs {
  int64_t rows_of_warp;
  int64_t count;

  explicit Slabs(int64_t rows) {
    const int64_t warps = most(rows) * kNormWarps;
    rows_of_warp = (rows + warps - 1) / warps;
    count = (rows + rows_of_warp * kNormWarps - 1) / (rows_of_warp * kNormWarps);
  }
  // Never less with more rows, unlike `count`.
  static int64_t most(int64_t rows) {
    constexpr int64_t kEnough = 512;
    const int64_t blocks = (rows + kNormWarps - 1) / kNormWarps;
    return blocks < kEnough ? blocks : kEnough;
  }
};

struct NormBackward {
  int64_t rows;
  int64_t rows_of_warp;
  int32_t hidden_size;
  const float *weight;
  NormTape tape;
  float *slabs;  // (slabs, 2, H): of dweight, of dbias
  float *dy;     // becomes dx
};

// dx = scale (g - mean(g) - normalized mean(g normalized)), where g = dy weight.
__device__ float norm_slope(float g, float normalized, float scale, float mean, float mean_of_product) {
  return scale * (g - mean - normalized * mean_of_product);
}

template <int kQuads>
__global__ void __launch_bounds__(kNormBlockSize) norm_backward_kernel(NormBackward call) {
  RMT_SHARED_MEMORY(float, shared);  // (2, H)
  const int32_t hidden_size = call.hidden_size;
  const int warp = threadIdx.x / kWarpSize;
  const int32_t lane_h = 4 * (threadIdx.x % kWarpSize);
  float dweight[kQuads][4] = {};
  float dbias[kQuads][4] = {};
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) * kNormWarps + warp) * call.rows_of_warp;
  const int64_t end = begin + call.rows_of_warp < call.rows ? begin + call.rows_of_warp : call.rows;
  for (int64_t row = begin; row < end; ++row) {
    float *dy = call.dy + row * hidden_size;
    float g[kQuads][4];
    float normalized[kQuads][4];
    float sum = 0.0f;
    float product_sum = 0.0f;
#pragma unroll
    for (int i = 0; i < kQuads; ++i) {
      const int32_t h = lane_h + i * 4 * kWarpSize;
      float weight[4];
      load_group<4>(dy + h, hidden_size - h, true, g[i]);
      load_group<4>(call.tape.normalized + row * hidden_size + h, hidden_size - h, true, normalized[i]);
      load_group<4>(call.weight + h, hidden_size - h, true, weight);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        dweight[i][j] += g[i][j] * normalized[i][j];
        dbias[i][j] += g[i][j];
        g[i][j] *= weight[j];
        sum += g[i][j];
        product_sum += g[i][j] * normalized[i][j];
      }
    }
    const float mean = warp_sum(sum) / static_cast<float>(hidden_size);
    const float mean_of_product = warp_sum(product_sum) / static_cast<float>(hidden_size);
    const float scale = call.tape.scale[row];
#pragma unroll
    for (int i = 0; i < kQuads; ++i) {
      const int32_t h = lane_h + i * 4 * kWarpSize;
#pragma unroll
      for (int j = 0; j < 4; ++j) g[i][j] = norm_slope(g[i][j], normalized[i][j], scale, mean, mean_of_product);
      store_group<4>(dy + h, hidden_size - h, true, g[i]);
    }
  }
  // The warps of the block, one after another.
  for (int turn = 0; turn < kNormWarps; ++turn) {
    if (warp == turn) {
#pragma unroll
      for (int i = 0; i < kQuads; ++i) {
        const int32_t h = lane_h + i * 4 * kWarpSize;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (h >= hidden_size) continue;
          shared[h + j] = turn == 0 ? dweight[i][j] : shared[h + j] + dweight[i][j];
          float &bias = shared[hidden_size + h + j];
          bias = turn == 0 ? dbias[i][j] : bias + dbias[i][j];
        }
      }
    }
    __syncthreads();
  }
  float *slab = call.slabs + static_cast<int64_t>(blockIdx.x) * 2 * hidden_size;
  for (int32_t i = threadIdx.x; i < 2 * hidden_size; i += kNormBlockSize) slab[i] = shared[i];
}

// For rows that are not held in registers: first the slabs, one thread for each column, ...
__global__ void __launch_bounds__(kNormBlockSize) norm_backward_columns_kernel(NormBackward call) {
  const int64_t h = static_cast<int64_t>(blockIdx.x) * kNormBlockSize + threadIdx.x;
  if (h >= call.hidden_size) return;
  const int64_t rows_of_slab = call.rows_of_warp * kNormWarps;
  const int64_t begin = blockIdx.y * rows_of_slab;
  const int64_t end = begin + rows_of_slab < call.rows ? begin + rows_of_slab : call.rows;
  float dweight = 0.0f;
  float dbias = 0.0f;
  for (int64_t row = begin; row < end; ++row) {
    const float dy = call.dy[row * call.hidden_size + h];
    dweight += dy * call.tape.normalized[row * call.hidden_size + h];
    dbias += dy;
  }
  float *slab = call.slabs + static_cast<int64_t>(blockIdx.y) * 2 * call.hidden_size;
  slab[h] = dweight;
  slab[call.hidden_size + h] = dbias;
}

// ... then the rows, one warp for each.
__global__ void __launch_bounds__(kNormBlockSize) norm_backward_rows_kernel(NormBackward call) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kNormWarps + threadIdx.x / kWarpSize;
  if (row >= call.rows) return;
  const int lane = threadIdx.x % kWarpSize;
  float *dy = call.dy + row * call.hidden_size;
  const float *normalized = call.tape.normalized + row * call.hidden_size;
  float sum = 0.0f;
  float product_sum = 0.0f;
  for (int32_t h = lane; h < call.hidden_size; h += kWarpSize) {
    const float g = dy[h] * call.weight[h];
    sum += g;
    product_sum += g * normalized[h];
  }
  const float mean = warp_sum(sum) / static_cast<float>(call.hidden_size);
  const float mean_of_product = warp_sum(product_sum) / static_cast<float>(call.hidden_size);
  const float scale = call.tape.scale[row];
  for (int32_t h = lane; h < call.hidden_size; h += kWarpSize) {
    dy[h] = norm_slope(dy[h] * call.weight[h], normalized[h], scale, mean, mean_of_product);
  }
}

constexpr int kAddColumns = 32;  // of a block; each is added up by eight threads, then by one
constexpr int kAddParts = 8;

__global__ void add_slabs_kernel(const float *slabs, int64_t num_slabs, int32_t hidden_size, float *dweight,
                                 float *dbias) {
  RMT_SHARED_MEMORY(float, parts);
  const int part = threadIdx.x / kAddColumns;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kAddColumns + threadIdx.x % kAddColumns;
  const int64_t columns = 2 * static_cast<int64_t>(hidden_size);
  const int64_t slabs_of_part = (num_slabs + kAddParts - 1) / kAddParts;
  const int64_t begin = part * slabs_of_part;
  const int64_t end = begin + slabs_of_part < num_slabs ? begin + slabs_of_part : num_slabs;
  float sum = 0.0f;
#pragma unroll 4
  for (int64_t slab = begin; slab < end; ++slab) {
    if (column < columns) sum += slabs[slab * columns + column];
  }
  parts[threadIdx.x] = sum;
  __syncthreads();
  if (part != 0 || column >= columns) return;
  for (int p = 1; p < kAddParts; ++p) sum += parts[p * kAddColumns + threadIdx.x];
  float *to = column < hidden_size ? dweight + column : dbias + (column - hidden_size);
  *to += sum;
}

}  // namespace

int64_t norm_scratch(int64_t rows, int32_t hidden_size) { return Slabs::most(rows) * 2 * hidden_size; }

void norm_backward(cudaStream_t stream, int64_t rows, int32_t hidden_size, const float *weight, const NormTape &tape,
                   float *scratch, float *dy, float *dweight, float *dbias) {
  if (rows == 0) return;
  const Slabs slabs(rows);
  const NormBackward call = {rows, slabs.rows_of_warp, hidden_size, weight, tape, scratch, dy};
  const bool whole = begins_in_quads(weight, hidden_size) && begins_in_quads(tape.normalized, hidden_size) &&
                     begins_in_quads(dy, hidden_size);
  with_quads(hidden_size, whole, [&](auto quads) {
    constexpr int kQuads = decltype(quads)::value;
    if constexpr (kQuads > 0) {
      const size_t shared_bytes = 2 * sizeof(float) * static_cast<size_t>(hidden_size);
      RMT_LAUNCH((norm_backward_kernel<kQuads>), static_cast<unsigned>(slabs.count), kNormBlockSize, shared_bytes,
                 stream, call);
    } else {
      const dim3 columns(static_cast<unsigned>((hidden_size + kNormBlockSize - 1) / kNormBlockSize),
                         static_cast<unsigned>(slabs.count));
      RMT_LAUNCH(norm_backward_columns_kernel, columns, kNormBlockSize, 0, stream, call);
      const auto blocks = static_cast<unsigned>((rows + kNormWarps - 1) / kNormWarps);
      RMT_LAUNCH(norm_backward_rows_kernel, blocks, kNormBlockSize, 0, stream, call);
    }
  });
  const auto blocks = static_cast<unsigned>((2 * static_cast<int64_t>(hidden_size) + kAddColumns - 1) / kAddColumns);
  RMT_LAUNCH(add_slabs_kernel, blocks, kAddColumns * kAddParts, kAddColumns * kAddParts * sizeof(float), stream,
             scratch, slabs.count, hidden_size, dweight, dbias);
}

}  // namespace rmt::cuda
