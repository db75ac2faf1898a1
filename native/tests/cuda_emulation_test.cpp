// Tests of the emulation that the kernels are tested with: what is wrong in a kernel must show.

#include "cuda_fixture.h"
#include "kernels/cuda/launch.h"

namespace {

// Sums of rows, in warps and then over warps.
template <bool kBarrier>
__global__ void sum_rows(const float *x, int columns, float *sums) {
  RMT_SHARED_MEMORY(float, partial);
  float sum = 0.0f;
  for (int i = static_cast<int>(threadIdx.x); i < columns; i += static_cast<int>(blockDim.x)) {
    sum += x[blockIdx.x * static_cast<unsigned>(columns) + static_cast<unsigned>(i)];
  }
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  if (kBarrier) __syncthreads();
  if (threadIdx.x != 0) return;
  float total = 0.0f;
  for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) total += partial[warp];
  sums[blockIdx.x] = total;
}

template <bool kBarrier>
std::vector<float> sums_of_rows() {
  const int rows = 7;
  const int columns = 300;
  std::vector<float> x(static_cast<size_t>(rows * columns));
  test::Random random(1);
  for (float &value : x) value = random.uniform();
  const test::DeviceBuffer<float> input(x);
  test::DeviceBuffer<float> sums(rows);
  RMT_LAUNCH(sum_rows<kBarrier>, rows, 128, 4 * sizeof(float), nullptr, input.data(), columns, sums.data());
  return sums.download();
}

}  // namespace

TEST("sums over warps and blocks are right") {
  const std::vector<float> sums = sums_of_rows<true>();
  test::Random random(1);
  for (const float sum : sums) {
    double expected = 0.0;
    for (int i = 0; i < 300; ++i) expected += random.uniform();
    CHECK_THAT(std::fabs(sum - expected) < 1e-5, std::to_string(sum) + " instead of " + std::to_string(expected));
  }
}

TEST("a barrier that is missing between warps spoils the result") {
  for (const float sum : sums_of_rows<false>()) CHECK(std::isnan(sum));
}

RMT_TEST_MAIN()
