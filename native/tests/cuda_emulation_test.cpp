// Tests of the emulation that the kernels are tested with: what is wrong in a kernel must show.

#include <sys/wait.h>
#include <unistd.h>

#include "emulation/fiber.h"
#include "emulation_fixture.h"

namespace {

using rmt::emulation::last_error_text;
using rmt::emulation::Order;
using test::Fresh;

__device__ int thread() { return static_cast<int>(threadIdx.x); }

// Sums of rows, in warps and then over warps. Without its barrier it reads what other warps have not written yet.
template <bool kBarrier>
__global__ void sum_rows(const float *x, int columns, float *sums) {
  RMT_SHARED_MEMORY(float, partial);
  float sum = 0.0f;
  for (int i = thread(); i < columns; i += static_cast<int>(blockDim.x)) {
    sum += x[static_cast<int>(blockIdx.x) * columns + i];
  }
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
  if (thread() % 32 == 0) partial[thread() / 32] = sum;
  if (kBarrier) __syncthreads();
  if (thread() != 0) return;
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

// Each thread gives its number to its neighbour through shared memory, `rounds` times.
template <bool kBarrierBehindReading>
__global__ void pass_on(int rounds, int *out) {
  RMT_SHARED_MEMORY(int, box);
  int value = thread();
  for (int round = 0; round < rounds; ++round) {
    box[thread()] = value;
    __syncthreads();
    value = box[(thread() + 1) % static_cast<int>(blockDim.x)];
    if (kBarrierBehindReading) __syncthreads();
  }
  out[thread()] = value;
}

template <bool kBarrierBehindReading>
bool passes_on() {
  test::DeviceBuffer<int> out(96);
  RMT_LAUNCH(pass_on<kBarrierBehindReading>, 1, 96, 96 * sizeof(int), nullptr, 3, out.data());
  const std::vector<int> values = out.download();
  for (int i = 0; i < 96; ++i) {
    if (values[static_cast<size_t>(i)] != (i + 3) % 96) return false;
  }
  return true;
}

// Lanes that speak through shared memory need a barrier of their warp.
template <bool kBarrier>
__global__ void reverse_warp(int *out) {
  RMT_SHARED_MEMORY(int, box);
  box[thread()] = thread();
  if (kBarrier) __syncwarp();
  out[thread()] = box[31 - thread()];
}

__global__ void part_at_barrier(int part) {
  if (thread() < part) __syncthreads();
}
__global__ void two_barriers(int part) {
  if (thread() < part) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
__global__ void half_of_a_shuffle(int *out) {
  if (thread() < 16) out[thread()] = __shfl_xor_sync(0xffffffffu, 1, 1);
}
__global__ void two_shuffles(int *out) {
  if (thread() < 16) {
    out[thread()] = __shfl_xor_sync(0xffffffffu, 1, 1);
  } else {
    out[thread()] = __shfl_xor_sync(0xffffffffu, 1, 1);
  }
}
__global__ void shuffle_beyond_mask(int *out) {
  if (thread() < 16) out[thread()] = __shfl_sync(0xffffu, thread(), 16);
}

// Launches it with one block and says what became of it.
template <typename... Parameters, typename... Arguments>
std::string error_of(void (*kernel)(Parameters...), int threads, Arguments... arguments) {
  const Fresh fresh;
  RMT_LAUNCH(kernel, 1, threads, 0, nullptr, arguments...);
  CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  return last_error_text();
}

__global__ void shuffles(int *out) {
  const int lane = thread();
  int *of_lane = out + 6 * lane;
  of_lane[0] = __shfl_sync(0xffffffffu, 100 + lane, 3);
  of_lane[1] = __shfl_xor_sync(0xffffffffu, 100 + lane, 5);
  of_lane[2] = __shfl_down_sync(0xffffffffu, 100 + lane, 2, 8);
  of_lane[3] = __shfl_up_sync(0xffffffffu, 100 + lane, 2, 8);
  of_lane[4] = __ballot_sync(0xffffffffu, lane % 2) == 0xaaaaaaaau;
  of_lane[5] = __any_sync(0xffffffffu, lane == 9) && !__all_sync(0xffffffffu, lane == 9);
}

__global__ void write_places(int *out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned at = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + at] += static_cast<int>(block + at);
}

__global__ void write_shared(int at) {
  RMT_SHARED_MEMORY(float, values);
  values[at] = 1.0f;
}
__global__ void write_at(float *out, int at) { out[at] = 1.0f; }

// Runs it in a process of its own, and returns what that wrote to stderr.
template <typename Body>
std::string stderr_of_crash(const Body &body) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    dup2(ends[1], 2);
    body();
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(ends[0], buffer, sizeof(buffer))) > 0;)
    text.append(buffer, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status != 0);
  return text;
}

void need_sanitizer() {
#ifndef RMT_EMULATION_SANITIZED
  SKIP("needs AddressSanitizer");
#endif
}

}  // namespace

TEST("sums over warps and blocks are right") {
  const Fresh fresh;
  const std::vector<float> sums = sums_of_rows<true>();
  test::Random random(1);
  for (const float sum : sums) {
    double expected = 0.0;
    for (int i = 0; i < 300; ++i) expected += random.uniform();
    CHECK_THAT(std::fabs(sum - expected) < 1e-5, std::to_string(sum) + " instead of " + std::to_string(expected));
  }
}

