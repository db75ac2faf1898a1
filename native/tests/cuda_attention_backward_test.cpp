// The backward of attention on a GPU, against plain loops in double.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "cuda_fixture.h"
#include "cuda_numbers.h"
#include "kernels/cuda/operations.h"
#include "kernels/dropout.h"

namespace {

using rmt::cuda::AttentionShape;
using rmt::cuda::Documents;
using rmt::cuda::HeadRows;
using rmt::cuda::Mask;
using rmt::cuda::Rows;

constexpr float kUnread = 1e6f;  // in rows that nobody may read
constexpr uint32_t kSite = 4 << 20 | 4;

enum class Chosen {
  kAll,
  kSome,  // gaps, compact rows without a row within and between documents, every third document without rows
};

struct Case {
  std::vector<int32_t> lengths;
  int32_t num_heads;
  int32_t head_size;
  bool causal;
  Chosen chosen;
  float dropout;

  int32_t hidden() const { return num_heads * head_size; }
};

// What the kernels read. The values of a document depend on its number, `first_document` being that of the first.
struct Input {
  Case shape;
  int32_t stride;
  std::vector<int32_t> rows;
  std::vector<int32_t> first;
  std::vector<int32_t> num;
  std::vector<uint64_t> keys;
  std::vector<float> q;     // (compact rows, H)
  std::vector<float> dout;  // (compact rows, H)
  std::vector<float> k;     // (documents x stride, H)
  std::vector<float> v;

  Input(const Case &of, int32_t input_stride, int32_t first_document = 0) : shape(of), stride(input_stride) {
    const int32_t hidden = shape.hidden();
    for (size_t b = 0; b < shape.lengths.size(); ++b) {
      const int32_t document = first_document + static_cast<int32_t>(b);
      test::Random random(1000 + static_cast<uint64_t>(document));
      keys.push_back(random.next());
      for (int32_t t = 0; t < stride; ++t) {
        for (int32_t h = 0; h < hidden; ++h) {
          const bool valid = t < shape.lengths[b];
          k.push_back(valid ? 2 * random.uniform() : kUnread);
          v.push_back(valid ? random.uniform() : kUnread);
        }
      }
      first.push_back(static_cast<int32_t>(rows.size()));
      for (int32_t t = 0; t < shape.lengths[b]; ++t) {
        const bool takes_part = shape.chosen == Chosen::kAll || (document % 3 != 1 && t % 5 != 2 && t % 7 != 3);
        if (takes_part) add_row(static_cast<int32_t>(b) * stride + t, &random);
        if (takes_part && shape.chosen == Chosen::kSome && t % 11 == 0) add_row(-1, nullptr);
      }
      num.push_back(static_cast<int32_t>(rows.size()) - first.back());
      if (shape.chosen == Chosen::kSome) add_row(-1, nullptr);  // belongs to no document
    }
  }

  void add_row(int32_t row, test::Random *random) {
    rows.push_back(row);
    for (int32_t h = 0; h < shape.hidden(); ++h) {
      q.push_back(random == nullptr ? kUnread : 2 * random->uniform());
      dout.push_back(random == nullptr ? kUnread : random->uniform());
    }
  }

