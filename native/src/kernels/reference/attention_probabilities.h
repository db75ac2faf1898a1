// attention_probabilities.h - what the positions of a document attend to in one layer, by plain loops in double.
//
// The kernels never hold these numbers: they are for looking at, and computed a second time where somebody asks.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"

namespace rmt {

class AttentionProbabilities {
 public:
  // Takes memory for documents of at most `max_length` positions; what is computed later allocates nothing.
  AttentionProbabilities(const ModelShape &shape, int32_t max_length, int32_t threads);

  // Weights (H, H) as (out, in) and biases (H) of the layer that is looked at next.
  void set_query(const float *weight, const float *bias);
  void set_key(const float *weight, const float *bias);

  // probabilities[h][t][j] = softmax over the positions j of q[t] k[j] / sqrt(HS) for the head h, all of them valid.
  // Heads are `head_stride`, rows `row_stride` apart.
  void compute(ThreadPool &pool, const float *x /* (length, H) */, int32_t length, float *probabilities,
               int64_t head_stride, int64_t row_stride);

 private:
  struct Projection {
    std::vector<float> weight;  // (in, out)
    std::vector<float> bias;
  };
  struct Call {
    AttentionProbabilities *self;
    const float *x;
    int32_t length;
    float *probabilities;
    int64_t head_stride;
    int64_t row_stride;
  };

  void set(Projection &projection, const float *weight, const float *bias) const;
  static void project_row(void *call, int row, int worker);
  static void attend_row(void *call, int row, int worker);

  int64_t hidden_;
  int64_t num_heads_;
  int64_t head_size_;
  int64_t max_length_;
  Projection query_;
  Projection key_;
  std::vector<double> queries_;  // (max_length, H)
  std::vector<double> keys_;     // (H, max_length): the loop over keys runs along memory
  std::vector<double> scratch_;  // (threads, 2, max(H, max_length))
};

}  // namespace rmt
