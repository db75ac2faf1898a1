// api.cpp - the C interface: check the handles, call the model, turn what is thrown into a status and one sentence.
// Nothing else in the library catches everything.

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "api/handles.h"
#include "model/config.h"
#include "model/cuda_device.h"
#include "model/error.h"
#include "rmt/rmt.h"

namespace {

using rmt::Error;
using rmt::require;

rmt_status report(rmt_status status, const char *message, char *error, size_t error_size) {
  if (error != nullptr && error_size > 0) {
    const size_t length = std::min(std::strlen(message), error_size - 1);
    std::memcpy(error, message, length);
    error[length] = '\0';
  }
  return status;
}

template <typename Function>
rmt_status guarded(char *error, size_t error_size, Function function) noexcept {
  try {
    function();
    return RMT_OK;
  } catch (const Error &failure) {
    return report(failure.status(), failure.what(), error, error_size);
  } catch (const std::bad_alloc &) {
    return report(RMT_OUT_OF_MEMORY, "the system refused memory", error, error_size);
  } catch (const std::exception &failure) {
    return report(RMT_INTERNAL, failure.what(), error, error_size);
  } catch (...) {
    return report(RMT_INTERNAL, "unknown failure", error, error_size);
  }
}

// Where an object is made: the handle is NULL until there is one.
template <typename Handle, typename Function>
rmt_status guarded_create(Handle **handle, const char *name, char *error, size_t error_size,
                          Function function) noexcept {
  return guarded(error, error_size, [&] {
    require(handle != nullptr, name, " is NULL");
    *handle = nullptr;
    *handle = function().release();
  });
}

void require_handle(const void *handle, const char *name) { require(handle != nullptr, name, " is NULL"); }

void describe(const rmt::Parameter &parameter, rmt_parameter_info *info) {
  rmt::copy_text(info->name, parameter.name);
  info->num_dims = parameter.num_dims;
  std::copy(std::begin(parameter.dims), std::end(parameter.dims), info->dims);
}

}  // namespace

extern "C" {

int32_t rmt_abi_version(void) { return RMT_ABI_VERSION; }

const char *rmt_version(void) { return RMT_VERSION; }

const char *rmt_cpu_isas(void) { return rmt::cpu_backend_names().c_str(); }

rmt_status rmt_device_create_cpu(const rmt_device_options *options, rmt_device **device, char *error,
                                 size_t error_size) {
  return guarded_create(device, "device", error, error_size,
                        [&] { return std::unique_ptr<rmt_device>(new rmt_device{rmt::make_cpu_device(options)}); });
}

rmt_status rmt_device_create_cuda(const rmt_cuda_options *options, rmt_device **device, char *error,
                                  size_t error_size) {
  return guarded_create(device, "device", error, error_size,
                        [&] { return std::unique_ptr<rmt_device>(new rmt_device{rmt::make_cuda_device(options)}); });
}

rmt_status rmt_cuda_get_info(const char *library, rmt_cuda_info *info, char *error, size_t error_size) {
  return guarded(error, error_size, [&] { rmt::describe_cuda(library, info); });
}

rmt_status rmt_device_get_info(const rmt_device *device, rmt_device_info *info, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(device, "device");
    rmt::require_struct(info, "rmt_device_info");
    device->object->describe(info);
  });
}

rmt_status rmt_device_get_operations(const rmt_device *device, int64_t *operations, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(device, "device");
    require(operations != nullptr, "operations is NULL");
    *operations = device->object->operations();
  });
}

void rmt_device_destroy(rmt_device *device) { delete device; }

rmt_status rmt_model_required_bytes(const rmt_device *device, const rmt_model_config *config, int64_t *bytes,
                                    char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(device, "device");
    require(bytes != nullptr, "bytes is NULL");
    *bytes = rmt::Model::required_bytes(*device->object, rmt::validated_shape(config));
  });
}

rmt_status rmt_model_create(rmt_device *device, const rmt_model_config *config, rmt_model **model, char *error,
                            size_t error_size) {
  return guarded_create(model, "model", error, error_size, [&] {
    require_handle(device, "device");
    const rmt::ModelShape shape = rmt::validated_shape(config);
    return std::unique_ptr<rmt_model>(new rmt_model{std::make_shared<rmt::Model>(device->object, shape)});
  });
}

int32_t rmt_model_num_parameters(const rmt_model *model) {
  return model == nullptr ? 0 : static_cast<int32_t>(model->object->parameters().size());
}

rmt_status rmt_model_get_parameter_info(const rmt_model *model, int32_t index, rmt_parameter_info *info, char *error,
                                        size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(model, "model");
    rmt::require_struct(info, "rmt_parameter_info");
    describe(model->object->parameter(index), info);
  });
}

rmt_status rmt_model_set_parameter(rmt_model *model, int32_t index, const float *values, int64_t offset, int64_t count,
                                   char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(model, "model");
    model->object->set_parameter(index, values, offset, count);
  });
}

rmt_status rmt_model_get_parameter(const rmt_model *model, int32_t index, float *values, int64_t offset, int64_t count,
                                   char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(model, "model");
    model->object->get_parameter(index, values, offset, count);
  });
}

rmt_status rmt_model_finish(rmt_model *model, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(model, "model");
    model->object->finish();
  });
}

void rmt_model_destroy(rmt_model *model) { delete model; }

rmt_status rmt_memory_required_bytes(const rmt_model *model, const rmt_memory_options *options, int64_t *bytes,
                                     char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(model, "model");
    require(bytes != nullptr, "bytes is NULL");
    *bytes = rmt::Memory::required_bytes(*model->object, options);
  });
}

