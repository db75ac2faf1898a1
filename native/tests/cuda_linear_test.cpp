// cuda_linear_test.cpp - the CUDA linear layer and its backward against plain loops.
#include <vector>

#include "cuda_fixture.h"
#include "cuda_numbers.h"
#include "kernels/cuda/operations.h"

namespace {

using rmt::cuda::Activation;
using test::Comparison;
using test::DeviceBuffer;
using test::random_values;

const std::vector<int64_t> kRows = {1, 3, 97, 128, 130};
const std::vector<int32_t> kWidths = {1, 6, 48, 128, 132, 384};

struct Size {
  int64_t rows;
  int32_t n;
  int32_t k;
};

std::string name_of(const Size &size) {
  return "rows " + test::show(size.rows) + ", n " + test::show(size.n) + ", k " + test::show(size.k);
}

std::vector<Size> all_sizes() {
  std::vector<Size> sizes;
  for (const int64_t rows : kRows) {
    for (const int32_t n : kWidths) {
      for (const int32_t k : kWidths) sizes.push_back({rows, n, k});
    }
  }
  return sizes;
}

// Products so large that tiles of 64 x 64 and of 128 x 128 are chosen, with edges and without.
const std::vector<Size> kLargeSizes = {{512, 384, 20}, {770, 253, 37}, {8192, 256, 16}, {8190, 254, 11}};

template <typename Real>
Real activate(Activation activation, Real value) {
  switch (activation) {
    case Activation::kGelu:
      return static_cast<Real>(0.5) * value * (1 + std::erf(value * static_cast<Real>(0.70710678118654752440)));
    case Activation::kTanh:
      return std::tanh(value);
    default:
      return value;
  }
}

struct Inputs {
  std::vector<float> x;
  std::vector<float> weight;
  std::vector<float> bias;
};

Inputs inputs_of(const Size &size) {
  const float scale = 2.0f / std::sqrt(static_cast<float>(size.k));
  return {random_values(size.rows * size.k, 1), random_values(static_cast<int64_t>(size.n) * size.k, 2, scale),
          random_values(size.n, 3)};
}

template <typename Real>
std::vector<Real> plain_linear(const Size &size, const Inputs &in, bool with_bias, Activation activation) {
  std::vector<Real> y;
  for (int64_t r = 0; r < size.rows; ++r) {
    for (int32_t o = 0; o < size.n; ++o) {
      Real sum = with_bias ? in.bias[o] : 0;
      const float *x = in.x.data() + r * size.k;
      const float *weight = in.weight.data() + static_cast<int64_t>(o) * size.k;
      for (int32_t i = 0; i < size.k; ++i) sum += static_cast<Real>(x[i]) * static_cast<Real>(weight[i]);
      y.push_back(activate(activation, sum));
    }
  }
  return y;
}

struct Result {
  std::vector<float> before;
  std::vector<float> y;
};

// `shift` floats lie before each matrix, so that it does not begin at a multiple of 16 bytes.
Result linear(const Size &size, const Inputs &in, bool with_bias, Activation activation, bool with_before,
              size_t shift = 0) {
  const auto shifted = [&](std::vector<float> values) {
    values.insert(values.begin(), shift, 0.0f);
    return values;
  };
  const DeviceBuffer<float> x(shifted(in.x));
  const DeviceBuffer<float> weight(shifted(in.weight));
  const DeviceBuffer<float> bias(shifted(in.bias));
  DeviceBuffer<float> before(shift + size.rows * size.n);
  DeviceBuffer<float> y(shift + size.rows * size.n);
  rmt::cuda::linear(nullptr, x.data() + shift, weight.data() + shift, with_bias ? bias.data() + shift : nullptr,
                    size.rows, size.n, size.k, activation, with_before ? before.data() + shift : nullptr,
                    y.data() + shift);
  Result result{before.download(), y.download()};
  result.before.erase(result.before.begin(), result.before.begin() + static_cast<int64_t>(shift));
  result.y.erase(result.y.begin(), result.y.begin() + static_cast<int64_t>(shift));
  return result;
}

void add_linear(Comparison &comparison, const Size &size, bool with_bias, Activation activation, size_t shift = 0) {
  const Inputs in = inputs_of(size);
  comparison.add(name_of(size), linear(size, in, with_bias, activation, false, shift).y,
                 plain_linear<float>(size, in, with_bias, activation),
                 plain_linear<double>(size, in, with_bias, activation));
}

TEST("a linear layer of any size is that of plain loops") {
  Comparison comparison("linear");
  for (const Size &size : all_sizes()) add_linear(comparison, size, true, Activation::kNone);
  for (const Size &size : kLargeSizes) add_linear(comparison, size, true, Activation::kNone);
  comparison.check();
}

TEST("a linear layer without a bias, on matrices that begin anywhere, is that of plain loops") {
  Comparison comparison("linear without bias");
  for (const Size &size : {Size{97, 132, 48}, Size{3, 48, 6}, Size{770, 256, 20}, Size{8192, 256, 12}}) {
    for (const size_t shift : {1, 2, 3}) add_linear(comparison, size, false, Activation::kNone, shift);
  }
  comparison.check();
}

TEST("GELU and tanh behind a linear layer are those of plain loops") {
  for (const Activation activation : {Activation::kGelu, Activation::kTanh}) {
    Comparison comparison(activation == Activation::kGelu ? "linear with GELU" : "linear with tanh");
    for (const Size &size : {Size{1, 1, 6}, Size{97, 132, 48}, Size{130, 48, 384}, kLargeSizes[1], kLargeSizes[3]}) {
      add_linear(comparison, size, true, activation);
    }
    comparison.check();
  }
}

TEST("what a linear layer gives before its activation is what it gives without one") {
  for (const Size &size : {Size{3, 6, 48}, Size{97, 132, 48}, kLargeSizes[0], kLargeSizes[3]}) {
    const Inputs in = inputs_of(size);
    const Result gelu = linear(size, in, true, Activation::kGelu, true);
    CHECK(test::same_bits(gelu.before, linear(size, in, true, Activation::kNone, false).y));
    CHECK(test::same_bits(gelu.y, linear(size, in, true, Activation::kGelu, false).y));
  }
}

TEST("the bits of a row do not depend on how many rows there are") {
  const Size large = {8192, 256, 131};  // tiles of 128 x 128; then of 64 x 64 and 32 x 32
  const Inputs in = inputs_of(large);
  const std::vector<float> expected = linear(large, in, true, Activation::kGelu, false).y;
  for (const int64_t rows : {770, 97, 1}) {
    const Size size = {rows, large.n, large.k};
    Inputs first = in;
    first.x.resize(rows * size.k);
    const std::vector<float> y = linear(size, first, true, Activation::kGelu, false).y;
    CHECK_THAT(test::same_bits(y.data(), expected.data(), y.size()), name_of(size));
  }
}

}  // namespace

RMT_TEST_MAIN()
