// linear.cu - the linear layer: y = activation(x W^T + bias).
#include "kernels/cuda/gelu.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/operations.h"
#include "kernels/cuda/product.h"

namespace rmt::cuda {
namespace {

struct Output {
  const float *bias;
  float *before;
  float *y;
  int64_t rows;
  int64_t columns;
  bool whole;
};

template <Activation kActivation>
__device__ float activate(float value) {
  if constexpr (kActivation == Activation::kGelu) return gelu_of(value);
  if constexpr (kActivation == Activation::kTanh) return tanhf(value);
  return value;
}

template <int kSize, Activation kActivation>
__global__ void __launch_bounds__(ProductTile<kSize>::kThreads, 2)
    linear_kernel(Operand x, Operand weight, int32_t depth, Output out) {
  using Tile = ProductTile<kSize>;
  RMT_SHARED_MEMORY(float, shared);
  const unsigned column_tiles = static_cast<unsigned>((out.columns + Tile::kSide - 1) / Tile::kSide);
  const int64_t first_row = static_cast<int64_t>(blockIdx.x / column_tiles) * Tile::kSide;
  const int64_t first_column = static_cast<int64_t>(blockIdx.x % column_tiles) * Tile::kSide;
  Product<kSize> product;
  float no_line_sum = 0.0f;
  product.template multiply<Layout::kRowIsLine, Layout::kRowIsLine>(x, first_row, weight, first_column, 0, depth,
                                                                    shared, false, no_line_sum);
  constexpr int kGroup = Product<kSize>::kGroup;
  product.for_each_group([&](int row_of_tile, int column_of_tile, const float *sums) {
    const int64_t row = first_row + row_of_tile;
    const int64_t column = first_column + column_of_tile;
    if (row >= out.rows) return;
    const int64_t remaining = out.columns - column;
    float values[kGroup];
#pragma unroll
    for (int j = 0; j < kGroup; ++j) {
      values[j] = out.bias != nullptr && j < remaining ? sums[j] + out.bias[column + j] : sums[j];
    }
    const int64_t place = row * out.columns + column;
    if (out.before != nullptr) store_group<kGroup>(out.before + place, remaining, out.whole, values);
#pragma unroll
    for (int j = 0; j < kGroup; ++j) values[j] = activate<kActivation>(values[j]);
    store_group<kGroup>(out.y + place, remaining, out.whole, values);
  });
}

template <int kSize, Activation kActivation>
void launch(cudaStream_t stream, const Operand &x, const Operand &weight, int32_t depth, const Output &out) {
  using Tile = ProductTile<kSize>;
  RMT_LAUNCH((linear_kernel<kSize, kActivation>), product_tiles(out.rows, out.columns, Tile::kSide), Tile::kThreads,
             Tile::kSharedBytes, stream, x, weight, depth, out);
}

template <Activation kActivation>
void launch(cudaStream_t stream, const Operand &x, const Operand &weight, int32_t depth, const Output &out) {
  switch (product_size(out.rows, out.columns)) {
    case 8:
      return launch<8, kActivation>(stream, x, weight, depth, out);
    case 4:
      return launch<4, kActivation>(stream, x, weight, depth, out);
    default:
      return launch<2, kActivation>(stream, x, weight, depth, out);
  }
}

}  // namespace

void linear(cudaStream_t stream, const float *x, const float *weight, const float *bias, int64_t rows, int32_t n,
            int32_t k, Activation activation, float *before, float *y) {
  if (rows == 0) return;
  const Operand a = {x, rows, k, begins_in_quads(x, k)};
  const Operand b = {weight, n, k, begins_in_quads(weight, k)};
  const bool whole = begins_in_quads(y, n) && begins_in_quads(before, n);
  const Output out = {bias, before, y, rows, n, whole};
  switch (activation) {
    case Activation::kGelu:
      return launch<Activation::kGelu>(stream, a, b, k, out);
    case Activation::kTanh:
      return launch<Activation::kTanh>(stream, a, b, k, out);
    default:
      return launch<Activation::kNone>(stream, a, b, k, out);
  }
}

}  // namespace rmt::cuda
