// plain_backend.h - the operations of kernels.h as plain loops, with activations and accumulators of type Real.
//
// Real = double is the reference. Real = float shows tests what error single precision has by nature.
#pragma once

#include <cmath>
#include <cstdint>
#include <new>
#include <vector>

#include "kernels/host_memory.h"
#include "kernels/kernels.h"
#include "kernels/reference/plain_rows.h"
#include "kernels/reference/plain_tensors.h"
#include "kernels/reference/plain_training.h"

namespace rmt {

template <typename Real>
class PlainBackend : private PlainRows<Real> {
 public:
  static Backend make(const char *name) {
    return Backend{name,
                   &kHostMemory,
                   PlainTraining<Real>::table(),
                   weights_bytes,
                   create_weights,
                   destroy_weights,
                   write_tensor,
                   read_tensor,
                   workspace_bytes,
                   create_workspace,
                   destroy_workspace,
                   nullptr,
                   nullptr,
                   embed,
                   attention_block,
                   feed_forward_block,
                   write_memory,
                   read_rows,
                   classify};
  }

 private:
  using Rows = PlainRows<Real>;
  using Rows::add_and_normalize;
  using Rows::for_each_chosen_row;
  using Rows::gelu;
  using Rows::linear;
  using Rows::softmax;

  // ---- weights ----

  using Weights = PlainTensors<float>;

  static int64_t weights_bytes(const ModelShape &shape) { return Weights::bytes(shape); }

  static void *create_weights(void *, const ModelShape &shape) {
    try {
      return new Weights(shape);
    } catch (const std::bad_alloc &) {
      return nullptr;
    }
  }

  static void destroy_weights(void *weights) { delete static_cast<Weights *>(weights); }

  static void write_tensor(const ModelShape &shape, void *weights, Tensor tensor, int32_t layer, const float *values,
                           int64_t offset, int64_t count) {
    static_cast<Weights *>(weights)->write(shape, tensor, layer, values, offset, count);
  }

  static void read_tensor(const ModelShape &shape, const void *weights, Tensor tensor, int32_t layer, float *values,
                          int64_t offset, int64_t count) {
    static_cast<const Weights *>(weights)->read(shape, tensor, layer, values, offset, count);
  }

  // ---- workspace ----

  struct Workspace {
    int64_t max_input_length;
    std::vector<Real> x;             // (blocks, max_input_length, H)
    std::vector<Real> keys;          // (H, max_input_length) of one block
    std::vector<Real> values;        // (max_input_length, H) of one block
    std::vector<Real> scores;        // (max_input_length) of one query
    std::vector<Real> query;         // (H) of one row, like those below
    std::vector<Real> attended;      // (H)
    std::vector<Real> intermediate;  // (F)
    std::vector<Real> row;           // (H)

    Real *rows(const ModelShape &shape, int32_t block) {
      return x.data() + block * max_input_length * shape.hidden_size;
    }
  };

  static int64_t workspace_bytes(const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length, int32_t) {
    const int64_t length = max_input_length;
    const int64_t hidden = shape.hidden_size;
    const int64_t reals =
        max_batch_size * length * hidden + 2 * length * hidden + length + 3 * hidden + shape.intermediate_size;
    return static_cast<int64_t>(sizeof(Workspace)) + reals * static_cast<int64_t>(sizeof(Real));
  }

  static void *create_workspace(void *, const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length,
                                int32_t) {
    auto *workspace = new (std::nothrow) Workspace;
    if (workspace == nullptr) return nullptr;
    try {
      const int64_t length = max_input_length;
      const int64_t hidden = shape.hidden_size;
      workspace->max_input_length = length;
      workspace->x.resize(max_batch_size * length * hidden);
      workspace->keys.resize(hidden * length);
      workspace->values.resize(length * hidden);
      workspace->scores.resize(length);
      workspace->query.resize(hidden);
      workspace->attended.resize(hidden);
      workspace->intermediate.resize(shape.intermediate_size);
      workspace->row.resize(hidden);
      return workspace;
    } catch (const std::bad_alloc &) {
      delete workspace;
      return nullptr;
    }
  }

