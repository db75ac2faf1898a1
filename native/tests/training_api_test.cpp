// Every argument of the training functions that can be wrong, and the life cycle of a trainer.

#include <atomic>
#include <thread>

#include "training_fixtures.h"

namespace {

using test::all_values;
using test::DevicePtr;
using test::forward;
using test::make_device;
using test::make_trainer;
using test::parameter_index;
using test::parameter_info;
using test::same_bits;
using test::sized;
using test::small_config;
using test::trainer_options;
using test::TrainerPtr;
using test::TrainingDocument;
using test::TrainingSegment;

constexpr int32_t kInputLength = 24;
constexpr int64_t kStateSize = 4 * 30;  // of small_config()

// A trainer of two documents per call, four states, two tapes and six probe outputs, with random weights.
struct Fixture {
  explicit Fixture(const rmt_trainer_options &chosen = options()) : device(make_device("reference")) {
    trainer = make_trainer(device.get(), config, chosen);
    test::fill_randomly(trainer.get());
  }

  static rmt_trainer_options options() { return trainer_options(2, kInputLength, 4, 2, 6); }

  rmt_trainer *get() const { return trainer.get(); }

  rmt_model_config config = small_config();
  DevicePtr device;
  TrainerPtr trainer;
};

// A good segment of two documents: one with memory and a label, one without memory, with a probe.
TrainingSegment good_segment() {
  test::Random random(4);
  TrainingSegment segment(kInputLength);
  TrainingDocument first;
  first.ids = test::random_ids(20, 50, random);
  first.read = first.write = 1;
  first.read_state = 0;
  first.write_state = 1;
  first.head = 0;
  first.label = 2;
  segment.add(first);
  TrainingDocument second;
  second.ids = test::random_ids(7, 50, random);
  segment.add(second);
  segment.probes = {{1, 1, 6, 2, 4, 3, 1.0f}};
  return segment;
}

// Expects that forward and backward refuse the segment that `spoil` made of the good one, and that nothing changed.
template <typename Spoil>
void refused(const char *part, Spoil spoil, const rmt_trainer_options &options = Fixture::options()) {
  const Fixture fixture(options);
  TrainingSegment documents = good_segment();
  rmt_training_segment segment = documents.segment();
  spoil(documents, segment);
  REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_forward, fixture.get(), 0, &segment, nullptr);
  REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_backward, fixture.get(), 0, &segment, 1, 1);
  for (const float value : test::get_state(fixture.get(), 1, kStateSize)) CHECK(value == 0);
  for (const float value : all_values(fixture.get(), RMT_GRADIENTS)) CHECK(value == 0);
}

TEST("a good segment is taken") {
  const Fixture fixture;
  const TrainingSegment documents = good_segment();
  forward(fixture.get(), 0, documents, fixture.config.num_labels);
  test::backward(fixture.get(), 0, documents);
}

