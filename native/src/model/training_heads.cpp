#include "model/training_heads.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "kernels/dropout.h"

namespace rmt {

namespace {

// log(sum(exp(logits))), in double: logits are single precision, losses are not.
double log_sum_exp(const float *logits, int32_t count) {
  const double largest = *std::max_element(logits, logits + count);
  double sum = 0;
  for (int32_t i = 0; i < count; ++i) sum += std::exp(logits[i] - largest);
  return largest + std::log(sum);
}

double cross_entropy(const float *logits, int32_t count, int32_t label) {
  return log_sum_exp(logits, count) - logits[label];
}

// The gradient of weight x cross entropy.
void cross_entropy_backward(const float *logits, int32_t count, int32_t label, float weight, float *dlogits) {
  const double total = log_sum_exp(logits, count);
  for (int32_t i = 0; i < count; ++i) {
    dlogits[i] = static_cast<float>(weight * (std::exp(logits[i] - total) - (i == label ? 1 : 0)));
  }
}

float label_weight(const rmt_training_segment &segment, int32_t document) {
  return segment.label_weights == nullptr ? 1.0f : segment.label_weights[document];
}

auto probe_order(const rmt_probe_row &probe) {
  return std::make_tuple(probe.level, probe.first_output, probe.num_outputs);
}

}  // namespace

TrainingHeads::TrainingHeads(const ModelShape &shape, const TapeLimits &limits)
    : hidden_size_(shape.hidden_size), num_labels_(shape.num_labels) {
  const int64_t batch = limits.max_batch_size;
  const int64_t probe_rows = shape.num_probe_outputs > 0 ? kChunk : 0;
  documents_.resize(batch);
  places_.resize(std::max(batch, probe_rows));
  for (auto *rows : {&rows_, &drows_}) rows->resize(std::max(batch, probe_rows) * hidden_size_);
  for (auto *rows : {&slopes_, &pooled_}) rows->resize(batch * hidden_size_);
  for (auto *rows : {&logits_, &dlogits_}) rows->resize(batch * num_labels_);
  for (auto *rows : {&outputs_, &doutputs_}) rows->resize(probe_rows * shape.num_probe_outputs);
  sorted_.resize(shape.num_probe_outputs > 0 ? max_probes(limits) : 0);
}

int64_t TrainingHeads::required_bytes(const ModelShape &shape, const TapeLimits &limits) {
  const int64_t batch = limits.max_batch_size;
  const int64_t probe_rows = shape.num_probe_outputs > 0 ? kChunk : 0;
  const int64_t floats = 2 * std::max(batch, probe_rows) * shape.hidden_size + 2 * batch * shape.hidden_size +
                         2 * batch * shape.num_labels + 2 * probe_rows * shape.num_probe_outputs;
  const int64_t integers = batch + (shape.num_probe_outputs > 0 ? max_probes(limits) : 0);
  return 4 * (floats + integers) + std::max(batch, probe_rows) * static_cast<int64_t>(sizeof(RowPlace));
}

// ---- pooler and classifier ----

// Dropout behind the pooler: the same for values and gradients.
void TrainingHeads::drop(const TrainingContext &context, const TrainingBlock &block, float *row) const {
  const uint32_t threshold = dropout_threshold(context.dropout.hidden);
  if (threshold == 0) return;
  const float kept_scale = 1 / (1 - context.dropout.hidden);
  const uint32_t hash = dropout_row(block.dropout_key, DropoutSite::kHead, 0);
  for (int32_t h = 0; h < hidden_size_; ++h) {
    row[h] = dropout_mix(hash + static_cast<uint32_t>(h)) >= threshold ? row[h] * kept_scale : 0.0f;
  }
}

// Runs the head of the documents that have a head position, or of those that have a label; returns their number.
int32_t TrainingHeads::gather_heads(const TrainingBackend &backend, const TrainingContext &context,
                                    const TrainingBlock *blocks, const rmt_training_segment &segment,
                                    bool labelled_only) {
  int32_t count = 0;
  for (int32_t b = 0; b < segment.batch_size; ++b) {
    if (segment.head_position[b] < 0 || (labelled_only && segment.labels[b] < 0)) continue;
    places_[count] = {&blocks[b], context.shape->num_layers, segment.head_position[b]};
    documents_[count++] = b;
  }
  if (count == 0) return 0;
  backend.read_rows(context, places_.data(), count, rows_.data());
  backend.rows_linear(context, Tensor::kPoolerWeight, Tensor::kPoolerBias, 0, hidden_size_, rows_.data(), count,
                      slopes_.data());
  for (int32_t r = 0; r < count; ++r) {
    float *slopes = slopes_.data() + int64_t{r} * hidden_size_;
    float *pooled = pooled_.data() + int64_t{r} * hidden_size_;
    for (int32_t h = 0; h < hidden_size_; ++h) {
      // In double: near 1, a rounded tanh would leave little of 1 - tanh^2.
      const double value = std::tanh(static_cast<double>(slopes[h]));
      pooled[h] = static_cast<float>(value);
      slopes[h] = static_cast<float>((1 - value) * (1 + value));
    }
    drop(context, blocks[documents_[r]], pooled);
  }
  backend.rows_linear(context, Tensor::kClassifierWeight, Tensor::kClassifierBias, 0, num_labels_, pooled_.data(),
                      count, logits_.data());
  return count;
}

void TrainingHeads::read_labels(const TrainingBackend &backend, const TrainingContext &context,
                                const TrainingBlock *blocks, const rmt_training_segment &segment,
                                const rmt_training_output &output) {
  if (output.losses == nullptr && output.logits == nullptr) return;
  if (output.losses != nullptr) std::fill_n(output.losses, segment.batch_size, 0.0);
  if (output.logits != nullptr) std::fill_n(output.logits, int64_t{segment.batch_size} * num_labels_, 0.0f);
  if (num_labels_ == 0) return;
  const int32_t count = gather_heads(backend, context, blocks, segment, output.logits == nullptr);
  for (int32_t r = 0; r < count; ++r) {
    const int32_t b = documents_[r];
    const float *logits = logits_.data() + int64_t{r} * num_labels_;
    if (output.logits != nullptr) std::copy_n(logits, num_labels_, output.logits + int64_t{b} * num_labels_);
    if (output.losses != nullptr && segment.labels[b] >= 0) {
      output.losses[b] = cross_entropy(logits, num_labels_, segment.labels[b]);
    }
  }
}

void TrainingHeads::labels_backward(const TrainingBackend &backend, const TrainingContext &context,
                                    const TrainingBlock *blocks, const rmt_training_segment &segment) {
  if (num_labels_ == 0) return;
  const int32_t count = gather_heads(backend, context, blocks, segment, true);
  if (count == 0) return;
  for (int32_t r = 0; r < count; ++r) {
    const int64_t first = int64_t{r} * num_labels_;
    const int32_t b = documents_[r];
    cross_entropy_backward(logits_.data() + first, num_labels_, segment.labels[b], label_weight(segment, b),
                           dlogits_.data() + first);
  }
  backend.rows_linear_backward(context, Tensor::kClassifierWeight, Tensor::kClassifierBias, 0, num_labels_,
                               pooled_.data(), dlogits_.data(), count, drows_.data());
  for (int32_t r = 0; r < count; ++r) {
    const float *slopes = slopes_.data() + int64_t{r} * hidden_size_;
    float *gradient = drows_.data() + int64_t{r} * hidden_size_;
    drop(context, blocks[documents_[r]], gradient);
    for (int32_t h = 0; h < hidden_size_; ++h) gradient[h] *= slopes[h];
  }
  float *dpooler = pooled_.data();  // what it held is not needed any more
  std::copy_n(drows_.data(), int64_t{count} * hidden_size_, dpooler);
  backend.rows_linear_backward(context, Tensor::kPoolerWeight, Tensor::kPoolerBias, 0, hidden_size_, rows_.data(),
                               dpooler, count, drows_.data());
  backend.add_to_dx(context, places_.data(), count, drows_.data());
}

// ---- probes ----

void TrainingHeads::begin(const rmt_training_segment &segment) {
  for (int32_t i = 0; i < segment.num_probes; ++i) sorted_[i] = i;
  std::sort(sorted_.begin(), sorted_.begin() + segment.num_probes, [&](int32_t a, int32_t b) {
    const auto order_a = probe_order(segment.probes[a]);
    const auto order_b = probe_order(segment.probes[b]);
    return order_a != order_b ? order_a < order_b : a < b;
  });
}

// Runs the probes of a level, and calls visit(probes, count) for as many at a time as have the same outputs and fit:
// `probes` are their indices, rows_ and outputs_ hold their rows.
template <typename Visit>
void TrainingHeads::for_each_chunk(const TrainingBackend &backend, const TrainingContext &context,
                                   const TrainingBlock *blocks, const rmt_training_segment &segment, int32_t level,
                                   Visit visit) {
  for (int32_t begin = 0; begin < segment.num_probes;) {
    const rmt_probe_row &first = segment.probes[sorted_[begin]];
    int32_t end = begin;
    while (end < segment.num_probes && end - begin < kChunk &&
           probe_order(segment.probes[sorted_[end]]) == probe_order(first)) {
      ++end;
    }
    if (level == kAllLevels || level == first.level) {
      for (int32_t r = 0; r < end - begin; ++r) {
        const rmt_probe_row &probe = segment.probes[sorted_[begin + r]];
        places_[r] = {&blocks[probe.document], probe.level, probe.position};
      }
      backend.read_rows(context, places_.data(), end - begin, rows_.data());
      backend.rows_linear(context, Tensor::kProbeWeight, Tensor::kProbeBias, first.first_output, first.num_outputs,
                          rows_.data(), end - begin, outputs_.data());
      visit(sorted_.data() + begin, end - begin);
    }
    begin = end;
  }
}

void TrainingHeads::read_probes(const TrainingBackend &backend, const TrainingContext &context,
                                const TrainingBlock *blocks, const rmt_training_segment &segment,
                                const rmt_training_output &output) {
  if (output.probe_losses == nullptr && output.probe_predictions == nullptr) return;
  for_each_chunk(backend, context, blocks, segment, kAllLevels, [&](const int32_t *probes, int32_t count) {
    for (int32_t r = 0; r < count; ++r) {
      const rmt_probe_row &probe = segment.probes[probes[r]];
      const float *logits = outputs_.data() + int64_t{r} * probe.num_outputs;
      if (output.probe_losses != nullptr) {
        output.probe_losses[probes[r]] = cross_entropy(logits, probe.num_outputs, probe.label);
      }
      if (output.probe_predictions != nullptr) {
        output.probe_predictions[probes[r]] =
            static_cast<int32_t>(std::max_element(logits, logits + probe.num_outputs) - logits);
      }
    }
  });
}

void TrainingHeads::probes_backward(const TrainingBackend &backend, const TrainingContext &context,
                                    const TrainingBlock *blocks, const rmt_training_segment &segment, int32_t level) {
  for_each_chunk(backend, context, blocks, segment, level, [&](const int32_t *probes, int32_t count) {
    const rmt_probe_row &first = segment.probes[probes[0]];
    for (int32_t r = 0; r < count; ++r) {
      const rmt_probe_row &probe = segment.probes[probes[r]];
      const int64_t place = int64_t{r} * probe.num_outputs;
      cross_entropy_backward(outputs_.data() + place, probe.num_outputs, probe.label, probe.weight,
                             doutputs_.data() + place);
    }
    backend.rows_linear_backward(context, Tensor::kProbeWeight, Tensor::kProbeBias, first.first_output,
                                 first.num_outputs, rows_.data(), doutputs_.data(), count, drows_.data());
    backend.add_to_dx(context, places_.data(), count, drows_.data());
  });
}

}  // namespace rmt
