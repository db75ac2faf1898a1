// safetensors.h - reads the tensors and the metadata of a .safetensors file. For tests.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "json.h"

namespace test {

inline bool file_exists(const std::string &path) { return std::ifstream(path).good(); }

inline std::string read_file(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

class Safetensors {
 public:
  explicit Safetensors(const std::string &path) : path_(path), bytes_(read_file(path)) {
    if (bytes_.size() < 8) fail("is too short");
    uint64_t header_size = 0;
    std::memcpy(&header_size, bytes_.data(), 8);
    if (header_size > bytes_.size() - 8) fail("has a header that exceeds the file");
    header_ = Json::parse(bytes_.substr(8, header_size));
    data_ = 8 + header_size;
    if (header_.has("__metadata__")) metadata_ = header_["__metadata__"];
  }

  bool has(const std::string &name) const { return header_.has(name); }

  // A metadata value, parsed: values are JSON text. Null where there is none.
  Json metadata(const std::string &name) const {
    return metadata_.has(name) ? Json::parse(metadata_[name].string()) : Json();
  }

  std::vector<int64_t> shape(const std::string &name) const {
    std::vector<int64_t> dims;
    for (const Json &dim : entry(name)["shape"].elements()) dims.push_back(dim.integer());
    return dims;
  }

  int64_t count(const std::string &name) const {
    int64_t product = 1;
    for (const int64_t dim : shape(name)) product *= dim;
    return product;
  }

  // All elements, row-major.
  template <typename T>
  std::vector<T> read(const std::string &name) const {
    const std::string dtype = entry(name)["dtype"].string();
    if (dtype == "F64") return convert<T, double>(name, [](double value) { return value; });
    if (dtype == "F32") return convert<T, float>(name, [](float value) { return value; });
    if (dtype == "F16") return convert<T, uint16_t>(name, half);
    if (dtype == "I32") return convert<T, int32_t>(name, [](int32_t value) { return value; });
    if (dtype == "I64") return convert<T, int64_t>(name, [](int64_t value) { return value; });
    fail("holds " + name + " as " + dtype + ", which tests do not read");
  }

 private:
  [[noreturn]] void fail(const std::string &what) const { throw std::runtime_error(path_ + " " + what); }

  const Json &entry(const std::string &name) const {
    if (!has(name)) fail("has no tensor " + name);
    return header_[name];
  }

  template <typename T, typename Stored, typename Convert>
  std::vector<T> convert(const std::string &name, Convert convert_one) const {
    const std::vector<Json> &offsets = entry(name)["data_offsets"].elements();
    const uint64_t begin = data_ + static_cast<uint64_t>(offsets.at(0).integer());
    const uint64_t end = data_ + static_cast<uint64_t>(offsets.at(1).integer());
    const uint64_t elements = static_cast<uint64_t>(count(name));
    if (begin > end || end > bytes_.size() || end - begin != elements * sizeof(Stored)) {
      fail("has offsets of " + name + " that do not fit its shape or the file");
    }
    std::vector<T> values(elements);
    for (uint64_t i = 0; i < elements; ++i) {
      Stored stored;
      std::memcpy(&stored, bytes_.data() + begin + i * sizeof(Stored), sizeof(Stored));
      values[i] = static_cast<T>(convert_one(stored));
    }
    return values;
  }

  static float half(uint16_t bits) {
    const int exponent = (bits >> 10) & 31;
    const int fraction = bits & 1023;
    const float sign = (bits & 0x8000) != 0 ? -1.0f : 1.0f;
    if (exponent == 31) return fraction == 0 ? sign * INFINITY : NAN;
    if (exponent == 0) return sign * static_cast<float>(fraction) * 0x1p-24f;
    const uint32_t single = static_cast<uint32_t>(exponent + 112) << 23 | static_cast<uint32_t>(fraction) << 13;
    float value;
    std::memcpy(&value, &single, sizeof(value));
    return sign * value;
  }

  std::string path_;
  std::string bytes_;
  Json header_;
  Json metadata_;
  uint64_t data_ = 0;
};

}  // namespace test