TEST("a segment that does not fit is refused, and says what does not fit") {
  using S = TrainingSegment;
  using A = rmt_training_segment;
  refused("rmt_training_segment.struct_size is 8, expected", [](S &, A &a) { a.struct_size = 8; });
  refused("batch_size is 0, expected 1 to max_batch_size = 2", [](S &, A &a) { a.batch_size = 0; });
  refused("batch_size is 3, expected 1 to max_batch_size = 2", [](S &, A &a) { a.batch_size = 3; });
  refused("input_length is 25, expected 1 to max_input_length = 24", [](S &, A &a) { a.input_length = 25; });
  refused("input_length is 0", [](S &, A &a) { a.input_length = 0; });
  refused("causal is 1, expected 0", [](S &, A &a) { a.causal = 1; });
  refused("all_rows is 2, expected 0 or 1", [](S &, A &a) { a.all_rows = 2; });
  refused("ids is NULL", [](S &, A &a) { a.ids = nullptr; });
  refused("lengths is NULL", [](S &, A &a) { a.lengths = nullptr; });
  refused("read_state is NULL", [](S &, A &a) { a.read_state = nullptr; });
  refused("write_state is NULL", [](S &, A &a) { a.write_state = nullptr; });
  refused("read_memory_start is NULL", [](S &, A &a) { a.read_memory_start = nullptr; });
  refused("write_memory_start is NULL", [](S &, A &a) { a.write_memory_start = nullptr; });
  refused("head_position is NULL", [](S &, A &a) { a.head_position = nullptr; });
  refused("labels is NULL", [](S &, A &a) { a.labels = nullptr; });
  refused("probes is NULL, but num_probes is 1", [](S &, A &a) { a.probes = nullptr; });
  refused("dropout_keys is NULL, but hidden_dropout is 0.1", [](S &, A &a) {
    a.dropout_keys = nullptr;
    a.hidden_dropout = 0.1f;
  });
  refused("dropout_keys is NULL, but hidden_dropout is 0 and attention_dropout 0.1", [](S &, A &a) {
    a.dropout_keys = nullptr;
    a.attention_dropout = 0.1f;
  });
  refused("hidden_dropout is 1, expected a probability", [](S &, A &a) { a.hidden_dropout = 1; });
  refused("hidden_dropout is -0.1", [](S &, A &a) { a.hidden_dropout = -0.1f; });
  refused("attention_dropout is nan", [](S &, A &a) { a.attention_dropout = NAN; });

  refused("lengths[0] is 25, expected 1 to input_length = 24", [](S &s, A &) { s.lengths[0] = 25; });
  refused("lengths[1] is 0", [](S &s, A &) { s.lengths[1] = 0; });
  refused("ids[1][3] is 50, expected 0 to vocab_size - 1 = 49", [](S &s, A &) { s.ids[kInputLength + 3] = 50; });
  refused("ids[0][0] is -1", [](S &s, A &) { s.ids[0] = -1; });
  refused("read_memory_start[0] is 17: 4 positions from there do not lie within the 20 valid ones",
          [](S &s, A &) { s.read_memory_start[0] = 17; });
  refused("write_memory_start[0] is -2", [](S &s, A &) { s.write_memory_start[0] = -2; });
  refused("head_position[0] is 20", [](S &s, A &) { s.head_position[0] = 20; });
  refused("read_state[0] is 4, expected 0 to num_states - 1 = 3", [](S &s, A &) { s.read_state[0] = 4; });
  refused("read_state[0] is -2", [](S &s, A &) { s.read_state[0] = -2; });
  refused("write_state[0] is 4, expected 0 to num_states - 1 = 3", [](S &s, A &) { s.write_state[0] = 4; });
  refused("write_state[1] is 2, but write_memory_start[1] is -1", [](S &s, A &) { s.write_state[1] = 2; });
  refused("write_state[1] is 1, which another document of the batch writes too", [](S &s, A &) {
    s.write_state[1] = 1;
    s.write_memory_start[1] = 0;
  });
  refused("read_state[1] is 1, which a document of the same batch writes", [](S &s, A &) {
    s.read_state[1] = 1;
    s.read_memory_start[1] = 0;
  });
  refused("read_state[0] is 1, which a document of the same batch writes", [](S &s, A &) { s.read_state[0] = 1; });
  refused("labels[0] is 5, expected 0 to num_labels - 1 = 4", [](S &s, A &) { s.labels[0] = 5; });
  refused("labels[0] is -2", [](S &s, A &) { s.labels[0] = -2; });
  refused("labels[1] is 3, but head_position[1] is -1", [](S &s, A &) { s.labels[1] = 3; });
  refused("label_weights[0] is -1", [](S &s, A &) { s.label_weights[0] = -1; });
  refused("label_weights[1] is nan", [](S &s, A &) { s.label_weights[1] = NAN; });

  refused("num_probes is -1", [](S &, A &a) { a.num_probes = -1; });
  refused("num_probes is 193, expected 0 to 192", [](S &, A &a) { a.num_probes = 193; });
  refused("probes[0].document is 2", [](S &s, A &) { s.probes[0].document = 2; });
  refused("probes[0].level is 3, expected 0 to num_layers = 2", [](S &s, A &) { s.probes[0].level = 3; });
  refused("probes[0].level is -1", [](S &s, A &) { s.probes[0].level = -1; });
  refused("probes[0].position is 7, which is not one of the 7 valid positions of document 1",
          [](S &s, A &) { s.probes[0].position = 7; });
  refused("probes[0] has 4 outputs from 3, which do not lie within num_probe_outputs = 6",
          [](S &s, A &) { s.probes[0].first_output = 3; });
  refused("probes[0] has 0 outputs", [](S &s, A &) { s.probes[0].num_outputs = 0; });
  refused("probes[0] has 4 outputs from -1", [](S &s, A &) { s.probes[0].first_output = -1; });
  refused("probes[0] has 2147483647 outputs", [](S &s, A &) { s.probes[0].num_outputs = INT32_MAX; });
  refused("probes[0].label is 4, expected 0 to num_outputs - 1 = 3", [](S &s, A &) { s.probes[0].label = 4; });
  refused("probes[0].weight is inf", [](S &s, A &) { s.probes[0].weight = INFINITY; });
  refused("probes[0].position is 6, which the last layer does not compute", [](S &s, A &) { s.probes[0].level = 2; });
  refused("probes[0].position is 5, which the last layer does not compute", [](S &s, A &) {
    s.probes[0] = {0, 2, 5, 0, 1, 0, 1.0f};  // behind the memory rows
  });

  rmt_trainer_options few = Fixture::options();
  few.max_total_length = 26;
  refused(
      "the lengths add up to 27, more than max_total_length = 26", [](S &, A &) {}, few);
  few = Fixture::options();
  few.num_probe_outputs = 0;
  refused(
      "num_probes is 1, expected 0 to 0: the trainer has no probe outputs", [](S &, A &) {}, few);
}

