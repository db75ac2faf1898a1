// Dropout masks: they must stay what they are, since a resumed run draws them again, and look random.

#include "kernels/dropout.h"

#include "check.h"

namespace {

using rmt::dropout_mix;
using rmt::dropout_row;
using rmt::DropoutSite;

bool is_dropped(uint64_t key, uint32_t site, uint32_t row, uint32_t column, float probability) {
  return dropout_mix(dropout_row(key, site, row) + column) < rmt::dropout_threshold(probability);
}

TEST("masks are the same in every version") {
  CHECK_EQUAL(dropout_mix(1), 114555507u);
  CHECK_EQUAL(dropout_row(0x0123456789abcdefu, (2u << DropoutSite::kLayerShift) + DropoutSite::kOutput, 7),
              2478117275u);
  CHECK_EQUAL(rmt::dropout_threshold(0.0f), 0u);
  CHECK_EQUAL(rmt::dropout_threshold(0.25f), 1u << 30);
}

// Counts how often `a` and `b` hold over 256 rows and columns each.
struct Counts {
  double a = 0;
  double both = 0;
};

template <typename A, typename B>
Counts count(A a, B b) {
  Counts counts;
  for (uint32_t row = 0; row < 256; ++row) {
    for (uint32_t column = 0; column < 256; ++column) {
      const bool first = a(row, column);
      counts.a += first;
      counts.both += first && b(row, column);
    }
  }
  return counts;
}

TEST("as many elements are dropped as was asked, independently of key, site, row and column") {
  constexpr double kElements = 256 * 256;
  for (const float probability : {0.1f, 0.5f}) {
    for (const uint64_t key : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32, 0x9e3779b97f4a7c15u}) {
      const uint32_t site = (1u << DropoutSite::kLayerShift) + DropoutSite::kAttention;
      const auto dropped = [=](uint64_t other_key, uint32_t other_site, uint32_t rows, uint32_t columns) {
        return [=](uint32_t row, uint32_t column) {
          return is_dropped(other_key, other_site, row + rows, column + columns, probability);
        };
      };
      const auto own = dropped(key, site, 0, 0);
      const auto close = [&](double counted, double expected) {
        return std::abs(counted - kElements * expected) < 5 * std::sqrt(kElements * expected * (1 - expected));
      };
      CHECK(close(count(own, own).a, probability));
      const double both = static_cast<double>(probability) * probability;
      for (const auto &other :
           {dropped(key + 1, site, 0, 0), dropped(key + (uint64_t{1} << 32), site, 0, 0), dropped(key, site + 1, 0, 0),
            dropped(key, site + (1u << 20), 0, 0), dropped(key, site, 1, 0), dropped(key, site, 0, 1)}) {
        CHECK(close(count(own, other).both, both));
      }
    }
  }
}

}  // namespace

RMT_TEST_MAIN()
