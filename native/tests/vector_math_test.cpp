// The elementary functions of the CPU kernels against those of the C library in double, for every instruction set that
// can run here.

#include <algorithm>
#include <array>
#include <limits>

#include "check.h"
#include "rmt/rmt.h"

using Function = void (*)(const float *x, float *y, int count);

void exp2_portable(const float *x, float *y, int count);
void gelu_portable(const float *x, float *y, int count);
void gelu_slope_portable(const float *x, float *y, int count);
#if RMT_HAVE_AVX2
void exp2_avx2(const float *x, float *y, int count);
void gelu_avx2(const float *x, float *y, int count);
void gelu_slope_avx2(const float *x, float *y, int count);
#endif
#if RMT_HAVE_AVX512
void exp2_avx512(const float *x, float *y, int count);
void gelu_avx512(const float *x, float *y, int count);
void gelu_slope_avx512(const float *x, float *y, int count);
#endif

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Isa {
  std::string name;
  Function exp2;
  Function gelu;
  Function gelu_slope;
};

std::vector<Isa> runnable() {
  const std::string names = std::string(",") + rmt_cpu_isas() + ",";
  std::vector<Isa> all = {{"portable", exp2_portable, gelu_portable, gelu_slope_portable}};
#if RMT_HAVE_AVX2
  all.push_back({"avx2", exp2_avx2, gelu_avx2, gelu_slope_avx2});
#endif
#if RMT_HAVE_AVX512
  all.push_back({"avx512", exp2_avx512, gelu_avx512, gelu_slope_avx512});
#endif
  std::vector<Isa> chosen;
  for (const Isa &isa : all) {
    if (names.find("," + isa.name + ",") != std::string::npos) chosen.push_back(isa);
  }
  return chosen;
}

// Calls visit(x, function(x)) for `steps` values from `low` to `high`.
template <typename Visit>
void for_grid(Function function, double low, double high, int64_t steps, Visit visit) {
  constexpr int kBlock = 1024;
  std::array<float, kBlock> x;
  std::array<float, kBlock> y;
  for (int64_t done = 0; done < steps; done += kBlock) {
    for (int i = 0; i < kBlock; ++i) {
      x[i] = static_cast<float>(low + (high - low) * static_cast<double>(done + i) / static_cast<double>(steps - 1));
    }
    function(x.data(), y.data(), kBlock);
    for (int i = 0; i < kBlock; ++i) visit(x[i], y[i]);
  }
}

float at(Function function, float x) {
  std::array<float, 16> values;
  values.fill(x);
  function(values.data(), values.data(), 16);
  return values[0];
}

}  // namespace

TEST("powers of two are right to 1.5e-7 wherever they are normal numbers") {
  for (const Isa &isa : runnable()) {
    double worst = 0;
    float worst_x = 0;
    for_grid(isa.exp2, -126, 1, 1 << 22, [&](float x, float y) {
      const double exact = std::exp2(static_cast<double>(x));
      const double error = std::fabs(y - exact) / exact;
      if (!(error <= worst)) {
        worst = error;
        worst_x = x;
      }
    });
    std::printf("  %-10s largest relative error %.2e, at %g\n", isa.name.c_str(), worst, worst_x);
    CHECK_THAT(worst <= 1.5e-7, isa.name + ": relative error " + test::show(worst) + " at " + test::show(worst_x));
  }
}

TEST("powers of two below the normal numbers vanish, and NaN stays NaN") {
  for (const Isa &isa : runnable()) {
    for (const float x : {-127.5f, -150.0f, -1e30f, -kInfinity}) CHECK_EQUAL(at(isa.exp2, x), 0.0f);
    CHECK_EQUAL(at(isa.exp2, 0.0f), 1.0f);
    CHECK(std::isnan(at(isa.exp2, kNan)));
  }
}

TEST("GELU is right to 1e-7, relative to the argument where that is beyond 1") {
  for (const Isa &isa : runnable()) {
    double worst = 0;
    double worst_erf = 0;
    float worst_x = 0;
    const auto visit = [&](float x, float y) {
      const double exact = 0.5 * x * std::erfc(-x / std::sqrt(2.0));
      const double error = std::fabs(y - exact) / std::max(1.0, std::fabs(static_cast<double>(x)));
      if (!(error <= worst)) {
        worst = error;
        worst_x = x;
      }
      // GELU(x) = x / 2 * (1 + erf(x / sqrt(2))): the error as one of erf, where the division says something.
      if (std::fabs(x) > 0.5f) worst_erf = std::max(worst_erf, std::fabs(y - exact) * 2 / std::fabs(x));
    };
    for_grid(isa.gelu, -12, 12, 1 << 22, visit);
    for_grid(isa.gelu, -1e-3, 1e-3, 1 << 16, visit);
    for_grid(isa.gelu, -1e6, 1e6, 1 << 18, visit);
    std::printf("  %-10s largest error %.2e, at %g; as an error of erf %.2e\n", isa.name.c_str(), worst, worst_x,
                worst_erf);
    CHECK_THAT(worst <= 1e-7, isa.name + ": error " + test::show(worst) + " at " + test::show(worst_x));
    CHECK(worst_erf <= 2e-7);
  }
}

TEST("GELU of far arguments is the argument or zero, and NaN stays NaN") {
  for (const Isa &isa : runnable()) {
    CHECK_EQUAL(at(isa.gelu, 0.0f), 0.0f);
    for (const float x : {20.0f, 1e5f, 1e30f}) {
      CHECK_EQUAL(at(isa.gelu, x), x);
      CHECK_EQUAL(at(isa.gelu, -x), 0.0f);
    }
    CHECK(std::isnan(at(isa.gelu, kNan)));
  }
}

TEST("the derivative of GELU is right to 2e-7, and comes with the bits of GELU") {
  for (const Isa &isa : runnable()) {
    double worst = 0;
    float worst_x = 0;
    const auto visit = [&](float x, float y) {
      const double t = x;
      const double exact = 0.5 * std::erfc(-t / std::sqrt(2.0)) + t * std::exp(-0.5 * t * t) * 0.39894228040143267794;
      const double error = std::fabs(y - exact);
      if (!(error <= worst)) {
        worst = error;
        worst_x = x;
      }
    };
    for_grid(isa.gelu_slope, -12, 12, 1 << 22, visit);
    for_grid(isa.gelu_slope, -1e-3, 1e-3, 1 << 16, visit);
    for_grid(isa.gelu_slope, -1e6, 1e6, 1 << 18, visit);
    std::printf("  %-10s largest error %.2e, at %g\n", isa.name.c_str(), worst, worst_x);
    CHECK_THAT(worst <= 2e-7, isa.name + ": error " + test::show(worst) + " at " + test::show(worst_x));
    for (const float x : {20.0f, 1e5f, 1e30f}) {
      CHECK_EQUAL(at(isa.gelu_slope, x), 1.0f);
      CHECK_EQUAL(at(isa.gelu_slope, -x), 0.0f);
    }
    CHECK(std::isnan(at(isa.gelu_slope, kNan)));
  }
}

RMT_TEST_MAIN()
