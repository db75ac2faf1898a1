// plain_training.h - the operations of training.h as plain loops, with activations and gradients of type Real.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/dropout.h"
#include "kernels/reference/plain_rows.h"
#include "kernels/reference/plain_tape.h"
#include "kernels/reference/plain_tensors.h"
#include "kernels/reference/plain_trainer.h"
#include "kernels/training.h"

namespace rmt {

template <typename Real>
class PlainTraining : private PlainRows<Real> {
 public:
  using Optimizer = PlainOptimizer<Real>;

  static const TrainingBackend *table() {
    static const TrainingBackend training = {Optimizer::trainer_bytes,
                                             Optimizer::create_trainer,
                                             Optimizer::destroy_trainer,
                                             Optimizer::write_values,
                                             Optimizer::read_values,
                                             tape_bytes,
                                             create_tape,
                                             destroy_tape,
                                             begin_segment,
                                             Optimizer::read_initial_memory,
                                             Optimizer::add_initial_memory_gradient,
                                             embed,
                                             attention_block,
                                             feed_forward_block,
                                             write_memory,
                                             read_rows,
                                             clear_dx,
                                             add_memory_gradients,
                                             add_to_dx,
                                             feed_forward_backward,
                                             attention_backward,
                                             embed_backward,
                                             rows_linear,
                                             rows_linear_backward,
                                             Optimizer::clear_gradients,
                                             Optimizer::gradient_norm,
                                             Optimizer::update};
    return &training;
  }

 private:
  using Rows = PlainRows<Real>;
  using Rows::for_each_chosen_row;
  using Rows::gelu;
  using Rows::gelu_slope;
  using Rows::linear;
  using Rows::linear_backward;
  using Rows::softmax;
  using Trainer = PlainTrainer<Real>;
  using Tape = PlainTape<Real>;
  using Layer = typename Tape::Layer;
  using Norm = typename Tape::Norm;
  using Buffer = std::vector<Real>;

  // ---- tape ----

  static int64_t tape_bytes(const ModelShape &shape, const TapeLimits &limits, int32_t) {
    return Tape::bytes(shape, limits);
  }

  static void *create_tape(void *, const ModelShape &shape, const TapeLimits &limits, int32_t) {
    return Tape::create(shape, limits);
  }

  static void destroy_tape(void *tape) { delete static_cast<Tape *>(tape); }

  static void begin_segment(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks,
                            const TrainingBlock *, int32_t) {
    int64_t row = 0;
    for (int32_t b = 0; b < num_blocks; ++b) {
      static_cast<Tape *>(context.tape)->begin[blocks[b].index] = row;
      row += blocks[b].length;
    }
  }

  // ---- dropout ----

  // Which elements of the rows of one site are dropped.
  class Mask {
   public:
    Mask(uint64_t key, uint32_t site, float probability)
        : key_(key),
          site_(site),
          threshold_(dropout_threshold(probability)),
          kept_scale_(1 / (1 - static_cast<Real>(probability))) {}

    // Drops elements [0, count) of a row, and scales those that stay. The same for values and gradients.
    void apply(int64_t row, Real *values, int64_t count) const {
      if (threshold_ == 0) return;
      const uint32_t hash = dropout_row(key_, site_, static_cast<uint32_t>(row));
      for (int64_t i = 0; i < count; ++i) {
        const bool kept = dropout_mix(hash + static_cast<uint32_t>(i)) >= threshold_;
        values[i] = kept ? values[i] * kept_scale_ : 0;
      }
    }

   private:
    uint64_t key_;
    uint32_t site_;
    uint32_t threshold_;
    Real kept_scale_;
  };

  static Mask mask(const TrainingBlock &block, uint32_t site, float probability) {
    const uint32_t layer = static_cast<uint32_t>(block.layer + 1) << DropoutSite::kLayerShift;
    return Mask(block.dropout_key, site + (site == DropoutSite::kEmbedding ? 0 : layer), probability);
  }

  // ---- LayerNorm ----

