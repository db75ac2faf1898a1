// Training through the C interface: gradients against central differences on the reference, and what holds on every
// instruction set that can train.

#include <algorithm>
#include <functional>

#include "training_tree.h"

namespace {

using test::all_values;
using test::backward;
using test::backward_all;
using test::DevicePtr;
using test::document;
using test::drop;
using test::forward;
using test::forward_all;
using test::get_state;
using test::get_state_gradient;
using test::get_values;
using test::kInputLength;
using test::kNumStates;
using test::kProbeOutputs;
using test::kStartState;
using test::magnitude;
using test::make_device;
using test::make_filled;
using test::make_trainer;
using test::parameter_info;
using test::Random;
using test::same_bits;
using test::set_values;
using test::small_config;
using test::state_size;
using test::trainer_options;
using test::TrainerPtr;
using test::TrainingDocument;
using test::TrainingOutput;
using test::TrainingSegment;
using test::tree;

// ---- central differences ----

// The derivative of `loss` with respect to one value by the seven-point rule, with a large step, which suffers from
// curvature, and a small one, which suffers from states and logits being single precision.
std::pair<double, double> derivative(const std::function<void(float)> &set, float value,
                                     const std::function<double()> &loss) {
  const auto with_step = [&](float step) {
    const auto at = [&](float offset) {
      set(value + offset);
      return loss();
    };
    const auto difference = [&](float offset) { return at(offset) - at(-offset); };
    const double sum = 45 * difference(step) - 9 * difference(2 * step) + difference(3 * step);
    set(value);
    return sum / (60.0 * static_cast<double>(step));
  };
  return {with_step(0x1p-5f), with_step(0x1p-7f)};
}

struct GradientCheck {
  // The better of the two differences counts: a wrong gradient is far from both.
  void add(const std::string &name, double analytic, std::pair<double, double> numeric, double scale) {
    const bool first = std::abs(analytic - numeric.first) <= std::abs(analytic - numeric.second);
    const double nearer = first ? numeric.first : numeric.second;
    const double error = std::abs(analytic - nearer) / scale;
    if (!(error <= largest)) {
      largest = error;
      what = name + ": " + test::show(analytic) + " against " + test::show(nearer);
    }
    ++count;
  }
  double largest = 0;
  int count = 0;
  std::string what;
};

// Elements of a gradient that are compared: the largest and some others.
std::vector<int64_t> chosen_elements(const std::vector<float> &gradient, Random &random) {
  std::vector<int64_t> elements = {
      std::max_element(gradient.begin(), gradient.end(), [](float a, float b) { return std::abs(a) < std::abs(b); }) -
      gradient.begin()};
  for (int i = 0; i < 4; ++i) elements.push_back(random.integer(0, static_cast<int32_t>(gradient.size()) - 1));
  return elements;
}

// Compares the gradients of all parameters that the trainer holds with the differences of `loss`.
void check_parameters(rmt_trainer *trainer, const std::function<double()> &loss, GradientCheck &check) {
  Random random(9);
  const double overall = magnitude(all_values(trainer, RMT_GRADIENTS));
  for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer); ++i) {
    const std::string name = parameter_info(trainer, i).name;
    const std::vector<float> gradient = get_values(trainer, RMT_GRADIENTS, i);
    const std::vector<float> weights = get_values(trainer, RMT_WEIGHTS, i);
    // Gradients of key biases are zero, and none of the others may be.
    const bool zero = test::ends_with(name, "key.bias");
    CHECK_THAT(zero == (magnitude(gradient) < 1e-6 * overall), name + " " + test::show(magnitude(gradient)));
    for (const int64_t element : chosen_elements(gradient, random)) {
      const auto set = [&](float value) { OK(rmt_trainer_set_values, trainer, RMT_WEIGHTS, i, &value, element, 1); };
      check.add(name + "[" + std::to_string(element) + "]", gradient[element], derivative(set, weights[element], loss),
                std::max(magnitude(gradient), 0.02 * overall));
    }
  }
}

