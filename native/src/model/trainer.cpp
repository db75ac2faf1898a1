#include "model/trainer.h"

#include <algorithm>
#include <cmath>

#include "model/config.h"
#include "model/error.h"
#include "model/exclusive.h"

namespace rmt {

namespace {

const char *name_of(Values which) {
  switch (which) {
    case Values::kWeights:
      return "weights";
    case Values::kGradients:
      return "gradients";
    case Values::kFirstMoment:
      return "first moment";
    case Values::kSecondMoment:
      return "second moment";
    case Values::kAverage:
      return "average";
  }
  return "";
}

const TrainingBackend &training_backend(const Device &device) {
  const TrainingBackend *backend = device.backend().training;
  if (backend == nullptr) fail(RMT_DEVICE, "the instruction set ", device.backend().name, " cannot train");
  return *backend;
}

TapeLimits limits_of(const rmt_trainer_options &options) {
  const int64_t most = int64_t{options.max_batch_size} * options.max_input_length;
  return {options.max_batch_size, options.max_input_length,
          options.max_total_length == 0 ? most : options.max_total_length};
}

int64_t state_size(const ModelShape &shape) { return int64_t{shape.num_mem_tokens} * shape.hidden_size; }

// Bytes are summed in int64: what comes near its end, which no machine has, is refused before.
void require_conceivable(const ModelShape &shape, const TapeLimits &limits, int32_t num_tapes) {
  const double per_position =
      16.0 * shape.hidden_size + 4.0 * shape.intermediate_size + 2.0 * shape.num_heads * limits.max_input_length;
  const double bytes = 8.0 * num_tapes * static_cast<double>(limits.max_total_length) * shape.num_layers * per_position;
  if (bytes > 0x1p60) {
    fail(RMT_OUT_OF_MEMORY, "the tapes need about ", bytes, " bytes: lower max_total_length or num_tapes");
  }
}

ModelShape admitted_shape(const Device &device, const rmt_model_config *config, const rmt_trainer_options *options) {
  device.require_memory(Trainer::required_bytes(device, config, options), "the trainer");
  return validated_training_shape(config, options);
}

const char *not_finite(float value) { return std::isnan(value) ? "NaN" : "infinite"; }

void validate(const rmt_adamw *options) {
  require_struct(options, "rmt_adamw");
  const auto require_from_zero = [](const char *field, double value) {
    require(value >= 0 && std::isfinite(value), field, " is ", value, ", expected a finite number, 0 or more");
  };
  const auto require_fraction = [](const char *field, double value) {
    require(value >= 0 && value < 1, field, " is ", value, ", expected 0 to less than 1");
  };
  require_from_zero("learning_rate", options->learning_rate);
  require_fraction("beta1", options->beta1);
  require_fraction("beta2", options->beta2);
  require(options->epsilon > 0 && std::isfinite(options->epsilon), "epsilon is ", options->epsilon,
          ", expected a finite number above 0");
  require_from_zero("weight_decay", options->weight_decay);
  require(options->decay_everything == 0 || options->decay_everything == 1, "decay_everything is ",
          options->decay_everything, ", expected 0 or 1");
  require_from_zero("gradient_scale", options->gradient_scale);
  require_from_zero("clip_value", options->clip_value);
  require_from_zero("clip_norm", options->clip_norm);
  require(options->average_decay >= 0 && options->average_decay <= 1, "average_decay is ", options->average_decay,
          ", expected 0 to 1");
  require(options->step >= 1, "step is ", options->step, ", expected 1 or more: steps are counted from 1");
}

}  // namespace

int64_t Trainer::required_bytes(const Device &device, const rmt_model_config *config,
                                const rmt_trainer_options *options) {
  const ModelShape shape = validated_training_shape(config, options);
  device.require_computable(shape, options->max_batch_size);
  const TrainingBackend &backend = training_backend(device);
  const TapeLimits limits = limits_of(*options);
  require_conceivable(shape, limits, options->num_tapes);
  return backend.trainer_bytes(shape, options->keep_average != 0) +
         options->num_tapes *
             (backend.tape_bytes(shape, limits, device.threads()) + static_cast<int64_t>(sizeof(Tape))) +
         TrainingStates::required_bytes(options->num_states, state_size(shape)) +
         TrainingScratch::required_bytes(shape, limits, options->num_states);
}

Trainer::Trainer(std::shared_ptr<const Device> device, const rmt_model_config *config,
                 const rmt_trainer_options *options)
    : device_(std::move(device)),
      shape_(admitted_shape(*device_, config, options)),
      limits_(limits_of(*options)),
      keep_average_(options->keep_average != 0),
      backend_(training_backend(*device_)),
      parameters_(make_parameters(shape_)),
      weights_(backend_.create_trainer(device_->place(), shape_, keep_average_), backend_.destroy_trainer),
      states_(device_, options->num_states, state_size(shape_)),
      scratch_(device_, shape_, limits_, options->num_states) {
  const auto require_granted = [&](const void *memory) {
    if (memory != nullptr) return;
    fail(RMT_OUT_OF_MEMORY, "the trainer needs ", required_bytes(*device_, config, options),
         " bytes, and the system refused them");
  };
  require_granted(weights_.get());
  for (int32_t i = 0; i < options->num_tapes; ++i) {
    tapes_.push_back(
        {{backend_.create_tape(device_->place(), shape_, limits_, device_->threads()), backend_.destroy_tape}, 0, -1});
    require_granted(tapes_.back().activations.get());
  }
}

TrainingContext Trainer::context(void *activations) const {
  TrainingContext context{};
  context.shape = &shape_;
  context.trainer = weights_.get();
  context.tape = activations;
  context.pool = &device_->pool();
  context.device = device_->place();
  return context;
}

// ---- values ----

const Parameter &Trainer::parameter(int32_t index) const {
  require(index >= 0 && index < static_cast<int64_t>(parameters_.size()), "parameter index is ", index,
          ", expected 0 to ", parameters_.size() - 1);
  return parameters_[index];
}

void Trainer::require_kept(int32_t which) const {
  require(which >= RMT_WEIGHTS && which <= RMT_AVERAGE, "which is ", which, ", expected one of rmt_values, ",
          static_cast<int>(RMT_WEIGHTS), " to ", static_cast<int>(RMT_AVERAGE));
  require(which != RMT_AVERAGE || keep_average_, "this trainer keeps no average: make it with keep_average 1");
}

const Parameter &Trainer::checked(int32_t which, int32_t index, const void *values, int64_t offset,
                                  int64_t count) const {
  require_kept(which);
  const Parameter &parameter = Trainer::parameter(index);
  require(values != nullptr, "values of parameter ", parameter.name, " is NULL");
  // Written so that no sum can overflow.
  require(offset >= 0 && count >= 0 && offset <= parameter.count() && count <= parameter.count() - offset,
          "elements from ", offset, ", ", count, " of them, do not lie within the ", parameter.count(),
          " elements of parameter ", parameter.name);
  return parameter;
}

void Trainer::set_values(int32_t which, int32_t index, const float *values, int64_t offset, int64_t count) {
  const Exclusive use(in_use_, "trainer");
  const Parameter &parameter = checked(which, index, values, offset, count);
  const Values kind = static_cast<Values>(which);
  for (int64_t i = 0; i < count; ++i) {
    require(std::isfinite(values[i]), "element ", offset + i, " of the ", name_of(kind), " of parameter ",
            parameter.name, " is ", not_finite(values[i]), ", expected a finite number");
    require(kind != Values::kSecondMoment || values[i] >= 0, "element ", offset + i,
            " of the second moment of parameter ", parameter.name, " is ", values[i],
            ", expected 0 or more: it is a mean of squares");
  }
  if (kind == Values::kWeights) ++weights_version_;
  backend_.write_values(shape_, weights_.get(), kind, parameter.tensor, parameter.layer, values, offset, count);
  device_->require_working();
}

void Trainer::get_values(int32_t which, int32_t index, float *values, int64_t offset, int64_t count) {
  const Exclusive use(in_use_, "trainer");
  const Parameter &parameter = checked(which, index, values, offset, count);
  backend_.read_values(shape_, weights_.get(), static_cast<Values>(which), parameter.tensor, parameter.layer, values,
                       offset, count);
  device_->require_working();
}

// ---- states ----

void Trainer::require_state(int32_t state) const {
  require(state >= 0 && state < states_.num_states(), "state is ", state,
          ", expected 0 to num_states - 1 = ", states_.num_states() - 1);
}

void Trainer::require_state_values(int32_t state, const void *values, int64_t count) const {
  require_state(state);
  require(values != nullptr, "values is NULL");
  require(count == states_.state_size(), "count is ", count, ", but a state has ", states_.state_size(),
          " elements: num_mem_tokens ", shape_.num_mem_tokens, " x hidden_size ", shape_.hidden_size);
}

namespace {

void require_finite(const char *what, int32_t state, const float *values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    require(std::isfinite(values[i]), "element ", i, " of ", what, " ", state, " is ", not_finite(values[i]),
            ", expected a finite number");
  }
}

}  // namespace