  int64_t num_documents() const { return static_cast<int64_t>(shape.lengths.size()); }
};

template <typename Real>
struct Result {
  std::vector<Real> dq;  // (compact rows, H)
  std::vector<Real> dk;  // (documents x stride, H)
  std::vector<Real> dv;
};

// One query of one head.
template <typename Real>
void add_query(const Input &in, int64_t document, int64_t compact, int64_t head, Result<Real> *result) {
  const int64_t hidden = in.shape.hidden();
  const int64_t size = in.shape.head_size;
  const int64_t first_row = document * in.stride;
  const int64_t position = in.rows[compact] - first_row;
  const int64_t visible = in.shape.causal ? position + 1 : in.shape.lengths[document];
  const Real scale = 1 / std::sqrt(static_cast<Real>(size));
  const auto at = [&](int64_t row) { return row * hidden + head * size; };
  const float *query = in.q.data() + at(compact);
  const float *dout = in.dout.data() + at(compact);

  std::vector<Real> weights(visible);
  std::vector<Real> dscores(visible);
  std::vector<Real> factors(visible, 1);
  Real largest = -std::numeric_limits<Real>::infinity();
  for (int64_t j = 0; j < visible; ++j) {
    for (int64_t e = 0; e < size; ++e) weights[j] += query[e] * scale * in.k[at(first_row + j) + e];
    for (int64_t e = 0; e < size; ++e) dscores[j] += static_cast<Real>(dout[e]) * in.v[at(first_row + j) + e];
    largest = std::max(largest, weights[j]);
  }
  Real sum = 0;
  for (Real &weight : weights) sum += weight = std::exp(weight - largest);
  for (Real &weight : weights) weight /= sum;
  if (in.shape.dropout > 0) {
    const uint32_t hash =
        rmt::dropout_row(in.keys[document], kSite + static_cast<uint32_t>(head), static_cast<uint32_t>(position));
    for (int64_t j = 0; j < visible; ++j) {
      const bool kept = rmt::dropout_mix(hash + static_cast<uint32_t>(j)) >= rmt::dropout_threshold(in.shape.dropout);
      factors[j] = kept ? 1 / (1 - static_cast<Real>(in.shape.dropout)) : 0;
    }
  }

  Real mean = 0;
  for (int64_t j = 0; j < visible; ++j) mean += weights[j] * (factors[j] * dscores[j]);
  for (int64_t j = 0; j < visible; ++j) {
    dscores[j] = weights[j] * (factors[j] * dscores[j] - mean) * scale;
    for (int64_t e = 0; e < size; ++e) {
      const int64_t key = at(first_row + j) + e;
      result->dq[at(compact) + e] += dscores[j] * in.k[key];
      result->dk[key] += dscores[j] * query[e];
      result->dv[key] += weights[j] * factors[j] * dout[e];
    }
  }
}

template <typename Real>
Result<Real> plain(const Input &in) {
  Result<Real> result;
  result.dq.resize(in.q.size());
  result.dk.resize(in.k.size());
  result.dv.resize(in.k.size());
  for (int64_t b = 0; b < in.num_documents(); ++b) {
    for (int64_t i = in.first[b]; i < in.first[b] + in.num[b]; ++i) {
      for (int64_t head = 0; in.rows[i] >= 0 && head < in.shape.num_heads; ++head) add_query(in, b, i, head, &result);
    }
  }
  return result;
}

bool all_are(float value, const std::vector<float> &values) {
  return std::all_of(values.begin(), values.end(), [&](float other) { return other == value; });
}

// Rows of `hidden` floats on the device, `stride` apart; what lies between them must stay.
class SpacedRows {
 public:
  SpacedRows(int64_t hidden, int64_t stride, const std::vector<float> &values)
      : hidden_(hidden), stride_(stride), device_(values.size() / hidden * stride) {
    std::vector<float> all(device_.size(), kBetween);
    for (size_t i = 0; i < values.size(); ++i) all[place(i)] = values[i];
    device_.upload(all);
  }
  SpacedRows(int64_t hidden, int64_t stride, size_t count)
      : SpacedRows(hidden, stride, std::vector<float>(count, std::numeric_limits<float>::quiet_NaN())) {}

  HeadRows view() { return {device_.data(), stride_}; }

  std::vector<float> read(size_t count) const {
    std::vector<float> all = device_.download();
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) {
      values[i] = all[place(i)];
      all[place(i)] = kBetween;
    }
    CHECK(all_are(kBetween, all));
    return values;
  }

 private:
  static constexpr float kBetween = -77;
  size_t place(size_t i) const { return i / hidden_ * stride_ + i % hidden_; }

  int64_t hidden_;
  int64_t stride_;
  test::DeviceBuffer<float> device_;
};