void check_start_state(rmt_trainer *trainer, const rmt_model_config &config, const std::function<double()> &loss,
                       GradientCheck &check) {
  Random random(10);
  const std::vector<float> gradient = get_state_gradient(trainer, kStartState, state_size(config));
  std::vector<float> start = get_state(trainer, kStartState, state_size(config));
  const double overall = magnitude(all_values(trainer, RMT_GRADIENTS));
  CHECK(magnitude(gradient) > 1e-4 * overall);
  for (const int64_t element : chosen_elements(gradient, random)) {
    const auto set = [&](float value) {
      start[element] = value;
      OK(rmt_trainer_set_state, trainer, kStartState, start.data(), state_size(config));
    };
    check.add("start state[" + std::to_string(element) + "]", gradient[element], derivative(set, start[element], loss),
              magnitude(gradient));
  }
}

void report(const char *what, const GradientCheck &check) {
  std::printf("  %s: %d derivatives, largest error %.1e of the tensor's largest magnitude (%s)\n", what, check.count,
              check.largest, check.what.c_str());
  CHECK_THAT(check.largest < 5e-4, check.what);
}

void check_tree(const char *what, const rmt_model_config &config, bool with_dropout) {
  const DevicePtr device = make_device("reference");
  const TrainerPtr trainer = make_filled(device.get(), config);
  std::vector<TrainingSegment> calls = tree(config);
  if (with_dropout) drop(calls);
  forward_all(trainer.get(), calls, config);
  backward_all(trainer.get(), calls);
  const auto loss = [&] { return forward_all(trainer.get(), calls, config); };
  GradientCheck check;
  check_parameters(trainer.get(), loss, check);
  check_start_state(trainer.get(), config, loss, check);
  report(what, check);
}

TEST("gradients through three segments, shared memory, start states, labels and probes are those of differences") {
  check_tree("tree", small_config(), false);
}

TEST("gradients under dropout with fixed keys are those of differences") {
  check_tree("tree with dropout", small_config(), true);
}

TEST("gradients through every depth of back-propagation are those of differences with memory cut there") {
  const rmt_model_config config = small_config();
  const DevicePtr device = make_device("reference");
  constexpr int32_t kSegments = 3;
  for (int32_t depth = 0; depth < kSegments; ++depth) {
    const TrainerPtr trainer = make_trainer(device.get(), config, trainer_options(1, kInputLength, kNumStates, 3));
    test::fill_randomly(trainer.get());
    // A loss on each segment, which reaches `depth` earlier ones.
    std::vector<TrainingSegment> calls(kSegments, TrainingSegment(kInputLength));
    std::vector<std::vector<float>> entering(kSegments);  // the memory that enters, as it is without perturbation
    for (int32_t s = 0; s < kSegments; ++s) {
      TrainingDocument part = document(config, 13 + 4 * s, 20 + s);
      part.read = part.write = 1;
      part.read_state = s - 1;
      part.write_state = s;
      part.head = 0;
      part.label = s;
      calls[s].add(part);
      if (s > 0) entering[s] = get_state(trainer.get(), s - 1, state_size(config));
      forward(trainer.get(), s, calls[s], config.num_labels);
    }
    for (int32_t s = kSegments - 1; s >= 0; --s) {
      for (int32_t reached = s; reached >= std::max(0, s - depth); --reached) {
        backward(trainer.get(), reached, calls[reached], reached == s);
      }
      OK(rmt_trainer_clear_state_gradient, trainer.get(), -1);
    }
    const auto loss = [&] {
      double sum = 0;
      for (int32_t s = 0; s < kSegments; ++s) {
        const int32_t oldest = std::max(0, s - depth);
        if (oldest > 0) {
          OK(rmt_trainer_set_state, trainer.get(), oldest - 1, entering[oldest].data(), state_size(config));
        }
        for (int32_t reached = oldest; reached <= s; ++reached) {
          const double own = forward(trainer.get(), reached, calls[reached], config.num_labels).losses[0];
          if (reached == s) sum += own;
        }
      }
      return sum;
    };
    GradientCheck check;
    check_parameters(trainer.get(), loss, check);
    report(("depth " + std::to_string(depth)).c_str(), check);
  }
}

