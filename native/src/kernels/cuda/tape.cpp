#include "kernels/cuda/tape.h"

#include <algorithm>

#include "kernels/cuda/operations.h"

namespace rmt::cuda {

namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr int64_t kAlignment = 64;       // floats
constexpr int64_t kLeastGathered = 256;  // rows that probes bring at a time

// Documents lie in rows of equal number, so that the longest of them counts for all.
int64_t max_rows(const TapeLimits &limits) { return int64_t{limits.max_batch_size} * limits.max_input_length; }

int64_t max_gathered_rows(const TapeLimits &limits) { return std::max<int64_t>(limits.max_batch_size, kLeastGathered); }

int64_t sum_scratch_floats(const ModelShape &shape, const TapeLimits &limits) {
  const int64_t rows = max_rows(limits);
  const int32_t hidden = shape.hidden_size;
  const int32_t inner = shape.intermediate_size;
  int64_t floats = std::max(norm_scratch(rows, hidden), int64_t{limits.max_input_length} * hidden);
  for (const auto &[n, k] :
       {std::pair{3 * hidden, hidden}, {2 * hidden, hidden}, {hidden, hidden}, {inner, hidden}, {hidden, inner}}) {
    floats = std::max(floats, linear_scratch(rows, n, k));
  }
  for (const int32_t outputs : {hidden, shape.num_labels, shape.num_probe_outputs}) {
    if (outputs > 0) floats = std::max(floats, linear_scratch(max_gathered_rows(limits), outputs, hidden));
  }
  return floats;
}

}  // namespace

int64_t TapeBuffers::lay_out(const ModelShape &shape, const TapeLimits &limits, float *begin) {
  int64_t used = 0;
  const auto take = [&](int64_t count) {
    float *taken = begin == nullptr ? nullptr : begin + used;
    used += (count + kAlignment - 1) / kAlignment * kAlignment;
    return taken;
  };
  const int64_t rows = max_rows(limits);
  const int64_t hidden = rows * shape.hidden_size;
  const int64_t inner = rows * shape.intermediate_size;
  const auto take_norm = [&] {
    float *normalized = take(hidden);
    return NormTape{normalized, take(rows)};
  };
  layers.resize(static_cast<size_t>(shape.num_layers));
  for (LayerTape &layer : layers) {
    layer.x = take(hidden);
    layer.projections = take(3 * hidden);
    layer.log_sum_exp = take(rows * shape.num_heads);
    layer.attended = take(hidden);
    layer.attention_norm = take_norm();
    layer.a = take(hidden);
    layer.inner = take(inner);
    layer.output_norm = take_norm();
  }
  output = take(hidden);
  embedding_norm = take_norm();
  for (float **buffer : {&dx, &chosen_dx, &chosen_x, &added, &dattended}) *buffer = take(hidden);
  for (float **buffer : {&activation, &dinner}) *buffer = take(inner);
  dprojections = take(3 * hidden);
  row_scratch = take(2 * rows * shape.num_heads);
  sum_scratch = take(sum_scratch_floats(shape, limits));
  const int64_t most_outputs = std::max({shape.hidden_size, shape.num_labels, shape.num_probe_outputs});
  gathered = take(max_gathered_rows(limits) * shape.hidden_size);
  gathered_out = take(max_gathered_rows(limits) * most_outputs);
  gathered_din = take(max_gathered_rows(limits) * shape.hidden_size);
  return used;
}

int64_t Tape::bytes(const ModelShape &shape, const TapeLimits &limits) {
  return TapeBuffers().lay_out(shape, limits, nullptr) * kFloat +
         max_gathered_rows(limits) * static_cast<int64_t>(sizeof(int32_t)) +
         SegmentTables::bytes(limits.max_batch_size, limits.max_input_length, true);
}

Tape::Tape(Place &the_place, const ModelShape &shape, const TapeLimits &limits)
    : place(the_place),
      tables(the_place, limits.max_batch_size, limits.max_input_length, true),
      recordings(the_place),
      max_gathered_(max_gathered_rows(limits)),
      floats_(static_cast<float *>(place.allocate(lay_out(shape, limits, nullptr) * kFloat))) {
  places = static_cast<int32_t *>(place.allocate(max_gathered_ * static_cast<int64_t>(sizeof(int32_t))));
  if (granted()) lay_out(shape, limits, floats_);
}

Tape::~Tape() {
  place.release(floats_);
  place.release(places);
}

}  // namespace rmt::cuda