  static void destroy_workspace(void *workspace) { delete static_cast<Workspace *>(workspace); }

  // ---- operations of the table ----

  static void embed(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
    const ModelShape &shape = *context.shape;
    const auto &weights = *static_cast<const Weights *>(context.weights);
    const int64_t hidden = shape.hidden_size;
    for (int32_t b = 0; b < num_blocks; ++b) {
      const RowBlock &block = blocks[b];
      Real *x = static_cast<Workspace *>(context.workspace)->rows(shape, block.index);
      for_each_chosen_row(block, [&](int32_t t) {
        const float *word = reads_memory(block, t, shape.num_mem_tokens)
                                ? block.read_memory + (t - block.read_memory_start) * hidden
                                : weights.get(Tensor::kWordEmbeddings) + block.ids[t] * hidden;
        const float *position = weights.get(Tensor::kPositionEmbeddings) + t * hidden;
        const float *type = weights.get(Tensor::kTypeEmbeddings);
        for (int64_t h = 0; h < hidden; ++h) x[t * hidden + h] = static_cast<Real>(word[h]) + position[h] + type[h];
        add_and_normalize(x + t * hidden, nullptr, weights.get(Tensor::kEmbeddingNormWeight),
                          weights.get(Tensor::kEmbeddingNormBias), shape.layer_norm_eps, hidden);
      });
    }
  }

  static void attention_block(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
    const ModelShape &shape = *context.shape;
    const auto &weights = *static_cast<const Weights *>(context.weights);
    auto &workspace = *static_cast<Workspace *>(context.workspace);
    const int64_t hidden = shape.hidden_size;
    const int64_t stride = workspace.max_input_length;
    for (int32_t b = 0; b < num_blocks; ++b) {
      const RowBlock &block = blocks[b];
      const auto weight = [&](Tensor tensor) { return weights.get(tensor, block.layer); };
      Real *x = workspace.rows(shape, block.index);
      Real *row = workspace.row.data();
      int64_t operations = 0;
      for (int64_t t = 0; t < block.length; ++t) {
        operations += linear(x + t * hidden, weight(Tensor::kKeyWeight), weight(Tensor::kKeyBias), hidden, hidden, row);
        for (int64_t h = 0; h < hidden; ++h) workspace.keys[h * stride + t] = row[h];
        operations += linear(x + t * hidden, weight(Tensor::kValueWeight), weight(Tensor::kValueBias), hidden, hidden,
                             workspace.values.data() + t * hidden);
      }
      for_each_chosen_row(block, [&](int32_t t) {
        operations += linear(x + t * hidden, weight(Tensor::kQueryWeight), weight(Tensor::kQueryBias), hidden, hidden,
                             workspace.query.data());
        operations += attend(shape, workspace, context.causal ? t + 1 : block.length);
        operations += linear(workspace.attended.data(), weight(Tensor::kAttentionOutputWeight),
                             weight(Tensor::kAttentionOutputBias), hidden, hidden, row);
        add_and_normalize(x + t * hidden, row, weight(Tensor::kAttentionNormWeight), weight(Tensor::kAttentionNormBias),
                          shape.layer_norm_eps, hidden);
      });
      add_operations(context.operations, operations);
    }
  }

  // attended = for each head: softmax(query keys / sqrt(HS)) values, over the first `visible` positions.
  // Returns the operations of the products.
  static int64_t attend(const ModelShape &shape, Workspace &workspace, int64_t visible) {
    const int64_t head_size = shape.head_size;
    const Real scale = 1 / std::sqrt(static_cast<Real>(head_size));
    Real *scores = workspace.scores.data();
    for (int64_t begin = 0; begin < shape.hidden_size; begin += head_size) {
      for (int64_t j = 0; j < visible; ++j) scores[j] = 0;
      for (int64_t h = begin; h < begin + head_size; ++h) {
        const Real query = workspace.query[h] * scale;
        const Real *keys = workspace.keys.data() + h * workspace.max_input_length;
        for (int64_t j = 0; j < visible; ++j) scores[j] += query * keys[j];
      }
      softmax(scores, visible);
      Real *attended = workspace.attended.data() + begin;
      for (int64_t h = 0; h < head_size; ++h) attended[h] = 0;
      for (int64_t j = 0; j < visible; ++j) {
        const Real *values = workspace.values.data() + j * shape.hidden_size + begin;
        for (int64_t h = 0; h < head_size; ++h) attended[h] += scores[j] * values[h];
      }
    }
    return 4 * visible * shape.hidden_size;
  }

