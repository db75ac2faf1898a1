// error.h - how everything behind the C interface fails: by throwing Error, which src/api turns into a status and text.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "rmt/rmt.h"

namespace rmt {

class Error : public std::exception {
 public:
  Error(rmt_status status, std::string message) : status_(status), message_(std::move(message)) {}
  rmt_status status() const noexcept { return status_; }
  const char *what() const noexcept override { return message_.c_str(); }

 private:
  rmt_status status_;
  std::string message_;
};

// Joins its arguments (strings and numbers) to one text. No streams: their locales would be most of the library's size.
template <typename Part>
std::string to_text(const Part &part) {
  if constexpr (std::is_integral_v<Part>) {
    return std::to_string(part);
  } else if constexpr (std::is_floating_point_v<Part>) {
    char digits[32];
    std::snprintf(digits, sizeof(digits), "%g", static_cast<double>(part));
    return digits;
  } else {
    return part;
  }
}

template <typename... Parts>
std::string text(const Parts &...parts) {
  return (std::string() + ... + to_text(parts));
}

template <typename... Parts>
[[noreturn]] void fail(rmt_status status, const Parts &...parts) {
  throw Error(status, text(parts...));
}

// Throws RMT_INVALID_ARGUMENT where `condition` does not hold. The text is only made then.
template <typename... Parts>
void require(bool condition, const Parts &...parts) {
  if (!condition) fail(RMT_INVALID_ARGUMENT, parts...);
}

// Puts a text into a field of a struct: cut to fit, and zeros behind it.
template <size_t N>
void copy_text(char (&target)[N], const std::string &source) {
  const size_t length = std::min(source.size(), N - 1);
  std::memset(target, 0, N);
  std::memcpy(target, source.data(), length);
}

// Checks an argument struct: there, and of the size that this library knows.
template <typename Struct>
void require_struct(const Struct *argument, const char *name) {
  require(argument != nullptr, name, " is NULL");
  require(argument->struct_size == sizeof(Struct), name, ".struct_size is ", argument->struct_size, ", expected ",
          sizeof(Struct), ": the caller was compiled against another rmt.h");
}

}  // namespace rmt
