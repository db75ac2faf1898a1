// cuda_attention_test.cpp - CUDA attention against plain loops.
#include <vector>

#include "cuda_batch.h"
#include "cuda_fixture.h"
#include "cuda_numbers.h"
#include "kernels/cuda/operations.h"
#include "kernels/dropout.h"

namespace {

using rmt::cuda::Mask;
using test::ChosenRows;
using test::Comparison;
using test::DeviceBuffer;
using test::DeviceDocuments;
using test::DeviceRows;
using test::HostDocuments;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Shape {
  int32_t num_heads;
  int32_t head_size;
  bool causal;
  float dropout;
  float scale = 1.0f;  // of queries: large ones leave all of the weight to one key
  int32_t hidden_size() const { return num_heads * head_size; }
};

std::string name_of(const Shape &shape) {
  return test::show(shape.num_heads) + " heads of " + test::show(shape.head_size) + (shape.causal ? ", causal" : "") +
         ", dropout " + test::show(shape.dropout);
}

Mask mask_of(const Shape &shape) {
  return {rmt::DropoutSite::kAttention + (2 << rmt::DropoutSite::kLayerShift), rmt::dropout_threshold(shape.dropout),
          1.0f / (1.0f - shape.dropout)};
}

// Queries in a buffer of their own, keys and values beside each other. What must not be read is NaN. A document's
// numbers follow from its name.
struct Inputs {
  HostDocuments documents;
  ChosenRows chosen;
  std::vector<float> q;    // (rows, H)
  std::vector<float> k_v;  // (B x stride, 2 H)

