// attention_maps.h - the attention of chosen layers of a segment, for those who want to look at it.
//
// Computed between the operations of a segment from what enters a layer and from its weights: no kernel knows of it,
// and every backend that lets rows be read has it.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/reference/attention_probabilities.h"
#include "model/model.h"
#include "rmt/rmt.h"

namespace rmt {

// Throws RMT_INVALID_ARGUMENT where the layers that are wanted are none of the model's.
void require_attention_layers(const ModelShape &shape, const rmt_segment_output &output);

class AttentionMaps {
 public:
  // Takes all memory that add() needs, before the segment starts.
  AttentionMaps(const Model &model, const rmt_segment &segment, const rmt_segment_output &output);

  // To be called when a layer's input stands in the workspace; `blocks` are all documents of the segment.
  void add(const SegmentContext &context, const RowBlock *blocks, int32_t layer);

 private:
  void read_projection(const SegmentContext &context, Tensor weight, Tensor bias, int32_t layer);

  const Backend &backend_;
  const rmt_segment &segment_;
  const rmt_segment_output &output_;
  AttentionProbabilities probabilities_;
  std::vector<float> weight_;  // (H, H)
  std::vector<float> bias_;    // (H)
  std::vector<float> x_;       // (longest document, H)
};

}  // namespace rmt