void Trainer::set_state(int32_t state, const float *values, int64_t count) {
  const Exclusive use(in_use_, "trainer");
  require_state_values(state, values, count);
  require_finite("state", state, values, count);
  states_.write_value(state, values);
  device_->require_working();
}

void Trainer::get_state(int32_t state, float *values, int64_t count) {
  const Exclusive use(in_use_, "trainer");
  require_state_values(state, values, count);
  states_.read_value(state, values);
  device_->require_working();
}

void Trainer::set_state_gradient(int32_t state, const float *values, int64_t count) {
  const Exclusive use(in_use_, "trainer");
  require_state_values(state, values, count);
  require_finite("the gradient of state", state, values, count);
  states_.write_gradient(state, values);
  device_->require_working();
}

void Trainer::get_state_gradient(int32_t state, float *values, int64_t count) {
  const Exclusive use(in_use_, "trainer");
  require_state_values(state, values, count);
  states_.read_gradient(state, values);
  device_->require_working();
}

void Trainer::clear_state_gradient(int32_t state) {
  const Exclusive use(in_use_, "trainer");
  if (state != -1) require_state(state);
  const int32_t begin = state == -1 ? 0 : state;
  const int32_t end = state == -1 ? states_.num_states() : state + 1;
  for (int32_t s = begin; s < end; ++s) states_.clear_gradient(s);
  device_->require_working();
}

