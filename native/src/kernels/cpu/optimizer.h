// optimizer.h - AdamW, norms and clipping: flat loops over pieces of everything that has the layout of the weights.
// Padding holds zeros and stays so.
#pragma once

#include "kernels/cpu/trainer.h"
#include "kernels/thread_pool.h"

namespace rmt::RMT_ISA {
namespace {

// Numbers of one update; all tasks read them.
struct Update {
  const ModelShape *shape;
  Trainer *trainer;
  bool decay_everything;
  float gradient_scale;
  float clip_value;  // infinite: not
  float norm_scale;
  float beta1;
  float beta2;
  float rest1;  // 1 - beta1
  float rest2;
  float step_size;   // learning rate over the bias correction of the first moment
  float root_scale;  // 1 / square root of the bias correction of the second moment
  float epsilon;
  float decay;  // learning rate x weight decay
  float average_decay;
  float average_rest;
};

constexpr float kNoClipping = __builtin_inff();

RMT_INLINE Vec clipped(Vec gradient, Vec limit) { return min(limit, max(0.0f - limit, gradient)); }

// Sum of squares of a piece of the gradient, scaled and then clipped. In double: single squares may overflow.
inline void norm_task(void *context, int index, int) {
  const Update &update = *static_cast<const Update *>(context);
  const Piece &piece = update.trainer->piece_list()[index];
  const float *gradient = update.trainer->of(Values::kGradients) + piece.begin;
  const Vec limit = splat(update.clip_value);
  DoubleVec squares{};
  int32_t i = 0;
  for (; i + kLanes <= piece.count; i += kLanes) {
    const DoubleVec g = to_double(clipped(load(gradient + i) * update.gradient_scale, limit));
    squares += g * g;
  }
  double sum = 0;
  for (int32_t lane = 0; lane < kLanes; ++lane) sum += squares[lane];
  for (; i < piece.count; ++i) {
    const double g = clipped(splat(gradient[i] * update.gradient_scale), limit)[0];
    sum += g * g;
  }
  update.trainer->norm_list()[index] = sum;
}

inline double norm_of(Update *update, ThreadPool *pool) {
  pool->run(update->trainer->num_pieces, norm_task, update);
  double sum = 0;
  for (int32_t i = 0; i < update->trainer->num_pieces; ++i) sum += update->trainer->norm_list()[i];
  return __builtin_sqrt(sum);
}

// One vector of AdamW.
RMT_INLINE void update_vector(const Update &u, float decay, Vec g, Vec *weight, Vec *first, Vec *second, Vec *average) {
  g = clipped(g * u.gradient_scale, splat(u.clip_value)) * u.norm_scale;
  *first = fma(splat(u.beta1), *first, u.rest1 * g);
  *second = fma(splat(u.beta2), *second, u.rest2 * g * g);
  const Vec denominator = fma(square_root(*second), splat(u.root_scale), splat(u.epsilon));
  *weight = *weight - (decay * *weight + u.step_size * *first / denominator);
  *average = fma(*average, splat(u.average_decay), u.average_rest * *weight);
}

inline void update_task(void *context, int index, int) {
  const Update &update = *static_cast<const Update *>(context);
  Trainer &trainer = *update.trainer;
  const Piece &piece = trainer.piece_list()[index];
  const float *gradient = trainer.of(Values::kGradients) + piece.begin;
  float *weight = trainer.of(Values::kWeights) + piece.begin;
  float *first = trainer.of(Values::kFirstMoment) + piece.begin;
  float *second = trainer.of(Values::kSecondMoment) + piece.begin;
  float *average = trainer.keeps_average ? trainer.of(Values::kAverage) + piece.begin : nullptr;
  const float decay = piece.is_bias_or_norm && !update.decay_everything ? 0.0f : update.decay;
  // Tensors begin at whole cache lines and the room behind their ends is theirs: whole vectors.
  for (int32_t i = 0; i < piece.count; i += kLanes) {
    Vec w = load(weight + i);
    Vec m = load(first + i);
    Vec v = load(second + i);
    Vec a = average != nullptr ? load(average + i) : Vec{};
    update_vector(update, decay, load(gradient + i), &w, &m, &v, &a);
    store(weight + i, w);
    store(first + i, m);
    store(second + i, v);
    if (average != nullptr) store(average + i, a);
  }
}

// The transposed copy of one linear of one layer.
inline void transpose_task(void *context, int index, int) {
  const Update &update = *static_cast<const Update *>(context);
  const ModelShape &shape = *update.shape;
  const TransposedLayout layout(shape);
  const WeightsLayout weights(shape);
  int32_t rest = index;
  for (int32_t i = 0; i < kNumTensors; ++i) {
    const Tensor tensor = static_cast<Tensor>(i);
    if (!layout.has(tensor)) continue;
    if (rest >= shape.num_layers) {
      rest -= shape.num_layers;
      continue;
    }
    const TensorShape dims = tensor_shape(shape, tensor);
    const TensorShape transposed{dims.columns, dims.rows, Packing::kTiles};
    const float *from = update.trainer->of(Values::kWeights) + weights.at(tensor, rest);
    float *to = update.trainer->transposed_weights() + layout.at(tensor, rest);
    for (int64_t row = 0; row < dims.rows; row += kTile) {
      const int64_t rows = dims.rows - row < kTile ? dims.rows - row : kTile;
      for (int64_t column = 0; column < dims.columns; ++column) {
        const float *in = from + run_of(dims, row, column).offset;
        const Run run = run_of(transposed, column, row);
        for (int64_t i2 = 0; i2 < rows; ++i2) to[run.offset + i2 * run.stride] = in[i2];
      }
    }
    return;
  }
}

inline int32_t num_transposed(const ModelShape &shape) {
  const TransposedLayout layout(shape);
  int32_t count = 0;
  for (int32_t i = 0; i < kNumTensors; ++i) count += layout.has(static_cast<Tensor>(i)) ? shape.num_layers : 0;
  return count;
}

inline void clear_task(void *context, int index, int) {
  Trainer &trainer = *static_cast<Trainer *>(context);
  const Piece &piece = trainer.piece_list()[index];
  memset(trainer.of(Values::kGradients) + piece.begin, 0, static_cast<size_t>(piece.count) * sizeof(float));
}

inline void clear_gradients(const TrainingContext &context) {
  Trainer *trainer = static_cast<Trainer *>(context.trainer);
  context.pool->run(trainer->num_pieces, clear_task, trainer);
}

inline double gradient_norm(const TrainingContext &context, double scale) {
  Update update{};
  update.trainer = static_cast<Trainer *>(context.trainer);
  update.gradient_scale = static_cast<float>(scale);
  update.clip_value = kNoClipping;
  return norm_of(&update, context.pool);
}

inline void update(const TrainingContext &context, const AdamW &options) {
  Update u{};
  u.shape = context.shape;
  u.trainer = static_cast<Trainer *>(context.trainer);
  u.decay_everything = options.decay_everything;
  u.gradient_scale = static_cast<float>(options.gradient_scale);
  u.clip_value = options.clip_value > 0 ? static_cast<float>(options.clip_value) : kNoClipping;
  u.norm_scale = 1.0f;
  if (options.clip_norm > 0) {
    const double norm = norm_of(&u, context.pool);
    if (norm > options.clip_norm) u.norm_scale = static_cast<float>(options.clip_norm / norm);
  }
  const double step = static_cast<double>(options.step);
  const double first_correction = 1 - __builtin_pow(options.beta1, step);
  const double second_correction = 1 - __builtin_pow(options.beta2, step);
  u.beta1 = static_cast<float>(options.beta1);
  u.beta2 = static_cast<float>(options.beta2);
  u.rest1 = static_cast<float>(1 - options.beta1);
  u.rest2 = static_cast<float>(1 - options.beta2);
  u.step_size = static_cast<float>(options.learning_rate / first_correction);
  u.root_scale = static_cast<float>(1 / __builtin_sqrt(second_correction));
  u.epsilon = static_cast<float>(options.epsilon);
  u.decay = static_cast<float>(options.learning_rate * options.weight_decay);
  u.average_decay = static_cast<float>(options.average_decay);
  u.average_rest = static_cast<float>(1 - options.average_decay);
  context.pool->run(u.trainer->num_pieces, update_task, &u);
  context.pool->run(num_transposed(*context.shape), transpose_task, &u);
}

}  // namespace
}  // namespace rmt::RMT_ISA