  Inputs(const Shape &shape, const std::vector<int32_t> &names, const std::vector<int32_t> &lengths, int32_t stride,
         bool all)
      : documents(names, lengths, stride),
        chosen(all ? ChosenRows::all(lengths, stride) : ChosenRows::some(lengths, stride)),
        q(chosen.rows.size() * shape.hidden_size(), kNan),
        k_v(documents.rows() * 2 * shape.hidden_size(), kNan) {
    const int64_t hidden_size = shape.hidden_size();
    for (size_t b = 0; b < names.size(); ++b) {
      const auto queries = test::random_values(stride * hidden_size, 3000 + names[b], 2.0f * shape.scale);
      const auto keys_values = test::random_values(lengths[b] * 2 * hidden_size, 4000 + names[b], 2.0f);
      std::copy(keys_values.begin(), keys_values.end(), k_v.begin() + b * stride * 2 * hidden_size);
      for (int32_t i = chosen.first[b]; i < chosen.first[b] + chosen.num[b]; ++i) {
        if (chosen.rows[i] < 0) continue;
        std::copy_n(queries.begin() + chosen.rows[i] % stride * hidden_size, hidden_size, q.begin() + i * hidden_size);
      }
    }
  }
};

template <typename Real>
struct Attended {
  std::vector<Real> out;          // (rows, H)
  std::vector<Real> log_sum_exp;  // (rows, NH)
};

template <typename Real>
Attended<Real> plain_attention(const Shape &shape, const Inputs &in) {
  const int64_t hidden_size = shape.hidden_size();
  const Mask mask = mask_of(shape);
  Attended<Real> result{std::vector<Real>(in.q.size()), std::vector<Real>(in.chosen.rows.size() * shape.num_heads)};
  for (int64_t i = 0; i < in.chosen.count(); ++i) {
    if (in.chosen.rows[i] < 0) continue;
    const int32_t b = in.chosen.rows[i] / in.documents.stride;
    const int32_t t = in.chosen.rows[i] % in.documents.stride;
    const int32_t visible = shape.causal ? t + 1 : in.documents.lengths[b];
    const float *keys = in.k_v.data() + int64_t{b} * in.documents.stride * 2 * hidden_size;
    for (int32_t head = 0; head < shape.num_heads; ++head) {
      const float *query = in.q.data() + i * hidden_size + head * shape.head_size;
      const Real scale = 1 / std::sqrt(static_cast<Real>(shape.head_size));
      std::vector<Real> weights(visible);
      Real largest = -std::numeric_limits<Real>::infinity();
      for (int32_t j = 0; j < visible; ++j) {
        const float *key = keys + j * 2 * hidden_size + head * shape.head_size;
        for (int32_t e = 0; e < shape.head_size; ++e) weights[j] += query[e] * scale * key[e];
        largest = std::max(largest, weights[j]);
      }
      Real sum = 0;
      for (Real &weight : weights) sum += weight = std::exp(weight - largest);
      result.log_sum_exp[i * shape.num_heads + head] = largest + std::log(sum);
      const uint32_t hash = rmt::dropout_row(in.documents.keys[b], mask.site + head, t);
      for (int32_t j = 0; j < visible; ++j) {
        if (mask.threshold != 0) {
          weights[j] *= rmt::dropout_mix(hash + j) >= mask.threshold ? mask.kept_scale : 0.0f;
        }
        const float *value = keys + j * 2 * hidden_size + hidden_size + head * shape.head_size;
        for (int32_t e = 0; e < shape.head_size; ++e) {
          result.out[i * hidden_size + head * shape.head_size + e] += weights[j] / sum * value[e];
        }
      }
    }
  }
  return result;
}

// `shift` floats lie before each buffer, so that it does not begin at a multiple of 16 bytes.
Attended<float> attention(const Shape &shape, const Inputs &in, bool with_log_sum_exp = true, size_t shift = 0) {
  const auto shifted = [&](std::vector<float> values) {
    values.insert(values.begin(), shift, kNan);
    return values;
  };
  const DeviceDocuments documents(in.documents);
  const DeviceRows rows(in.chosen);
  DeviceBuffer<float> q(shifted(in.q));
  DeviceBuffer<float> k_v(shifted(in.k_v));
  DeviceBuffer<float> log_sum_exp(in.chosen.rows.size() * shape.num_heads);
  DeviceBuffer<float> out(in.q.size() + shift);
  const int32_t hidden_size = shape.hidden_size();
  rmt::cuda::attention(nullptr, documents.get(), rows.get(), {shape.num_heads, shape.head_size, shape.causal},
                       {q.data() + shift, hidden_size}, {k_v.data() + shift, 2 * hidden_size},
                       {k_v.data() + shift + hidden_size, 2 * hidden_size}, mask_of(shape),
                       with_log_sum_exp ? log_sum_exp.data() : nullptr, out.data() + shift);
  Attended<float> result{out.download(), log_sum_exp.download()};
  result.out.erase(result.out.begin(), result.out.begin() + static_cast<int64_t>(shift));
  return result;
}

class Comparisons {
 public:
  explicit Comparisons(const std::string &what) : values_(what), log_sum_exps_("its log-sum-exp") {}
  void add(const Shape &shape, const Inputs &in, size_t shift = 0) {
    const Attended<float> actual = attention(shape, in, true, shift);
    const auto naive = plain_attention<float>(shape, in);
    const auto expected = plain_attention<double>(shape, in);
    values_.add(name_of(shape), actual.out, naive.out, expected.out);
    log_sum_exps_.add(name_of(shape), actual.log_sum_exp, naive.log_sum_exp, expected.log_sum_exp);
  }
  void check() const {
    values_.check();
    log_sum_exps_.check();
  }

