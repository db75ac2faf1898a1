// The gradients of the embedding tables on a GPU, against plain loops in double.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "cuda_fixture.h"
#include "cuda_numbers.h"
#include "kernels/cuda/operations.h"

namespace {

constexpr int32_t kVocab = 40;
constexpr int32_t kLargeVocab = 1000;  // more than there are blocks
constexpr int32_t kMemory = 3;         // memory rows in every second document, the first one included

struct Input {
  int32_t hidden;
  int32_t vocab;
  int32_t stride;
  size_t first_memory;  // position
  std::vector<int32_t> lengths;
  std::vector<int32_t> ids;  // (documents, stride); what stands at memory rows and beyond a length is not to be read
  std::vector<float> dx;     // (documents x stride, H)
  // What each table has already: gradients are added to it.
  std::vector<float> word;
  std::vector<float> position;
  std::vector<float> type;

  Input(int32_t hidden_size, std::vector<int32_t> of, uint64_t stream, size_t memory = 1, int32_t vocab_size = kVocab)
      : hidden(hidden_size), vocab(vocab_size), first_memory(memory), lengths(std::move(of)) {
    test::Random random(stream);
    stride = *std::max_element(lengths.begin(), lengths.end()) + 2;
    for (size_t i = 0; i < lengths.size() * stride; ++i) {
      // Some words are frequent, some never come.
      ids.push_back(random.integer(0, 2) == 0 ? 7 : random.integer(0, vocab - 5));
    }
    dx = test::random_values(lengths.size() * stride * hidden, stream + 1);
    word = test::random_values(static_cast<size_t>(vocab) * hidden, stream + 2);
    position = test::random_values(static_cast<size_t>(stride + 3) * hidden, stream + 3);
    type = test::random_values(hidden, stream + 4);
    for (size_t row = 0; row < ids.size(); ++row) {
      if (is_valid(row)) continue;
      ids[row] = 1 << 30;
      for (int32_t h = 0; h < hidden; ++h) dx[row * hidden + h] = 1e6f;
    }
  }