  // out = LayerNorm(in) for row `row` of `norm`; `in` and `out` may be the same.
  static void normalize(const Real *in, const float *weight, const float *bias, float eps, int64_t hidden, int64_t row,
                        Norm &norm, Real *out) {
    Real sum = 0;
    for (int64_t h = 0; h < hidden; ++h) sum += in[h];
    const Real mean = sum / hidden;
    Real squares = 0;
    for (int64_t h = 0; h < hidden; ++h) squares += (in[h] - mean) * (in[h] - mean);
    const Real scale = 1 / std::sqrt(squares / hidden + static_cast<Real>(eps));
    Real *normalized = norm.normalized.data() + row * hidden;
    norm.scale[row] = scale;
    for (int64_t h = 0; h < hidden; ++h) {
      normalized[h] = (in[h] - mean) * scale;
      out[h] = normalized[h] * weight[h] + bias[h];
    }
  }

  // Gradient of the input in place of that of the output: dx = scale (g - mean(g) - n mean(g n)), g = dy weight, n the
  // normalized row.
  static void normalize_backward(Real *dx, const float *weight, int64_t hidden, int64_t row, const Norm &norm,
                                 Real *dweight, Real *dbias) {
    const Real *normalized = norm.normalized.data() + row * hidden;
    Real sum = 0;
    Real product = 0;
    for (int64_t h = 0; h < hidden; ++h) {
      dweight[h] += dx[h] * normalized[h];
      dbias[h] += dx[h];
      dx[h] *= weight[h];
      sum += dx[h];
      product += dx[h] * normalized[h];
    }
    for (int64_t h = 0; h < hidden; ++h) {
      dx[h] = norm.scale[row] * (dx[h] - sum / hidden - normalized[h] * (product / hidden));
    }
  }

  // ---- a block with what it works on ----

  struct Job {
    Job(const TrainingContext &training_context, const TrainingBlock &training_block)
        : context(training_context),
          block(training_block),
          trainer(*static_cast<Trainer *>(training_context.trainer)),
          tape(*static_cast<Tape *>(training_context.tape)),
          layer(tape.layers[training_block.layer]),
          hidden(training_context.shape->hidden_size),
          begin(tape.begin[training_block.index]) {}

    const float *weight(Tensor tensor) const { return trainer.weights.get(tensor, block.layer); }
    Real *gradient(Tensor tensor) const { return trainer.gradients.get(tensor, block.layer); }
    // Row t of the document in a buffer of rows of H values.
    Real *row(Buffer &buffer, int64_t t) const { return buffer.data() + (begin + t) * hidden; }
    int64_t visible(int64_t t) const { return context.causal ? t + 1 : block.length; }

    const TrainingContext &context;
    const TrainingBlock &block;
    Trainer &trainer;
    Tape &tape;
    Layer &layer;
    const int64_t hidden;
    const int64_t begin;
  };

  template <typename Run>
  static void for_each_job(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks, Run run) {
    for (int32_t b = 0; b < num_blocks; ++b) run(Job(context, blocks[b]));
  }

  // ---- forward ----

  static void embed(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
    for_each_job(context, blocks, num_blocks, [&](const Job &job) {
      const TrainingBlock &block = job.block;
      const PlainTensors<float> &weights = job.trainer.weights;
      const float *type = weights.get(Tensor::kTypeEmbeddings);
      const Mask dropped = mask(block, DropoutSite::kEmbedding, context.dropout.hidden);
      for (int64_t t = 0; t < block.length; ++t) {
        const float *word = reads_memory(block, t, context.shape->num_mem_tokens)
                                ? block.read_memory + (t - block.read_memory_start) * job.hidden
                                : weights.get(Tensor::kWordEmbeddings) + block.ids[t] * job.hidden;
        const float *position = weights.get(Tensor::kPositionEmbeddings) + t * job.hidden;
        Real *x = job.row(job.tape.x[0], t);
        for (int64_t h = 0; h < job.hidden; ++h) x[h] = static_cast<Real>(word[h]) + position[h] + type[h];
        normalize(x, weights.get(Tensor::kEmbeddingNormWeight), weights.get(Tensor::kEmbeddingNormBias),
                  context.shape->layer_norm_eps, job.hidden, job.begin + t, job.tape.embedding_norm, x);
        dropped.apply(t, x, job.hidden);
      }
    });
  }

