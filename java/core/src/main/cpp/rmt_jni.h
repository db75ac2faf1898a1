// rmt_jni.h - rmt.h flattened for the Java binding: handles are integers, structs are arguments.
//
// JavaCPP generates the JNI glue for these functions from dev.rmt.internal.Rmt. Filling the structs here, where the
// compiler knows their layout, leaves no offset and no sizeof to Java. Nothing here allocates or throws.
#pragma once

#include <cstdint>
#include <cstring>

#include "rmt/rmt.h"

template <typename T>
static inline T *rmt_jni_handle(int64_t handle) {
  return reinterpret_cast<T *>(static_cast<intptr_t>(handle));
}

static inline int64_t rmt_jni_integer(const void *handle) {
  return static_cast<int64_t>(reinterpret_cast<intptr_t>(handle));
}

// Copies a C string into `out` of `size` bytes, cut to fit, NUL-terminated.
static inline void rmt_jni_copy_text(const char *text, char *out, int32_t size) {
  if (size <= 0) return;
  std::strncpy(out, text, static_cast<size_t>(size) - 1);
  out[size - 1] = '\0';
}

static inline void rmt_jni_version(char *out, int32_t size) { rmt_jni_copy_text(rmt_version(), out, size); }

static inline void rmt_jni_cpu_isas(char *out, int32_t size) { rmt_jni_copy_text(rmt_cpu_isas(), out, size); }

// `cpu_isa` may be null: the environment decides.
static inline int32_t rmt_jni_device_create(int32_t threads, const char *cpu_isa, int64_t *device /* (1) */, char *error,
                                            int32_t error_size) {
  rmt_device_options options = {sizeof(rmt_device_options), threads, cpu_isa};
  rmt_device *created = nullptr;
  int32_t status = rmt_device_create_cpu(&options, &created, error, static_cast<size_t>(error_size));
  device[0] = rmt_jni_integer(created);
  return status;
}

// `library` and `cublas` may be null: rmt.h says what then.
static inline int32_t rmt_jni_device_create_cuda(int32_t index, int32_t precision, const char *library,
                                                 const char *cublas, int64_t *device /* (1) */, char *error,
                                                 int32_t error_size) {
  rmt_cuda_options options = {sizeof(rmt_cuda_options), index, precision, library, cublas};
  rmt_device *created = nullptr;
  int32_t status = rmt_device_create_cuda(&options, &created, error, static_cast<size_t>(error_size));
  device[0] = rmt_jni_integer(created);
  return status;
}

static inline int32_t rmt_jni_cuda_info(const char *library /* may be null */, char *path /* (512) */,
                                        char *problem /* (512) */,
                                        int64_t *numbers /* (3): GPUs, version of driver, of runtime */, char *error,
                                        int32_t error_size) {
  rmt_cuda_info info = {};
  info.struct_size = sizeof(info);
  int32_t status = rmt_cuda_get_info(library, &info, error, static_cast<size_t>(error_size));
  if (status != RMT_OK) return status;
  rmt_jni_copy_text(info.library, path, sizeof(info.library));
  rmt_jni_copy_text(info.problem, problem, sizeof(info.problem));
  numbers[0] = info.num_devices;
  numbers[1] = info.driver_version;
  numbers[2] = info.runtime_version;
  return status;
}

static inline int32_t rmt_jni_device_info(int64_t device, char *name /* (32) */, char *cpu_isa /* (16) */,
                                          char *gpu_name /* (128) */, char *products /* (160) */,
                                          char *precision /* (8) */,
                                          int64_t *numbers /* (5): threads, available bytes; index, compute capability,
                                                              total bytes of a GPU */,
                                          char *error, int32_t error_size) {
  rmt_device_info info = {};
  info.struct_size = sizeof(info);
  int32_t status =
      rmt_device_get_info(rmt_jni_handle<rmt_device>(device), &info, error, static_cast<size_t>(error_size));
  if (status != RMT_OK) return status;
  rmt_jni_copy_text(info.name, name, sizeof(info.name));
  rmt_jni_copy_text(info.cpu_isa, cpu_isa, sizeof(info.cpu_isa));
  rmt_jni_copy_text(info.device_name, gpu_name, sizeof(info.device_name));
  rmt_jni_copy_text(info.products, products, sizeof(info.products));
  rmt_jni_copy_text(info.precision, precision, sizeof(info.precision));
  numbers[0] = info.threads;
  numbers[1] = info.available_bytes;
  numbers[2] = info.index;
  numbers[3] = info.compute_capability;
  numbers[4] = info.total_bytes;
  return status;
}