TEST("gradients without memory tokens are those of differences") {
  rmt_model_config config = small_config();
  config.num_mem_tokens = 0;
  const DevicePtr device = make_device("reference");
  const TrainerPtr trainer = make_filled(device.get(), config);
  std::vector<TrainingSegment> calls = {TrainingSegment(kInputLength)};
  TrainingDocument plain = document(config, 15, 1);
  plain.head = 0;
  plain.label = 2;
  calls[0].add(plain).probes = {{0, 1, 3, 0, kProbeOutputs, 5, 1.0f}};
  forward_all(trainer.get(), calls, config);
  backward_all(trainer.get(), calls);
  GradientCheck check;
  check_parameters(
      trainer.get(), [&] { return forward_all(trainer.get(), calls, config); }, check);
  report("no memory", check);
}

TEST("gradients of an encoder without labels, by probes and by the gradient of its memory, are those of differences") {
  rmt_model_config config = small_config();
  config.num_labels = 0;
  const DevicePtr device = make_device("reference");
  const TrainerPtr trainer = make_filled(device.get(), config);
  std::vector<TrainingSegment> calls = {TrainingSegment(kInputLength)};
  TrainingDocument plain = document(config, 15, 1);
  plain.read = plain.write = 1;
  plain.write_state = 0;
  calls[0].add(plain).probes = {{0, config.num_layers, 2, 0, kProbeOutputs, 5, 1.0f}};
  Random random(3);
  std::vector<float> weights(state_size(config));
  for (float &value : weights) value = random.uniform();
  const auto loss = [&] {  // + weights x memory, the gradient of which is given from outside
    double sum = forward_all(trainer.get(), calls, config);
    const std::vector<float> memory = get_state(trainer.get(), 0, state_size(config));
    for (size_t i = 0; i < memory.size(); ++i) sum += static_cast<double>(weights[i]) * memory[i];
    return sum;
  };
  loss();
  OK(rmt_trainer_set_state_gradient, trainer.get(), 0, weights.data(), state_size(config));
  backward_all(trainer.get(), calls);
  GradientCheck check;
  check_parameters(trainer.get(), loss, check);
  report("no labels", check);
}

// ---- what holds on every instruction set ----

struct Result {
  double loss;
  std::vector<float> gradients;
  std::vector<float> start_gradient;
};

Result train_tree(const std::string &isa, int32_t threads, bool recompute, bool with_dropout, uint64_t extra_key = 0) {
  const rmt_model_config config = small_config();
  const DevicePtr device = make_device(isa, threads);
  const TrainerPtr trainer = make_filled(device.get(), config);
  std::vector<TrainingSegment> calls = tree(config);
  if (with_dropout) drop(calls);
  for (TrainingSegment &call : calls) {
    for (uint64_t &key : call.dropout_keys) key += extra_key;
  }
  Result result;
  result.loss = forward_all(trainer.get(), calls, config);
  backward_all(trainer.get(), calls, recompute);
  result.gradients = all_values(trainer.get(), RMT_GRADIENTS);
  result.start_gradient = get_state_gradient(trainer.get(), kStartState, state_size(config));
  return result;
}

bool equal(const Result &a, const Result &b) {
  return a.loss == b.loss && same_bits(a.gradients, b.gradients) && same_bits(a.start_gradient, b.start_gradient);
}

TEST("recomputing the forward gives the same bits") {
  for (const std::string &isa : test::training_isas()) {
    for (const bool with_dropout : {false, true}) {
      CHECK_THAT(equal(train_tree(isa, 2, true, with_dropout), train_tree(isa, 2, false, with_dropout)), isa);
    }
  }
}

TEST("the number of threads changes no bit") {
  for (const std::string &isa : test::training_isas()) {
    for (const bool with_dropout : {false, true}) {
      const Result one = train_tree(isa, 1, false, with_dropout);
      for (const int32_t threads : {2, 3, 5})
        CHECK_THAT(equal(train_tree(isa, threads, false, with_dropout), one), isa);
    }
  }
}

