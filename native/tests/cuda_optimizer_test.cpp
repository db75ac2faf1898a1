// AdamW and norms on a GPU, against the formulas of the reference in double.
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

namespace {

using rmt::cuda::AdamWStep;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

double clipped(double value, double limit) { return limit > 0 ? std::max(-limit, std::min(limit, value)) : value; }

double plain_squares(const std::vector<float> &gradient, double scale, double clip_value) {
  double sum = 0;
  for (const float g : gradient) {
    const double value = clipped(g * scale, clip_value);
    sum += value * value;
  }
  return sum;
}

double device_squares(const std::vector<float> &gradient, double scale, double clip_value) {
  const test::DeviceBuffer<float> device_gradient(gradient);
  test::DeviceBuffer<double> partials(rmt::cuda::kSquareSums);
  test::DeviceBuffer<double> result(1);
  rmt::cuda::sum_of_squares(nullptr, device_gradient.data(), static_cast<int64_t>(gradient.size()), scale, clip_value,
                            partials.data(), result.data());
  return result.download()[0];
}

// Everything that a step reads and writes.
struct State {
  std::vector<float> weight;
  std::vector<float> first;
  std::vector<float> second;
  std::vector<float> average;  // empty: not kept

  State(size_t count, bool keep_average)
      : weight(test::random_values(count, 1, 0.1f)), first(count), second(count), average(keep_average ? count : 0) {
    for (size_t i = 0; i < count; i += 3) weight[i] = 0;  // like biases that have never been trained
    if (keep_average) average = weight;
  }
};

// PlainOptimizer::update on one tensor. Returns how long the step of each weight was.
std::vector<double> plain_step(const AdamWStep &step, const std::vector<float> &gradient, State *state) {
  double norm_scale = 1;
  if (step.clip_norm > 0) {
    const double norm = std::sqrt(plain_squares(gradient, step.gradient_scale, step.clip_value));
    if (norm > step.clip_norm) norm_scale = step.clip_norm / norm;
  }
  std::vector<double> lengths;
  for (size_t i = 0; i < gradient.size(); ++i) {
    const double g = clipped(gradient[i] * step.gradient_scale, step.clip_value) * norm_scale;
    const double m = step.beta1 * state->first[i] + (1 - step.beta1) * g;
    const double v = step.beta2 * state->second[i] + (1 - step.beta2) * g * g;
    state->first[i] = static_cast<float>(m);
    state->second[i] = static_cast<float>(v);
    const double change = (m / step.first_correction) / (std::sqrt(v / step.second_correction) + step.epsilon);
    const double w = state->weight[i] - step.decay * state->weight[i] - step.learning_rate * change;
    state->weight[i] = static_cast<float>(w);
    lengths.push_back(std::fabs(step.learning_rate * change));
    if (!state->average.empty()) {
      state->average[i] = static_cast<float>(state->average[i] * step.average_decay + w * (1 - step.average_decay));
    }
  }
  return lengths;
}

void device_step(const AdamWStep &step, const std::vector<float> &gradient, State *state) {
  const int64_t count = static_cast<int64_t>(gradient.size());
  const test::DeviceBuffer<float> device_gradient(gradient);
  test::DeviceBuffer<float> weight(state->weight);
  test::DeviceBuffer<float> first(state->first);
  test::DeviceBuffer<float> second(state->second);
  test::DeviceBuffer<float> average(state->average);
  test::DeviceBuffer<double> partials(rmt::cuda::kSquareSums);
  test::DeviceBuffer<double> squares(1);  // not a number where nothing is clipped by norm
  if (step.clip_norm > 0) {
    rmt::cuda::sum_of_squares(nullptr, device_gradient.data(), count, step.gradient_scale, step.clip_value,
                              partials.data(), squares.data());
  }
  rmt::cuda::adamw(nullptr, step, squares.data(), device_gradient.data(), count, weight.data(), first.data(),
                   second.data(), state->average.empty() ? nullptr : average.data());
  state->weight = weight.download();
  state->first = first.download();
  state->second = second.download();
  state->average = average.download();
}

AdamWStep step_of(int number) {
  AdamWStep step{};
  step.learning_rate = 1e-3;
  step.beta1 = 0.9;
  step.beta2 = 0.999;
  step.epsilon = 1e-8;
  step.decay = step.learning_rate * 0.01;
  step.gradient_scale = 0.25;
  step.first_correction = 1 - std::pow(step.beta1, number);
  step.second_correction = 1 - std::pow(step.beta2, number);
  step.average_decay = 0.995;
  return step;
}

double unit_in_last_place(double value) {
  const float magnitude = std::max(static_cast<float>(std::fabs(value)), std::numeric_limits<float>::min());
  return static_cast<double>(std::nextafter(magnitude, kInfinity)) - magnitude;
}

// How far apart numbers are, in units of the last place of the larger and of `extra`'s.
double distance(const std::vector<float> &actual, const std::vector<float> &expected,
                const std::vector<double> *extra = nullptr) {
  CHECK_EQUAL(actual.size(), expected.size());
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(std::isfinite(actual[i]));
    const double difference = std::fabs(static_cast<double>(actual[i]) - expected[i]);
    const double unit = unit_in_last_place(expected[i]) + (extra != nullptr ? 3 * unit_in_last_place((*extra)[i]) : 0);
    largest = std::max(largest, difference / unit);
  }
  return largest;
}