  // tape.scores = attention weights of query t over the visible positions, for the head whose columns begin at `first`.
  static void attention_weights(const Job &job, int64_t t, int64_t first) {
    const int64_t head_size = job.context.shape->head_size;
    const Real scale = 1 / std::sqrt(static_cast<Real>(head_size));
    const Real *query = job.row(job.layer.queries, t) + first;
    Real *scores = job.tape.scores.data();
    for (int64_t j = 0; j < job.visible(t); ++j) {
      const Real *key = job.row(job.layer.keys, j) + first;
      scores[j] = 0;
      for (int64_t h = 0; h < head_size; ++h) scores[j] += query[h] * scale * key[h];
    }
    softmax(scores, job.visible(t));
  }

  static Mask attention_mask(const Job &job, int64_t head) {
    return mask(job.block, DropoutSite::kAttention + static_cast<uint32_t>(head), job.context.dropout.attention);
  }

  static void attend(const Job &job, int64_t t) {
    const ModelShape &shape = *job.context.shape;
    Real *scores = job.tape.scores.data();
    for (int64_t head = 0; head < shape.num_heads; ++head) {
      const int64_t first = head * shape.head_size;
      attention_weights(job, t, first);
      attention_mask(job, head).apply(t, scores, job.visible(t));
      Real *attended = job.row(job.layer.attended, t) + first;
      std::fill_n(attended, shape.head_size, Real{0});
      for (int64_t j = 0; j < job.visible(t); ++j) {
        const Real *value = job.row(job.layer.values, j) + first;
        for (int64_t h = 0; h < shape.head_size; ++h) attended[h] += scores[j] * value[h];
      }
    }
  }

  static void attention_block(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
    for_each_job(context, blocks, num_blocks, [&](const Job &job) {
      Buffer &x = job.tape.x[job.block.layer];
      Layer &layer = job.layer;
      const int64_t hidden = job.hidden;
      const auto project = [&](int64_t t, Tensor weight, Tensor bias, Buffer &out) {
        linear(job.row(x, t), job.weight(weight), job.weight(bias), hidden, hidden, job.row(out, t));
      };
      for (int64_t t = 0; t < job.block.length; ++t) {
        project(t, Tensor::kKeyWeight, Tensor::kKeyBias, layer.keys);
        project(t, Tensor::kValueWeight, Tensor::kValueBias, layer.values);
      }
      const Mask dropped = mask(job.block, DropoutSite::kAttentionOutput, context.dropout.hidden);
      for_each_chosen_row(job.block, [&](int32_t t) {
        project(t, Tensor::kQueryWeight, Tensor::kQueryBias, layer.queries);
        attend(job, t);
        Real *a = job.row(layer.a, t);
        linear(job.row(layer.attended, t), job.weight(Tensor::kAttentionOutputWeight),
               job.weight(Tensor::kAttentionOutputBias), hidden, hidden, a);
        dropped.apply(t, a, hidden);
        for (int64_t h = 0; h < hidden; ++h) a[h] += job.row(x, t)[h];
        normalize(a, job.weight(Tensor::kAttentionNormWeight), job.weight(Tensor::kAttentionNormBias),
                  context.shape->layer_norm_eps, hidden, job.begin + t, layer.attention_norm, a);
      });
    });
  }

  static void feed_forward_block(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
    const int64_t size = context.shape->intermediate_size;
    for_each_job(context, blocks, num_blocks, [&](const Job &job) {
      const Mask dropped = mask(job.block, DropoutSite::kOutput, context.dropout.hidden);
      for_each_chosen_row(job.block, [&](int32_t t) {
        const Real *a = job.row(job.layer.a, t);
        Real *inner = job.layer.inner.data() + (job.begin + t) * size;
        Real *activation = job.tape.activation.data();
        Real *out = job.row(job.tape.x[job.block.layer + 1], t);
        linear(a, job.weight(Tensor::kIntermediateWeight), job.weight(Tensor::kIntermediateBias), job.hidden, size,
               inner);
        for (int64_t f = 0; f < size; ++f) activation[f] = gelu(inner[f]);
        linear(activation, job.weight(Tensor::kOutputWeight), job.weight(Tensor::kOutputBias), size, job.hidden, out);
        dropped.apply(t, out, job.hidden);
        for (int64_t h = 0; h < job.hidden; ++h) out[h] += a[h];
        normalize(out, job.weight(Tensor::kOutputNormWeight), job.weight(Tensor::kOutputNormBias),
                  context.shape->layer_norm_eps, job.hidden, job.begin + t, job.layer.output_norm, out);
      });
    });
  }