TEST("the same dropout keys give the same loss, others another one") {
  for (const std::string &isa : test::training_isas()) {
    const double loss = train_tree(isa, 1, false, true).loss;
    CHECK(train_tree(isa, 1, false, true).loss == loss);
    CHECK(train_tree(isa, 1, false, true, 1).loss != loss);
    CHECK(train_tree(isa, 1, false, true, uint64_t{1} << 32).loss != loss);
    CHECK(train_tree(isa, 1, false, false).loss != loss);
  }
}

TEST("a forward in training gives the logits and memory of a model with the same weights") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    const test::ModelPtr model = test::make_model(device.get(), config);
    const test::MemoryPtr memory = test::make_memory(model.get(), 2, 2, kInputLength);
    const TrainerPtr trainer = make_trainer(device.get(), config, trainer_options(2, kInputLength, 2, 1));
    test::fill_randomly(trainer.get());
    test::Batch batch(kInputLength);
    TrainingSegment segment(kInputLength);
    for (int32_t slot = 0; slot < 2; ++slot) {
      TrainingDocument part = document(config, 30 + slot, 1 + slot);
      batch.add(part.ids, slot, 1, 1, 0);
      part.read = part.write = 1;
      part.write_state = slot;
      part.head = 0;
      segment.add(part);
    }
    const test::Output expected = test::forward(memory.get(), batch, config, test::Want::kHeads);
    const TrainingOutput output = forward(trainer.get(), 0, segment, config.num_labels);
    CHECK(test::relative_error(output.logits, expected.logits) < 2e-6);
    for (int32_t slot = 0; slot < 2; ++slot) {
      CHECK(test::relative_error(get_state(trainer.get(), slot, state_size(config)),
                                 test::get_memory(memory.get(), slot, state_size(config))) < 2e-6);
    }
  }
}

TEST("computing all rows of the last layer changes no loss and no gradient beyond rounding") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    const TrainerPtr trainer = make_filled(device.get(), config);
    std::vector<TrainingSegment> calls = tree(config);
    const double loss = forward_all(trainer.get(), calls, config);
    backward_all(trainer.get(), calls);
    const std::vector<float> chosen = all_values(trainer.get(), RMT_GRADIENTS);
    OK(rmt_trainer_clear_gradients, trainer.get());
    OK(rmt_trainer_clear_state_gradient, trainer.get(), -1);
    for (TrainingSegment &call : calls) call.all_rows = 1;
    CHECK(forward_all(trainer.get(), calls, config) == loss);
    backward_all(trainer.get(), calls);
    CHECK(test::relative_error(all_values(trainer.get(), RMT_GRADIENTS), chosen) < 2e-6);
  }
}

TEST("gradients add up over backwards until they are cleared") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    const TrainerPtr trainer = make_filled(device.get(), config);
    const std::vector<TrainingSegment> calls = tree(config);
    forward_all(trainer.get(), calls, config);
    backward(trainer.get(), 2, calls[2]);
    std::vector<float> twice = all_values(trainer.get(), RMT_GRADIENTS);
    for (float &value : twice) value *= 2;
    const std::vector<float> once_read = get_state_gradient(trainer.get(), 1, state_size(config));
    backward(trainer.get(), 2, calls[2]);
    CHECK(test::relative_error(all_values(trainer.get(), RMT_GRADIENTS), twice) < 1e-6);
    const std::vector<float> twice_read = get_state_gradient(trainer.get(), 1, state_size(config));
    for (size_t i = 0; i < once_read.size(); ++i) {
      CHECK(std::abs(twice_read[i] - 2 * once_read[i]) <= 1e-6 * magnitude(twice_read));
    }
    OK(rmt_trainer_clear_gradients, trainer.get());
    CHECK(magnitude(all_values(trainer.get(), RMT_GRADIENTS)) == 0);
    OK(rmt_trainer_clear_state_gradient, trainer.get(), 1);
    CHECK(magnitude(get_state_gradient(trainer.get(), 1, state_size(config))) == 0);
    CHECK(magnitude(get_state_gradient(trainer.get(), 2, state_size(config))) > 0);
    OK(rmt_trainer_clear_state_gradient, trainer.get(), -1);
    CHECK(magnitude(get_state_gradient(trainer.get(), 2, state_size(config))) == 0);
    // No loss and nothing that comes in: nothing goes out.
    backward(trainer.get(), 2, calls[2], false);
    CHECK(magnitude(all_values(trainer.get(), RMT_GRADIENTS)) == 0);
    CHECK(magnitude(get_state_gradient(trainer.get(), 1, state_size(config))) == 0);
  }
}

