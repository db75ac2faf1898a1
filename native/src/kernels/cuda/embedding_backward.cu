// embedding_backward.cu - the gradients of the tables of words, positions and types. Rows of one word are added by one
// block in a fixed order, from lists that were sorted in advance: nothing is added by two blocks.
#include <algorithm>

#include "kernels/cuda/device.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/operations.h"

namespace rmt::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarpSize;
constexpr int32_t kMostWordBlocks = 256;  // for each 32 columns

// A column for each lane; the warps take the rows in turn, then their sums are added in order. The first warp gets the
// result. `shared` has kThreads floats.
template <typename RowOf>
__device__ inline float sum_of_rows(const float *x, int32_t hidden_size, int32_t column, int32_t count, RowOf row_of,
                                    float *shared) {
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  float sum = 0.0f;
  if (column < hidden_size) {
#pragma unroll 4
    for (int32_t i = warp; i < count; i += kWarps) sum += x[row_of(i) * hidden_size + column];
  }
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (warp == 0) {
    for (int other = 1; other < kWarps; ++other) sum += shared[other * kWarpSize + lane];
  }
  return sum;
}

__device__ inline int32_t column_of_lane() {
  return static_cast<int32_t>(blockIdx.y * kWarpSize + threadIdx.x % kWarpSize);
}

// Blocks take the words in turn, each 32 columns.
__global__ void __launch_bounds__(kThreads)
    word_kernel(SortedWords words, int32_t hidden_size, const float *dx, float *dword) {
  RMT_SHARED_MEMORY(float, shared);
  const int32_t column = column_of_lane();
  for (int32_t word = static_cast<int32_t>(blockIdx.x); word < words.most; word += static_cast<int32_t>(gridDim.x)) {
    const int32_t *rows = words.rows + words.first[word];
    const int32_t count = words.first[word + 1] - words.first[word];
    if (count == 0) return;  // behind the last word
    const auto row_of = [rows](int32_t i) { return static_cast<int64_t>(rows[i]); };
    const float sum = sum_of_rows(dx, hidden_size, column, count, row_of, shared);
    if (threadIdx.x < kWarpSize && column < hidden_size) {
      dword[static_cast<int64_t>(words.ids[word]) * hidden_size + column] += sum;
    }
    __syncthreads();  // before `shared` is used for the next word
  }
}

// A block for each position: the sum over the documents that have it, in order.
__global__ void position_kernel(Documents documents, int32_t hidden_size, const float *dx, float *sums,
                                float *dposition) {
  const int32_t position = static_cast<int32_t>(blockIdx.x);
  for (int32_t column = static_cast<int32_t>(threadIdx.x); column < hidden_size;
       column += static_cast<int32_t>(blockDim.x)) {
    float sum = 0.0f;
#pragma unroll 4
    for (int32_t b = 0; b < documents.count; ++b) {
      const int64_t row = static_cast<int64_t>(b) * documents.stride + position;
      if (position < documents.lengths[b]) sum += dx[row * hidden_size + column];
    }
    const int64_t at = static_cast<int64_t>(position) * hidden_size + column;
    sums[at] = sum;
    dposition[at] += sum;
  }
}

// The sums of all positions; a block for 32 columns.
__global__ void __launch_bounds__(kThreads)
    type_kernel(int32_t positions, int32_t hidden_size, const float *sums, float *dtype) {
  RMT_SHARED_MEMORY(float, shared);
  const int32_t column = column_of_lane();
  const auto row_of = [](int32_t i) { return static_cast<int64_t>(i); };
  const float sum = sum_of_rows(sums, hidden_size, column, positions, row_of, shared);
  if (threadIdx.x < kWarpSize && column < hidden_size) dtype[column] += sum;
}

}  // namespace

void embedding_backward(cudaStream_t stream, const Documents &documents, const SortedWords &words, int32_t hidden_size,
                        const float *dx, float *scratch, float *dword, float *dposition, float *dtype) {
  const unsigned columns = static_cast<unsigned>((hidden_size + kWarpSize - 1) / kWarpSize);
  constexpr size_t kSharedBytes = kThreads * sizeof(float);
  if (words.most > 0) {
    const dim3 grid(static_cast<unsigned>(std::min(words.most, kMostWordBlocks)), columns);
    RMT_LAUNCH(word_kernel, grid, dim3(kThreads), kSharedBytes, stream, words, hidden_size, dx, dword);
  }
  RMT_LAUNCH(position_kernel, dim3(static_cast<unsigned>(documents.stride)), dim3(kThreads), 0, stream, documents,
             hidden_size, dx, scratch, dposition);
  RMT_LAUNCH(type_kernel, dim3(1, columns), dim3(kThreads), kSharedBytes, stream, documents.stride, hidden_size,
             scratch, dtype);
}

}  // namespace rmt::cuda
