// plain_tensors.h - a value for each element of each parameter of a model, for plain loops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace rmt {

struct TensorSize {
  int64_t rows;
  int64_t columns;
  bool linear;  // stored transposed
};

inline TensorSize tensor_size(const ModelShape &shape, Tensor tensor) {
  const int64_t hidden = shape.hidden_size;
  switch (tensor) {
    case Tensor::kWordEmbeddings:
      return {shape.vocab_size, hidden, false};
    case Tensor::kPositionEmbeddings:
      return {shape.max_positions, hidden, false};
    case Tensor::kTypeEmbeddings:
      return {shape.type_vocab_size, hidden, false};
    case Tensor::kMemory:
      return {shape.num_mem_tokens, hidden, false};
    case Tensor::kQueryWeight:
    case Tensor::kKeyWeight:
    case Tensor::kValueWeight:
    case Tensor::kAttentionOutputWeight:
      return {hidden, hidden, true};
    case Tensor::kIntermediateWeight:
      return {shape.intermediate_size, hidden, true};
    case Tensor::kIntermediateBias:
      return {1, shape.intermediate_size, false};
    case Tensor::kOutputWeight:
      return {hidden, shape.intermediate_size, true};
    case Tensor::kPoolerWeight:
      return {shape.num_labels > 0 ? hidden : 0, hidden, true};
    case Tensor::kPoolerBias:
      return {1, shape.num_labels > 0 ? hidden : 0, false};
    case Tensor::kClassifierWeight:
      return {shape.num_labels, hidden, true};
    case Tensor::kClassifierBias:
      return {1, shape.num_labels, false};
    case Tensor::kProbeWeight:
      return {shape.num_probe_outputs, hidden, true};
    case Tensor::kProbeBias:
      return {1, shape.num_probe_outputs, false};
    default:
      return {1, hidden, false};  // the biases and LayerNorm vectors that are left
  }
}

// Linear weights lie transposed, as (in, out), so that the inner loop of a product runs along memory; everything else
// is row-major.
template <typename Value>
class PlainTensors {
 public:
  explicit PlainTensors(const ModelShape &shape) : tensors_(static_cast<size_t>(shape.num_layers) * kNumTensors) {
    for_each(shape, [&](Tensor tensor, int32_t layer, const TensorSize &size) {
      tensors_[index(tensor, layer)].resize(size.rows * size.columns);
    });
  }

  static int64_t bytes(const ModelShape &shape) {
    int64_t bytes = static_cast<int64_t>(sizeof(std::vector<Value>)) * kNumTensors * shape.num_layers;
    for_each(shape, [&](Tensor, int32_t, const TensorSize &size) {
      bytes += size.rows * size.columns * static_cast<int64_t>(sizeof(Value));
    });
    return bytes;
  }

  // Calls visit(tensor, layer, size) for each tensor of each layer, those outside the layers with layer 0.
  template <typename Visit>
  static void for_each(const ModelShape &shape, Visit visit) {
    for (int32_t layer = 0; layer < shape.num_layers; ++layer) {
      for (int32_t i = 0; i < kNumTensors; ++i) {
        const Tensor tensor = static_cast<Tensor>(i);
        if (layer == 0 || exists_per_layer(tensor)) visit(tensor, layer, tensor_size(shape, tensor));
      }
    }
  }

  const Value *get(Tensor tensor, int32_t layer = 0) const { return tensors_[index(tensor, layer)].data(); }
  Value *get(Tensor tensor, int32_t layer = 0) { return tensors_[index(tensor, layer)].data(); }

  // Elements [offset, offset + count) of the row-major tensor.
  void write(const ModelShape &shape, Tensor tensor, int32_t layer, const float *values, int64_t offset,
             int64_t count) {
    const TensorSize size = tensor_size(shape, tensor);
    for (int64_t i = 0; i < count; ++i) get(tensor, layer)[place(size, offset + i)] = values[i];
  }

  void read(const ModelShape &shape, Tensor tensor, int32_t layer, float *values, int64_t offset, int64_t count) const {
    const TensorSize size = tensor_size(shape, tensor);
    for (int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<float>(get(tensor, layer)[place(size, offset + i)]);
    }
  }

 private:
  static constexpr int32_t kNumTensors = static_cast<int32_t>(Tensor::kCount);

  static bool exists_per_layer(Tensor tensor) {
    return tensor >= Tensor::kQueryWeight && tensor <= Tensor::kOutputNormBias;
  }

  static size_t index(Tensor tensor, int32_t layer) {
    return static_cast<size_t>(layer) * kNumTensors + static_cast<size_t>(tensor);
  }

  // Where an element of the row-major tensor is kept.
  static int64_t place(const TensorSize &size, int64_t element) {
    if (!size.linear) return element;
    return (element % size.columns) * size.rows + element / size.columns;
  }

  std::vector<std::vector<Value>> tensors_;  // (layers, tensors); empty where a layer does not have the tensor
};

}  // namespace rmt
