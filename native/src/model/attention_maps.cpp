#include "model/attention_maps.h"

#include <algorithm>

#include "model/error.h"

namespace rmt {

namespace {

int32_t longest(const rmt_segment &segment) {
  return *std::max_element(segment.lengths, segment.lengths + segment.batch_size);
}

}  // namespace

void require_attention_layers(const ModelShape &shape, const rmt_segment_output &output) {
  const int32_t count = output.num_attention_layers;
  require(count >= 0, "num_attention_layers is ", count, ", expected 0 or more");
  if (output.attention == nullptr) {
    require(count == 0, "num_attention_layers is ", count, ", but attention is NULL");
    return;
  }
  require(count > 0, "attention is wanted, but num_attention_layers is 0");
  require(output.attention_layers != nullptr, "attention_layers is NULL");
  int32_t previous = -1;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t layer = output.attention_layers[i];
    require(layer >= 0 && layer < shape.num_layers, "attention_layers[", i, "] is ", layer,
            ", expected 0 to num_layers - 1 = ", shape.num_layers - 1);
    require(layer > previous, "attention_layers[", i, "] is ", layer, ", but the one before it is ", previous,
            "; they must ascend");
    previous = layer;
  }
}

AttentionMaps::AttentionMaps(const Model &model, const rmt_segment &segment, const rmt_segment_output &output)
    : backend_(model.device().backend()),
      segment_(segment),
      output_(output),
      probabilities_(model.shape(), longest(segment), model.device().threads()),
      weight_(int64_t{model.shape().hidden_size} * model.shape().hidden_size),
      bias_(model.shape().hidden_size),
      x_(int64_t{longest(segment)} * model.shape().hidden_size) {}

void AttentionMaps::read_projection(const SegmentContext &context, Tensor weight, Tensor bias, int32_t layer) {
  const ModelShape &shape = *context.shape;
  backend_.read_tensor(shape, context.weights, weight, layer, weight_.data(), 0, static_cast<int64_t>(weight_.size()));
  backend_.read_tensor(shape, context.weights, bias, layer, bias_.data(), 0, static_cast<int64_t>(bias_.size()));
}

void AttentionMaps::add(const SegmentContext &context, const RowBlock *blocks, int32_t layer) {
  const int32_t *layers = output_.attention_layers;
  const int32_t *wanted = std::find(layers, layers + output_.num_attention_layers, layer);
  if (wanted == layers + output_.num_attention_layers) return;
  read_projection(context, Tensor::kQueryWeight, Tensor::kQueryBias, layer);
  probabilities_.set_query(weight_.data(), bias_.data());
  read_projection(context, Tensor::kKeyWeight, Tensor::kKeyBias, layer);
  probabilities_.set_key(weight_.data(), bias_.data());

  const int64_t row = segment_.input_length;
  const int64_t head = row * row;
  const int64_t document = context.shape->num_heads * head;
  float *maps = output_.attention + (wanted - layers) * segment_.batch_size * document;
  for (int32_t b = 0; b < segment_.batch_size; ++b, maps += document) {
    const int32_t length = segment_.lengths[b];
    if (length < segment_.input_length) std::fill_n(maps, document, 0.0f);
    backend_.read_rows(context, blocks[b], {0, length}, x_.data());
    probabilities_.compute(*context.pool, x_.data(), length, maps, head, row);
  }
}

}  // namespace rmt
