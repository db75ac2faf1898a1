// cuda_linear_test.cpp - the CUDA linear layer, GELU and their backwards against plain loops.
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

std::vector<Size> sizes_of(const std::vector<int64_t> &all_rows, const std::vector<int32_t> &widths) {
  std::vector<Size> sizes;
  for (const int64_t rows : all_rows) {
    for (const int32_t n : widths) {
      for (const int32_t k : widths) sizes.push_back({rows, n, k});
    }
  }
  return sizes;
}

// Fewer for the backwards, which share their tiles with the forward.
std::vector<Size> backward_sizes() { return sizes_of({3, 97, 130}, {1, 6, 132}); }

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
  for (const Size &size : sizes_of(kRows, kWidths)) add_linear(comparison, size, true, Activation::kNone);
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

// ---- backward ----

// What stands in a gradient before a backward adds to it.
std::vector<float> gradient_before(size_t count, uint64_t stream) { return random_values(count, stream, 0.5f); }

template <typename Real>
std::vector<Real> plain_backward_input(const Size &size, const std::vector<float> &dy, const std::vector<float> &weight,
                                       std::vector<Real> dx) {
  for (int64_t r = 0; r < size.rows; ++r) {
    std::vector<Real> sums(size.k);
    for (int32_t o = 0; o < size.n; ++o) {
      const Real d = dy[r * size.n + o];
      for (int32_t i = 0; i < size.k; ++i) sums[i] += d * static_cast<Real>(weight[int64_t{o} * size.k + i]);
    }
    for (int32_t i = 0; i < size.k; ++i) dx[r * size.k + i] += sums[i];
  }
  return dx;
}

std::vector<float> backward_input(const Size &size, const std::vector<float> &dy, const std::vector<float> &weight,
                                  const std::vector<float> *before) {
  const DeviceBuffer<float> dy_buffer(dy);
  const DeviceBuffer<float> weight_buffer(weight);
  DeviceBuffer<float> dx(size.rows * size.k);
  if (before != nullptr) dx.upload(*before);
  rmt::cuda::linear_backward_input(nullptr, dy_buffer.data(), weight_buffer.data(), size.rows, size.n, size.k,
                                   before != nullptr, dx.data());
  return dx.download();
}

TEST("the gradient of a linear layer's input, written or added, is that of plain loops") {
  for (const bool accumulate : {false, true}) {
    Comparison comparison(accumulate ? "dx +=" : "dx");
    std::vector<Size> sizes = backward_sizes();
    for (const Size &size : kLargeSizes) sizes.push_back({size.rows, size.k, size.n});
    for (const Size &size : sizes) {
      const auto dy = random_values(size.rows * size.n, 4);
      const auto weight = inputs_of(size).weight;
      auto before = gradient_before(size.rows * size.k, 5);
      const auto actual = backward_input(size, dy, weight, accumulate ? &before : nullptr);
      if (!accumulate) std::fill(before.begin(), before.end(), 0.0f);
      comparison.add(name_of(size), actual, plain_backward_input<float>(size, dy, weight, before),
                     plain_backward_input<double>(size, dy, weight, {before.begin(), before.end()}));
    }
    comparison.check();
  }
}

TEST("the bits of a row's gradient do not depend on how many rows there are") {
  const Size large = {8192, 131, 256};
  auto dy = random_values(large.rows * large.n, 4);
  const auto weight = inputs_of(large).weight;
  const auto expected = backward_input(large, dy, weight, nullptr);
  for (const int64_t rows : {770, 97, 1}) {
    dy.resize(rows * large.n);
    const auto dx = backward_input({rows, large.n, large.k}, dy, weight, nullptr);
    CHECK(test::same_bits(dx.data(), expected.data(), dx.size()));
  }
}

template <typename Real>
struct WeightGradient {
  std::vector<Real> dweight;
  std::vector<Real> dbias;
};

template <typename Real>
WeightGradient<Real> plain_backward_weight(const Size &size, const std::vector<float> &dy, const std::vector<float> &x,
                                           const WeightGradient<float> &before) {
  WeightGradient<Real> result{{before.dweight.begin(), before.dweight.end()},
                              {before.dbias.begin(), before.dbias.end()}};
  for (int64_t r = 0; r < size.rows; ++r) {
    for (int32_t o = 0; o < size.n; ++o) {
      const Real d = dy[r * size.n + o];
      result.dbias[o] += d;
      Real *row = result.dweight.data() + int64_t{o} * size.k;
      for (int32_t i = 0; i < size.k; ++i) row[i] += d * static_cast<Real>(x[r * size.k + i]);
    }
  }
  return result;
}