  static void read_row(const TrainingContext &context, const TrainingBlock &block, int32_t level, int32_t position,
                       float *values) {
    const Job job(context, block);
    const Real *x = job.row(job.tape.x[level], position);
    for (int64_t h = 0; h < job.hidden; ++h) values[h] = static_cast<float>(x[h]);
  }

  static void read_rows(const TrainingContext &context, const RowPlace *places, int32_t num_places, float *values) {
    for (int64_t i = 0; i < num_places; ++i) {
      read_row(context, *places[i].block, places[i].level, places[i].position, values + i * context.shape->hidden_size);
    }
  }

  static void write_memory(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
    const ModelShape &shape = *context.shape;
    for (int32_t b = 0; b < num_blocks; ++b) {
      if (blocks[b].write_memory_start < 0) continue;
      for (int32_t m = 0; m < shape.num_mem_tokens; ++m) {
        read_row(context, blocks[b], shape.num_layers, blocks[b].write_memory_start + m,
                 blocks[b].write_memory + int64_t{m} * shape.hidden_size);
      }
    }
  }

  // ---- backward ----

  static void clear_dx(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
    for_each_job(context, blocks, num_blocks,
                 [&](const Job &job) { std::fill_n(job.row(job.tape.dx, 0), job.block.length * job.hidden, Real{0}); });
  }

  static void add_row_to_dx(const Job &job, int32_t position, const float *values) {
    Real *dx = job.row(job.tape.dx, position);
    for (int64_t h = 0; h < job.hidden; ++h) dx[h] += values[h];
  }

  static void add_to_dx(const TrainingContext &context, const RowPlace *places, int32_t num_places,
                        const float *values) {
    for (int64_t i = 0; i < num_places; ++i) {
      add_row_to_dx(Job(context, *places[i].block), places[i].position, values + i * context.shape->hidden_size);
    }
  }

  static void add_memory_gradients(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
    for_each_job(context, blocks, num_blocks, [&](const Job &job) {
      if (job.block.dwrite_memory == nullptr) return;
      for (int32_t m = 0; m < context.shape->num_mem_tokens; ++m) {
        add_row_to_dx(job, job.block.write_memory_start + m, job.block.dwrite_memory + m * job.hidden);
      }
    });
  }

  static void feed_forward_backward(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
    const int64_t size = context.shape->intermediate_size;
    for_each_job(context, blocks, num_blocks, [&](const Job &job) {
      const Mask dropped = mask(job.block, DropoutSite::kOutput, context.dropout.hidden);
      for_each_chosen_row(job.block, [&](int32_t t) {
        Real *dx = job.row(job.tape.dx, t);
        normalize_backward(dx, job.weight(Tensor::kOutputNormWeight), job.hidden, job.begin + t, job.layer.output_norm,
                           job.gradient(Tensor::kOutputNormWeight), job.gradient(Tensor::kOutputNormBias));
        // From here on dx is the gradient of the residual too; the linears add theirs to it.
        Real *dout = job.tape.hidden.data();
        std::copy_n(dx, job.hidden, dout);
        dropped.apply(t, dout, job.hidden);
        const Real *inner = job.layer.inner.data() + (job.begin + t) * size;
        Real *activation = job.tape.activation.data();
        Real *dinner = job.tape.dinner.data();
        for (int64_t f = 0; f < size; ++f) activation[f] = gelu(inner[f]);
        std::fill_n(dinner, size, Real{0});
        linear_backward(activation, dout, job.weight(Tensor::kOutputWeight), size, job.hidden,
                        job.gradient(Tensor::kOutputWeight), job.gradient(Tensor::kOutputBias), dinner);
        for (int64_t f = 0; f < size; ++f) dinner[f] *= gelu_slope(inner[f]);
        linear_backward(job.row(job.layer.a, t), dinner, job.weight(Tensor::kIntermediateWeight), job.hidden, size,
                        job.gradient(Tensor::kIntermediateWeight), job.gradient(Tensor::kIntermediateBias), dx);
      });
    });
  }

