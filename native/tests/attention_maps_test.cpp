// The attention that a segment shows, against its definition, and that looking at it changes nothing.

#include <array>

#include "fixtures.h"

namespace {

using test::Batch;
using test::DevicePtr;
using test::forward;
using test::get_memory;
using test::make_device;
using test::make_memory;
using test::make_model;
using test::MemoryPtr;
using test::ModelPtr;
using test::Output;
using test::Random;
using test::random_ids;
using test::same_bits;
using test::sized;
using test::small_config;
using test::Want;

constexpr int32_t kInputLength = 61;
constexpr std::array<int32_t, 3> kLengths = {61, 7, 32};

Batch make_batch(const rmt_model_config &config) {
  Random random(5);
  Batch batch(kInputLength);
  for (int32_t b = 0; b < 3; ++b) batch.add(random_ids(kLengths[b], config.vocab_size, random), b, 1, 1, 0);
  return batch;
}

// Attention of the chosen layers, (layers, B, NH, T, T), and the logits beside it.
struct Seen {
  std::vector<float> attention;
  std::vector<float> logits;
};

Seen look(rmt_memory *memory, const Batch &batch, const rmt_model_config &config, const std::vector<int32_t> &layers) {
  Seen seen;
  seen.attention.assign(layers.size() * batch.size() * config.num_heads * kInputLength * kInputLength, NAN);
  seen.logits.assign(static_cast<size_t>(batch.size()) * config.num_labels, NAN);
  auto output = sized<rmt_segment_output>();
  output.attention = seen.attention.data();
  output.attention_layers = layers.data();
  output.num_attention_layers = static_cast<int32_t>(layers.size());
  output.logits = seen.logits.data();
  const rmt_segment segment = batch.segment();
  OK(rmt_segment_forward, memory, &segment, &output);
  return seen;
}

std::vector<float> parameter(const rmt_model *model, const std::string &name) {
  for (int32_t i = 0; i < rmt_model_num_parameters(model); ++i) {
    const rmt_parameter_info info = test::parameter_info(model, i);
    if (info.name != name) continue;
    std::vector<float> values(test::count_of(info));
    OK(rmt_model_get_parameter, model, i, values.data(), 0, test::count_of(info));
    return values;
  }
  CHECK_THAT(false, name);
  return {};
}

// x W^T + b for each of the rows.
std::vector<double> project(const std::vector<float> &x, int32_t hidden, const rmt_model *model,
                            const std::string &name) {
  const std::vector<float> weight = parameter(model, name + ".weight");
  const std::vector<float> bias = parameter(model, name + ".bias");
  std::vector<double> y(x.size());
  for (size_t row = 0; row < x.size() / hidden; ++row) {
    for (int32_t o = 0; o < hidden; ++o) {
      double sum = bias[o];
      for (int32_t i = 0; i < hidden; ++i) sum += static_cast<double>(x[row * hidden + i]) * weight[o * hidden + i];
      y[row * hidden + o] = sum;
    }
  }
  return y;
}

// (NH, T, T) by its definition, from the input of the layer, (length, H).
std::vector<double> defined(const std::vector<float> &x, const rmt_model *model, const rmt_model_config &config,
                            int32_t layer) {
  const int32_t hidden = config.hidden_size;
  const int32_t length = static_cast<int32_t>(x.size()) / hidden;
  const int32_t head_size = hidden / config.num_heads;
  const std::string prefix = "encoder.layer." + std::to_string(layer) + ".attention.self.";
  const std::vector<double> q = project(x, hidden, model, prefix + "query");
  const std::vector<double> k = project(x, hidden, model, prefix + "key");
  std::vector<double> maps(static_cast<size_t>(config.num_heads) * kInputLength * kInputLength);
  for (int32_t head = 0; head < config.num_heads; ++head) {
    for (int32_t t = 0; t < length; ++t) {
      double *row = maps.data() + (int64_t{head} * kInputLength + t) * kInputLength;
      double sum = 0;
      for (int32_t j = 0; j < length; ++j) {
        double score = 0;
        for (int32_t e = head * head_size; e < (head + 1) * head_size; ++e) {
          score += q[t * hidden + e] * k[j * hidden + e];
        }
        row[j] = std::exp(score / std::sqrt(static_cast<double>(head_size)));
        sum += row[j];
      }
      for (int32_t j = 0; j < length; ++j) row[j] /= sum;
    }
  }
  return maps;
}

TEST("attention is what its definition says, of every layer, head, row and document") {
  const rmt_model_config config = small_config();
  const Batch batch = make_batch(config);
  const DevicePtr reference = make_device("reference");
  const ModelPtr reference_model = make_model(reference.get(), config);
  const MemoryPtr reference_memory = make_memory(reference_model.get(), 3, 3, kInputLength);
  const Output expected = forward(reference_memory.get(), batch, config, Want::kEverything);
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa, isa == "reference" ? 1 : 2);
    const ModelPtr model = make_model(device.get(), config);
    const MemoryPtr memory = make_memory(model.get(), 3, 3, kInputLength);
    const Seen seen = look(memory.get(), batch, config, {0, 1});
    const int64_t size = int64_t{config.num_heads} * kInputLength * kInputLength;
    for (int32_t layer = 0; layer < 2; ++layer) {
      for (int32_t b = 0; b < 3; ++b) {
        const std::vector<float> x =
            test::slice(expected.hidden, (layer * 3 + b) * kInputLength, kLengths[b], config.hidden_size);
        CHECK_THAT(test::relative_error(test::slice(seen.attention, layer * 3 + b, 1, size),
                                        defined(x, reference_model.get(), config, layer)) <= 4e-6,
                   isa);
      }
    }
  }
}