// Forward and backward.
Result<float> on_device(const Input &in) {
  const int64_t hidden = in.shape.hidden();
  const test::DeviceBuffer<int32_t> lengths(in.shape.lengths);
  const test::DeviceBuffer<uint64_t> keys(in.keys);
  const test::DeviceBuffer<int32_t> rows(in.rows);
  const test::DeviceBuffer<int32_t> first(in.first);
  const test::DeviceBuffer<int32_t> num(in.num);
  test::DeviceBuffer<float> log_sum_exp(in.rows.size() * in.shape.num_heads);
  test::DeviceBuffer<float> out(in.q.size());
  const test::DeviceBuffer<float> dout(in.dout);
  test::DeviceBuffer<float> scratch(2 * log_sum_exp.size());
  SpacedRows q(hidden, hidden + 3, in.q);
  SpacedRows k(hidden, 2 * hidden, in.k);
  SpacedRows v(hidden, hidden, in.v);
  SpacedRows dq(hidden, hidden + 1, in.q.size());
  SpacedRows dk(hidden, 3 * hidden, in.k.size());
  SpacedRows dv(hidden, hidden + 2, in.k.size());

  Documents documents{};
  documents.count = static_cast<int32_t>(in.num_documents());
  documents.stride = in.stride;
  documents.lengths = lengths.data();
  if (in.shape.dropout > 0) documents.dropout_keys = keys.data();
  const Rows chosen{static_cast<int64_t>(in.rows.size()), rows.data(), first.data(), num.data()};
  const AttentionShape shape{in.shape.num_heads, in.shape.head_size, in.shape.causal};
  const Mask mask{kSite, rmt::dropout_threshold(in.shape.dropout), 1 / (1 - in.shape.dropout)};
  rmt::cuda::attention(nullptr, documents, chosen, shape, q.view(), k.view(), v.view(), mask, log_sum_exp.data(),
                       out.data());
  rmt::cuda::attention_backward(nullptr, documents, chosen, shape, q.view(), k.view(), v.view(), mask,
                                log_sum_exp.data(), out.data(), dout.data(), scratch.data(), dq.view(), dk.view(),
                                dv.view());
  CHECK_KERNELS();
  Result<float> result;
  result.dq = dq.read(in.q.size());
  result.dk = dk.read(in.k.size());
  result.dv = dv.read(in.k.size());
  return result;
}

std::string text_of(const Case &shape) {
  return "head size " + test::show(shape.head_size) + (shape.causal ? ", causal" : "") +
         (shape.chosen == Chosen::kSome ? ", some rows" : "") + ", dropout " + test::show(shape.dropout);
}

// Compares the gradients of some cases with plain loops.
class Gradients {
 public:
  void add(const Case &shape) {
    const Input in(shape, *std::max_element(shape.lengths.begin(), shape.lengths.end()) + 3);
    const Result<double> expected = plain<double>(in);
    const Result<float> naive = plain<float>(in);
    const Result<float> actual = on_device(in);
    dq_.add(text_of(shape), actual.dq, naive.dq, expected.dq);
    dk_.add(text_of(shape), actual.dk, naive.dk, expected.dk);
    dv_.add(text_of(shape), actual.dv, naive.dv, expected.dv);
  }

  void check() const {
    dq_.check();
    dk_.check();
    dv_.check();
  }

 private:
  test::Comparison dq_{"dq"};
  test::Comparison dk_{"dk"};
  test::Comparison dv_{"dv"};
};

const std::vector<int32_t> kLengths = {31, 1, 97, 2, 200};

TEST("gradients of attention are those of plain loops at every head size") {
  Gradients gradients;
  for (const int32_t head_size : {1, 5, 16, 32, 64}) {
    for (const bool causal : {false, true}) gradients.add({kLengths, 2, head_size, causal, Chosen::kAll, 0});
  }
  gradients.check();
}

TEST("heads of more than 64 elements have the same gradients") {
  Gradients gradients;
  for (const int32_t head_size : {65, 128, 256}) {
    gradients.add({{70, 33}, 2, head_size, head_size == 65, Chosen::kSome, 0.1f});
  }
  gradients.check();
}

TEST("queries of chosen rows alone have a gradient, keys of all") {
  Gradients gradients;
  for (const int32_t head_size : {5, 32, 64}) {
    for (const bool causal : {false, true}) gradients.add({kLengths, 2, head_size, causal, Chosen::kSome, 0});
  }
  gradients.check();
}

TEST("dropped attention weights are those of the reference") {
  Gradients gradients;
  for (const int32_t head_size : {16, 64}) {
    for (const bool causal : {false, true}) gradients.add({kLengths, 3, head_size, causal, Chosen::kSome, 0.3f});
  }
  gradients.check();
}