  // Adds the gradients of query t, and of the keys and values that it sees; `dattended` is (H).
  static void attend_backward(const Job &job, int64_t t, const Real *dattended) {
    const ModelShape &shape = *job.context.shape;
    const int64_t head_size = shape.head_size;
    const Real scale = 1 / std::sqrt(static_cast<Real>(head_size));
    const int64_t visible = job.visible(t);
    Real *weights = job.tape.scores.data();
    Real *dscores = job.tape.dscores.data();
    const auto own_row = [&](Buffer &buffer, int64_t j) { return buffer.data() + j * job.hidden; };
    for (int64_t head = 0; head < shape.num_heads; ++head) {
      const int64_t first = head * head_size;
      const Mask dropped = attention_mask(job, head);
      const Real *dout = dattended + first;
      for (int64_t j = 0; j < visible; ++j) {
        const Real *value = job.row(job.layer.values, j) + first;
        dscores[j] = 0;
        for (int64_t h = 0; h < head_size; ++h) dscores[j] += dout[h] * value[h];
      }
      dropped.apply(t, dscores, visible);
      attention_weights(job, t, first);
      Real mean = 0;  // of dscores under the attention weights
      for (int64_t j = 0; j < visible; ++j) mean += weights[j] * dscores[j];
      for (int64_t j = 0; j < visible; ++j) dscores[j] = weights[j] * (dscores[j] - mean) * scale;
      dropped.apply(t, weights, visible);
      const Real *query = job.row(job.layer.queries, t) + first;
      Real *dquery = own_row(job.tape.dqueries, t) + first;
      for (int64_t j = 0; j < visible; ++j) {
        const Real *key = job.row(job.layer.keys, j) + first;
        Real *dkey = own_row(job.tape.dkeys, j) + first;
        Real *dvalue = own_row(job.tape.dvalues, j) + first;
        for (int64_t h = 0; h < head_size; ++h) {
          dquery[h] += dscores[j] * key[h];
          dkey[h] += dscores[j] * query[h];
          dvalue[h] += weights[j] * dout[h];
        }
      }
    }
  }

  static void attention_backward(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
    for_each_job(context, blocks, num_blocks, [&](const Job &job) {
      const int64_t hidden = job.hidden;
      Tape &tape = job.tape;
      for (Buffer *buffer : {&tape.dqueries, &tape.dkeys, &tape.dvalues}) {
        std::fill_n(buffer->data(), job.block.length * hidden, Real{0});
      }
      const Mask dropped = mask(job.block, DropoutSite::kAttentionOutput, context.dropout.hidden);
      for_each_chosen_row(job.block, [&](int32_t t) {
        Real *dx = job.row(tape.dx, t);
        normalize_backward(dx, job.weight(Tensor::kAttentionNormWeight), hidden, job.begin + t,
                           job.layer.attention_norm, job.gradient(Tensor::kAttentionNormWeight),
                           job.gradient(Tensor::kAttentionNormBias));
        Real *dout = tape.hidden.data();
        Real *dattended = tape.dhidden.data();
        std::copy_n(dx, hidden, dout);
        dropped.apply(t, dout, hidden);
        std::fill_n(dattended, hidden, Real{0});
        linear_backward(job.row(job.layer.attended, t), dout, job.weight(Tensor::kAttentionOutputWeight), hidden,
                        hidden, job.gradient(Tensor::kAttentionOutputWeight),
                        job.gradient(Tensor::kAttentionOutputBias), dattended);
        attend_backward(job, t, dattended);
      });
      const auto project_backward = [&](int64_t t, Tensor weight, Tensor bias, const Buffer &dout) {
        linear_backward(job.row(tape.x[job.block.layer], t), dout.data() + t * hidden, job.weight(weight), hidden,
                        hidden, job.gradient(weight), job.gradient(bias), job.row(tape.dx, t));
      };
      for_each_chosen_row(
          job.block, [&](int32_t t) { project_backward(t, Tensor::kQueryWeight, Tensor::kQueryBias, tape.dqueries); });
      for (int64_t t = 0; t < job.block.length; ++t) {
        project_backward(t, Tensor::kKeyWeight, Tensor::kKeyBias, tape.dkeys);
        project_backward(t, Tensor::kValueWeight, Tensor::kValueBias, tape.dvalues);
      }
    });
  }