TEST("rows of the last layer that are computed may have probes") {
  const Fixture fixture;
  TrainingSegment documents = good_segment();
  for (const int32_t position : {0, 1, 4}) documents.probes.push_back({0, 2, position, 0, 1, 0, 1.0f});
  forward(fixture.get(), 0, documents, fixture.config.num_labels);
  documents.all_rows = 1;
  documents.probes.push_back({1, 2, 6, 0, 1, 0, 1.0f});
  forward(fixture.get(), 0, documents, fixture.config.num_labels);
}

TEST("handles, tapes and flags that are wrong are refused") {
  const Fixture fixture;
  const TrainingSegment documents = good_segment();
  const rmt_training_segment segment = documents.segment();
  REFUSED(RMT_INVALID_ARGUMENT, "trainer is NULL", rmt_trainer_forward, nullptr, 0, &segment, nullptr);
  REFUSED(RMT_INVALID_ARGUMENT, "trainer is NULL", rmt_trainer_backward, nullptr, 0, &segment, 1, 1);
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_training_segment is NULL", rmt_trainer_forward, fixture.get(), 0, nullptr,
          nullptr);
  REFUSED(RMT_INVALID_ARGUMENT, "tape is 2, expected 0 to num_tapes - 1 = 1", rmt_trainer_forward, fixture.get(), 2,
          &segment, nullptr);
  REFUSED(RMT_INVALID_ARGUMENT, "tape is -1", rmt_trainer_backward, fixture.get(), -1, &segment, 1, 1);
  REFUSED(RMT_INVALID_ARGUMENT, "with_loss is 2", rmt_trainer_backward, fixture.get(), 0, &segment, 2, 1);
  REFUSED(RMT_INVALID_ARGUMENT, "recompute is -1", rmt_trainer_backward, fixture.get(), 0, &segment, 1, -1);
  auto output = sized<rmt_training_output>();
  output.struct_size = 1;
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_training_output.struct_size is 1", rmt_trainer_forward, fixture.get(), 0, &segment,
          &output);

  rmt_model_config headless = small_config();
  headless.num_labels = 0;
  const TrainerPtr without_labels = make_trainer(fixture.device.get(), headless, Fixture::options());
  TrainingSegment unlabelled = documents;
  unlabelled.labels[0] = -1;
  const rmt_training_segment plain = unlabelled.segment();
  std::vector<float> logits(10);
  output = sized<rmt_training_output>();
  output.logits = logits.data();
  REFUSED(RMT_INVALID_ARGUMENT, "num_labels of the model is 0", rmt_trainer_forward, without_labels.get(), 0, &plain,
          &output);
  REFUSED(RMT_INVALID_ARGUMENT, "labels[0] is 2, expected 0 to num_labels - 1 = -1", rmt_trainer_forward,
          without_labels.get(), 0, &segment, nullptr);
}

TEST("what is not wanted of a forward is not written, what there is not is zero") {
  const Fixture fixture;
  TrainingSegment documents = good_segment();
  const test::TrainingOutput all = forward(fixture.get(), 0, documents, fixture.config.num_labels);
  CHECK(all.losses[0] > 0);
  CHECK(all.losses[1] == 0);
  for (int32_t label = 0; label < 5; ++label) CHECK(all.logits[5 + label] == 0);
  CHECK(all.probe_losses[0] > 0);
  CHECK(all.probe_predictions[0] >= 0 && all.probe_predictions[0] < 4);

  const rmt_training_segment segment = documents.segment();
  double losses[2] = {-1, -1};
  auto output = sized<rmt_training_output>();
  output.losses = losses;
  OK(rmt_trainer_forward, fixture.get(), 0, &segment, &output);
  CHECK(losses[0] == all.losses[0] && losses[1] == 0);
}

