#include "model/memory.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/config.h"
#include "model/error.h"
#include "model/exclusive.h"

namespace rmt {

namespace {

constexpr char kTensorName[] = "memory_state";

int64_t slot_size(const Model &model) { return int64_t{model.shape().num_mem_tokens} * model.shape().hidden_size; }

std::vector<float> initial_memory(const Model &model) {
  std::vector<float> values(slot_size(model));
  if (!values.empty()) model.read_initial_memory(values.data());
  return values;
}

// The number of slots, after the checks that come before the first allocation.
int32_t admitted_slots(const Model &model, const rmt_memory_options *options) {
  model.require_finished();
  model.device().require_memory(Memory::required_bytes(model, options), "the memory");
  return options->num_slots;
}

}  // namespace

int64_t Memory::required_bytes(const Model &model, const rmt_memory_options *options) {
  validate(options, model.shape());
  model.device().require_computable(model.shape(), options->max_batch_size);
  return MemorySlots::required_bytes(options->num_slots, slot_size(model)) +
         SegmentWorkspace::required_bytes(model, *options);
}

Memory::Memory(std::shared_ptr<const Model> model, const rmt_memory_options *options)
    : model_(std::move(model)),
      slots_(model_->shared_device(), admitted_slots(*model_, options), initial_memory(*model_)),
      workspace_(*model_, *options) {}

void Memory::tensor_info(int32_t tensor, rmt_memory_tensor_info *info) const {
  require_struct(info, "rmt_memory_tensor_info");
  require_tensor(tensor);
  copy_text(info->name, kTensorName);
  info->num_dims = 2;
  std::fill(std::begin(info->dims), std::end(info->dims), 0);
  info->dims[0] = model_->shape().num_mem_tokens;
  info->dims[1] = model_->shape().hidden_size;
}

void Memory::require_slot(const char *field, int32_t slot) const {
  require(slot >= 0 && slot < slots_.num_slots(), field, " is ", slot,
          ", expected 0 to num_slots - 1 = ", slots_.num_slots() - 1);
}

void Memory::require_tensor(int32_t tensor) const {
  require(tensor >= 0 && tensor < num_tensors(), "tensor is ", tensor, "; a slot of this memory has ", num_tensors(),
          " tensors, counted from 0");
}

void Memory::require_values(int32_t slot, int32_t tensor, const void *values, int64_t count) const {
  require_slot("slot", slot);
  require_tensor(tensor);
  require(values != nullptr, "values is NULL");
  require(count == slots_.slot_size(), "count is ", count, ", but ", kTensorName, " has ", slots_.slot_size(),
          " elements: num_mem_tokens ", model_->shape().num_mem_tokens, " x hidden_size ", model_->shape().hidden_size);
}

void Memory::reset(int32_t slot) {
  const Exclusive use(in_use_, "memory");
  if (slot != -1) require_slot("slot", slot);
  if (slots_.slot_size() == 0) return;
  const int32_t begin = slot == -1 ? 0 : slot;
  const int32_t end = slot == -1 ? slots_.num_slots() : slot + 1;
  for (int32_t s = begin; s < end; ++s) slots_.reset(s);
  model_->device().require_working();
}

void Memory::copy(int32_t from_slot, int32_t to_slot) {
  const Exclusive use(in_use_, "memory");
  require_slot("from_slot", from_slot);
  require_slot("to_slot", to_slot);
  if (from_slot == to_slot) return;
  slots_.copy(from_slot, to_slot);
  model_->device().require_working();
}

void Memory::get(int32_t slot, int32_t tensor, float *values, int64_t count) {
  const Exclusive use(in_use_, "memory");
  require_values(slot, tensor, values, count);
  slots_.read(slot, values);
  model_->device().require_working();
}

void Memory::set(int32_t slot, int32_t tensor, const float *values, int64_t count) {
  const Exclusive use(in_use_, "memory");
  require_values(slot, tensor, values, count);
  for (int64_t i = 0; i < count; ++i) {
    require(std::isfinite(values[i]), "element ", i, " of ", kTensorName, " is ",
            std::isnan(values[i]) ? "NaN" : "infinite", ", expected a finite number");
  }
  slots_.write(slot, values);
  model_->device().require_working();
}

void Memory::forward(const rmt_segment *segment, const rmt_segment_output *output) {
  const Exclusive use(in_use_, "memory");
  validate(*model_, workspace_, slots_, segment, output);
  run_segment(*model_, workspace_, slots_, *segment, output);
  model_->device().require_working();
}

}  // namespace rmt