  static void embed_backward(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
    for_each_job(context, blocks, num_blocks, [&](const Job &job) {
      const TrainingBlock &block = job.block;
      PlainTensors<Real> &gradients = job.trainer.gradients;
      const Mask dropped = mask(block, DropoutSite::kEmbedding, context.dropout.hidden);
      for (int64_t t = 0; t < block.length; ++t) {
        Real *dx = job.row(job.tape.dx, t);
        dropped.apply(t, dx, job.hidden);
        normalize_backward(dx, job.trainer.weights.get(Tensor::kEmbeddingNormWeight), job.hidden, job.begin + t,
                           job.tape.embedding_norm, gradients.get(Tensor::kEmbeddingNormWeight),
                           gradients.get(Tensor::kEmbeddingNormBias));
        const auto add_to = [&](Tensor tensor, int64_t row) {
          Real *gradient = gradients.get(tensor) + row * job.hidden;
          for (int64_t h = 0; h < job.hidden; ++h) gradient[h] += dx[h];
        };
        add_to(Tensor::kPositionEmbeddings, t);
        add_to(Tensor::kTypeEmbeddings, 0);
        if (!reads_memory(block, t, context.shape->num_mem_tokens)) {
          add_to(Tensor::kWordEmbeddings, block.ids[t]);
        } else if (block.dread_memory != nullptr) {
          float *dmemory = block.dread_memory + (t - block.read_memory_start) * job.hidden;
          for (int64_t h = 0; h < job.hidden; ++h) dmemory[h] = static_cast<float>(dx[h]);
        }
      }
    });
  }

  // ---- small linears ----

  static void rows_linear(const TrainingContext &context, Tensor weight, Tensor bias, int32_t first, int32_t count,
                          const float *in, int32_t num_rows, float *out) {
    const auto &trainer = *static_cast<Trainer *>(context.trainer);
    const TensorSize size = tensor_size(*context.shape, weight);
    for (int64_t r = 0; r < num_rows; ++r) {
      for (int64_t o = 0; o < count; ++o) {
        Real sum = trainer.weights.get(bias)[first + o];
        for (int64_t i = 0; i < size.columns; ++i) {
          sum += static_cast<Real>(in[r * size.columns + i]) * trainer.weights.get(weight)[i * size.rows + first + o];
        }
        out[r * count + o] = static_cast<float>(sum);
      }
    }
  }

  static void rows_linear_backward(const TrainingContext &context, Tensor weight, Tensor bias, int32_t first,
                                   int32_t count, const float *in, const float *dout, int32_t num_rows, float *din) {
    auto &trainer = *static_cast<Trainer *>(context.trainer);
    const TensorSize size = tensor_size(*context.shape, weight);
    for (int64_t r = 0; r < num_rows; ++r) {
      for (int64_t o = 0; o < count; ++o) trainer.gradients.get(bias)[first + o] += dout[r * count + o];
      for (int64_t i = 0; i < size.columns; ++i) {
        const int64_t place = i * size.rows + first;
        Real sum = 0;
        for (int64_t o = 0; o < count; ++o) {
          sum += static_cast<Real>(dout[r * count + o]) * trainer.weights.get(weight)[place + o];
          trainer.gradients.get(weight)[place + o] += static_cast<Real>(dout[r * count + o]) * in[r * size.columns + i];
        }
        din[r * size.columns + i] = static_cast<float>(sum);
      }
    }
  }
};

}  // namespace rmt
