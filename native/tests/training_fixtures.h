// training_fixtures.h - short words for using a trainer in tests.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fixtures.h"

namespace test {

struct DestroyTrainer {
  void operator()(rmt_trainer *trainer) const { rmt_trainer_destroy(trainer); }
};
using TrainerPtr = std::unique_ptr<rmt_trainer, DestroyTrainer>;

// Whether an instruction set can train.
inline bool can_train(const std::string &isa) {
  const DevicePtr device = make_device(isa);
  const rmt_model_config config = small_config();
  auto options = sized<rmt_trainer_options>();
  options.max_batch_size = options.max_input_length = options.num_tapes = 1;
  int64_t bytes = 0;
  return rmt_trainer_required_bytes(device.get(), &config, &options, &bytes, nullptr, 0) != RMT_DEVICE;
}

inline std::vector<std::string> training_isas() {
  std::vector<std::string> names;
  for (const std::string &isa : isas()) {
    if (can_train(isa)) names.push_back(isa);
  }
  return names;
}

inline rmt_trainer_options trainer_options(int32_t max_batch_size, int32_t max_input_length, int32_t num_states,
                                           int32_t num_tapes, int32_t num_probe_outputs = 0) {
  auto options = sized<rmt_trainer_options>();
  options.max_batch_size = max_batch_size;
  options.max_input_length = max_input_length;
  options.num_states = num_states;
  options.num_tapes = num_tapes;
  options.num_probe_outputs = num_probe_outputs;
  return options;
}

// Of step `step`: no decay, no average, nothing clipped.
inline rmt_adamw adamw_options(int64_t step) {
  auto options = sized<rmt_adamw>();
  options.learning_rate = 0.01;
  options.beta1 = 0.9;
  options.beta2 = 0.99;
  options.epsilon = 1e-8;
  options.gradient_scale = 1;
  options.step = step;
  return options;
}

inline TrainerPtr make_trainer(rmt_device *device, const rmt_model_config &config, const rmt_trainer_options &options) {
  rmt_trainer *trainer = nullptr;
  OK(rmt_trainer_create, device, &config, &options, &trainer);
  return TrainerPtr(trainer);
}

inline rmt_parameter_info parameter_info(const rmt_trainer *trainer, int32_t index) {
  auto info = sized<rmt_parameter_info>();
  OK(rmt_trainer_get_parameter_info, trainer, index, &info);
  return info;
}

inline int32_t parameter_index(const rmt_trainer *trainer, const std::string &name) {
  for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer); ++i) {
    if (parameter_info(trainer, i).name == name) return i;
  }
  fail(__FILE__, __LINE__, "there is no parameter " + name);
}

inline std::vector<float> get_values(rmt_trainer *trainer, rmt_values which, int32_t index) {
  std::vector<float> values(count_of(parameter_info(trainer, index)));
  OK(rmt_trainer_get_values, trainer, which, index, values.data(), 0, static_cast<int64_t>(values.size()));
  return values;
}

inline void set_values(rmt_trainer *trainer, rmt_values which, int32_t index, const std::vector<float> &values) {
  OK(rmt_trainer_set_values, trainer, which, index, values.data(), 0, static_cast<int64_t>(values.size()));
}

// Everything of one kind, all parameters one behind the other.
inline std::vector<float> all_values(rmt_trainer *trainer, rmt_values which) {
  std::vector<float> all;
  for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer); ++i) {
    const std::vector<float> values = get_values(trainer, which, i);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

// The same weights for the same stream on every device; those of make_model() where there are no probes.
inline void fill_randomly(rmt_trainer *trainer, uint64_t stream = 1) {
  for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer); ++i) {
    const rmt_parameter_info info = parameter_info(trainer, i);
    Random random(stream * 1000 + static_cast<uint64_t>(i));
    set_values(trainer, RMT_WEIGHTS, i,
               random_parameter(info.name, count_of(info), info.num_dims == 2 ? info.dims[1] : 1, random));
  }
}

inline std::vector<float> get_state(rmt_trainer *trainer, int32_t state, int64_t count) {
  std::vector<float> values(count);
  OK(rmt_trainer_get_state, trainer, state, values.data(), count);
  return values;
}

inline std::vector<float> get_state_gradient(rmt_trainer *trainer, int32_t state, int64_t count) {
  std::vector<float> values(count);
  OK(rmt_trainer_get_state_gradient, trainer, state, values.data(), count);
  return values;
}