// Then dout v is large, and its differences, which are all that matters, are small beside it: rounding them is 1e-6 to
// 5e-6 of dq here. Were delta as it is rounded by itself, what keys have in common would make 1.5e-4 of that.
TEST("what all keys and all values have in common does not get into the gradient of queries") {
  for (const int32_t head_size : {16, 64, 128}) {
    for (const float dropout : {0.0f, 0.1f}) {
      Input in({{300, 65}, 2, head_size, false, Chosen::kSome, dropout}, 303);
      for (float &x : in.k) x += x == kUnread ? 0 : 8;
      for (float &x : in.v) x += x == kUnread ? 0 : 8;
      const double error = test::relative_error(on_device(in).dq, plain<double>(in).dq);
      std::printf("  %s: %.1e\n", text_of(in.shape).c_str(), error);
      CHECK_THAT(error <= 2e-5, text_of(in.shape) + ": error " + test::show(error));
    }
  }
}

TEST("gradients are zero where there is no row, and beyond a document's length") {
  const Input in({kLengths, 2, 16, false, Chosen::kSome, 0.1f}, 230);
  const Result<float> actual = on_device(in);
  const int64_t hidden = in.shape.hidden();
  for (int64_t i = 0; i < static_cast<int64_t>(actual.dq.size()); ++i) {
    if (in.rows[i / hidden] < 0) CHECK_EQUAL(actual.dq[i], 0.0f);
  }
  for (int64_t i = 0; i < static_cast<int64_t>(actual.dk.size()); ++i) {
    const int64_t row = i / hidden;
    const int64_t document = row / in.stride;
    if (row % in.stride >= in.shape.lengths[document] || in.num[document] == 0) {
      CHECK_EQUAL(actual.dk[i], 0.0f);
      CHECK_EQUAL(actual.dv[i], 0.0f);
    }
  }
}

TEST("no rows at all make all gradients zero") {
  Input in({{40, 7}, 2, 16, true, Chosen::kAll, 0}, 40);
  in.rows.clear();
  in.q.clear();
  in.dout.clear();
  in.first = {0, 0};
  in.num = {0, 0};
  const Result<float> actual = on_device(in);
  CHECK(all_are(0, actual.dk));
  CHECK(all_are(0, actual.dv));
}

TEST("a document's gradients have the same bits alone and in any batch") {
  const Case together{kLengths, 2, 32, true, Chosen::kSome, 0.1f};
  const Input in(together, 205);
  const Result<float> all = on_device(in);
  const int64_t hidden = together.hidden();
  for (int32_t b = 0; b < static_cast<int32_t>(kLengths.size()); ++b) {
    Case alone = together;
    alone.lengths = {kLengths[b]};
    const Input own(alone, kLengths[b], b);
    const Result<float> result = on_device(own);
    const int64_t first_query = in.first[b] * hidden;
    const int64_t first_key = int64_t{b} * in.stride * hidden;
    CHECK(test::same_bits(all.dq.data() + first_query, result.dq.data(), own.num[0] * hidden));
    CHECK(test::same_bits(all.dk.data() + first_key, result.dk.data(), kLengths[b] * hidden));
    CHECK(test::same_bits(all.dv.data() + first_key, result.dv.data(), kLengths[b] * hidden));
  }
}

#ifdef RMT_CUDA_EMULATED
TEST("blocks in any order leave the same bits") {
  using rmt::emulation::Order;
  const Input in({{70, 33}, 2, 64, false, Chosen::kSome, 0.1f}, 70);
  const auto in_order = [&](Order order, uint64_t seed) {
    rmt::emulation::set_order(order, seed);
    return on_device(in);
  };
  const Result<float> expected = in_order(Order::kForward, 1);
  for (const Order order : {Order::kReverse, Order::kRandom}) {
    const Result<float> result = in_order(order, 7);
    CHECK(test::same_bits(result.dq, expected.dq));
    CHECK(test::same_bits(result.dk, expected.dk));
    CHECK(test::same_bits(result.dv, expected.dv));
  }
}
#endif

}  // namespace

RMT_TEST_MAIN()
