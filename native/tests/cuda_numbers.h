// cuda_numbers.h - random inputs for kernels, and how far their results may be from plain loops in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "check.h"

namespace test {

inline std::vector<float> random_values(size_t count, uint64_t stream, float scale = 1.0f) {
  Random random(stream);
  std::vector<float> values(count);
  for (float &value : values) value = random.uniform() * scale;
  return values;
}

// The largest difference relative to the largest expected value; infinite where anything is not finite.
template <typename Actual>
double relative_error(const std::vector<Actual> &actual, const std::vector<double> &expected) {
  CHECK_EQUAL(actual.size(), expected.size());
  double largest = 0;
  double difference = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    if (!std::isfinite(actual[i])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::fabs(expected[i]));
    difference = std::max(difference, std::fabs(static_cast<double>(actual[i]) - expected[i]));
  }
  return largest > 0 ? difference / largest : difference;
}

// Compares results with those of plain loops in double. A result may be off by twice what the same loops are off in
// single precision, the worst of all cases counting as the yardstick, since a single one may be lucky; and by 1e-6.
class Comparison {
 public:
  explicit Comparison(std::string what) : what_(std::move(what)) {}

  template <typename Actual>
  void add(const std::string &where, const std::vector<Actual> &actual, const std::vector<float> &naive,
           const std::vector<double> &expected) {
    naive_error_ = std::max(naive_error_, relative_error(naive, expected));
    const double error = relative_error(actual, expected);
    if (error > error_ || where_.empty()) {
      error_ = error;
      where_ = where;
    }
  }

  void check() const {
    const double allowed = std::max(1e-6, 2 * naive_error_);
    std::printf("  %s: error %.2g at %s; plain loops %.2g\n", what_.c_str(), error_, where_.c_str(), naive_error_);
    CHECK_THAT(error_ <= allowed, what_ + " at " + where_ + ": error " + show(error_) + ", allowed " + show(allowed));
  }

 private:
  std::string what_;
  std::string where_;
  double error_ = 0;
  double naive_error_ = 0;
};

// Bit for bit, NaNs included.
inline bool same_bits(const float *a, const float *b, size_t count) {
  return std::memcmp(a, b, count * sizeof(float)) == 0;
}
inline bool same_bits(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() && same_bits(a.data(), b.data(), a.size());
}

}  // namespace test