TEST("a barrier that is missing before reading spoils the result") {
  const Fresh fresh;
  for (const float sum : sums_of_rows<false>()) CHECK(std::isnan(sum));
}

TEST("a barrier that is missing behind reading spoils the result") {
  const Fresh fresh;
  for (const Order order : {Order::kForward, Order::kReverse, Order::kRandom}) {
    rmt::emulation::set_order(order);
    CHECK(passes_on<true>());
    CHECK(!passes_on<false>());
  }
}

TEST("a barrier that is missing in a warp spoils the result") {
  const Fresh fresh;
  test::DeviceBuffer<int> with(32);
  test::DeviceBuffer<int> without(32);
  RMT_LAUNCH(reverse_warp<true>, 1, 32, 32 * sizeof(int), nullptr, with.data());
  RMT_LAUNCH(reverse_warp<false>, 1, 32, 32 * sizeof(int), nullptr, without.data());
  for (int i = 0; i < 32; ++i) CHECK_EQUAL(with.download()[static_cast<size_t>(i)], 31 - i);
  CHECK_EQUAL(without.download()[0], -1);  // all bits set: nobody had written yet
}

TEST("all orders of blocks, warps and lanes give the same bits") {
  const Fresh fresh;
  const std::vector<float> forward = sums_of_rows<true>();
  rmt::emulation::set_order(Order::kReverse);
  CHECK(sums_of_rows<true>() == forward);
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    rmt::emulation::set_order(Order::kRandom, seed);
    CHECK(sums_of_rows<true>() == forward);
  }
}

TEST("every block and thread of three dimensions runs once, in every order") {
  const Fresh fresh;
  for (const char *order : {"forward", "reverse", "random:7"}) {
    test::make_believe("RMT_EMULATED_ORDER", order);
    test::DeviceBuffer<int> out(std::vector<int>(12 * 40, 0));
    RMT_LAUNCH(write_places, dim3(2, 3, 2), dim3(5, 4, 2), 0, nullptr, out.data());
    const std::vector<int> values = out.download();
    for (int i = 0; i < 12 * 40; ++i) CHECK_EQUAL(values[static_cast<size_t>(i)], i / 40 + i % 40);
  }
}

TEST("shuffles and votes give what a GPU gives") {
  const Fresh fresh;
  test::DeviceBuffer<int> out(6 * 32);
  RMT_LAUNCH(shuffles, 1, 32, 0, nullptr, out.data());
  const std::vector<int> values = out.download();
  for (int lane = 0; lane < 32; ++lane) {
    const int *of_lane = values.data() + 6 * lane;
    CHECK_EQUAL(of_lane[0], 103);
    CHECK_EQUAL(of_lane[1], 100 + (lane ^ 5));
    CHECK_EQUAL(of_lane[2], 100 + (lane % 8 < 6 ? lane + 2 : lane));
    CHECK_EQUAL(of_lane[3], 100 + (lane % 8 >= 2 ? lane - 2 : lane));
    CHECK_EQUAL(of_lane[4], 1);
    CHECK_EQUAL(of_lane[5], 1);
  }
}

TEST("a barrier that not all threads reach is an error that names kernel, block and thread") {
  const std::string error = error_of(part_at_barrier, 64, 48);
  CHECK_CONTAINS(error,
                 "kernel kernel, block (0,0,0): thread (0,0,0) waits at __syncthreads (cuda_emulation_test.cpp:");
  CHECK_CONTAINS(error, "thread (48,0,0) has ended");
}

TEST("two barriers are not one") {
  const std::string error = error_of(two_barriers, 64, 32);
  CHECK_CONTAINS(error, "thread (0,0,0) waits at __syncthreads");
  CHECK_CONTAINS(error, "thread (32,0,0) waits at __syncthreads");
}

TEST("shuffles that not all lanes of the mask make together are errors") {
  const Fresh fresh;
  test::DeviceBuffer<int> out(32);
  CHECK_CONTAINS(error_of(half_of_a_shuffle, 32, out.data()), "thread (16,0,0) has ended");
  CHECK_CONTAINS(error_of(two_shuffles, 32, out.data()), "thread (0,0,0) waits at a shuffle (cuda_emulation_test.cpp:");
  CHECK_CONTAINS(error_of(shuffle_beyond_mask, 32, out.data()), "reads a lane that is not in the mask");
  CHECK_CONTAINS(error_of(shuffles, 20, out.data()), "a mask of lanes that the block does not have");
}

TEST("AddressSanitizer sees a kernel write beside shared memory") {
  need_sanitizer();
  const Fresh fresh;
  for (const int at : {4, -1}) {
    const std::string report = stderr_of_crash([&] { RMT_LAUNCH(write_shared, 1, 1, 4 * sizeof(float), nullptr, at); });
    CHECK_CONTAINS(report, "heap-buffer-overflow");
    CHECK_CONTAINS(report, "write_shared");
  }
}

TEST("AddressSanitizer sees a kernel write beside device memory") {
  need_sanitizer();
  const Fresh fresh;
  test::DeviceBuffer<float> out(5);
  const std::string report = stderr_of_crash([&] { RMT_LAUNCH(write_at, 1, 1, 0, nullptr, out.data(), 5); });
  CHECK_CONTAINS(report, "heap-buffer-overflow");
  CHECK_CONTAINS(report, "write_at");
}

RMT_TEST_MAIN()