 private:
  Comparison values_;
  Comparison log_sum_exps_;
};

const std::vector<int32_t> kNames = {0, 1, 2, 3, 4};
const std::vector<int32_t> kLengths = {97, 2, 31, 1, 64};

TEST("attention of any head size, encoder and causal, is that of plain loops") {
  Comparisons comparisons("attention");
  for (const int32_t head_size : {1, 5, 16, 30, 32, 64, 100, 128, 256}) {
    for (const bool causal : {false, true}) {
      for (const bool all : {false, true}) {
        const Shape shape = {2, head_size, causal, 0.0f};
        comparisons.add(shape, Inputs(shape, kNames, kLengths, 98, all));
      }
    }
  }
  comparisons.check();
}

TEST("attention of full segments is that of plain loops, however many queries a block has") {
  Comparisons comparisons("attention over 512");
  for (const bool causal : {false, true}) {
    for (const int32_t head_size : {16, 32, 64}) {
      const Shape shape = {1, head_size, causal, 0.0f};
      comparisons.add(shape, Inputs(shape, {0, 1, 2, 3}, {512, 97, 2, 31}, 512, false));
    }
    for (const int32_t num_heads : {8, 16}) {
      const Shape shape = {num_heads, 5, causal, 0.1f};
      comparisons.add(shape, Inputs(shape, {0}, {512}, 512, true));
    }
  }
  comparisons.check();
}

TEST("attention drops the weights that dropout.h says") {
  Comparisons comparisons("attention with dropout");
  for (const int32_t head_size : {5, 32, 64}) {
    for (const bool causal : {false, true}) {
      const Shape shape = {3, head_size, causal, 0.25f};
      comparisons.add(shape, Inputs(shape, kNames, kLengths, 97, false));
    }
  }
  comparisons.check();
}

TEST("attention with very large scores is that of plain loops") {
  Comparisons comparisons("attention with large scores");
  const Shape shape = {2, 32, false, 0.0f, 100.0f};
  comparisons.add(shape, Inputs(shape, kNames, kLengths, 97, true));
  comparisons.check();
}

TEST("attention works on buffers that begin anywhere, and without a log-sum-exp") {
  Comparisons comparisons("attention, shifted");
  for (const size_t shift : {1, 2, 3}) {
    const Shape shape = {2, 32, true, 0.0f};
    const Inputs in(shape, kNames, kLengths, 97, false);
    comparisons.add(shape, in, shift);
    CHECK(test::same_bits(attention(shape, in, false).out, attention(shape, in, true, shift).out));
  }
  comparisons.check();
}

TEST("a document's attention has the same bits whatever documents are beside it") {
  // Four documents of 512 queries have blocks of 64 queries, two of 32, one of 16.
  const std::vector<int32_t> lengths = {512, 512, 500, 512};
  for (const bool causal : {false, true}) {
    const Shape shape = {4, 16, causal, 0.1f};
    const Attended<float> together = attention(shape, Inputs(shape, {0, 1, 2, 3}, lengths, 512, true));
    const Attended<float> two = attention(shape, Inputs(shape, {0, 1}, {512, 512}, 512, true));
    CHECK(test::same_bits(two.out.data(), together.out.data(), two.out.size()));
    CHECK(test::same_bits(two.log_sum_exp.data(), together.log_sum_exp.data(), two.log_sum_exp.size()));
    const Attended<float> alone = attention(shape, Inputs(shape, {3}, {512}, 600, true));
    const size_t begin = together.out.size() - alone.out.size();
    CHECK(test::same_bits(alone.out.data(), together.out.data() + begin, alone.out.size()));
  }
}

TEST("a chosen row's attention has the same bits as among all rows") {
  const Shape shape = {2, 64, true, 0.1f};
  const Inputs some(shape, kNames, kLengths, 97, false);
  const Inputs all(shape, kNames, kLengths, 97, true);
  const Attended<float> few = attention(shape, some);
  const Attended<float> every = attention(shape, all);
  for (int64_t i = 0; i < some.chosen.count(); ++i) {
    if (some.chosen.rows[i] < 0) continue;
    const auto same = std::find(all.chosen.rows.begin(), all.chosen.rows.end(), some.chosen.rows[i]);
    const int64_t place = same - all.chosen.rows.begin();
    CHECK(test::same_bits(few.out.data() + i * shape.hidden_size(), every.out.data() + place * shape.hidden_size(),
                          shape.hidden_size()));
  }
}

}  // namespace

RMT_TEST_MAIN()
