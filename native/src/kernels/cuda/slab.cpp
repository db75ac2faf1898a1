#include "kernels/cuda/slab.h"

#include "kernels/reference/plain_tensors.h"
#include "kernels/training.h"

namespace rmt::cuda {

namespace {

constexpr int64_t kAlignment = 64;  // floats: 256 bytes, what cudaMalloc gives and cuBLAS likes

// Those of a group are neighbours; each group begins aligned.
const std::vector<std::vector<Tensor>> kOuterGroups = {
    {Tensor::kWordEmbeddings}, {Tensor::kPositionEmbeddings},  {Tensor::kTypeEmbeddings},
    {Tensor::kMemory},         {Tensor::kPoolerWeight},        {Tensor::kClassifierWeight},
    {Tensor::kProbeWeight},    {Tensor::kPoolerBias},          {Tensor::kClassifierBias},
    {Tensor::kProbeBias},      {Tensor::kEmbeddingNormWeight}, {Tensor::kEmbeddingNormBias},
};
const std::vector<std::vector<Tensor>> kLayerGroups = {
    {Tensor::kQueryWeight, Tensor::kKeyWeight, Tensor::kValueWeight},
    {Tensor::kAttentionOutputWeight},
    {Tensor::kIntermediateWeight},
    {Tensor::kOutputWeight},
    {Tensor::kQueryBias, Tensor::kKeyBias, Tensor::kValueBias},
    {Tensor::kAttentionOutputBias},
    {Tensor::kIntermediateBias},
    {Tensor::kOutputBias},
    {Tensor::kAttentionNormWeight},
    {Tensor::kAttentionNormBias},
    {Tensor::kOutputNormWeight},
    {Tensor::kOutputNormBias},
};

}  // namespace

SlabLayout::SlabLayout(const ModelShape &shape)
    : begin_(static_cast<size_t>(shape.num_layers) * static_cast<size_t>(Tensor::kCount)) {
  const auto add_groups = [&](const std::vector<std::vector<Tensor>> &groups, int32_t layer) {
    for (const std::vector<Tensor> &group : groups) {
      for (const Tensor tensor : group) add(shape, tensor, layer);
      align();
    }
  };
  add_groups(kOuterGroups, 0);
  for (int32_t layer = 0; layer < shape.num_layers; ++layer) add_groups(kLayerGroups, layer);
}

void SlabLayout::add(const ModelShape &shape, Tensor tensor, int32_t layer) {
  const TensorSize size = tensor_size(shape, tensor);
  begin_[index(tensor, layer)] = floats_;
  const int64_t end = floats_ + size.rows * size.columns;
  const bool spared = is_bias_or_norm(tensor);
  if (runs_.empty() || runs_.back().is_bias_or_norm != spared) runs_.push_back({floats_, end, spared});
  runs_.back().end = end;
  floats_ = end;
}

void SlabLayout::align() { floats_ = (floats_ + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace rmt::cuda