// One document of a training segment.
struct TrainingDocument {
  std::vector<int32_t> ids;
  int32_t read_state = -1;
  int32_t write_state = -1;
  int32_t read = -1;   // first memory position that is read; -1: none
  int32_t write = -1;  // first memory position that is written; -1: none
  int32_t head = -1;
  int32_t label = -1;
  float label_weight = 1;
  uint64_t dropout_key = 0;
};

// The arguments of one training segment, grown document by document. The struct is made anew by segment().
class TrainingSegment {
 public:
  explicit TrainingSegment(int32_t input_length) : input_length_(input_length) {}

  TrainingSegment &add(const TrainingDocument &document) {
    std::vector<int32_t> row = document.ids;
    row.resize(input_length_, -7);  // padding: not a token, whoever reads it is refused
    ids.insert(ids.end(), row.begin(), row.end());
    lengths.push_back(static_cast<int32_t>(document.ids.size()));
    read_state.push_back(document.read_state);
    write_state.push_back(document.write_state);
    read_memory_start.push_back(document.read);
    write_memory_start.push_back(document.write);
    head_position.push_back(document.head);
    labels.push_back(document.label);
    label_weights.push_back(document.label_weight);
    dropout_keys.push_back(document.dropout_key);
    return *this;
  }

  int32_t size() const { return static_cast<int32_t>(lengths.size()); }

  rmt_training_segment segment() const {
    auto segment = sized<rmt_training_segment>();
    segment.batch_size = size();
    segment.input_length = input_length_;
    segment.ids = ids.data();
    segment.lengths = lengths.data();
    segment.read_state = read_state.data();
    segment.write_state = write_state.data();
    segment.read_memory_start = read_memory_start.data();
    segment.write_memory_start = write_memory_start.data();
    segment.head_position = head_position.data();
    segment.labels = labels.data();
    segment.label_weights = label_weights.data();
    segment.probes = probes.data();
    segment.num_probes = static_cast<int32_t>(probes.size());
    segment.dropout_keys = dropout_keys.data();
    segment.hidden_dropout = hidden_dropout;
    segment.attention_dropout = attention_dropout;
    segment.all_rows = all_rows;
    return segment;
  }

  std::vector<int32_t> ids;
  std::vector<int32_t> lengths;
  std::vector<int32_t> read_state;
  std::vector<int32_t> write_state;
  std::vector<int32_t> read_memory_start;
  std::vector<int32_t> write_memory_start;
  std::vector<int32_t> head_position;
  std::vector<int32_t> labels;
  std::vector<float> label_weights;
  std::vector<uint64_t> dropout_keys;
  std::vector<rmt_probe_row> probes;
  float hidden_dropout = 0;
  float attention_dropout = 0;
  int32_t all_rows = 0;

 private:
  int32_t input_length_;
};

// What a training forward gave out.
struct TrainingOutput {
  std::vector<double> losses;
  std::vector<float> logits;
  std::vector<double> probe_losses;
  std::vector<int32_t> probe_predictions;

  // Sum of weight x loss.
  double total(const TrainingSegment &segment) const {
    double sum = 0;
    for (size_t b = 0; b < losses.size(); ++b) sum += segment.label_weights[b] * losses[b];
    for (size_t p = 0; p < probe_losses.size(); ++p) sum += segment.probes[p].weight * probe_losses[p];
    return sum;
  }
};

inline TrainingOutput forward(rmt_trainer *trainer, int32_t tape, const TrainingSegment &documents,
                              int32_t num_labels) {
  const rmt_training_segment segment = documents.segment();
  TrainingOutput output;
  output.losses.assign(documents.size(), NAN);
  output.logits.assign(int64_t{documents.size()} * num_labels, NAN);
  output.probe_losses.assign(documents.probes.size(), NAN);
  output.probe_predictions.assign(documents.probes.size(), -1);
  auto pointers = sized<rmt_training_output>();
  pointers.losses = output.losses.data();
  if (num_labels > 0) pointers.logits = output.logits.data();
  pointers.probe_losses = output.probe_losses.data();
  pointers.probe_predictions = output.probe_predictions.data();
  OK(rmt_trainer_forward, trainer, tape, &segment, &pointers);
  return output;
}

inline void backward(rmt_trainer *trainer, int32_t tape, const TrainingSegment &documents, bool with_loss = true,
                     bool recompute = false) {
  const rmt_training_segment segment = documents.segment();
  OK(rmt_trainer_backward, trainer, tape, &segment, with_loss ? 1 : 0, recompute ? 1 : 0);
}

}  // namespace test
