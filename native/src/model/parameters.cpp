#include "model/parameters.h"

#include <algorithm>

namespace rmt {

namespace {

// Sizes that a dimension can have; resolved against a shape.
enum class Size { kNone, kHidden, kIntermediate, kVocab, kPositions, kTypes, kMemTokens, kLabels, kProbeOutputs };

struct Row {
  Tensor tensor;
  const char *name;  // within its group
  Size dims[2];
};

constexpr Row kEmbeddingRows[] = {
    {Tensor::kWordEmbeddings, "embeddings.word_embeddings.weight", {Size::kVocab, Size::kHidden}},
    {Tensor::kPositionEmbeddings, "embeddings.position_embeddings.weight", {Size::kPositions, Size::kHidden}},
    {Tensor::kTypeEmbeddings, "embeddings.token_type_embeddings.weight", {Size::kTypes, Size::kHidden}},
    {Tensor::kEmbeddingNormWeight, "embeddings.LayerNorm.weight", {Size::kHidden, Size::kNone}},
    {Tensor::kEmbeddingNormBias, "embeddings.LayerNorm.bias", {Size::kHidden, Size::kNone}},
};

constexpr Row kLayerRows[] = {
    {Tensor::kQueryWeight, "attention.self.query.weight", {Size::kHidden, Size::kHidden}},
    {Tensor::kQueryBias, "attention.self.query.bias", {Size::kHidden, Size::kNone}},
    {Tensor::kKeyWeight, "attention.self.key.weight", {Size::kHidden, Size::kHidden}},
    {Tensor::kKeyBias, "attention.self.key.bias", {Size::kHidden, Size::kNone}},
    {Tensor::kValueWeight, "attention.self.value.weight", {Size::kHidden, Size::kHidden}},
    {Tensor::kValueBias, "attention.self.value.bias", {Size::kHidden, Size::kNone}},
    {Tensor::kAttentionOutputWeight, "attention.output.dense.weight", {Size::kHidden, Size::kHidden}},
    {Tensor::kAttentionOutputBias, "attention.output.dense.bias", {Size::kHidden, Size::kNone}},
    {Tensor::kAttentionNormWeight, "attention.output.LayerNorm.weight", {Size::kHidden, Size::kNone}},
    {Tensor::kAttentionNormBias, "attention.output.LayerNorm.bias", {Size::kHidden, Size::kNone}},
    {Tensor::kIntermediateWeight, "intermediate.dense.weight", {Size::kIntermediate, Size::kHidden}},
    {Tensor::kIntermediateBias, "intermediate.dense.bias", {Size::kIntermediate, Size::kNone}},
    {Tensor::kOutputWeight, "output.dense.weight", {Size::kHidden, Size::kIntermediate}},
    {Tensor::kOutputBias, "output.dense.bias", {Size::kHidden, Size::kNone}},
    {Tensor::kOutputNormWeight, "output.LayerNorm.weight", {Size::kHidden, Size::kNone}},
    {Tensor::kOutputNormBias, "output.LayerNorm.bias", {Size::kHidden, Size::kNone}},
};

constexpr Row kHeadRows[] = {
    {Tensor::kPoolerWeight, "pooler.dense.weight", {Size::kHidden, Size::kHidden}},
    {Tensor::kPoolerBias, "pooler.dense.bias", {Size::kHidden, Size::kNone}},
    {Tensor::kClassifierWeight, "classifier.weight", {Size::kLabels, Size::kHidden}},
    {Tensor::kClassifierBias, "classifier.bias", {Size::kLabels, Size::kNone}},
};

constexpr Row kMemoryRows[] = {
    {Tensor::kMemory, "memory", {Size::kMemTokens, Size::kHidden}},
};

constexpr Row kProbeRows[] = {
    {Tensor::kProbeWeight, "probe.weight", {Size::kProbeOutputs, Size::kHidden}},
    {Tensor::kProbeBias, "probe.bias", {Size::kProbeOutputs, Size::kNone}},
};

int64_t resolve(Size size, const ModelShape &shape) {
  switch (size) {
    case Size::kNone:
      return 1;
    case Size::kHidden:
      return shape.hidden_size;
    case Size::kIntermediate:
      return shape.intermediate_size;
    case Size::kVocab:
      return shape.vocab_size;
    case Size::kPositions:
      return shape.max_positions;
    case Size::kTypes:
      return shape.type_vocab_size;
    case Size::kMemTokens:
      return shape.num_mem_tokens;
    case Size::kLabels:
      return shape.num_labels;
    case Size::kProbeOutputs:
      return shape.num_probe_outputs;
  }
  return 0;
}

template <size_t N>
void append(const Row (&rows)[N], const std::string &prefix, int32_t layer, const ModelShape &shape,
            std::vector<Parameter> &parameters) {
  for (const Row &row : rows) {
    const int32_t num_dims = row.dims[1] == Size::kNone ? 1 : 2;
    parameters.push_back(
        {prefix + row.name, row.tensor, layer, num_dims, {resolve(row.dims[0], shape), resolve(row.dims[1], shape)}});
  }
}

}  // namespace

std::vector<Parameter> make_parameters(const ModelShape &shape) {
  std::vector<Parameter> parameters;
  append(kEmbeddingRows, "", 0, shape, parameters);
  for (int32_t layer = 0; layer < shape.num_layers; ++layer) {
    append(kLayerRows, "encoder.layer." + std::to_string(layer) + ".", layer, shape, parameters);
  }
  if (shape.num_labels > 0) append(kHeadRows, "", 0, shape, parameters);
  if (shape.num_mem_tokens > 0) append(kMemoryRows, "", 0, shape, parameters);
  if (shape.num_probe_outputs > 0) append(kProbeRows, "", 0, shape, parameters);
  return parameters;
}

void Coverage::add(int64_t begin, int64_t end) {
  if (begin >= end) return;
  // All intervals that touch [begin, end) melt into one.
  auto first = std::lower_bound(intervals_.begin(), intervals_.end(), begin,
                                [](const Interval &interval, int64_t value) { return interval.end < value; });
  auto last = first;
  while (last != intervals_.end() && last->begin <= end) {
    begin = std::min(begin, last->begin);
    end = std::max(end, last->end);
    ++last;
  }
  if (first == last) {
    intervals_.insert(first, {begin, end});
  } else {
    *first = {begin, end};
    intervals_.erase(first + 1, last);
  }
}

bool Coverage::covers(int64_t begin, int64_t end) const {
  if (begin >= end) return true;
  for (const Interval &interval : intervals_) {
    if (interval.begin <= begin && end <= interval.end) return true;
  }
  return false;
}

int64_t Coverage::first_missing() const {
  return intervals_.empty() || intervals_.front().begin > 0 ? 0 : std::min(count_, intervals_.front().end);
}

int64_t Coverage::num_missing() const {
  int64_t missing = count_;
  for (const Interval &interval : intervals_) missing -= interval.end - interval.begin;
  return missing;
}

}  // namespace rmt
