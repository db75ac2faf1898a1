// rmt_jni_training.h - the trainer of rmt.h flattened for the Java binding, as rmt_jni.h does for the rest.
#pragma once

#include <memory>
#include <new>

#include "rmt_jni.h"

// `sizes` (7): max_batch_size, max_input_length, max_total_length, num_states, num_tapes, num_probe_outputs,
// keep_average.
static inline rmt_trainer_options rmt_jni_trainer_options(const int64_t *sizes) {
  rmt_trainer_options options = {};
  options.struct_size = sizeof(options);
  options.max_batch_size = static_cast<int32_t>(sizes[0]);
  options.max_input_length = static_cast<int32_t>(sizes[1]);
  options.max_total_length = sizes[2];
  options.num_states = static_cast<int32_t>(sizes[3]);
  options.num_tapes = static_cast<int32_t>(sizes[4]);
  options.num_probe_outputs = static_cast<int32_t>(sizes[5]);
  options.keep_average = static_cast<int32_t>(sizes[6]);
  return options;
}

static inline int32_t rmt_jni_trainer_required_bytes(int64_t device, const int32_t *shape, float layer_norm_eps,
                                                     const int64_t *sizes, int64_t *bytes /* (1) */, char *error,
                                                     int32_t error_size) {
  rmt_model_config config = rmt_jni_config(shape, layer_norm_eps);
  rmt_trainer_options options = rmt_jni_trainer_options(sizes);
  return rmt_trainer_required_bytes(rmt_jni_handle<rmt_device>(device), &config, &options, bytes, error,
                                    static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_trainer_create(int64_t device, const int32_t *shape, float layer_norm_eps,
                                             const int64_t *sizes, int64_t *trainer /* (1) */, char *error,
                                             int32_t error_size) {
  rmt_model_config config = rmt_jni_config(shape, layer_norm_eps);
  rmt_trainer_options options = rmt_jni_trainer_options(sizes);
  rmt_trainer *created = nullptr;
  int32_t status = rmt_trainer_create(rmt_jni_handle<rmt_device>(device), &config, &options, &created, error,
                                      static_cast<size_t>(error_size));
  trainer[0] = rmt_jni_integer(created);
  return status;
}

static inline int32_t rmt_jni_trainer_num_parameters(int64_t trainer) {
  return rmt_trainer_num_parameters(rmt_jni_handle<rmt_trainer>(trainer));
}

// `dims` (2): unused ones are 0.
static inline int32_t rmt_jni_trainer_parameter_info(int64_t trainer, int32_t index, char *name /* (96) */,
                                                     int64_t *dims /* (2) */, char *error, int32_t error_size) {
  rmt_parameter_info info = {};
  info.struct_size = sizeof(info);
  int32_t status = rmt_trainer_get_parameter_info(rmt_jni_handle<rmt_trainer>(trainer), index, &info, error,
                                                  static_cast<size_t>(error_size));
  if (status != RMT_OK) return status;
  rmt_jni_copy_text(info.name, name, sizeof(info.name));
  for (int32_t i = 0; i < 2; ++i) dims[i] = i < info.num_dims ? info.dims[i] : 0;
  return status;
}

static inline int32_t rmt_jni_trainer_set_values(int64_t trainer, int32_t which, int32_t index, const float *values,
                                                 int64_t offset, int64_t count, char *error, int32_t error_size) {
  return rmt_trainer_set_values(rmt_jni_handle<rmt_trainer>(trainer), which, index, values, offset, count, error,
                                static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_trainer_get_values(int64_t trainer, int32_t which, int32_t index, float *values,
                                                 int64_t offset, int64_t count, char *error, int32_t error_size) {
  return rmt_trainer_get_values(rmt_jni_handle<rmt_trainer>(trainer), which, index, values, offset, count, error,
                                static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_trainer_set_state(int64_t trainer, int32_t state, const float *values, int64_t count,
                                                char *error, int32_t error_size) {
  return rmt_trainer_set_state(rmt_jni_handle<rmt_trainer>(trainer), state, values, count, error,
                               static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_trainer_get_state(int64_t trainer, int32_t state, float *values, int64_t count,
                                                char *error, int32_t error_size) {
  return rmt_trainer_get_state(rmt_jni_handle<rmt_trainer>(trainer), state, values, count, error,
                               static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_trainer_set_state_gradient(int64_t trainer, int32_t state, const float *values,
                                                         int64_t count, char *error, int32_t error_size) {
  return rmt_trainer_set_state_gradient(rmt_jni_handle<rmt_trainer>(trainer), state, values, count, error,
                                        static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_trainer_get_state_gradient(int64_t trainer, int32_t state, float *values, int64_t count,
                                                         char *error, int32_t error_size) {
  return rmt_trainer_get_state_gradient(rmt_jni_handle<rmt_trainer>(trainer), state, values, count, error,
                                        static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_trainer_clear_state_gradient(int64_t trainer, int32_t state, char *error,
                                                           int32_t error_size) {
  return rmt_trainer_clear_state_gradient(rmt_jni_handle<rmt_trainer>(trainer), state, error,
                                          static_cast<size_t>(error_size));
}

// Forward (`backward` 0) or backward of one segment. Probes: six integers for each in the order of rmt_probe_row, and
// a weight. Outputs are written by a forward; the arrays of probes may be longer than num_probes.
static inline int32_t rmt_jni_trainer_run(int64_t trainer, int32_t backward, int32_t tape, int32_t with_loss,
                                          int32_t recompute, int32_t batch_size, int32_t input_length,
                                          const int32_t *ids, const int32_t *lengths, const int32_t *read_state,
                                          const int32_t *write_state, const int32_t *read_memory_start,
                                          const int32_t *write_memory_start, const int32_t *head_position,
                                          const int32_t *labels, const float *label_weights,
                                          const int32_t *probe_rows /* (num_probes, 6) */,
                                          const float *probe_weights /* (num_probes) */, int32_t num_probes,
                                          const int64_t *dropout_keys, float hidden_dropout, float attention_dropout,
                                          int32_t all_rows, double *losses, float *logits, double *probe_losses,
                                          int32_t *probe_predictions, char *error, int32_t error_size) {
  std::unique_ptr<rmt_probe_row[]> probes;
  if (num_probes > 0) {
    probes.reset(new (std::nothrow) rmt_probe_row[static_cast<size_t>(num_probes)]);
    if (!probes) {
      rmt_jni_copy_text("no memory is left for the probes of a segment", error, error_size);
      return RMT_OUT_OF_MEMORY;
    }
  }
  for (int32_t i = 0; i < num_probes; ++i) {
    const int32_t *row = probe_rows + 6 * static_cast<int64_t>(i);
    probes[static_cast<size_t>(i)] = {row[0], row[1], row[2], row[3], row[4], row[5], probe_weights[i]};
  }
  rmt_training_segment segment = {};
  segment.struct_size = sizeof(segment);
  segment.batch_size = batch_size;
  segment.input_length = input_length;
  segment.ids = ids;
  segment.lengths = lengths;
  segment.read_state = read_state;
  segment.write_state = write_state;
  segment.read_memory_start = read_memory_start;
  segment.write_memory_start = write_memory_start;
  segment.head_position = head_position;
  segment.labels = labels;
  segment.label_weights = label_weights;
  segment.probes = probes.get();
  segment.num_probes = num_probes;
  segment.dropout_keys = reinterpret_cast<const uint64_t *>(dropout_keys);
  segment.hidden_dropout = hidden_dropout;
  segment.attention_dropout = attention_dropout;
  segment.all_rows = all_rows;
  if (backward != 0) {
    return rmt_trainer_backward(rmt_jni_handle<rmt_trainer>(trainer), tape, &segment, with_loss, recompute, error,
                                static_cast<size_t>(error_size));
  }
  rmt_training_output output = {};
  output.struct_size = sizeof(output);
  output.losses = losses;
  output.logits = logits;
  output.probe_losses = num_probes > 0 ? probe_losses : nullptr;
  output.probe_predictions = num_probes > 0 ? probe_predictions : nullptr;
  return rmt_trainer_forward(rmt_jni_handle<rmt_trainer>(trainer), tape, &segment, &output, error,
                             static_cast<size_t>(error_size));
}

// `rates` (8): learning_rate, beta1, beta2, epsilon, weight_decay, clip_value, clip_norm, average_decay.
static inline int32_t rmt_jni_trainer_step(int64_t trainer, const double *rates, int32_t decay_everything,
                                           double gradient_scale, int64_t step, double *gradient_norm /* (1) */,
                                           char *error, int32_t error_size) {
  rmt_adamw options = {};
  options.struct_size = sizeof(options);
  options.learning_rate = rates[0];
  options.beta1 = rates[1];
  options.beta2 = rates[2];
  options.epsilon = rates[3];
  options.weight_decay = rates[4];
  options.decay_everything = decay_everything;
  options.gradient_scale = gradient_scale;
  options.clip_value = rates[5];
  options.clip_norm = rates[6];
  options.average_decay = rates[7];
  options.step = step;
  return rmt_trainer_step(rmt_jni_handle<rmt_trainer>(trainer), &options, gradient_norm, error,
                          static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_trainer_clear_gradients(int64_t trainer, char *error, int32_t error_size) {
  return rmt_trainer_clear_gradients(rmt_jni_handle<rmt_trainer>(trainer), error, static_cast<size_t>(error_size));
}

static inline void rmt_jni_trainer_destroy(int64_t trainer) { rmt_trainer_destroy(rmt_jni_handle<rmt_trainer>(trainer)); }
