// cuda_rows_test.cpp - the CUDA kernels that move and add rows: what they write, exactly, and that they write no more.
#include <vector>

#include "cuda_fixture.h"
#include "cuda_numbers.h"
#include "kernels/cuda/operations.h"

namespace {

using test::DeviceBuffer;
using test::random_values;

const std::vector<int32_t> kHiddenSizes = {1, 6, 48, 128, 132, 384};
constexpr int32_t kManyRows = 50;

// Different rows in ascending order, with gaps.
std::vector<int32_t> some_rows() { return {0, 3, -1, 4, 10, -1, -1, 11, 30, 49}; }

float *row_of(std::vector<float> &values, int64_t row, int32_t hidden_size) {
  return values.data() + row * hidden_size;
}

TEST("gather takes rows, and zeros where there is none") {
  for (const int32_t hidden_size : kHiddenSizes) {
    std::vector<float> x = random_values(int64_t{kManyRows} * hidden_size, 1);
    const std::vector<int32_t> rows = some_rows();
    std::vector<float> expected(rows.size() * hidden_size);
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] >= 0) {
        std::copy_n(row_of(x, rows[i], hidden_size), hidden_size, row_of(expected, i, hidden_size));
      }
    }
    const DeviceBuffer<float> from(x);
    const DeviceBuffer<int32_t> which(rows);
    DeviceBuffer<float> out(expected.size());
    rmt::cuda::gather(nullptr, from.data(), which.data(), rows.size(), hidden_size, out.data());
    CHECK_THAT(test::same_bits(out.download(), expected), test::show(hidden_size));
  }
}

TEST("scatter writes or adds rows, and leaves the others") {
  for (const int32_t hidden_size : kHiddenSizes) {
    for (const bool accumulate : {false, true}) {
      std::vector<float> expected = random_values(int64_t{kManyRows} * hidden_size, 1);
      DeviceBuffer<float> x(expected);
      const std::vector<int32_t> rows = some_rows();
      std::vector<float> in = random_values(rows.size() * hidden_size, 2);
      for (size_t i = 0; i < rows.size(); ++i) {
        for (int32_t h = 0; h < hidden_size && rows[i] >= 0; ++h) {
          float &to = row_of(expected, rows[i], hidden_size)[h];
          const float value = row_of(in, i, hidden_size)[h];
          to = accumulate ? to + value : value;
        }
      }
      const DeviceBuffer<float> from(in);
      const DeviceBuffer<int32_t> which(rows);
      rmt::cuda::scatter(nullptr, from.data(), which.data(), rows.size(), hidden_size, accumulate, x.data());
      CHECK_THAT(test::same_bits(x.download(), expected), test::show(hidden_size));
    }
  }
}

TEST("rows that repeat are added in their order") {
  for (const int32_t hidden_size : kHiddenSizes) {
    std::vector<float> expected = random_values(int64_t{kManyRows} * hidden_size, 1);
    DeviceBuffer<float> x(expected);
    std::vector<int32_t> rows;
    test::Random random(3);
    for (int i = 0; i < 150; ++i) rows.push_back(random.integer(-1, 9) * 5);
    for (int32_t &row : rows) row = row < 0 ? -1 : row;
    // Of very different sizes: another order has other bits.
    std::vector<float> in = random_values(rows.size() * hidden_size, 2);
    for (size_t i = 0; i < in.size(); ++i) in[i] *= std::ldexp(1.0f, static_cast<int>(random.next() % 20));
    for (size_t i = 0; i < rows.size(); ++i) {
      for (int32_t h = 0; h < hidden_size && rows[i] >= 0; ++h) {
        row_of(expected, rows[i], hidden_size)[h] += row_of(in, i, hidden_size)[h];
      }
    }
    const DeviceBuffer<float> from(in);
    const DeviceBuffer<int32_t> which(rows);
    rmt::cuda::scatter_add_in_order(nullptr, from.data(), which.data(), rows.size(), hidden_size, x.data());
    CHECK_THAT(test::same_bits(x.download(), expected), test::show(hidden_size));
  }
}

TEST("memory rows are read and added for the documents that have some, wherever the memories lie") {
  constexpr int32_t kMem = 3;
  const std::vector<int32_t> memory_row = {2, -1, 20, 47};
  for (const int32_t hidden_size : kHiddenSizes) {
    for (const size_t shift : {size_t{0}, size_t{1}}) {  // floats before each memory
      const int64_t size = int64_t{kMem} * hidden_size;
      std::vector<float> x = random_values(int64_t{kManyRows} * hidden_size, 1);
      DeviceBuffer<float> rows(x);
      std::vector<float> memories = random_values((shift + size) * memory_row.size(), 2);
      DeviceBuffer<float> on_device(memories);
      std::vector<float *> targets;
      for (size_t b = 0; b < memory_row.size(); ++b) targets.push_back(on_device.data() + (shift + size) * b + shift);
      const DeviceBuffer<float *> target(targets);
      const DeviceBuffer<const float *> source(std::vector<const float *>(targets.begin(), targets.end()));
      const DeviceBuffer<int32_t> which(memory_row);

      rmt::cuda::read_memory_rows(nullptr, rows.data(), which.data(), memory_row.size(), kMem, hidden_size,
                                  target.data());
      for (size_t b = 0; b < memory_row.size(); ++b) {
        if (memory_row[b] < 0) continue;
        std::copy_n(row_of(x, memory_row[b], hidden_size), size, memories.data() + (shift + size) * b + shift);
      }
      CHECK_THAT(test::same_bits(on_device.download(), memories), test::show(hidden_size));

      rmt::cuda::add_memory_rows(nullptr, rows.data(), which.data(), memory_row.size(), kMem, hidden_size,
                                 source.data());
      for (size_t b = 0; b < memory_row.size(); ++b) {
        for (int64_t i = 0; i < size && memory_row[b] >= 0; ++i) {
          row_of(x, memory_row[b], hidden_size)[i] += memories[(shift + size) * b + shift + i];
        }
      }
      CHECK_THAT(test::same_bits(rows.download(), x), test::show(hidden_size));
    }
  }
}

TEST("adding works for any count") {
  for (const int64_t count : {1, 2, 3, 4, 5, 1023, 1024, 1025, 5000}) {
    for (const size_t shift : {size_t{0}, size_t{1}}) {
      std::vector<float> expected = random_values(count + shift, 1);
      const std::vector<float> from = random_values(count, 2);
      DeviceBuffer<float> to(expected);
      const DeviceBuffer<float> added(from);
      rmt::cuda::add(nullptr, added.data(), count, to.data() + shift);
      for (int64_t i = 0; i < count; ++i) expected[shift + i] += from[i];
      CHECK_THAT(test::same_bits(to.download(), expected), test::show(count));
    }
  }
}

}  // namespace

RMT_TEST_MAIN()