TEST("options of a trainer that do not fit are refused") {
  const DevicePtr device = make_device("reference");
  const rmt_model_config config = small_config();
  const auto bad = [&](const char *part, auto spoil) {
    rmt_trainer_options options = Fixture::options();
    spoil(options);
    int64_t bytes = -1;
    rmt_trainer *trainer = nullptr;
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_required_bytes, device.get(), &config, &options, &bytes);
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_create, device.get(), &config, &options, &trainer);
    CHECK(trainer == nullptr && bytes == -1);
  };
  bad("rmt_trainer_options.struct_size is 0", [](rmt_trainer_options &o) { o.struct_size = 0; });
  bad("max_batch_size is 0", [](rmt_trainer_options &o) { o.max_batch_size = 0; });
  bad("max_input_length is 0", [](rmt_trainer_options &o) { o.max_input_length = 0; });
  bad("max_input_length 131 exceeds max_positions 130", [](rmt_trainer_options &o) { o.max_input_length = 131; });
  bad("max_total_length is 49, expected 0 to max_batch_size x max_input_length = 48",
      [](rmt_trainer_options &o) { o.max_total_length = 49; });
  bad("max_total_length is -1", [](rmt_trainer_options &o) { o.max_total_length = -1; });
  bad("num_states is -1", [](rmt_trainer_options &o) { o.num_states = -1; });
  bad("num_tapes is 0, expected 1 to", [](rmt_trainer_options &o) { o.num_tapes = 0; });
  bad("num_probe_outputs is -1", [](rmt_trainer_options &o) { o.num_probe_outputs = -1; });
  bad("keep_average is 2", [](rmt_trainer_options &o) { o.keep_average = 2; });

  const rmt_trainer_options options = Fixture::options();
  rmt_model_config broken = config;
  broken.hidden_size = 31;
  rmt_trainer *trainer = nullptr;
  int64_t bytes = 0;
  REFUSED(RMT_INVALID_ARGUMENT, "hidden_size 31 is not a multiple of num_heads 3", rmt_trainer_create, device.get(),
          &broken, &options, &trainer);
  REFUSED(RMT_INVALID_ARGUMENT, "device is NULL", rmt_trainer_create, nullptr, &config, &options, &trainer);
  REFUSED(RMT_INVALID_ARGUMENT, "trainer is NULL", rmt_trainer_create, device.get(), &config, &options, nullptr);
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_trainer_options is NULL", rmt_trainer_create, device.get(), &config, nullptr,
          &trainer);
  REFUSED(RMT_INVALID_ARGUMENT, "bytes is NULL", rmt_trainer_required_bytes, device.get(), &config, &options, nullptr);
  REFUSED(RMT_INVALID_ARGUMENT, "device is NULL", rmt_trainer_required_bytes, nullptr, &config, &options, &bytes);
}

TEST("the bytes of a trainer grow with what it holds, and are refused where they are not there") {
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    const rmt_model_config config = small_config();
    const auto bytes_of = [&](auto change) {
      rmt_trainer_options options = Fixture::options();
      change(options);
      int64_t bytes = 0;
      OK(rmt_trainer_required_bytes, device.get(), &config, &options, &bytes);
      return bytes;
    };
    const int64_t usual = bytes_of([](rmt_trainer_options &) {});
    CHECK(bytes_of([](rmt_trainer_options &o) { o.max_batch_size = 4; }) > usual);
    CHECK(bytes_of([](rmt_trainer_options &o) { o.max_input_length = 48; }) > usual);
    CHECK(bytes_of([](rmt_trainer_options &o) { o.max_total_length = 24; }) < usual);
    CHECK_EQUAL(bytes_of([](rmt_trainer_options &o) { o.num_states = 9; }) - usual, int64_t{5} * (8 * kStateSize + 1));
    const int64_t third = bytes_of([](rmt_trainer_options &o) { o.num_tapes = 3; });
    CHECK(third > usual);
    CHECK_EQUAL(bytes_of([](rmt_trainer_options &o) { o.num_tapes = 4; }) - third, third - usual);
    CHECK(bytes_of([](rmt_trainer_options &o) { o.num_probe_outputs = 60; }) > usual);
    CHECK(bytes_of([](rmt_trainer_options &o) { o.keep_average = 1; }) > usual);

    rmt_trainer_options huge = Fixture::options();
    huge.max_batch_size = 1 << 20;
    huge.max_input_length = 130;
    huge.num_tapes = 1000;
    rmt_trainer *trainer = nullptr;
    REFUSED(RMT_OUT_OF_MEMORY, "the trainer needs ", rmt_trainer_create, device.get(), &config, &huge, &trainer);
    rmt_model_config large = config;
    large.hidden_size = 1 << 16;
    large.num_heads = 1 << 10;
    large.num_layers = 1 << 10;
    large.max_positions = 1 << 20;
    huge.max_input_length = 1 << 20;
    REFUSED(RMT_OUT_OF_MEMORY, "lower max_total_length or num_tapes", rmt_trainer_create, device.get(), &large, &huge,
            &trainer);
    CHECK(trainer == nullptr);
  }
}