static inline int32_t rmt_jni_device_operations(int64_t device, int64_t *operations /* (1) */, char *error,
                                                int32_t error_size) {
  return rmt_device_get_operations(rmt_jni_handle<rmt_device>(device), operations, error,
                                   static_cast<size_t>(error_size));
}

static inline void rmt_jni_device_destroy(int64_t device) { rmt_device_destroy(rmt_jni_handle<rmt_device>(device)); }

// `shape` (10): hidden_size, num_layers, num_heads, intermediate_size, vocab_size, max_positions, type_vocab_size,
// num_mem_tokens, num_labels, architecture.
static inline rmt_model_config rmt_jni_config(const int32_t *shape, float layer_norm_eps) {
  rmt_model_config config = {};
  config.struct_size = sizeof(config);
  config.hidden_size = shape[0];
  config.num_layers = shape[1];
  config.num_heads = shape[2];
  config.intermediate_size = shape[3];
  config.vocab_size = shape[4];
  config.max_positions = shape[5];
  config.type_vocab_size = shape[6];
  config.num_mem_tokens = shape[7];
  config.num_labels = shape[8];
  config.architecture = shape[9];
  config.layer_norm_eps = layer_norm_eps;
  return config;
}

static inline int32_t rmt_jni_model_required_bytes(int64_t device, const int32_t *shape, float layer_norm_eps,
                                                   int64_t *bytes /* (1) */, char *error, int32_t error_size) {
  rmt_model_config config = rmt_jni_config(shape, layer_norm_eps);
  return rmt_model_required_bytes(rmt_jni_handle<rmt_device>(device), &config, bytes, error,
                                  static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_model_create(int64_t device, const int32_t *shape, float layer_norm_eps,
                                           int64_t *model /* (1) */, char *error, int32_t error_size) {
  rmt_model_config config = rmt_jni_config(shape, layer_norm_eps);
  rmt_model *created = nullptr;
  int32_t status = rmt_model_create(rmt_jni_handle<rmt_device>(device), &config, &created, error,
                                    static_cast<size_t>(error_size));
  model[0] = rmt_jni_integer(created);
  return status;
}

static inline int32_t rmt_jni_model_num_parameters(int64_t model) {
  return rmt_model_num_parameters(rmt_jni_handle<rmt_model>(model));
}

// `dims` (2): unused ones are 0.
static inline int32_t rmt_jni_model_parameter_info(int64_t model, int32_t index, char *name /* (96) */,
                                                   int64_t *dims /* (2) */, char *error, int32_t error_size) {
  rmt_parameter_info info = {};
  info.struct_size = sizeof(info);
  int32_t status = rmt_model_get_parameter_info(rmt_jni_handle<rmt_model>(model), index, &info, error,
                                                static_cast<size_t>(error_size));
  if (status != RMT_OK) return status;
  rmt_jni_copy_text(info.name, name, sizeof(info.name));
  for (int32_t i = 0; i < 2; ++i) dims[i] = i < info.num_dims ? info.dims[i] : 0;
  return status;
}

static inline int32_t rmt_jni_model_set_parameter(int64_t model, int32_t index, const float *values, int64_t offset,
                                                  int64_t count, char *error, int32_t error_size) {
  return rmt_model_set_parameter(rmt_jni_handle<rmt_model>(model), index, values, offset, count, error,
                                 static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_model_get_parameter(int64_t model, int32_t index, float *values, int64_t offset,
                                                  int64_t count, char *error, int32_t error_size) {
  return rmt_model_get_parameter(rmt_jni_handle<rmt_model>(model), index, values, offset, count, error,
                                 static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_model_finish(int64_t model, char *error, int32_t error_size) {
  return rmt_model_finish(rmt_jni_handle<rmt_model>(model), error, static_cast<size_t>(error_size));
}

static inline void rmt_jni_model_destroy(int64_t model) { rmt_model_destroy(rmt_jni_handle<rmt_model>(model)); }

static inline int32_t rmt_jni_memory_required_bytes(int64_t model, int32_t num_slots, int32_t max_batch_size,
                                                    int32_t max_input_length, int64_t *bytes /* (1) */, char *error,
                                                    int32_t error_size) {
  rmt_memory_options options = {sizeof(rmt_memory_options), num_slots, max_batch_size, max_input_length};
  return rmt_memory_required_bytes(rmt_jni_handle<rmt_model>(model), &options, bytes, error,
                                   static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_memory_create(int64_t model, int32_t num_slots, int32_t max_batch_size,
                                            int32_t max_input_length, int64_t *memory /* (1) */, char *error,
                                            int32_t error_size) {
  rmt_memory_options options = {sizeof(rmt_memory_options), num_slots, max_batch_size, max_input_length};
  rmt_memory *created = nullptr;
  int32_t status = rmt_memory_create(rmt_jni_handle<rmt_model>(model), &options, &created, error,
                                     static_cast<size_t>(error_size));
  memory[0] = rmt_jni_integer(created);
  return status;
}

static inline int32_t rmt_jni_memory_reset(int64_t memory, int32_t slot, char *error, int32_t error_size) {
  return rmt_memory_reset(rmt_jni_handle<rmt_memory>(memory), slot, error, static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_memory_copy(int64_t memory, int32_t from_slot, int32_t to_slot, char *error,
                                          int32_t error_size) {
  return rmt_memory_copy(rmt_jni_handle<rmt_memory>(memory), from_slot, to_slot, error,
                         static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_memory_get(int64_t memory, int32_t slot, int32_t tensor, float *values, int64_t count,
                                         char *error, int32_t error_size) {
  return rmt_memory_get(rmt_jni_handle<rmt_memory>(memory), slot, tensor, values, count, error,
                        static_cast<size_t>(error_size));
}

static inline int32_t rmt_jni_memory_set(int64_t memory, int32_t slot, int32_t tensor, const float *values,
                                         int64_t count, char *error, int32_t error_size) {
  return rmt_memory_set(rmt_jni_handle<rmt_memory>(memory), slot, tensor, values, count, error,
                        static_cast<size_t>(error_size));
}

static inline void rmt_jni_memory_destroy(int64_t memory) { rmt_memory_destroy(rmt_jni_handle<rmt_memory>(memory)); }

// `logits` (batch_size, num_labels) may be null: not wanted; `attention` (num_attention_layers, batch_size, NH,
// input_length, input_length) too.
static inline int32_t rmt_jni_segment_forward(int64_t memory, int32_t batch_size, int32_t input_length,
                                              const int32_t *ids, const int32_t *lengths, const int32_t *slots,
                                              const int32_t *read_memory_start, const int32_t *write_memory_start,
                                              const int32_t *head_position, int32_t all_rows, float *logits,
                                              const int32_t *attention_layers, int32_t num_attention_layers,
                                              float *attention, char *error, int32_t error_size) {
  rmt_segment segment = {};
  segment.struct_size = sizeof(segment);
  segment.batch_size = batch_size;
  segment.input_length = input_length;
  segment.ids = ids;
  segment.lengths = lengths;
  segment.slots = slots;
  segment.read_memory_start = read_memory_start;
  segment.write_memory_start = write_memory_start;
  segment.head_position = head_position;
  segment.all_rows = all_rows;
  rmt_segment_output output = {};
  output.struct_size = sizeof(output);
  output.logits = logits;
  output.attention = attention;
  output.attention_layers = attention_layers;
  output.num_attention_layers = num_attention_layers;
  const bool wanted = logits != nullptr || attention != nullptr;
  return rmt_segment_forward(rmt_jni_handle<rmt_memory>(memory), &segment, wanted ? &output : nullptr, error,
                             static_cast<size_t>(error_size));
}