// ---- segments ----

Trainer::Tape &Trainer::checked_tape(int32_t tape) {
  require(tape >= 0 && tape < static_cast<int64_t>(tapes_.size()), "tape is ", tape,
          ", expected 0 to num_tapes - 1 = ", tapes_.size() - 1);
  return tapes_[tape];
}

void Trainer::forward(int32_t tape, const rmt_training_segment *segment, const rmt_training_output *output) {
  const Exclusive use(in_use_, "trainer");
  Tape &kept = checked_tape(tape);
  validate(shape_, limits_, states_, scratch_, segment, output);
  TrainingContext context = Trainer::context(kept.activations.get());
  context.dropout = {segment->hidden_dropout, segment->attention_dropout};
  TrainingPass pass(*device_, context, states_, scratch_, *segment);
  pass.forward();
  kept.segment = fingerprint(shape_, *segment);
  kept.weights_version = weights_version_;
  pass.write_states();
  if (output != nullptr) pass.read_heads(*output);
  device_->require_working();
}

void Trainer::backward(int32_t tape, const rmt_training_segment *segment, int32_t with_loss, int32_t recompute) {
  const Exclusive use(in_use_, "trainer");
  Tape &kept = checked_tape(tape);
  require(with_loss == 0 || with_loss == 1, "with_loss is ", with_loss, ", expected 0 or 1");
  require(recompute == 0 || recompute == 1, "recompute is ", recompute, ", expected 0 or 1");
  validate(shape_, limits_, states_, scratch_, segment, nullptr);
  const uint64_t segment_id = fingerprint(shape_, *segment);
  if (recompute == 0) {
    if (kept.weights_version < 0) {
      fail(RMT_FAILED_PRECONDITION, "tape ", tape, " holds no forward: run one on it first, or recompute");
    }
    if (kept.weights_version != weights_version_) {
      fail(RMT_FAILED_PRECONDITION, "weights have changed since the forward on tape ", tape,
           ": run it again, or recompute");
    }
    if (kept.segment != segment_id) {
      fail(RMT_FAILED_PRECONDITION, "tape ", tape, " holds the forward of another segment: use its tape, or recompute");
    }
  }
  TrainingContext context = Trainer::context(kept.activations.get());
  context.dropout = {segment->hidden_dropout, segment->attention_dropout};
  context.backward = true;
  TrainingPass pass(*device_, context, states_, scratch_, *segment);
  if (recompute != 0) {
    pass.forward();
    kept.segment = segment_id;
    kept.weights_version = weights_version_;
  }
  pass.backward(with_loss != 0);
  device_->require_working();
}

// ---- optimizer ----

void Trainer::fail_naming_gradient(double norm) const {
  std::vector<float> piece(1024);
  for (const Parameter &parameter : parameters_) {
    for (int64_t offset = 0; offset < parameter.count(); offset += static_cast<int64_t>(piece.size())) {
      const int64_t count = std::min(static_cast<int64_t>(piece.size()), parameter.count() - offset);
      backend_.read_values(shape_, weights_.get(), Values::kGradients, parameter.tensor, parameter.layer, piece.data(),
                           offset, count);
      for (int64_t i = 0; i < count; ++i) {
        if (std::isfinite(piece[i])) continue;
        fail(RMT_FAILED_PRECONDITION, "the gradient of parameter ", parameter.name, " is ", not_finite(piece[i]),
             " at element ", offset + i, ": the step was not taken");
      }
    }
  }
  fail(RMT_FAILED_PRECONDITION, "the norm of the gradients is ", norm,
       ", though each of them is finite: lower gradient_scale; the step was not taken");
}

double Trainer::step(const rmt_adamw *options) {
  const Exclusive use(in_use_, "trainer");
  validate(options);
  const TrainingContext context = Trainer::context(nullptr);
  const double norm = backend_.gradient_norm(context, options->gradient_scale);
  device_->require_working();
  if (!std::isfinite(norm)) fail_naming_gradient(norm);
  AdamW adamw{};
  adamw.learning_rate = options->learning_rate;
  adamw.beta1 = options->beta1;
  adamw.beta2 = options->beta2;
  adamw.epsilon = options->epsilon;
  adamw.weight_decay = options->weight_decay;
  adamw.decay_everything = options->decay_everything != 0;
  adamw.gradient_scale = options->gradient_scale;
  adamw.clip_value = options->clip_value;
  adamw.clip_norm = options->clip_norm;
  adamw.average_decay = options->average_decay;
  adamw.step = options->step;
  ++weights_version_;
  backend_.update(context, adamw);
  backend_.clear_gradients(context);
  device_->require_working();
  return norm;
}

void Trainer::clear_gradients() {
  const Exclusive use(in_use_, "trainer");
  backend_.clear_gradients(context(nullptr));
}

}  // namespace rmt