TEST("parameters of a trainer are those of the model, then those of the probes") {
  const Fixture fixture;
  const test::ModelPtr model = test::make_unfilled_model(fixture.device.get(), fixture.config);
  const int32_t count = rmt_model_num_parameters(model.get());
  CHECK_EQUAL(rmt_trainer_num_parameters(fixture.get()), count + 2);
  CHECK_EQUAL(rmt_trainer_num_parameters(nullptr), 0);
  for (int32_t i = 0; i < count; ++i) {
    const rmt_parameter_info expected = test::parameter_info(model.get(), i);
    const rmt_parameter_info info = parameter_info(fixture.get(), i);
    CHECK_EQUAL(std::string(info.name), std::string(expected.name));
    CHECK_EQUAL(info.num_dims, expected.num_dims);
    CHECK(info.dims[0] == expected.dims[0] && info.dims[1] == expected.dims[1]);
  }
  const rmt_parameter_info weight = parameter_info(fixture.get(), count);
  CHECK_EQUAL(std::string(weight.name), std::string("probe.weight"));
  CHECK(weight.num_dims == 2 && weight.dims[0] == 6 && weight.dims[1] == 30);
  const rmt_parameter_info bias = parameter_info(fixture.get(), count + 1);
  CHECK_EQUAL(std::string(bias.name), std::string("probe.bias"));
  CHECK(bias.num_dims == 1 && bias.dims[0] == 6);
  auto info = sized<rmt_parameter_info>();
  REFUSED(RMT_INVALID_ARGUMENT, "parameter index is", rmt_trainer_get_parameter_info, fixture.get(), count + 2, &info);
  REFUSED(RMT_INVALID_ARGUMENT, "trainer is NULL", rmt_trainer_get_parameter_info, nullptr, 0, &info);
}

TEST("a new trainer is zero, and keeps what it is given, in pieces too") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    rmt_trainer_options options = Fixture::options();
    options.keep_average = 1;
    const TrainerPtr trainer = make_trainer(device.get(), config, options);
    for (int32_t which = RMT_WEIGHTS; which <= RMT_AVERAGE; ++which) {
      for (const float value : all_values(trainer.get(), static_cast<rmt_values>(which))) CHECK(value == 0);
    }
    for (int32_t which = RMT_WEIGHTS; which <= RMT_AVERAGE; ++which) {
      for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer.get()); ++i) {
        test::Random random(100 * which + i);
        std::vector<float> values(test::count_of(parameter_info(trainer.get(), i)));
        for (float &value : values) value = std::abs(random.uniform());
        const int64_t count = static_cast<int64_t>(values.size());
        const int64_t piece = count / 3 + 1;  // ends in the middle of rows
        for (int64_t offset = 0; offset < count; offset += piece) {
          OK(rmt_trainer_set_values, trainer.get(), which, i, values.data() + offset, offset,
             std::min(piece, count - offset));
        }
        CHECK(same_bits(test::get_values(trainer.get(), static_cast<rmt_values>(which), i), values));
        float last = 0;
        OK(rmt_trainer_get_values, trainer.get(), which, i, &last, count - 1, 1);
        CHECK(last == values.back());
      }
    }
    std::vector<float> state(kStateSize);
    test::Random random(1);
    for (float &value : state) value = random.uniform();
    OK(rmt_trainer_set_state, trainer.get(), 2, state.data(), kStateSize);
    CHECK(same_bits(test::get_state(trainer.get(), 2, kStateSize), state));
    CHECK(test::get_state(trainer.get(), 1, kStateSize) == std::vector<float>(kStateSize));
    OK(rmt_trainer_set_state_gradient, trainer.get(), 3, state.data(), kStateSize);
    CHECK(same_bits(test::get_state_gradient(trainer.get(), 3, kStateSize), state));
    CHECK(test::get_state_gradient(trainer.get(), 2, kStateSize) == std::vector<float>(kStateSize));
  }
}

