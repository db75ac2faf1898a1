#include "model/model.h"

#include <cmath>

#include "model/error.h"

namespace rmt {

int64_t Model::required_bytes(const Device &device, const ModelShape &shape) {
  device.require_computable(shape, 1);
  return device.backend().weights_bytes(shape);
}

Model::Model(std::shared_ptr<const Device> device, const ModelShape &shape)
    : device_(std::move(device)), shape_(shape), weights_(nullptr, device_->backend().destroy_weights) {
  const int64_t bytes = required_bytes(*device_, shape_);
  device_->require_memory(bytes, "the model");
  parameters_ = make_parameters(shape_);
  for (const Parameter &parameter : parameters_) coverage_.emplace_back(parameter.count());
  weights_.reset(device_->backend().create_weights(device_->place(), shape_));
  if (weights_ == nullptr) fail(RMT_OUT_OF_MEMORY, "the model needs ", bytes, " bytes, and the system refused them");
}

const Parameter &Model::parameter(int32_t index) const {
  require(index >= 0 && index < static_cast<int64_t>(parameters_.size()), "parameter index is ", index,
          ", expected 0 to ", parameters_.size() - 1);
  return parameters_[index];
}

const Parameter &Model::checked(int32_t index, const void *values, int64_t offset, int64_t count) const {
  const Parameter &parameter = Model::parameter(index);
  require(values != nullptr, "values of parameter ", parameter.name, " is NULL");
  // Written so that no sum can overflow.
  require(offset >= 0 && count >= 0 && offset <= parameter.count() && count <= parameter.count() - offset,
          "elements from ", offset, ", ", count, " of them, do not lie within the ", parameter.count(),
          " elements of parameter ", parameter.name);
  return parameter;
}

void Model::set_parameter(int32_t index, const float *values, int64_t offset, int64_t count) {
  const Parameter &parameter = checked(index, values, offset, count);
  for (int64_t i = 0; i < count; ++i) {
    require(std::isfinite(values[i]), "element ", offset + i, " of parameter ", parameter.name, " is ",
            std::isnan(values[i]) ? "NaN" : "infinite", ", expected a finite number");
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (finished()) fail(RMT_FAILED_PRECONDITION, "parameter ", parameter.name, " cannot be set: the model is finished");
  coverage_[index].add(offset, offset + count);
  device_->backend().write_tensor(shape_, weights_.get(), parameter.tensor, parameter.layer, values, offset, count);
  device_->require_working();
}

void Model::get_parameter(int32_t index, float *values, int64_t offset, int64_t count) const {
  const Parameter &parameter = checked(index, values, offset, count);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!coverage_[index].covers(offset, offset + count)) {
    fail(RMT_FAILED_PRECONDITION, "elements from ", offset, ", ", count, " of them, of parameter ", parameter.name,
         " have not all been set");
  }
  device_->backend().read_tensor(shape_, weights_.get(), parameter.tensor, parameter.layer, values, offset, count);
  device_->require_working();
}

void Model::finish() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (finished()) fail(RMT_FAILED_PRECONDITION, "the model is finished already");
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const int64_t missing = coverage_[i].num_missing();
    if (missing > 0) {
      fail(RMT_FAILED_PRECONDITION, "parameter ", parameters_[i].name, " lacks ", missing, " of its ",
           parameters_[i].count(), " elements, the first of them element ", coverage_[i].first_missing());
    }
  }
  finished_.store(true, std::memory_order_release);
}

void Model::require_finished() const {
  if (!finished()) fail(RMT_FAILED_PRECONDITION, "the model is not finished: call rmt_model_finish first");
}

void Model::read_initial_memory(float *values) const {
  device_->backend().read_tensor(shape_, weights_.get(), Tensor::kMemory, 0, values, 0,
                                 int64_t{shape_.num_mem_tokens} * shape_.hidden_size);
}

}  // namespace rmt
