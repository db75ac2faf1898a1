// linear_backward.cu - the backward of the linear layer, dx = dy W and dW = dy^T x, and of the GELU behind it.
#include "kernels/cuda/gelu.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/product.h"

namespace rmt::cuda {
namespace {

// Where the sums of a product go: those of slice s of the depth to out + s x slice_stride.
struct Sums {
  float *out;        // (rows, columns)
  float *line_sums;  // (rows): sums of A's lines over the depth; null: not wanted
  int64_t slice_stride;
  int64_t rows;
  int64_t columns;
  int32_t depth;
  int32_t depth_of_slice;
  bool accumulate;
  bool whole;  // begins_in_quads, of all slices
};

template <int kSize, Layout kLayoutA>
__global__ void __launch_bounds__(ProductTile<kSize>::kThreads, 2) product_kernel(Operand a, Operand b, Sums sums) {
  using Tile = ProductTile<kSize>;
  RMT_SHARED_MEMORY(float, shared);
  const unsigned column_tiles = static_cast<unsigned>((sums.columns + Tile::kSide - 1) / Tile::kSide);
  const int64_t first_row = static_cast<int64_t>(blockIdx.x / column_tiles) * Tile::kSide;
  const int64_t first_column = static_cast<int64_t>(blockIdx.x % column_tiles) * Tile::kSide;
  const int32_t begin = static_cast<int32_t>(blockIdx.y) * sums.depth_of_slice;
  const int32_t end = sums.depth - begin < sums.depth_of_slice ? sums.depth : begin + sums.depth_of_slice;
  const bool with_line_sums = sums.line_sums != nullptr && first_column == 0;
  float line_sum = 0.0f;
  Product<kSize> product;
  product.template multiply<kLayoutA, Layout::kRowIsDepth>(a, first_row, b, first_column, begin, end, shared,
                                                           with_line_sums, line_sum);
  float *out = sums.out + blockIdx.y * sums.slice_stride;
  constexpr int kGroup = Product<kSize>::kGroup;
  product.for_each_group([&](int row_of_tile, int column_of_tile, const float *values) {
    const int64_t row = first_row + row_of_tile;
    const int64_t column = first_column + column_of_tile;
    if (row >= sums.rows) return;
    const int64_t remaining = sums.columns - column;
    float *to = out + row * sums.columns + column;
    float result[kGroup] = {};
    if (sums.accumulate) load_group<kGroup>(to, remaining, sums.whole, result);
#pragma unroll
    for (int j = 0; j < kGroup; ++j) result[j] += values[j];
    store_group<kGroup>(to, remaining, sums.whole, result);
  });
  const int64_t line = first_row + threadIdx.x;
  if (with_line_sums && threadIdx.x < Tile::kSide && line < sums.rows) {
    float *to = sums.line_sums + blockIdx.y * sums.slice_stride + line;
    *to = sums.accumulate ? *to + line_sum : line_sum;
  }
}

// to[i] += the slices of element i, in their order; dweight's elements come first, then dbias'.
__global__ void add_slices_kernel(const float *slices, int32_t num_slices, int64_t slice_stride, int64_t weights,
                                  int32_t biases, float *dweight, float *dbias) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= weights + biases) return;
  float sum = 0.0f;
#pragma unroll 4
  for (int32_t slice = 0; slice < num_slices; ++slice) sum += slices[slice * slice_stride + i];
  float *to = i < weights ? dweight + i : dbias + (i - weights);
  *to += sum;
}

template <int kSize, Layout kLayoutA>
void launch(cudaStream_t stream, int64_t slices, const Operand &a, const Operand &b, const Sums &sums) {
  using Tile = ProductTile<kSize>;
  const dim3 grid(product_tiles(sums.rows, sums.columns, Tile::kSide), static_cast<unsigned>(slices));
  RMT_LAUNCH((product_kernel<kSize, kLayoutA>), grid, Tile::kThreads, Tile::kSharedBytes, stream, a, b, sums);
}

template <Layout kLayoutA>
void launch(cudaStream_t stream, int size, int64_t slices, const Operand &a, const Operand &b, const Sums &sums) {
  switch (size) {
    case 8:
      return launch<8, kLayoutA>(stream, slices, a, b, sums);
    case 4:
      return launch<4, kLayoutA>(stream, slices, a, b, sums);
    default:
      return launch<2, kLayoutA>(stream, slices, a, b, sums);
  }
}

// How dW is made: its rows x k products are few, so the sum over rows is split until there are enough blocks.
struct WeightPlan {
  int size;
  int64_t slices;
  int64_t depth_of_slice;
  int64_t slice_stride;

