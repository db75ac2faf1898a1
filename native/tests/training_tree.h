// training_tree.h - training calls that have something of everything: memory that branches, start states, labels,
// probes.
#pragma once

#include "training_fixtures.h"

namespace test {

constexpr int32_t kInputLength = 40;
constexpr int32_t kNumStates = 8;
constexpr int32_t kStartState = 7;
constexpr int32_t kProbeOutputs = 9;

inline int64_t state_size(const rmt_model_config &config) {
  return int64_t{config.num_mem_tokens} * config.hidden_size;
}

inline TrainingDocument document(const rmt_model_config &config, int32_t length, uint64_t stream) {
  Random random(stream);
  TrainingDocument result;
  result.ids = random_ids(length, config.vocab_size, random);
  result.dropout_key = 77 * stream + (stream << 40);
  return result;
}

// Three calls over documents that branch: memory of one is read by two questions, one starts from a state, one begins
// late from the initial memory; labels, weights, and probes at all levels.
inline std::vector<TrainingSegment> tree(const rmt_model_config &config) {
  const int32_t top = config.num_layers;
  std::vector<TrainingSegment> calls(3, TrainingSegment(kInputLength));
  TrainingDocument root = document(config, 21, 1);
  root.read = 1;
  root.write = 4;
  root.write_state = 0;
  calls[0].add(root);
  calls[0].probes = {{0, 1, 20, 2, 3, 1, 0.5f}, {0, top, 5, 0, 2, 0, 0.25f}};

  TrainingDocument middle = document(config, 17, 2);
  middle.read = middle.write = 1;
  middle.read_state = 0;
  middle.write_state = 1;
  middle.head = 0;
  middle.label = 4;
  middle.label_weight = 0.5f;
  TrainingDocument started = document(config, 9, 3);
  started.read = 2;
  started.write = 5;
  started.read_state = kStartState;
  started.write_state = 2;
  calls[1].add(middle).add(started);
  calls[1].probes = {{1, 0, 0, 5, 4, 3, 0.75f}, {0, 1, 11, 2, 3, 2, 1.0f}, {0, 1, 12, 2, 3, 0, 1.0f}};

  for (int32_t question = 0; question < 2; ++question) {  // both read the memory that `middle` wrote
    TrainingDocument asked = document(config, 12 + 5 * question, 4 + question);
    asked.read = 1;
    asked.read_state = 1;
    asked.head = 0;
    asked.label = question;
    asked.label_weight = 1.0f - 0.25f * question;
    calls[2].add(asked);
  }
  TrainingDocument end = document(config, 33, 6);
  end.read = end.write = 1;
  end.read_state = 2;
  end.write_state = 3;
  end.head = 32;
  end.label = 3;
  TrainingDocument late = document(config, 8, 7);
  late.read = 3;
  late.head = 1;
  late.label = -1;  // a head whose loss nobody wants
  calls[2].add(end).add(late);
  calls[2].probes = {{3, top, 1, 0, 9, 8, 0.5f}, {0, 0, 11, 5, 4, 0, 0.5f}, {2, top, 32, 5, 4, 1, 0.5f}};
  return calls;
}

inline void drop(std::vector<TrainingSegment> &calls) {
  for (TrainingSegment &call : calls) {
    call.hidden_dropout = 0.2f;
    call.attention_dropout = 0.3f;
  }
}

// A trainer with random weights and a random start state.
inline TrainerPtr make_filled(rmt_device *device, const rmt_model_config &config, int32_t keep_average = 0,
                              uint64_t stream = 1) {
  rmt_trainer_options options = trainer_options(4, kInputLength, kNumStates, 3, kProbeOutputs);
  options.keep_average = keep_average;
  TrainerPtr trainer = make_trainer(device, config, options);
  fill_randomly(trainer.get(), stream);
  Random random(5);
  std::vector<float> start(state_size(config));
  for (float &value : start) value = random.uniform();
  if (!start.empty()) OK(rmt_trainer_set_state, trainer.get(), kStartState, start.data(), state_size(config));
  return trainer;
}

inline double forward_all(rmt_trainer *trainer, const std::vector<TrainingSegment> &calls,
                          const rmt_model_config &config) {
  double loss = 0;
  for (size_t i = 0; i < calls.size(); ++i) {
    loss += forward(trainer, static_cast<int32_t>(i), calls[i], config.num_labels).total(calls[i]);
  }
  return loss;
}

inline void backward_all(rmt_trainer *trainer, const std::vector<TrainingSegment> &calls, bool recompute = false) {
  for (size_t i = calls.size(); i-- > 0;) {
    backward(trainer, recompute ? 0 : static_cast<int32_t>(i), calls[i], true, recompute);
  }
}

inline double magnitude(const std::vector<float> &values) {
  double largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(static_cast<double>(value)));
  return largest;
}

}  // namespace test