TEST("values and states that are wrong are refused") {
  const Fixture fixture;
  std::vector<float> values(5000);
  const int32_t query = parameter_index(fixture.get(), "encoder.layer.1.attention.self.query.weight");
  const auto bad = [&](const char *part, int32_t which, int32_t index, float *array, int64_t offset, int64_t count) {
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_set_values, fixture.get(), which, index, array, offset, count);
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_get_values, fixture.get(), which, index, array, offset, count);
  };
  bad("which is 5", 5, query, values.data(), 0, 1);
  bad("which is -1", -1, query, values.data(), 0, 1);
  bad("this trainer keeps no average", RMT_AVERAGE, query, values.data(), 0, 1);
  bad("parameter index is -1", RMT_WEIGHTS, -1, values.data(), 0, 1);
  bad("values of parameter encoder.layer.1.attention.self.query.weight is NULL", RMT_WEIGHTS, query, nullptr, 0, 1);
  bad("do not lie within the 900 elements", RMT_WEIGHTS, query, values.data(), 0, 901);
  bad("do not lie within the 900 elements", RMT_WEIGHTS, query, values.data(), INT64_MAX, INT64_MAX);
  bad("do not lie within the 900 elements", RMT_WEIGHTS, query, values.data(), -1, 1);
  values[3] = NAN;
  REFUSED(RMT_INVALID_ARGUMENT,
          "element 13 of the gradients of parameter encoder.layer.1.attention.self.query.weight is NaN",
          rmt_trainer_set_values, fixture.get(), RMT_GRADIENTS, query, values.data(), 10, 20);
  values[3] = -1;
  REFUSED(RMT_INVALID_ARGUMENT, "expected 0 or more: it is a mean of squares", rmt_trainer_set_values, fixture.get(),
          RMT_SECOND_MOMENT, query, values.data(), 10, 20);

  const auto bad_state = [&](const char *part, int32_t state, float *array, int64_t count) {
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_set_state, fixture.get(), state, array, count);
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_get_state, fixture.get(), state, array, count);
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_set_state_gradient, fixture.get(), state, array, count);
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_get_state_gradient, fixture.get(), state, array, count);
  };
  bad_state("state is 4, expected 0 to num_states - 1 = 3", 4, values.data(), kStateSize);
  bad_state("state is -1", -1, values.data(), kStateSize);
  bad_state("values is NULL", 0, nullptr, kStateSize);
  bad_state("count is 119, but a state has 120 elements", 0, values.data(), kStateSize - 1);
  values[7] = INFINITY;
  REFUSED(RMT_INVALID_ARGUMENT, "element 7 of state 1 is infinite", rmt_trainer_set_state, fixture.get(), 1,
          values.data(), kStateSize);
  REFUSED(RMT_INVALID_ARGUMENT, "element 7 of the gradient of state 1 is infinite", rmt_trainer_set_state_gradient,
          fixture.get(), 1, values.data(), kStateSize);
  REFUSED(RMT_INVALID_ARGUMENT, "state is 4", rmt_trainer_clear_state_gradient, fixture.get(), 4);
  REFUSED(RMT_INVALID_ARGUMENT, "state is -2", rmt_trainer_clear_state_gradient, fixture.get(), -2);
}

rmt_adamw good_step() {
  rmt_adamw options = test::adamw_options(1);
  options.learning_rate = 0.001;
  options.beta2 = 0.999;
  return options;
}

TEST("options of a step that are wrong are refused") {
  const Fixture fixture;
  const std::vector<float> weights = all_values(fixture.get(), RMT_WEIGHTS);
  const auto bad = [&](const char *part, auto spoil) {
    rmt_adamw options = good_step();
    spoil(options);
    REFUSED(RMT_INVALID_ARGUMENT, part, rmt_trainer_step, fixture.get(), &options, nullptr);
  };
  bad("rmt_adamw.struct_size is 3", [](rmt_adamw &o) { o.struct_size = 3; });
  bad("learning_rate is -1", [](rmt_adamw &o) { o.learning_rate = -1; });
  bad("learning_rate is nan", [](rmt_adamw &o) { o.learning_rate = NAN; });
  bad("beta1 is 1", [](rmt_adamw &o) { o.beta1 = 1; });
  bad("beta2 is -0.5", [](rmt_adamw &o) { o.beta2 = -0.5; });
  bad("epsilon is 0", [](rmt_adamw &o) { o.epsilon = 0; });
  bad("weight_decay is inf", [](rmt_adamw &o) { o.weight_decay = INFINITY; });
  bad("decay_everything is 2", [](rmt_adamw &o) { o.decay_everything = 2; });
  bad("gradient_scale is -1", [](rmt_adamw &o) { o.gradient_scale = -1; });
  bad("clip_value is -1", [](rmt_adamw &o) { o.clip_value = -1; });
  bad("clip_norm is nan", [](rmt_adamw &o) { o.clip_norm = NAN; });
  bad("average_decay is 1.5", [](rmt_adamw &o) { o.average_decay = 1.5; });
  bad("step is 0", [](rmt_adamw &o) { o.step = 0; });
  REFUSED(RMT_INVALID_ARGUMENT, "rmt_adamw is NULL", rmt_trainer_step, fixture.get(), nullptr, nullptr);
  REFUSED(RMT_INVALID_ARGUMENT, "trainer is NULL", rmt_trainer_step, nullptr, nullptr, nullptr);
  REFUSED(RMT_INVALID_ARGUMENT, "trainer is NULL", rmt_trainer_clear_gradients, nullptr);
  CHECK(same_bits(all_values(fixture.get(), RMT_WEIGHTS), weights));
}