  // None of it gets smaller with more rows: scratch for many is enough for few.
  WeightPlan(int64_t rows, int32_t n, int32_t k) {
    constexpr int64_t kSmallestSlice = 128;
    constexpr int64_t kStep = ProductTile<2>::kDepth;  // a multiple of all steps
    const int64_t most = (rows + kSmallestSlice - 1) / kSmallestSlice;
    size = product_size(n, k, most);
    const int64_t tiles = product_tiles(n, k, 16 * size);
    const int64_t wanted = (kEnoughBlocks + tiles - 1) / tiles;
    slices = wanted < most ? wanted : most;
    depth_of_slice = ((rows + slices - 1) / slices + kStep - 1) / kStep * kStep;
    slice_stride = static_cast<int64_t>(n) * k + (n + 3) / 4 * 4;
  }
  int64_t scratch() const { return slices > 1 ? slices * slice_stride : 0; }
};

__global__ void gelu_kernel(const float *before, int64_t count, float *out) {
  const int64_t i = 4 * (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x);
  const bool whole = begins_in_quads(before, 0) && begins_in_quads(out, 0) && count - i >= 4;
  const float4 x = load_quad(before + i, count - i, whole);
  store_quad(out + i, count - i, whole, make_float4(gelu_of(x.x), gelu_of(x.y), gelu_of(x.z), gelu_of(x.w)));
}

__global__ void gelu_backward_kernel(const float *before, int64_t count, float *dy) {
  const int64_t i = 4 * (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x);
  const bool whole = begins_in_quads(before, 0) && begins_in_quads(dy, 0) && count - i >= 4;
  const float4 x = load_quad(before + i, count - i, whole);
  const float4 d = load_quad(dy + i, count - i, whole);
  store_quad(dy + i, count - i, whole,
             make_float4(d.x * gelu_slope_of(x.x), d.y * gelu_slope_of(x.y), d.z * gelu_slope_of(x.z),
                         d.w * gelu_slope_of(x.w)));
}

constexpr int kBlockSize = 256;

unsigned blocks_for(int64_t threads) { return static_cast<unsigned>((threads + kBlockSize - 1) / kBlockSize); }

}  // namespace

void linear_backward_input(cudaStream_t stream, const float *dy, const float *weight, int64_t rows, int32_t n,
                           int32_t k, bool accumulate, float *dx) {
  if (rows == 0) return;
  const Operand a = {dy, rows, n, begins_in_quads(dy, n)};
  const Operand b = {weight, k, k, begins_in_quads(weight, k)};
  const Sums sums = {dx, nullptr, 0, rows, k, n, n, accumulate, begins_in_quads(dx, k)};
  launch<Layout::kRowIsLine>(stream, product_size(rows, k), 1, a, b, sums);
}

int64_t linear_scratch(int64_t rows, int32_t n, int32_t k) { return rows == 0 ? 0 : WeightPlan(rows, n, k).scratch(); }

void linear_backward_weight(cudaStream_t stream, const float *dy, const float *x, int64_t rows, int32_t n, int32_t k,
                            float *scratch, float *dweight, float *dbias) {
  if (rows == 0) return;
  const WeightPlan plan(rows, n, k);
  const Operand a = {dy, n, n, begins_in_quads(dy, n)};
  const Operand b = {x, k, k, begins_in_quads(x, k)};
  const int32_t depth = static_cast<int32_t>(rows);
  if (plan.slices == 1) {
    const Sums sums = {dweight, dbias, 0, n, k, depth, depth, true, begins_in_quads(dweight, k)};
    return launch<Layout::kRowIsDepth>(stream, plan.size, 1, a, b, sums);
  }
  const int64_t weights = static_cast<int64_t>(n) * k;
  const int32_t depth_of_slice = static_cast<int32_t>(plan.depth_of_slice);
  const int64_t slices = (rows + depth_of_slice - 1) / depth_of_slice;
  const bool whole = begins_in_quads(scratch, k) && begins_in_quads(scratch, plan.slice_stride);
  const Sums sums = {
      scratch, dbias == nullptr ? nullptr : scratch + weights, plan.slice_stride, n, k, depth, depth_of_slice, false,
      whole};
  launch<Layout::kRowIsDepth>(stream, plan.size, slices, a, b, sums);
  const int32_t biases = dbias == nullptr ? 0 : n;
  RMT_LAUNCH(add_slices_kernel, blocks_for(weights + biases), kBlockSize, 0, stream, scratch,
             static_cast<int32_t>(slices), plan.slice_stride, weights, biases, dweight, dbias);
}

void gelu(cudaStream_t stream, const float *before, int64_t count, float *out) {
  if (count == 0) return;
  RMT_LAUNCH(gelu_kernel, blocks_for((count + 3) / 4), kBlockSize, 0, stream, before, count, out);
}

void gelu_backward(cudaStream_t stream, const float *before, int64_t count, float *dy) {
  if (count == 0) return;
  RMT_LAUNCH(gelu_backward_kernel, blocks_for((count + 3) / 4), kBlockSize, 0, stream, before, count, dy);
}

}  // namespace rmt::cuda