TEST("valid rows of attention sum to one, and what lies beyond a document is zero") {
  const rmt_model_config config = small_config();
  const Batch batch = make_batch(config);
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa);
    const ModelPtr model = make_model(device.get(), config);
    const MemoryPtr memory = make_memory(model.get(), 3, 3, kInputLength);
    const Seen seen = look(memory.get(), batch, config, {1});
    const float *row = seen.attention.data();
    for (int32_t b = 0; b < 3; ++b) {
      for (int32_t t = 0; t < config.num_heads * kInputLength; ++t, row += kInputLength) {
        double sum = 0;
        for (int32_t j = 0; j < kLengths[b]; ++j) sum += row[j];
        for (int32_t j = kLengths[b]; j < kInputLength; ++j) CHECK_EQUAL(row[j], 0.0f);
        CHECK(std::abs(sum - (t % kInputLength < kLengths[b] ? 1.0 : 0.0)) <= 1e-6);
      }
    }
  }
}

TEST("looking at attention changes no bit of memory and logits") {
  const rmt_model_config config = small_config();
  const Batch batch = make_batch(config);
  for (const std::string &isa : test::isas()) {
    const DevicePtr device = make_device(isa);
    const ModelPtr model = make_model(device.get(), config);
    const MemoryPtr plain = make_memory(model.get(), 3, 3, kInputLength);
    const MemoryPtr watched = make_memory(model.get(), 3, 3, kInputLength);
    for (int32_t step = 0; step < 4; ++step) {  // a GPU records the segment once and then replays it
      const Output expected = forward(plain.get(), batch, config, Want::kHeads);
      const Seen seen = look(watched.get(), batch, config, {step % 2});
      CHECK_THAT(same_bits(seen.logits, expected.logits), isa);
      for (int32_t slot = 0; slot < 3; ++slot) {
        CHECK_THAT(same_bits(get_memory(watched.get(), slot, 4 * 30), get_memory(plain.get(), slot, 4 * 30)), isa);
      }
    }
  }
}

TEST("the number of threads changes no bit of attention") {
  const rmt_model_config config = small_config();
  const Batch batch = make_batch(config);
  for (const std::string &isa : test::isas()) {
    std::vector<float> expected;
    for (const int32_t threads : {1, 3}) {
      const DevicePtr device = make_device(isa, threads);
      const ModelPtr model = make_model(device.get(), config);
      const MemoryPtr memory = make_memory(model.get(), 3, 3, kInputLength);
      const std::vector<float> attention = look(memory.get(), batch, config, {0, 1}).attention;
      if (threads == 1) expected = attention;
      CHECK_THAT(same_bits(attention, expected), isa);
    }
  }
}

TEST("layers that there are not, and a wish that contradicts itself, are refused with the range") {
  const rmt_model_config config = small_config();
  const DevicePtr device = make_device(test::isas().front());
  const ModelPtr model = make_model(device.get(), config);
  const MemoryPtr memory = make_memory(model.get(), 3, 3, kInputLength);
  const Batch batch = make_batch(config);
  const rmt_segment segment = batch.segment();
  std::vector<float> room(int64_t{2} * 3 * config.num_heads * kInputLength * kInputLength);
  const auto wish = [&](std::vector<int32_t> &layers) {
    auto output = sized<rmt_segment_output>();
    output.attention = room.data();
    output.attention_layers = layers.data();
    output.num_attention_layers = static_cast<int32_t>(layers.size());
    return output;
  };
  std::vector<int32_t> beyond = {0, 2};
  std::vector<int32_t> negative = {-1};
  std::vector<int32_t> twice = {1, 1};
  auto output = wish(beyond);
  REFUSED(RMT_INVALID_ARGUMENT, "attention_layers[1] is 2, expected 0 to num_layers - 1 = 1", rmt_segment_forward,
          memory.get(), &segment, &output);
  output = wish(negative);
  REFUSED(RMT_INVALID_ARGUMENT, "attention_layers[0] is -1", rmt_segment_forward, memory.get(), &segment, &output);
  output = wish(twice);
  REFUSED(RMT_INVALID_ARGUMENT, "they must ascend", rmt_segment_forward, memory.get(), &segment, &output);
  output.num_attention_layers = 0;
  REFUSED(RMT_INVALID_ARGUMENT, "num_attention_layers is 0", rmt_segment_forward, memory.get(), &segment, &output);
  output.num_attention_layers = 2;
  output.attention = nullptr;
  REFUSED(RMT_INVALID_ARGUMENT, "attention is NULL", rmt_segment_forward, memory.get(), &segment, &output);
  output = wish(beyond);
  output.attention_layers = nullptr;
  REFUSED(RMT_INVALID_ARGUMENT, "attention_layers is NULL", rmt_segment_forward, memory.get(), &segment, &output);
}

}  // namespace

RMT_TEST_MAIN()