  static void feed_forward_block(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
    const ModelShape &shape = *context.shape;
    const auto &weights = *static_cast<const Weights *>(context.weights);
    auto &workspace = *static_cast<Workspace *>(context.workspace);
    const int64_t hidden = shape.hidden_size;
    for (int32_t b = 0; b < num_blocks; ++b) {
      const RowBlock &block = blocks[b];
      const auto weight = [&](Tensor tensor) { return weights.get(tensor, block.layer); };
      Real *x = workspace.rows(shape, block.index);
      Real *row = workspace.row.data();
      int64_t operations = 0;
      for_each_chosen_row(block, [&](int32_t t) {
        operations += linear(x + t * hidden, weight(Tensor::kIntermediateWeight), weight(Tensor::kIntermediateBias),
                             hidden, shape.intermediate_size, workspace.intermediate.data());
        for (Real &value : workspace.intermediate) value = gelu(value);
        operations += linear(workspace.intermediate.data(), weight(Tensor::kOutputWeight), weight(Tensor::kOutputBias),
                             shape.intermediate_size, hidden, row);
        add_and_normalize(x + t * hidden, row, weight(Tensor::kOutputNormWeight), weight(Tensor::kOutputNormBias),
                          shape.layer_norm_eps, hidden);
      });
      add_operations(context.operations, operations);
    }
  }

  static void read_rows(const SegmentContext &context, const RowBlock &block, RowRange rows, float *values) {
    const int64_t hidden = context.shape->hidden_size;
    const Real *x = static_cast<Workspace *>(context.workspace)->rows(*context.shape, block.index);
    for (int64_t i = rows.begin * hidden; i < rows.end * hidden; ++i) *values++ = static_cast<float>(x[i]);
  }

  static void write_memory(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
    for (int32_t b = 0; b < num_blocks; ++b) {
      const int32_t start = blocks[b].write_memory_start;
      if (start < 0) continue;
      read_rows(context, blocks[b], {start, start + context.shape->num_mem_tokens}, blocks[b].write_memory);
    }
  }

  static void classify(const SegmentContext &context, const float *hidden, float *pooled, float *logits) {
    const ModelShape &shape = *context.shape;
    const auto &weights = *static_cast<const Weights *>(context.weights);
    auto &workspace = *static_cast<Workspace *>(context.workspace);
    const int64_t size = shape.hidden_size;
    Real *inner = workspace.query.data();
    for (int64_t h = 0; h < size; ++h) workspace.row[h] = hidden[h];
    add_operations(context.operations, linear(workspace.row.data(), weights.get(Tensor::kPoolerWeight),
                                              weights.get(Tensor::kPoolerBias), size, size, inner));
    for (int64_t h = 0; h < size; ++h) {
      inner[h] = std::tanh(inner[h]);
      if (pooled != nullptr) pooled[h] = static_cast<float>(inner[h]);
    }
    if (logits == nullptr) return;
    add_operations(context.operations, 2 * size * shape.num_labels);
    for (int32_t label = 0; label < shape.num_labels; ++label) {
      Real sum = weights.get(Tensor::kClassifierBias)[label];
      for (int64_t h = 0; h < size; ++h) {
        sum += inner[h] * weights.get(Tensor::kClassifierWeight)[h * shape.num_labels + label];
      }
      logits[label] = static_cast<float>(sum);
    }
  }
};

}  // namespace rmt
