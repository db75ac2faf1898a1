// plain_trainer.h - weights in training, their gradients and the optimizer, as plain loops.
//
// Weights, moments and averages are kept as float, so that what a caller can read is all there is and a run that is
// stopped and resumed goes on with the same bits; each step is computed in double. Gradients are of type Real.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <new>
#include <vector>

#include "kernels/reference/plain_tensors.h"
#include "kernels/training.h"

namespace rmt {

// Everything that has the shape of the weights.
template <typename Real>
struct PlainTrainer {
  PlainTrainer(const ModelShape &shape, bool with_average)
      : weights(shape), gradients(shape), first_moment(shape), second_moment(shape), keep_average(with_average) {
    if (keep_average) average.emplace_back(shape);
  }

  PlainTensors<float> &kept(Values which) {
    switch (which) {
      case Values::kFirstMoment:
        return first_moment;
      case Values::kSecondMoment:
        return second_moment;
      case Values::kAverage:
        return average.front();
      default:
        return weights;
    }
  }

  PlainTensors<float> weights;
  PlainTensors<Real> gradients;
  PlainTensors<float> first_moment;
  PlainTensors<float> second_moment;
  bool keep_average;
  std::vector<PlainTensors<float>> average;  // one where it is kept, else none
};

template <typename Real>
struct PlainOptimizer {
  using Trainer = PlainTrainer<Real>;

  static int64_t trainer_bytes(const ModelShape &shape, bool keep_average) {
    return static_cast<int64_t>(sizeof(Trainer)) + PlainTensors<Real>::bytes(shape) +
           (keep_average ? 4 : 3) * PlainTensors<float>::bytes(shape);
  }

  static void *create_trainer(void *, const ModelShape &shape, bool keep_average) {
    try {
      return new Trainer(shape, keep_average);
    } catch (const std::bad_alloc &) {
      return nullptr;
    }
  }

  static void destroy_trainer(void *trainer) { delete static_cast<Trainer *>(trainer); }

  static void write_values(const ModelShape &shape, void *trainer, Values which, Tensor tensor, int32_t layer,
                           const float *values, int64_t offset, int64_t count) {
    auto &kept = *static_cast<Trainer *>(trainer);
    if (which == Values::kGradients) {
      kept.gradients.write(shape, tensor, layer, values, offset, count);
    } else {
      kept.kept(which).write(shape, tensor, layer, values, offset, count);
    }
  }

  static void read_values(const ModelShape &shape, const void *trainer, Values which, Tensor tensor, int32_t layer,
                          float *values, int64_t offset, int64_t count) {
    auto &kept = *static_cast<Trainer *>(const_cast<void *>(trainer));
    if (which == Values::kGradients) {
      kept.gradients.read(shape, tensor, layer, values, offset, count);
    } else {
      kept.kept(which).read(shape, tensor, layer, values, offset, count);
    }
  }

  static void read_initial_memory(const TrainingContext &context, float *state) {
    const ModelShape &shape = *context.shape;
    read_values(shape, context.trainer, Values::kWeights, Tensor::kMemory, 0, state, 0,
                int64_t{shape.num_mem_tokens} * shape.hidden_size);
  }

  static void add_initial_memory_gradient(const TrainingContext &context, const float *dstate) {
    const ModelShape &shape = *context.shape;
    Real *gradient = static_cast<Trainer *>(context.trainer)->gradients.get(Tensor::kMemory);
    for (int64_t i = 0; i < int64_t{shape.num_mem_tokens} * shape.hidden_size; ++i) gradient[i] += dstate[i];
  }

  static void clear_gradients(const TrainingContext &context) {
    auto &trainer = *static_cast<Trainer *>(context.trainer);
    PlainTensors<Real>::for_each(*context.shape, [&](Tensor tensor, int32_t layer, const TensorSize &size) {
      std::fill_n(trainer.gradients.get(tensor, layer), size.rows * size.columns, Real{0});
    });
  }

  // Global norm of the gradient, scaled and then clipped by value.
  static double norm_after(const TrainingContext &context, double scale, double clip_value) {
    const auto &trainer = *static_cast<Trainer *>(context.trainer);
    double squares = 0;
    PlainTensors<Real>::for_each(*context.shape, [&](Tensor tensor, int32_t layer, const TensorSize &size) {
      const Real *gradient = trainer.gradients.get(tensor, layer);
      for (int64_t i = 0; i < size.rows * size.columns; ++i) {
        const double value = clipped(gradient[i] * scale, clip_value);
        squares += value * value;
      }
    });
    return std::sqrt(squares);
  }

  static double clipped(double value, double limit) {
    return limit > 0 ? std::max(-limit, std::min(limit, value)) : value;
  }

  static double gradient_norm(const TrainingContext &context, double scale) { return norm_after(context, scale, 0); }

  static void update(const TrainingContext &context, const AdamW &options) {
    auto &trainer = *static_cast<Trainer *>(context.trainer);
    double norm_scale = 1;
    if (options.clip_norm > 0) {
      const double norm = norm_after(context, options.gradient_scale, options.clip_value);
      if (norm > options.clip_norm) norm_scale = options.clip_norm / norm;
    }
    const double first_correction = 1 - std::pow(options.beta1, static_cast<double>(options.step));
    const double second_correction = 1 - std::pow(options.beta2, static_cast<double>(options.step));
    PlainTensors<Real>::for_each(*context.shape, [&](Tensor tensor, int32_t layer, const TensorSize &size) {
      const Real *gradient = trainer.gradients.get(tensor, layer);
      float *weight = trainer.weights.get(tensor, layer);
      float *first = trainer.first_moment.get(tensor, layer);
      float *second = trainer.second_moment.get(tensor, layer);
      float *average = trainer.keep_average ? trainer.average.front().get(tensor, layer) : nullptr;
      const bool decays = options.decay_everything || !is_bias_or_norm(tensor);
      const double decay = decays ? options.learning_rate * options.weight_decay : 0;
      for (int64_t i = 0; i < size.rows * size.columns; ++i) {
        const double g = clipped(gradient[i] * options.gradient_scale, options.clip_value) * norm_scale;
        const double m = options.beta1 * first[i] + (1 - options.beta1) * g;
        const double v = options.beta2 * second[i] + (1 - options.beta2) * g * g;
        first[i] = static_cast<float>(m);
        second[i] = static_cast<float>(v);
        const double step = (m / first_correction) / (std::sqrt(v / second_correction) + options.epsilon);
        const double w = weight[i] - decay * weight[i] - options.learning_rate * step;
        weight[i] = static_cast<float>(w);
        if (average != nullptr) {
          average[i] = static_cast<float>(average[i] * options.average_decay + w * (1 - options.average_decay));
        }
      }
    });
  }
};

}  // namespace rmt
