// fixtures.h - short words for using the C interface in tests.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "rmt/rmt.h"

namespace test {

// Calls `function` with the arguments and an error buffer, and fails the test where it does not succeed.
#define OK(function, ...)                                                                                            \
  do {                                                                                                               \
    char error_text[512] = "";                                                                                       \
    const rmt_status status_value = function(__VA_ARGS__, error_text, sizeof(error_text));                           \
    if (status_value != RMT_OK)                                                                                      \
      test::fail(__FILE__, __LINE__,                                                                                 \
                 #function " failed with status " + test::show(static_cast<int>(status_value)) + ": " + error_text); \
  } while (false)

// Calls `function` and fails the test unless it refuses with this status and a text that contains `part`.
#define REFUSED(expected_status, part, function, ...)                                      \
  do {                                                                                     \
    char error_text[512] = "";                                                             \
    const rmt_status status_value = function(__VA_ARGS__, error_text, sizeof(error_text)); \
    CHECK_EQUAL(static_cast<int>(status_value), static_cast<int>(expected_status));        \
    CHECK_CONTAINS(error_text, part);                                                      \
  } while (false)

struct Destroy {
  void operator()(rmt_device *device) const { rmt_device_destroy(device); }
  void operator()(rmt_model *model) const { rmt_model_destroy(model); }
  void operator()(rmt_memory *memory) const { rmt_memory_destroy(memory); }
};
using DevicePtr = std::unique_ptr<rmt_device, Destroy>;
using ModelPtr = std::unique_ptr<rmt_model, Destroy>;
using MemoryPtr = std::unique_ptr<rmt_memory, Destroy>;

template <typename Struct>
Struct sized() {
  Struct value{};
  value.struct_size = sizeof(Struct);
  return value;
}

// Where this is set, it is a path of librmt_cuda, and tests that go through isas() run on a GPU.
inline const char *cuda_library() { return std::getenv("RMT_TEST_CUDA_LIBRARY"); }

// What tests run on: the instruction sets that can run here, best first; or a GPU alone, called "cuda".
inline std::vector<std::string> isas() {
  if (cuda_library() != nullptr) return {"cuda"};
  std::vector<std::string> names;
  std::string rest = rmt_cpu_isas();
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    names.push_back(rest.substr(0, comma));
    rest.erase(0, comma + 1);
  }
  return names;
}

inline DevicePtr make_device(const std::string &isa, int32_t threads = 1, rmt_precision precision = RMT_FP32) {
  if (isa == "cuda") {
    auto info = sized<rmt_cuda_info>();
    OK(rmt_cuda_get_info, cuda_library(), &info);
    if (info.problem[0] != '\0') SKIP(info.problem);
    auto options = sized<rmt_cuda_options>();
    options.library = cuda_library();
    options.precision = precision;
    options.cublas = std::getenv("RMT_TEST_CUBLAS");  // null: what is found, else own products
    rmt_device *device = nullptr;
    OK(rmt_device_create_cuda, &options, &device);
    return DevicePtr(device);
  }
  auto options = sized<rmt_device_options>();
  options.threads = threads;
  options.cpu_isa = isa.c_str();
  rmt_device *device = nullptr;
  OK(rmt_device_create_cpu, &options, &device);
  return DevicePtr(device);
}

// A small encoder with odd sizes.
inline rmt_model_config small_config() {
  auto config = sized<rmt_model_config>();
  config.architecture = RMT_BERT;
  config.hidden_size = 30;
  config.num_layers = 2;
  config.num_heads = 3;
  config.intermediate_size = 37;
  config.vocab_size = 50;
  config.max_positions = 130;
  config.type_vocab_size = 2;
  config.num_mem_tokens = 4;
  config.num_labels = 5;
  config.layer_norm_eps = 1e-12f;
  return config;
}

inline bool ends_with(const std::string &text, const std::string &end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Random values of a size that keeps activations and scores around 1, nothing at 0 or 1.
inline std::vector<float> random_parameter(const std::string &name, int64_t count, int64_t fan_in, Random &random) {
  std::vector<float> values(count);
  for (float &value : values) {
    value = random.uniform();
    if (ends_with(name, "LayerNorm.weight")) {
      value = 1.0f + 0.2f * value;
    } else if (ends_with(name, "bias")) {
      value *= 0.2f;
    } else if (ends_with(name, "dense.weight") || ends_with(name, "classifier.weight") ||
               name.find(".self.") != std::string::npos) {
      value *= 2.5f / std::sqrt(static_cast<float>(fan_in));
    }
  }
  return values;
}

inline rmt_parameter_info parameter_info(const rmt_model *model, int32_t index) {
  auto info = sized<rmt_parameter_info>();
  OK(rmt_model_get_parameter_info, model, index, &info);
  return info;
}

inline int64_t count_of(const rmt_parameter_info &info) {
  return info.num_dims == 2 ? info.dims[0] * info.dims[1] : info.dims[0];
}

inline ModelPtr make_unfilled_model(rmt_device *device, const rmt_model_config &config) {
  rmt_model *model = nullptr;
  OK(rmt_model_create, device, &config, &model);
  return ModelPtr(model);
}

inline void fill_randomly(rmt_model *model, uint64_t stream) {
  for (int32_t i = 0; i < rmt_model_num_parameters(model); ++i) {
    const rmt_parameter_info info = parameter_info(model, i);
    Random random(stream * 1000 + static_cast<uint64_t>(i));
    const std::vector<float> values =
        random_parameter(info.name, count_of(info), info.num_dims == 2 ? info.dims[1] : 1, random);
    OK(rmt_model_set_parameter, model, i, values.data(), 0, count_of(info));
  }
}

// A finished model with random weights, the same for the same stream on every device.
inline ModelPtr make_model(rmt_device *device, const rmt_model_config &config, uint64_t stream = 1) {
  ModelPtr model = make_unfilled_model(device, config);
  fill_randomly(model.get(), stream);
  OK(rmt_model_finish, model.get());
  return model;
}

inline rmt_memory_options memory_options(int32_t num_slots, int32_t max_batch_size, int32_t max_input_length) {
  auto options = sized<rmt_memory_options>();
  options.num_slots = num_slots;
  options.max_batch_size = max_batch_size;
  options.max_input_length = max_input_length;
  return options;
}

inline MemoryPtr make_memory(rmt_model *model, int32_t num_slots, int32_t max_batch_size, int32_t max_input_length) {
  const rmt_memory_options options = memory_options(num_slots, max_batch_size, max_input_length);
  rmt_memory *memory = nullptr;
  OK(rmt_memory_create, model, &options, &memory);
  return MemoryPtr(memory);
}

inline std::vector<float> get_memory(rmt_memory *memory, int32_t slot, int64_t count) {
  std::vector<float> values(count);
  OK(rmt_memory_get, memory, slot, 0, values.data(), count);
  return values;
}

// The arguments of one segment call, grown document by document.
class Batch {
 public:
  explicit Batch(int32_t input_length) : input_length_(input_length) {}

  // Positions from ids.size() on are padding.
  Batch &add(const std::vector<int32_t> &ids, int32_t slot, int32_t read, int32_t write, int32_t head) {
    std::vector<int32_t> row = ids;
    row.resize(input_length_, padding_id);
    ids_.insert(ids_.end(), row.begin(), row.end());
    lengths.push_back(static_cast<int32_t>(ids.size()));
    slots.push_back(slot);
    read_memory_start.push_back(read);
    write_memory_start.push_back(write);
    head_position.push_back(head);
    return *this;
  }

  int32_t size() const { return static_cast<int32_t>(lengths.size()); }

  rmt_segment segment() const {
    auto segment = sized<rmt_segment>();
    segment.batch_size = size();
    segment.input_length = input_length_;
    segment.ids = ids_.data();
    segment.lengths = lengths.data();
    segment.slots = slots.data();
    segment.read_memory_start = read_memory_start.data();
    segment.write_memory_start = write_memory_start.data();
    segment.head_position = head_position.data();
    segment.all_rows = all_rows;
    return segment;
  }

  int32_t padding_id = -7;  // not a token: whoever reads it is refused
  int32_t all_rows = 0;
  std::vector<int32_t> lengths;
  std::vector<int32_t> slots;
  std::vector<int32_t> read_memory_start;
  std::vector<int32_t> write_memory_start;
  std::vector<int32_t> head_position;

 private:
  int32_t input_length_;
  std::vector<int32_t> ids_;
};

// What a segment call gave out.
struct Output {
  std::vector<float> hidden;
  std::vector<float> head_hidden;
  std::vector<float> pooled;
  std::vector<float> logits;
};

enum class Want { kNothing, kHeads, kEverything };

inline Output forward(rmt_memory *memory, const Batch &batch, const rmt_model_config &config, Want want) {
  const rmt_segment segment = batch.segment();
  if (want == Want::kNothing) {
    OK(rmt_segment_forward, memory, &segment, nullptr);
    return {};
  }
  Output output;
  auto pointers = sized<rmt_segment_output>();
  const auto room = [](std::vector<float> &values, int64_t count) {
    values.assign(static_cast<size_t>(count), NAN);
    return values.data();
  };
  const int64_t batch_size = batch.size();
  if (want == Want::kEverything) {
    pointers.hidden =
        room(output.hidden, (config.num_layers + 1) * batch_size * segment.input_length * int64_t{config.hidden_size});
  }
  pointers.head_hidden = room(output.head_hidden, batch_size * config.hidden_size);
  if (config.num_labels > 0) {
    pointers.pooled = room(output.pooled, batch_size * config.hidden_size);
    pointers.logits = room(output.logits, batch_size * config.num_labels);
  }
  OK(rmt_segment_forward, memory, &segment, &pointers);
  return output;
}

inline std::vector<int32_t> random_ids(int32_t count, int32_t vocab_size, Random &random) {
  std::vector<int32_t> ids(count);
  for (int32_t &id : ids) id = random.integer(0, vocab_size - 1);
  return ids;
}

// Equal in every bit, NaN included.
inline bool same_bits(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// Rows [begin, begin + count) of `width` values each.
inline std::vector<float> slice(const std::vector<float> &values, int64_t begin, int64_t count, int64_t width) {
  return std::vector<float>(values.begin() + begin * width, values.begin() + (begin + count) * width);
}

// Largest difference relative to the largest magnitude expected; infinite where one side is not finite.
template <typename A, typename B>
double relative_error(const std::vector<A> &actual, const std::vector<B> &expected) {
  if (actual.size() != expected.size()) return INFINITY;
  double largest = 0;
  double difference = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double delta = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    if (!(delta <= 1e300)) return INFINITY;
    difference = std::max(difference, delta);
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  }
  return difference == 0 ? 0 : difference / largest;
}

}  // namespace test