TEST("a gradient that is not finite stops the step, is named, and leaves everything as it was") {
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    const TrainerPtr trainer = make_trainer(device.get(), small_config(), Fixture::options());
    test::fill_randomly(trainer.get());
    const TrainingSegment documents = good_segment();
    // Logits of 1e38 and more: their cross entropy is not a number any more.
    const int32_t classifier = parameter_index(trainer.get(), "classifier.weight");
    std::vector<float> weights(test::count_of(parameter_info(trainer.get(), classifier)), 3e38f);
    test::set_values(trainer.get(), RMT_WEIGHTS, classifier, weights);
    test::backward(trainer.get(), 0, documents, true, true);
    const std::vector<float> gradients = all_values(trainer.get(), RMT_GRADIENTS);
    const rmt_adamw options = good_step();
    double norm = -1;
    REFUSED(RMT_FAILED_PRECONDITION, "the gradient of parameter ", rmt_trainer_step, trainer.get(), &options, &norm);
    REFUSED(RMT_FAILED_PRECONDITION, " at element ", rmt_trainer_step, trainer.get(), &options, &norm);
    CHECK(same_bits(test::get_values(trainer.get(), RMT_WEIGHTS, classifier), weights));
    CHECK(same_bits(all_values(trainer.get(), RMT_GRADIENTS), gradients));
    for (const float value : all_values(trainer.get(), RMT_FIRST_MOMENT)) CHECK(value == 0);
    for (const float value : all_values(trainer.get(), RMT_SECOND_MOMENT)) CHECK(value == 0);
    OK(rmt_trainer_clear_gradients, trainer.get());
    OK(rmt_trainer_step, trainer.get(), &options, &norm);
    CHECK(norm == 0);
  }
}

TEST("a backward without recomputing needs the forward of that segment, with these weights, on that tape") {
  const Fixture fixture;
  TrainingSegment documents = good_segment();
  documents.hidden_dropout = 0.1f;
  rmt_training_segment segment = documents.segment();
  REFUSED(RMT_FAILED_PRECONDITION, "tape 0 holds no forward", rmt_trainer_backward, fixture.get(), 0, &segment, 1, 0);
  OK(rmt_trainer_forward, fixture.get(), 0, &segment, nullptr);
  REFUSED(RMT_FAILED_PRECONDITION, "tape 1 holds no forward", rmt_trainer_backward, fixture.get(), 1, &segment, 1, 0);
  OK(rmt_trainer_backward, fixture.get(), 0, &segment, 1, 0);
  OK(rmt_trainer_backward, fixture.get(), 0, &segment, 0, 0);  // one forward, several backwards

  const auto another = [&](auto change) {
    TrainingSegment changed = documents;
    change(changed);
    const rmt_training_segment other = changed.segment();
    REFUSED(RMT_FAILED_PRECONDITION, "tape 0 holds the forward of another segment", rmt_trainer_backward, fixture.get(),
            0, &other, 1, 0);
  };
  another([](TrainingSegment &s) { s.ids[0] = (s.ids[0] + 1) % 50; });
  another([](TrainingSegment &s) { s.lengths[1] = 8, s.ids[kInputLength + 7] = 0; });
  another([](TrainingSegment &s) { s.head_position[1] = 2; });
  another([](TrainingSegment &s) { s.write_memory_start[0] = 3; });
  another([](TrainingSegment &s) { s.read_memory_start[0] = 3, s.ids[1] = s.ids[2] = 0; });
  another([](TrainingSegment &s) { s.dropout_keys[1] = 5; });
  another([](TrainingSegment &s) { s.hidden_dropout = 0.2f; });
  another([](TrainingSegment &s) { s.all_rows = 1; });

  const rmt_adamw options = good_step();
  OK(rmt_trainer_step, fixture.get(), &options, nullptr);
  REFUSED(RMT_FAILED_PRECONDITION, "weights have changed since the forward on tape 0", rmt_trainer_backward,
          fixture.get(), 0, &segment, 1, 0);
  OK(rmt_trainer_backward, fixture.get(), 0, &segment, 1, 1);
  OK(rmt_trainer_backward, fixture.get(), 0, &segment, 1, 0);
  const float zero = 0;
  OK(rmt_trainer_set_values, fixture.get(), RMT_FIRST_MOMENT, 0, &zero, 0, 1);
  OK(rmt_trainer_backward, fixture.get(), 0, &segment, 1, 0);
  OK(rmt_trainer_set_values, fixture.get(), RMT_WEIGHTS, 0, &zero, 0, 1);
  REFUSED(RMT_FAILED_PRECONDITION, "weights have changed", rmt_trainer_backward, fixture.get(), 0, &segment, 1, 0);
}