TEST("a recomputed forward writes no states") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    const TrainerPtr trainer = make_filled(device.get(), config);
    const std::vector<TrainingSegment> calls = tree(config);
    forward_all(trainer.get(), calls, config);
    const std::vector<float> marked(state_size(config), 0.5f);
    OK(rmt_trainer_set_state, trainer.get(), 3, marked.data(), state_size(config));
    backward(trainer.get(), 0, calls[2], true, true);
    CHECK(get_state(trainer.get(), 3, state_size(config)) == marked);
  }
}

TEST("label weights that are left out are 1") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa);
    const TrainerPtr trainer = make_filled(device.get(), config);
    TrainingSegment call = tree(config)[2];
    call.label_weights.assign(call.size(), 1.0f);
    backward(trainer.get(), 0, call, true, true);
    const std::vector<float> expected = all_values(trainer.get(), RMT_GRADIENTS);
    OK(rmt_trainer_clear_gradients, trainer.get());
    rmt_training_segment segment = call.segment();
    segment.label_weights = nullptr;
    OK(rmt_trainer_backward, trainer.get(), 0, &segment, 1, 1);
    CHECK(same_bits(all_values(trainer.get(), RMT_GRADIENTS), expected));
  }
}

TEST("probes in any order, more of them than are worked on at a time, give the same losses and gradients") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    const TrainerPtr trainer = make_filled(device.get(), config);
    TrainingSegment call(kInputLength);
    for (int32_t b = 0; b < 4; ++b) call.add(document(config, kInputLength, 50 + b));
    call.all_rows = 1;
    Random random(12);
    for (int32_t i = 0; i < 600; ++i) {
      const int32_t first = random.integer(0, 1) * 4;
      call.probes.push_back({random.integer(0, 3), random.integer(0, 1) * 2, random.integer(0, kInputLength - 1), first,
                             4, random.integer(0, 3), 0.5f + 0.4f * random.uniform()});
    }
    const TrainingOutput output = forward(trainer.get(), 0, call, config.num_labels);
    backward(trainer.get(), 0, call);
    const std::vector<float> expected = all_values(trainer.get(), RMT_GRADIENTS);
    OK(rmt_trainer_clear_gradients, trainer.get());
    std::reverse(call.probes.begin(), call.probes.end());
    TrainingOutput reversed = forward(trainer.get(), 0, call, config.num_labels);
    backward(trainer.get(), 0, call);
    std::reverse(reversed.probe_losses.begin(), reversed.probe_losses.end());
    std::reverse(reversed.probe_predictions.begin(), reversed.probe_predictions.end());
    CHECK(reversed.probe_losses == output.probe_losses);
    CHECK(reversed.probe_predictions == output.probe_predictions);
    CHECK(test::relative_error(all_values(trainer.get(), RMT_GRADIENTS), expected) < 2e-6);
    // The same, one probe at a time.
    OK(rmt_trainer_clear_gradients, trainer.get());
    const std::vector<rmt_probe_row> probes = call.probes;
    for (size_t i = 0; i < probes.size(); i += 100) {
      call.probes = {probes[i]};
      const TrainingOutput single = forward(trainer.get(), 0, call, config.num_labels);
      const size_t index = probes.size() - 1 - i;
      CHECK(std::abs(single.probe_losses[0] - output.probe_losses[index]) < 1e-5);
      CHECK_EQUAL(single.probe_predictions[0], output.probe_predictions[index]);
    }
  }
}

// ---- steps ----

// One step on one value, as the paper writes it.
struct Expected {
  double weight, first, second, average;
};

