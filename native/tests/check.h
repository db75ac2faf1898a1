// check.h - what the native tests are written in: tests named as sentences, checks that say what they saw.
//
//   TEST("a slot starts from the initial memory") { CHECK(values == initial); }
//
// An executable runs all its tests, or those whose name contains its first argument. A check that fails ends its test.
// Exit status: 0 all passed, 1 some failed, 77 all that were chosen were skipped (CTest reports "Skipped").
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace test {

struct Failure {
  std::string message;
};
struct Skipped {
  std::string reason;
};

struct Case {
  const char *name;
  void (*run)();
};

inline std::vector<Case> &cases() {
  static std::vector<Case> all;
  return all;
}

struct Registration {
  Registration(const char *name, void (*run)()) { cases().push_back({name, run}); }
};

inline std::string show(const std::string &value) { return '"' + value + '"'; }
inline std::string show(const char *value) { return value == nullptr ? "NULL" : show(std::string(value)); }
template <typename Number>
std::string show(Number value) {
  char digits[40];
  if constexpr (std::is_floating_point_v<Number>) {
    std::snprintf(digits, sizeof(digits), "%.9g", static_cast<double>(value));
  } else {
    std::snprintf(digits, sizeof(digits), "%lld", static_cast<long long>(value));
  }
  return digits;
}

[[noreturn]] inline void fail(const char *file, int line, const std::string &message) {
  const char *name = std::strrchr(file, '/');
  throw Failure{std::string(name == nullptr ? file : name + 1) + ":" + std::to_string(line) + ": " + message};
}

// Seed of everything random in a run; RMT_TEST_SEED chooses another.
inline uint64_t seed() {
  static const uint64_t value = [] {
    const char *text = std::getenv("RMT_TEST_SEED");
    return text == nullptr ? uint64_t{20230419} : std::strtoull(text, nullptr, 10);
  }();
  return value;
}

// A small generator whose numbers are the same everywhere (those of <random> are not). SplitMix64.
class Random {
 public:
  explicit Random(uint64_t stream) : state_(seed() * 0x9e3779b97f4a7c15u + stream) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // A whole number of [low, high].
  int32_t integer(int32_t low, int32_t high) {
    return low + static_cast<int32_t>(next() % (static_cast<uint64_t>(high - low) + 1));
  }
  // A number of [-1, 1).
  float uniform() { return static_cast<float>(static_cast<double>(next() >> 11) * 0x1p-52 - 1.0); }

 private:
  uint64_t state_;
};

inline int run_all(int argc, char **argv) {
  const std::string filter = argc > 1 ? argv[1] : "";
  int passed = 0;
  int failed = 0;
  int skipped = 0;
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed()));
  for (const Case &test_case : cases()) {
    if (std::string(test_case.name).find(filter) == std::string::npos) continue;
    const auto start = std::chrono::steady_clock::now();
    std::string outcome;
    try {
      test_case.run();
      ++passed;
      outcome = "ok";
    } catch (const Failure &failure) {
      ++failed;
      outcome = "FAILED: " + failure.message;
    } catch (const Skipped &skip) {
      ++skipped;
      outcome = "skipped: " + skip.reason;
    } catch (const std::exception &exception) {
      ++failed;
      outcome = std::string("FAILED: ") + exception.what();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf("%6.2f s  %s: %s\n", seconds.count(), test_case.name, outcome.c_str());
    std::fflush(stdout);
  }
  std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  if (failed > 0 || passed + skipped == 0) return 1;  // a filter that matches nothing is a mistake
  return passed == 0 ? 77 : 0;
}

}  // namespace test

#define RMT_TEST_JOIN2(a, b) a##b
#define RMT_TEST_JOIN(a, b) RMT_TEST_JOIN2(a, b)
#define TEST(name)                                                                                                   \
  static void RMT_TEST_JOIN(test_case_, __LINE__)();                                                                 \
  static const test::Registration RMT_TEST_JOIN(registration_, __LINE__)(name, RMT_TEST_JOIN(test_case_, __LINE__)); \
  static void RMT_TEST_JOIN(test_case_, __LINE__)()

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) test::fail(__FILE__, __LINE__, "expected " #condition); \
  } while (false)

// The rest of the arguments, strings, are put behind the expression.
#define CHECK_THAT(condition, message)                                                                      \
  do {                                                                                                      \
    if (!(condition)) test::fail(__FILE__, __LINE__, std::string("expected " #condition ": ") + (message)); \
  } while (false)

#define CHECK_EQUAL(actual, expected)                                                                               \
  do {                                                                                                              \
    const auto actual_value = (actual);                                                                             \
    const auto expected_value = (expected);                                                                         \
    if (!(actual_value == expected_value))                                                                          \
      test::fail(__FILE__, __LINE__,                                                                                \
                 "expected " #actual " to be " + test::show(expected_value) + ", got " + test::show(actual_value)); \
  } while (false)

#define CHECK_CONTAINS(text, part)                                                                      \
  do {                                                                                                  \
    const std::string text_value = (text);                                                              \
    if (text_value.find(part) == std::string::npos)                                                     \
      test::fail(__FILE__, __LINE__, "expected " + test::show(part) + " in " + test::show(text_value)); \
  } while (false)

#define SKIP(reason) \
  throw test::Skipped { reason }

#define RMT_TEST_MAIN() \
  int main(int argc, char **argv) { return test::run_all(argc, argv); }
