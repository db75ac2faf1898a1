#include "kernels/reference/attention_probabilities.h"

#include <algorithm>
#include <cmath>

#include "kernels/reference/plain_rows.h"
#include "kernels/thread_pool.h"

namespace rmt {

using Rows = PlainRows<double>;

AttentionProbabilities::AttentionProbabilities(const ModelShape &shape, int32_t max_length, int32_t threads)
    : hidden_(shape.hidden_size), num_heads_(shape.num_heads), head_size_(shape.head_size), max_length_(max_length) {
  for (Projection *projection : {&query_, &key_}) {
    projection->weight.resize(hidden_ * hidden_);
    projection->bias.resize(hidden_);
  }
  queries_.resize(max_length_ * hidden_);
  keys_.resize(hidden_ * max_length_);
  scratch_.resize(threads * 2 * std::max(hidden_, max_length_));
}

void AttentionProbabilities::set(Projection &projection, const float *weight, const float *bias) const {
  for (int64_t out = 0; out < hidden_; ++out) {
    for (int64_t in = 0; in < hidden_; ++in) projection.weight[in * hidden_ + out] = weight[out * hidden_ + in];
  }
  std::copy_n(bias, hidden_, projection.bias.begin());
}

void AttentionProbabilities::set_query(const float *weight, const float *bias) { set(query_, weight, bias); }

void AttentionProbabilities::set_key(const float *weight, const float *bias) { set(key_, weight, bias); }

void AttentionProbabilities::compute(ThreadPool &pool, const float *x, int32_t length, float *probabilities,
                                     int64_t head_stride, int64_t row_stride) {
  Call call{this, x, length, probabilities, head_stride, row_stride};
  pool.run(length, project_row, &call);
  pool.run(length, attend_row, &call);
}

void AttentionProbabilities::project_row(void *context, int row, int worker) {
  const Call &call = *static_cast<const Call *>(context);
  AttentionProbabilities &self = *call.self;
  const int64_t hidden = self.hidden_;
  const int64_t room = std::max(hidden, self.max_length_);
  double *in = self.scratch_.data() + worker * 2 * room;
  double *key = in + room;
  std::copy_n(call.x + row * hidden, hidden, in);
  Rows::linear(in, self.query_.weight.data(), self.query_.bias.data(), hidden, hidden,
               self.queries_.data() + row * hidden);
  Rows::linear(in, self.key_.weight.data(), self.key_.bias.data(), hidden, hidden, key);
  for (int64_t h = 0; h < hidden; ++h) self.keys_[h * self.max_length_ + row] = key[h];
}

void AttentionProbabilities::attend_row(void *context, int row, int worker) {
  const Call &call = *static_cast<const Call *>(context);
  const AttentionProbabilities &self = *call.self;
  const int64_t room = std::max(self.hidden_, self.max_length_);
  double *scores = call.self->scratch_.data() + worker * 2 * room;
  const double scale = 1 / std::sqrt(static_cast<double>(self.head_size_));
  for (int64_t head = 0; head < self.num_heads_; ++head) {
    std::fill_n(scores, call.length, 0.0);
    for (int64_t h = head * self.head_size_; h < (head + 1) * self.head_size_; ++h) {
      const double query = self.queries_[row * self.hidden_ + h] * scale;
      const double *keys = self.keys_.data() + h * self.max_length_;
      for (int64_t j = 0; j < call.length; ++j) scores[j] += query * keys[j];
    }
    Rows::softmax(scores, call.length);
    float *to = call.probabilities + head * call.head_stride + row * call.row_stride;
    for (int64_t j = 0; j < call.length; ++j) to[j] = static_cast<float>(scores[j]);
  }
}

}  // namespace rmt