Expected adamw_step(const rmt_adamw &options, Expected old, double gradient, bool decays) {
  Expected result;
  result.first = options.beta1 * old.first + (1 - options.beta1) * gradient;
  result.second = options.beta2 * old.second + (1 - options.beta2) * gradient * gradient;
  const double first = result.first / (1 - std::pow(options.beta1, static_cast<double>(options.step)));
  const double second = result.second / (1 - std::pow(options.beta2, static_cast<double>(options.step)));
  result.weight = old.weight - options.learning_rate * first / (std::sqrt(second) + options.epsilon);
  if (decays) result.weight -= options.learning_rate * options.weight_decay * old.weight;
  result.average = options.average_decay * old.average + (1 - options.average_decay) * result.weight;
  return result;
}

rmt_adamw adamw(int64_t step) {
  rmt_adamw options = test::adamw_options(step);
  options.weight_decay = 0.1;
  options.gradient_scale = 0.5;
  options.average_decay = 0.75;
  return options;
}

// Steps with random gradients and moments against the formulas, for all parameters.
void check_steps(const std::string &isa, double clip_value, double clip_norm, int32_t decay_everything) {
  const rmt_model_config config = small_config();
  const DevicePtr device = make_device(isa, 2);
  const TrainerPtr trainer = make_filled(device.get(), config, 1);
  const int32_t num_parameters = rmt_trainer_num_parameters(trainer.get());
  for (int64_t step = 1; step <= 3; ++step) {
    rmt_adamw options = adamw(step);
    options.clip_value = clip_value;
    options.clip_norm = clip_norm;
    options.decay_everything = decay_everything;
    double unclipped_squares = 0;
    double squares = 0;
    const auto clipped = [&](float gradient) {
      const double scaled = options.gradient_scale * gradient;
      return clip_value > 0 ? std::max(-clip_value, std::min(clip_value, scaled)) : scaled;
    };
    std::vector<std::vector<float>> old[5];
    for (int32_t i = 0; i < num_parameters; ++i) {
      Random random(900 + i + 1000 * static_cast<uint64_t>(step));
      std::vector<float> gradient(test::count_of(parameter_info(trainer.get(), i)));
      for (float &value : gradient) {
        value = random.uniform();
        unclipped_squares += std::pow(options.gradient_scale * value, 2);
        squares += std::pow(clipped(value), 2);
      }
      set_values(trainer.get(), RMT_GRADIENTS, i, gradient);
      for (int32_t which = 0; which < 5; ++which) {
        old[which].push_back(get_values(trainer.get(), static_cast<rmt_values>(which), i));
      }
      CHECK(same_bits(old[RMT_GRADIENTS].back(), gradient));
    }
    double norm = 0;
    OK(rmt_trainer_step, trainer.get(), &options, &norm);
    CHECK(std::abs(norm - std::sqrt(unclipped_squares)) < 1e-6 * norm);
    const double scale = clip_norm > 0 ? std::min(1.0, clip_norm / std::sqrt(squares)) : 1.0;
    for (int32_t i = 0; i < num_parameters; ++i) {
      const std::string name = parameter_info(trainer.get(), i).name;
      const bool spared = test::ends_with(name, "bias") || test::ends_with(name, "LayerNorm.weight");
      const std::vector<float> weights = get_values(trainer.get(), RMT_WEIGHTS, i);
      const std::vector<float> first = get_values(trainer.get(), RMT_FIRST_MOMENT, i);
      const std::vector<float> second = get_values(trainer.get(), RMT_SECOND_MOMENT, i);
      const std::vector<float> average = get_values(trainer.get(), RMT_AVERAGE, i);
      CHECK(magnitude(get_values(trainer.get(), RMT_GRADIENTS, i)) == 0);
      for (size_t j = 0; j < weights.size(); ++j) {
        const Expected before = {old[RMT_WEIGHTS][i][j], old[RMT_FIRST_MOMENT][i][j], old[RMT_SECOND_MOMENT][i][j],
                                 old[RMT_AVERAGE][i][j]};
        const Expected after =
            adamw_step(options, before, scale * clipped(old[RMT_GRADIENTS][i][j]), decay_everything == 1 || !spared);
        CHECK_THAT(std::abs(weights[j] - after.weight) < 4e-7, name);
        CHECK_THAT(std::abs(first[j] - after.first) < 2e-7, name);
        CHECK_THAT(std::abs(second[j] - after.second) < 2e-7, name);
        CHECK_THAT(std::abs(average[j] - after.average) < 4e-7, name);
      }
    }
  }
}

