// product.h - a tile of a matrix product C = A B, made by one block of 256 threads.
//
// A tile has 16 x kSize rows and columns, kSize x kSize of its numbers for each thread in registers. A and B go through
// shared memory in steps along the depth (the index that the sum runs over), in two buffers: while one is multiplied,
// the next step is on its way. Every number of C is one sum in the order of the depth, whatever the size of the tiles:
// the size may follow from how many rows there are, the bits of a row do not.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/device.h"
#include "kernels/cuda/quads.h"
#include "kernels/cuda/tiles.h"

namespace rmt::cuda {

// How an operand lies in memory: a row is a line of the product (its neighbours follow along the depth) or a depth.
enum class Layout { kRowIsLine, kRowIsDepth };

struct Operand {
  const float *values;
  int64_t lines;   // rows of A, columns of B
  int64_t stride;  // floats between rows in memory
  bool whole;      // begins_in_quads
};

template <int kSize>
struct ProductTile {
  static constexpr int kThreads = 256;
  static constexpr int kSide = 16 * kSize;
  static constexpr int kDepth = 64 / kSize;  // of a step: one quad of each operand for each thread
  static constexpr int kLine = kSide + 4;    // floats; the padding spreads the columns of a transposed quad over banks
  static constexpr int kOperandFloats = kDepth * kLine;
  static constexpr int kSharedBytes = 4 * kOperandFloats * static_cast<int>(sizeof(float));
};

// Takes one thread's quads of an operand to shared memory, step by step.
template <int kSize, Layout kLayout>
class OperandSteps {
  using Tile = ProductTile<kSize>;

 public:
  __device__ OperandSteps(const Operand &operand, int64_t first_line, int32_t depth_begin, int32_t depth_end)
      : whole_(operand.whole) {
    const int thread = threadIdx.x;
    if constexpr (kLayout == Layout::kRowIsLine) {
      // Two threads read 32 neighbouring bytes; the 16 lines of a warp are written to 16 banks.
      line_ = thread / 2 % Tile::kSide;
      depth_ = 4 * (thread % 2 + 2 * (thread / (2 * Tile::kSide)));
      values_ = operand.values + (first_line + line_) * operand.stride + depth_begin + depth_;
      step_ = Tile::kDepth;
      width_ = first_line + line_ < operand.lines ? depth_end - depth_begin - depth_ : 0;
    } else {
      line_ = 4 * (thread % (Tile::kSide / 4));
      depth_ = thread / (Tile::kSide / 4);
      values_ = operand.values + (depth_begin + depth_) * operand.stride + first_line + line_;
      step_ = Tile::kDepth * operand.stride;
      const int64_t width = operand.lines - first_line - line_;
      width_ = width < 4 ? static_cast<int32_t>(width) : 4;
      depth_left_ = depth_end - depth_begin - depth_;
    }
  }

  __device__ void read() {
    if constexpr (kLayout == Layout::kRowIsLine) {
      quad_ = load_quad(values_, width_, whole_);
      width_ -= Tile::kDepth;
    } else {
      quad_ = load_quad(values_, depth_left_ > 0 ? width_ : 0, whole_);
      depth_left_ -= Tile::kDepth;
    }
    values_ += step_;
  }

  __device__ void write(float *shared) const {
    float *to = shared + depth_ * Tile::kLine + line_;
    if constexpr (kLayout == Layout::kRowIsLine) {
      to[0] = quad_.x;
      to[Tile::kLine] = quad_.y;
      to[2 * Tile::kLine] = quad_.z;
      to[3 * Tile::kLine] = quad_.w;
    } else {
      *reinterpret_cast<float4 *>(to) = quad_;
    }
  }

 private:
  const float *values_;
  int64_t step_;
  int32_t line_;        // of the tile
  int32_t depth_;       // of the step
  int32_t width_;       // floats from values_ on that exist
  int32_t depth_left_;  // kRowIsDepth: depths from here on
  bool whole_;
  float4 quad_;
};

template <int kSize>
class Product {
  using Tile = ProductTile<kSize>;
  using Part = Fragment<kSize, 16>;

 public:
  static constexpr int kGroup = Part::kGroup;