WeightGradient<float> backward_weight(const Size &size, const std::vector<float> &dy, const std::vector<float> &x,
                                      const WeightGradient<float> &before, bool with_bias) {
  const DeviceBuffer<float> dy_buffer(dy);
  const DeviceBuffer<float> x_buffer(x);
  DeviceBuffer<float> scratch(rmt::cuda::linear_scratch(size.rows, size.n, size.k));
  DeviceBuffer<float> dweight(before.dweight);
  DeviceBuffer<float> dbias(before.dbias);
  rmt::cuda::linear_backward_weight(nullptr, dy_buffer.data(), x_buffer.data(), size.rows, size.n, size.k,
                                    scratch.data(), dweight.data(), with_bias ? dbias.data() : nullptr);
  return {dweight.download(), dbias.download()};
}

TEST("the gradients of a linear layer's weight and bias are added as by plain loops") {
  Comparison weights("dW");
  Comparison biases("dbias");
  std::vector<Size> sizes = backward_sizes();
  // Of many rows: sums over slices of them; the last one has tiles of 128 x 128, that before it of 64 x 64.
  for (const Size &size : {Size{1000, 6, 132}, Size{2000, 132, 48}, Size{1537, 128, 384}, Size{16384, 128, 128}}) {
    sizes.push_back(size);
  }
  for (const Size &size : sizes) {
    const auto dy = random_values(size.rows * size.n, 4);
    const auto x = random_values(size.rows * size.k, 6);
    const WeightGradient<float> before{gradient_before(int64_t{size.n} * size.k, 7), gradient_before(size.n, 8)};
    const auto actual = backward_weight(size, dy, x, before, true);
    const auto naive = plain_backward_weight<float>(size, dy, x, before);
    const auto expected = plain_backward_weight<double>(size, dy, x, before);
    weights.add(name_of(size), actual.dweight, naive.dweight, expected.dweight);
    biases.add(name_of(size), actual.dbias, naive.dbias, expected.dbias);
  }
  weights.check();
  biases.check();
}

TEST("without a bias its gradient is left alone, and that of the weight is the same") {
  for (const Size &size : {Size{97, 48, 132}, Size{2000, 132, 48}}) {
    const auto dy = random_values(size.rows * size.n, 4);
    const auto x = random_values(size.rows * size.k, 6);
    const WeightGradient<float> before{gradient_before(int64_t{size.n} * size.k, 7), gradient_before(size.n, 8)};
    const auto without = backward_weight(size, dy, x, before, false);
    CHECK(test::same_bits(without.dbias, before.dbias));
    CHECK(test::same_bits(without.dweight, backward_weight(size, dy, x, before, true).dweight));
  }
}

TEST("scratch for many rows is enough for few") {
  for (const int32_t n : kWidths) {
    for (const int32_t k : kWidths) {
      int64_t before = 0;
      for (int64_t rows = 0; rows < 20000; rows += 61) {
        const int64_t scratch = rmt::cuda::linear_scratch(rows, n, k);
        CHECK_THAT(scratch >= before, name_of({rows, n, k}));
        before = scratch;
      }
    }
  }
}

template <typename Real>
Real plain_gelu_slope(Real x) {
  const Real root_half = static_cast<Real>(0.70710678118654752440);
  const Real density_at_0 = static_cast<Real>(0.39894228040143267794);
  return static_cast<Real>(0.5) * (1 + std::erf(x * root_half)) +
         x * density_at_0 * std::exp(static_cast<Real>(-0.5) * x * x);
}

template <typename Real>
std::vector<Real> plain_gelu(const std::vector<float> &before, const std::vector<float> *dy) {
  std::vector<Real> out;
  for (size_t i = 0; i < before.size(); ++i) {
    const Real x = before[i];
    out.push_back(dy == nullptr ? activate(Activation::kGelu, x) : (*dy)[i] * plain_gelu_slope(x));
  }
  return out;
}

TEST("GELU and its backward by themselves are those of plain loops, for any count") {
  Comparison forward("GELU");
  Comparison backward("GELU's backward");
  for (const int32_t count : {1, 2, 3, 4, 1023, 1024, 1025, 5000}) {
    const auto before = random_values(count, 1, 6.0f);
    const auto dy = random_values(count, 2);
    const DeviceBuffer<float> from(before);
    DeviceBuffer<float> out(count);
    DeviceBuffer<float> gradient(dy);
    rmt::cuda::gelu(nullptr, from.data(), count, out.data());
    rmt::cuda::gelu_backward(nullptr, from.data(), count, gradient.data());
    forward.add(test::show(count), out.download(), plain_gelu<float>(before, nullptr),
                plain_gelu<double>(before, nullptr));
    backward.add(test::show(count), gradient.download(), plain_gelu<float>(before, &dy),
                 plain_gelu<double>(before, &dy));
  }
  forward.check();
  backward.check();
}

}  // namespace

RMT_TEST_MAIN()