TEST("steps are those of AdamW, with each kind of clipping and decay") {
  for (const std::string &isa : test::training_isas()) {
    check_steps(isa, 0, 0, 1);
    check_steps(isa, 0.3, 0, 0);
    check_steps(isa, 0, 2.0, 1);
    check_steps(isa, 0.3, 2.0, 0);
    check_steps(isa, 0, 1e6, 0);  // a norm that is not reached changes nothing
  }
}

// Weights after steps on the tree.
std::vector<float> trained(const std::string &isa, int32_t threads) {
  const rmt_model_config config = small_config();
  const DevicePtr device = make_device(isa, threads);
  const TrainerPtr trainer = make_filled(device.get(), config);
  std::vector<TrainingSegment> calls = tree(config);
  drop(calls);
  for (int64_t step = 1; step <= 3; ++step) {
    OK(rmt_trainer_clear_state_gradient, trainer.get(), -1);
    forward_all(trainer.get(), calls, config);
    backward_all(trainer.get(), calls);
    rmt_adamw options = adamw(step);
    options.clip_norm = 1;
    OK(rmt_trainer_step, trainer.get(), &options, nullptr);
  }
  return all_values(trainer.get(), RMT_WEIGHTS);
}

TEST("the number of threads changes no bit of the weights after steps") {
  for (const std::string &isa : test::training_isas()) {
    const std::vector<float> one = trained(isa, 1);
    CHECK_THAT(same_bits(trained(isa, 2), one), isa);
    CHECK_THAT(same_bits(trained(isa, 4), one), isa);
  }
}

TEST("a trainer that takes over weights and moments goes on with the same bits") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    TrainerPtr trainer = make_filled(device.get(), config, 1);
    const std::vector<TrainingSegment> calls = tree(config);
    const auto step = [&](rmt_trainer *on, int64_t number) {
      OK(rmt_trainer_clear_state_gradient, on, -1);
      forward_all(on, calls, config);
      backward_all(on, calls, true);
      const rmt_adamw options = adamw(number);
      OK(rmt_trainer_step, on, &options, nullptr);
    };
    step(trainer.get(), 1);
    const TrainerPtr other = make_filled(device.get(), config, 1);
    for (const rmt_values which : {RMT_WEIGHTS, RMT_FIRST_MOMENT, RMT_SECOND_MOMENT, RMT_AVERAGE}) {
      for (int32_t i = 0; i < rmt_trainer_num_parameters(trainer.get()); ++i) {
        set_values(other.get(), which, i, get_values(trainer.get(), which, i));
      }
    }
    step(trainer.get(), 2);
    step(other.get(), 2);
    for (const rmt_values which : {RMT_WEIGHTS, RMT_FIRST_MOMENT, RMT_SECOND_MOMENT, RMT_AVERAGE}) {
      CHECK(same_bits(all_values(other.get(), which), all_values(trainer.get(), which)));
    }
  }
}

TEST("steps bring the loss of a batch down") {
  const rmt_model_config config = small_config();
  for (const std::string &isa : test::training_isas()) {
    const DevicePtr device = make_device(isa, 2);
    const TrainerPtr trainer = make_filled(device.get(), config);
    const std::vector<TrainingSegment> calls = tree(config);
    double first = 0;
    double loss = 0;
    for (int64_t step = 1; step <= 60; ++step) {
      OK(rmt_trainer_clear_state_gradient, trainer.get(), -1);
      loss = forward_all(trainer.get(), calls, config);
      if (step == 1) first = loss;
      backward_all(trainer.get(), calls);
      rmt_adamw options = adamw(step);
      options.learning_rate = 0.005;
      options.weight_decay = 0;
      options.clip_norm = 1;
      OK(rmt_trainer_step, trainer.get(), &options, nullptr);
    }
    CHECK_THAT(loss < 0.1 * first, isa + ": from " + test::show(first) + " to " + test::show(loss));
  }
}

}  // namespace

RMT_TEST_MAIN()