// Steps from the same numbers each time: moments may differ in their last digit, and a weight by that and by three
// units of the last place of the step.
void check_steps(const char *name, size_t count, bool keep_average, void (*change)(AdamWStep *)) {
  double moments = 0;
  double weights = 0;
  State state(count, keep_average);
  for (int number = 1; number <= 4; ++number) {
    AdamWStep step = step_of(number);
    change(&step);
    const std::vector<float> gradient = test::random_values(count, 100 + static_cast<uint64_t>(number), 2.0f);
    State actual = state;
    device_step(step, gradient, &actual);
    const std::vector<double> lengths = plain_step(step, gradient, &state);
    moments = std::max({moments, distance(actual.first, state.first), distance(actual.second, state.second)});
    weights = std::max(
        {weights, distance(actual.weight, state.weight, &lengths), distance(actual.average, state.average, &lengths)});
  }
  std::printf("  %s: moments are off by %.2g of what they may be, weights by %.2g\n", name, moments, weights);
  CHECK(moments <= 1);
  CHECK(weights <= 1);
}

TEST("AdamW takes the steps of the reference") {
  for (const size_t count : {1, 255, 5000}) {
    check_steps("plain", count, false, [](AdamWStep *) {});
    check_steps("with an average", count, true, [](AdamWStep *) {});
    check_steps("without decay", count, false, [](AdamWStep *step) { step->decay = 0; });
  }
}

TEST("gradients are clipped by value and by norm before a step") {
  check_steps("by value", 3000, true, [](AdamWStep *step) { step->clip_value = 0.2; });
  check_steps("by norm", 3000, true, [](AdamWStep *step) { step->clip_norm = 1; });
  check_steps("by a norm that is not reached", 3000, true, [](AdamWStep *step) { step->clip_norm = 1e4; });
  check_steps("by both", 3000, true, [](AdamWStep *step) {
    step->clip_value = 0.3;
    step->clip_norm = 0.5;
  });
}

TEST("many steps stay with the reference") {
  // From their own numbers each: what beta2 is off by would add up.
  State actual(300, true);
  State expected = actual;
  for (int number = 1; number <= 200; ++number) {
    const AdamWStep step = step_of(number);
    const std::vector<float> gradient = test::random_values(300, 500 + static_cast<uint64_t>(number));
    device_step(step, gradient, &actual);
    plain_step(step, gradient, &expected);
  }
  const auto error = [](const std::vector<float> &values, const std::vector<float> &other) {
    return test::relative_error(values, std::vector<double>(other.begin(), other.end()));
  };
  CHECK(error(actual.first, expected.first) < 1e-6);
  CHECK(error(actual.second, expected.second) < 1e-6);
  CHECK(error(actual.weight, expected.weight) < 1e-6);
  CHECK(error(actual.average, expected.average) < 1e-6);
}

TEST("sums of squares are those of double, scaled and clipped by value") {
  for (const size_t count : {0, 1, 31, 1000, 70001}) {
    const std::vector<float> gradient = test::random_values(count, count, 3.0f);
    for (const double scale : {1.0, 0.125, -3.0}) {
      for (const double clip_value : {0.0, 0.3}) {
        const double expected = plain_squares(gradient, scale, clip_value);
        const double actual = device_squares(gradient, scale, clip_value);
        CHECK_THAT(std::fabs(actual - expected) <= 1e-12 * expected,
                   test::show(count) + " elements: " + test::show(actual) + ", expected " + test::show(expected));
      }
    }
  }
}

TEST("squares beyond a float's range are added up") {
  CHECK_EQUAL(device_squares({1e30f, -1e30f}, 1, 0), plain_squares({1e30f, -1e30f}, 1, 0));
  CHECK(device_squares({1e-30f}, 1, 0) > 0);
}

TEST("the sum of squares is not finite where a gradient is not") {
  for (const float bad : {kInfinity, -kInfinity, kNan}) {
    std::vector<float> gradient = test::random_values(3000, 7);
    gradient[2990] = bad;
    CHECK(!std::isfinite(device_squares(gradient, 0.5, 0)));
  }
}

TEST("sums of squares and steps have the same bits in every run") {
  const std::vector<float> gradient = test::random_values(20000, 9);
  const auto run = [&] {
    AdamWStep step = step_of(2);
    step.clip_norm = 0.5;
    State state(gradient.size(), true);
    device_step(step, gradient, &state);
    state.weight.push_back(static_cast<float>(device_squares(gradient, 1, 0)));
    return state;
  };
  const State expected = run();
  const auto check = [&] {
    const State state = run();
    CHECK(test::same_bits(state.weight, expected.weight));
    CHECK(test::same_bits(state.first, expected.first));
    CHECK(test::same_bits(state.second, expected.second));
    CHECK(test::same_bits(state.average, expected.average));
  };
  check();
#ifdef RMT_CUDA_EMULATED
  using rmt::emulation::Order;
  for (const Order order : {Order::kForward, Order::kReverse, Order::kRandom}) {
    rmt::emulation::set_order(order, 5);
    check();
  }
#endif
}

}  // namespace

RMT_TEST_MAIN()