  // The threads of a warp are 4 x 8, the warps 4 x 2.
  __device__ Product()
      : row_thread_(threadIdx.x / 64 * 4 + threadIdx.x % 32 / 8),
        column_thread_(threadIdx.x / 32 % 2 * 8 + threadIdx.x % 8) {
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
#pragma unroll
      for (int j = 0; j < kSize; ++j) sums_[i][j] = 0.0f;
    }
  }

  // Adds the product over depths [begin, end) of the tile that begins at (row, column). With a line sum, thread t of
  // the first kSide adds A's line t over the same depths to it.
  template <Layout kLayoutA, Layout kLayoutB>
  __device__ void multiply(const Operand &a, int64_t row, const Operand &b, int64_t column, int32_t begin, int32_t end,
                           float *shared, bool with_line_sum, float &line_sum) {
    OperandSteps<kSize, kLayoutA> a_steps(a, row, begin, end);
    OperandSteps<kSize, kLayoutB> b_steps(b, column, begin, end);
    a_steps.read();
    b_steps.read();
    a_steps.write(shared);
    b_steps.write(shared + Tile::kOperandFloats);
    __syncthreads();
    const int32_t steps = (end - begin + Tile::kDepth - 1) / Tile::kDepth;
    for (int32_t step = 0; step < steps; ++step) {
      const bool more = step + 1 < steps;
      if (more) {
        a_steps.read();
        b_steps.read();
      }
      const float *a_tile = shared + step % 2 * 2 * Tile::kOperandFloats;
      multiply_step(a_tile, a_tile + Tile::kOperandFloats);
      if (with_line_sum) line_sum = add_line(a_tile, line_sum);
      if (more) {
        float *next = shared + (step + 1) % 2 * 2 * Tile::kOperandFloats;
        a_steps.write(next);
        b_steps.write(next + Tile::kOperandFloats);
      }
      __syncthreads();
    }
  }

  // function(row, column, values) for each group of neighbours that this thread has; from the tile's corner.
  template <typename Function>
  __device__ void for_each_group(Function function) {
#pragma unroll
    for (int i = 0; i < kSize; ++i) {
      const int row = Part::place(row_thread_, i / kGroup) + i % kGroup;
#pragma unroll
      for (int group = 0; group < Part::kGroups; ++group) {
        function(row, Part::place(column_thread_, group), sums_[i] + group * kGroup);
      }
    }
  }

 private:
  __device__ void multiply_step(const float *a_tile, const float *b_tile) {
#pragma unroll
    for (int depth = 0; depth < Tile::kDepth; ++depth) {
      float a[kSize];
      float b[kSize];
      Part::load(a_tile + depth * Tile::kLine, row_thread_, a);
      Part::load(b_tile + depth * Tile::kLine, column_thread_, b);
#pragma unroll
      for (int i = 0; i < kSize; ++i) {
#pragma unroll
        for (int j = 0; j < kSize; ++j) sums_[i][j] += a[i] * b[j];
      }
    }
  }

  __device__ static float add_line(const float *a_tile, float line_sum) {
    if (threadIdx.x >= Tile::kSide) return line_sum;
#pragma unroll
    for (int depth = 0; depth < Tile::kDepth; ++depth) line_sum += a_tile[depth * Tile::kLine + threadIdx.x];
    return line_sum;
  }

  float sums_[kSize][kSize];
  int row_thread_;
  int column_thread_;
};

inline unsigned product_tiles(int64_t rows, int64_t columns, int64_t side) {
  return static_cast<unsigned>(((rows + side - 1) / side) * ((columns + side - 1) / side));
}

constexpr int64_t kEnoughBlocks = 128;  // to fill a GPU

// The size of the tiles of a (rows, columns) product whose depth may be split into `slices`: the largest that leaves
// enough blocks and does not spend much on rows and columns that do not exist. Grows with `slices`.
inline int product_size(int64_t rows, int64_t columns, int64_t slices = 1) {
  constexpr int64_t kEnoughMiddleBlocks = 48;  // fewer is better than the small tiles, which are much slower
  const int64_t large = product_tiles(rows, columns, ProductTile<8>::kSide);
  const int64_t middle = product_tiles(rows, columns, ProductTile<4>::kSide);
  if (large * slices >= kEnoughBlocks && 4 * large <= middle + middle / 4) return 8;
  return middle * slices >= kEnoughMiddleBlocks ? 4 : 2;
}

}  // namespace rmt::cuda