  size_t position_of(size_t row) const { return row % stride; }
  bool is_valid(size_t row) const { return static_cast<int32_t>(position_of(row)) < lengths[row / stride]; }
  bool is_memory(size_t row) const {
    const size_t at = position_of(row);
    return row / stride % 2 == 0 && at >= first_memory && at < first_memory + kMemory;
  }
};

template <typename Real>
struct Tables {
  std::vector<Real> word;
  std::vector<Real> position;
  std::vector<Real> type;
};

template <typename Real>
Tables<Real> plain(const Input &in) {
  Tables<Real> tables{
      {in.word.begin(), in.word.end()}, {in.position.begin(), in.position.end()}, {in.type.begin(), in.type.end()}};
  for (size_t row = 0; row < in.ids.size(); ++row) {
    if (!in.is_valid(row)) continue;
    for (size_t h = 0; h < static_cast<size_t>(in.hidden); ++h) {
      const float dx = in.dx[row * in.hidden + h];
      if (!in.is_memory(row)) tables.word[static_cast<size_t>(in.ids[row]) * in.hidden + h] += dx;
      tables.position[in.position_of(row) * in.hidden + h] += dx;
      tables.type[h] += dx;
    }
  }
  return tables;
}

Tables<float> on_device(const Input &in) {
  std::vector<std::pair<int32_t, int32_t>> sorted;  // id, row
  for (size_t row = 0; row < in.ids.size(); ++row) {
    if (in.is_valid(row) && !in.is_memory(row)) sorted.emplace_back(in.ids[row], static_cast<int32_t>(row));
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<int32_t> ids;
  std::vector<int32_t> first;
  std::vector<int32_t> rows;
  for (const auto &[id, row] : sorted) {
    if (ids.empty() || ids.back() != id) {
      ids.push_back(id);
      first.push_back(static_cast<int32_t>(rows.size()));
    }
    rows.push_back(row);
  }
  // There is room for more, as where one launch does for every segment of a shape.
  const size_t most = ids.size() + 3;
  ids.resize(most, 1 << 30);
  first.resize(most + 1, static_cast<int32_t>(rows.size()));

  const test::DeviceBuffer<int32_t> lengths(in.lengths);
  const test::DeviceBuffer<int32_t> device_ids(ids);
  const test::DeviceBuffer<int32_t> device_first(first);
  const test::DeviceBuffer<int32_t> device_rows(rows);
  const test::DeviceBuffer<float> dx(in.dx);
  test::DeviceBuffer<float> scratch(static_cast<size_t>(in.stride) * in.hidden);
  test::DeviceBuffer<float> word(in.word);
  test::DeviceBuffer<float> position(in.position);
  test::DeviceBuffer<float> type(in.type);
  rmt::cuda::Documents documents{};
  documents.count = static_cast<int32_t>(in.lengths.size());
  documents.stride = in.stride;
  documents.lengths = lengths.data();
  const rmt::cuda::SortedWords words{static_cast<int32_t>(most), device_ids.data(), device_first.data(),
                                     device_rows.data()};
  rmt::cuda::embedding_backward(nullptr, documents, words, in.hidden, dx.data(), scratch.data(), word.data(),
                                position.data(), type.data());
  return {word.download(), position.download(), type.download()};
}

bool same_bits(const Tables<float> &a, const Tables<float> &b) {
  return test::same_bits(a.word, b.word) && test::same_bits(a.position, b.position) && test::same_bits(a.type, b.type);
}

const std::vector<int32_t> kLengths = {31, 1, 97, 4, 60, 8};

TEST("gradients of words, positions and type are added up over all documents") {
  test::Comparison word("words");
  test::Comparison position("positions");
  test::Comparison type("type");
  for (const int32_t hidden : {1, 5, 32, 70, 300}) {
    const Input in(hidden, kLengths, 10);
    const Tables<double> expected = plain<double>(in);
    const Tables<float> naive = plain<float>(in);
    const Tables<float> actual = on_device(in);
    const std::string where = "hidden size " + test::show(hidden);
    word.add(where, actual.word, naive.word, expected.word);
    position.add(where, actual.position, naive.position, expected.position);
    type.add(where, actual.type, naive.type, expected.type);
  }
  word.check();
  position.check();
  type.check();
}

TEST("words of which there are more than blocks are added up too") {
  const Input in(40, {500, 400, 300}, 15, 1, kLargeVocab);
  const Tables<double> expected = plain<double>(in);
#ifdef RMT_CUDA_EMULATED
  rmt::emulation::set_order(rmt::emulation::Order::kReverse);  // in which a missing barrier between two words shows
#endif
  CHECK(test::relative_error(on_device(in).word, expected.word) < 1e-6);
#ifdef RMT_CUDA_EMULATED
  rmt::emulation::set_order(rmt::emulation::Order::kForward);
#endif
}

TEST("words that do not come keep their gradient") {
  const Input in(70, kLengths, 20);
  const Tables<float> actual = on_device(in);
  int32_t absent = 0;
  for (int32_t id = 0; id < kVocab; ++id) {
    bool comes = false;
    for (size_t row = 0; row < in.ids.size(); ++row) comes |= in.ids[row] == id && !in.is_memory(row);
    if (comes) continue;
    ++absent;
    CHECK(test::same_bits(actual.word.data() + id * in.hidden, in.word.data() + id * in.hidden, in.hidden));
  }
  CHECK(absent > 0);
}

TEST("a segment of memory rows alone has no words") {
  const Input in(40, {kMemory}, 30, 0);
  const Tables<float> actual = on_device(in);
  const Tables<double> expected = plain<double>(in);
  CHECK(test::same_bits(actual.word, in.word));
  CHECK(test::relative_error(actual.position, expected.position) < 1e-6);
  CHECK(test::relative_error(actual.type, expected.type) < 1e-6);
}

TEST("sums have the same bits in every run") {
  const Input in(70, kLengths, 40);
  const Tables<float> expected = on_device(in);
  CHECK(same_bits(on_device(in), expected));
#ifdef RMT_CUDA_EMULATED
  using rmt::emulation::Order;
  for (const Order order : {Order::kForward, Order::kReverse, Order::kRandom}) {
    rmt::emulation::set_order(order, 5);
    CHECK(same_bits(on_device(in), expected));
  }
#endif
}

}  // namespace

RMT_TEST_MAIN()