TEST("without memory tokens states have no elements") {
  rmt_model_config config = small_config();
  config.num_mem_tokens = 0;
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    const TrainerPtr trainer = make_trainer(device.get(), config, trainer_options(2, kInputLength, 2, 1));
    test::fill_randomly(trainer.get());
    float nothing = 0;
    OK(rmt_trainer_set_state, trainer.get(), 1, &nothing, 0);
    OK(rmt_trainer_get_state_gradient, trainer.get(), 1, &nothing, 0);
    TrainingSegment documents = good_segment();
    documents.probes.clear();
    const test::TrainingOutput output = forward(trainer.get(), 0, documents, config.num_labels);
    CHECK(output.losses[0] > 0);
    test::backward(trainer.get(), 0, documents);
    // The same without any memory positions: they mean nothing here.
    const std::vector<float> gradients = all_values(trainer.get(), RMT_GRADIENTS);
    OK(rmt_trainer_clear_gradients, trainer.get());
    documents.read_memory_start = documents.write_memory_start = documents.write_state = {-1, -1};
    CHECK(forward(trainer.get(), 0, documents, config.num_labels).losses == output.losses);
    test::backward(trainer.get(), 0, documents);
    CHECK(same_bits(all_values(trainer.get(), RMT_GRADIENTS), gradients));
  }
}

TEST("a trainer outlives its device's handle") {
  Fixture fixture;
  fixture.device.reset();
  const TrainingSegment documents = good_segment();
  forward(fixture.get(), 0, documents, fixture.config.num_labels);
  test::backward(fixture.get(), 0, documents);
  rmt_trainer_destroy(nullptr);
}

TEST("a second thread is refused while a trainer is in use, and changes nothing") {
  const Fixture fixture;
  const Fixture undisturbed;
  const TrainingSegment documents = good_segment();
  const rmt_training_segment segment = documents.segment();
  std::atomic<bool> done{false};
  std::atomic<int> refusals{0};
  std::atomic<int> others{0};
  std::thread intruder([&] {
    float value = 0;
    while (!done) {
      const rmt_status status = rmt_trainer_get_values(fixture.get(), RMT_WEIGHTS, 0, &value, 0, 1, nullptr, 0);
      if (status == RMT_FAILED_PRECONDITION) ++refusals;
      if (status != RMT_OK && status != RMT_FAILED_PRECONDITION) ++others;
    }
  });
  int taken = 0;
  int attempts = 0;
  // Until the other thread was seen to be refused; it may refuse this one in turn.
  while ((taken < 3 || refusals == 0) && attempts < 1000000) {
    char error[256] = "";
    ++attempts;
    const rmt_status status = rmt_trainer_forward(fixture.get(), 0, &segment, nullptr, error, sizeof(error));
    if (status == RMT_OK) {
      ++taken;
    } else {
      CHECK_EQUAL(static_cast<int>(status), static_cast<int>(RMT_FAILED_PRECONDITION));
      CHECK_CONTAINS(error, "the trainer is in use by another thread; a trainer belongs to one thread at a time");
    }
  }
  done = true;
  intruder.join();
  CHECK(refusals > 0 && taken >= 3);
  CHECK_EQUAL(others.load(), 0);
  OK(rmt_trainer_forward, undisturbed.get(), 0, &segment, nullptr);
  CHECK(same_bits(test::get_state(fixture.get(), 1, kStateSize), test::get_state(undisturbed.get(), 1, kStateSize)));
}

}  // namespace

RMT_TEST_MAIN()