rmt_status rmt_memory_create(rmt_model *model, const rmt_memory_options *options, rmt_memory **memory, char *error,
                             size_t error_size) {
  return guarded_create(memory, "memory", error, error_size, [&] {
    require_handle(model, "model");
    return std::unique_ptr<rmt_memory>(new rmt_memory{rmt::Memory(model->object, options)});
  });
}

int32_t rmt_memory_num_tensors(const rmt_memory *memory) {
  return memory == nullptr ? 0 : memory->object.num_tensors();
}

rmt_status rmt_memory_get_tensor_info(const rmt_memory *memory, int32_t index, rmt_memory_tensor_info *info,
                                      char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(memory, "memory");
    memory->object.tensor_info(index, info);
  });
}

rmt_status rmt_memory_reset(rmt_memory *memory, int32_t slot, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(memory, "memory");
    memory->object.reset(slot);
  });
}

rmt_status rmt_memory_copy(rmt_memory *memory, int32_t from_slot, int32_t to_slot, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(memory, "memory");
    memory->object.copy(from_slot, to_slot);
  });
}

rmt_status rmt_memory_get(rmt_memory *memory, int32_t slot, int32_t tensor, float *values, int64_t count, char *error,
                          size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(memory, "memory");
    memory->object.get(slot, tensor, values, count);
  });
}

rmt_status rmt_memory_set(rmt_memory *memory, int32_t slot, int32_t tensor, const float *values, int64_t count,
                          char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(memory, "memory");
    memory->object.set(slot, tensor, values, count);
  });
}

void rmt_memory_destroy(rmt_memory *memory) { delete memory; }

rmt_status rmt_segment_forward(rmt_memory *memory, const rmt_segment *segment, rmt_segment_output *output, char *error,
                               size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(memory, "memory");
    memory->object.forward(segment, output);
  });
}

rmt_status rmt_trainer_required_bytes(const rmt_device *device, const rmt_model_config *config,
                                      const rmt_trainer_options *options, int64_t *bytes, char *error,
                                      size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(device, "device");
    require(bytes != nullptr, "bytes is NULL");
    *bytes = rmt::Trainer::required_bytes(*device->object, config, options);
  });
}

rmt_status rmt_trainer_create(rmt_device *device, const rmt_model_config *config, const rmt_trainer_options *options,
                              rmt_trainer **trainer, char *error, size_t error_size) {
  return guarded_create(trainer, "trainer", error, error_size, [&] {
    require_handle(device, "device");
    return std::unique_ptr<rmt_trainer>(new rmt_trainer{rmt::Trainer(device->object, config, options)});
  });
}

int32_t rmt_trainer_num_parameters(const rmt_trainer *trainer) {
  return trainer == nullptr ? 0 : static_cast<int32_t>(trainer->object.parameters().size());
}

rmt_status rmt_trainer_get_parameter_info(const rmt_trainer *trainer, int32_t index, rmt_parameter_info *info,
                                          char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    rmt::require_struct(info, "rmt_parameter_info");
    describe(trainer->object.parameter(index), info);
  });
}

rmt_status rmt_trainer_set_values(rmt_trainer *trainer, int32_t which, int32_t index, const float *values,
                                  int64_t offset, int64_t count, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    trainer->object.set_values(which, index, values, offset, count);
  });
}

rmt_status rmt_trainer_get_values(rmt_trainer *trainer, int32_t which, int32_t index, float *values, int64_t offset,
                                  int64_t count, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    trainer->object.get_values(which, index, values, offset, count);
  });
}

rmt_status rmt_trainer_set_state(rmt_trainer *trainer, int32_t state, const float *values, int64_t count, char *error,
                                 size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    trainer->object.set_state(state, values, count);
  });
}

rmt_status rmt_trainer_get_state(rmt_trainer *trainer, int32_t state, float *values, int64_t count, char *error,
                                 size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    trainer->object.get_state(state, values, count);
  });
}

rmt_status rmt_trainer_set_state_gradient(rmt_trainer *trainer, int32_t state, const float *values, int64_t count,
                                          char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    trainer->object.set_state_gradient(state, values, count);
  });
}

rmt_status rmt_trainer_get_state_gradient(rmt_trainer *trainer, int32_t state, float *values, int64_t count,
                                          char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    trainer->object.get_state_gradient(state, values, count);
  });
}

rmt_status rmt_trainer_clear_state_gradient(rmt_trainer *trainer, int32_t state, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    trainer->object.clear_state_gradient(state);
  });
}

rmt_status rmt_trainer_forward(rmt_trainer *trainer, int32_t tape, const rmt_training_segment *segment,
                               rmt_training_output *output, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    trainer->object.forward(tape, segment, output);
  });
}

rmt_status rmt_trainer_backward(rmt_trainer *trainer, int32_t tape, const rmt_training_segment *segment,
                                int32_t with_loss, int32_t recompute, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    trainer->object.backward(tape, segment, with_loss, recompute);
  });
}

rmt_status rmt_trainer_step(rmt_trainer *trainer, const rmt_adamw *options, double *gradient_norm, char *error,
                            size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    const double norm = trainer->object.step(options);
    if (gradient_norm != nullptr) *gradient_norm = norm;
  });
}

rmt_status rmt_trainer_clear_gradients(rmt_trainer *trainer, char *error, size_t error_size) {
  return guarded(error, error_size, [&] {
    require_handle(trainer, "trainer");
    trainer->object.clear_gradients();
  });
}

void rmt_trainer_destroy(rmt_trainer *trainer) { delete trainer; }

}  // extern "C"
