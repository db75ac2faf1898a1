// kernels.h - the operations a backend implements: half a transformer layer each, on whole row blocks.
//
// A backend is a table of functions. The model (src/model) decides what runs on which rows; a backend decides how, and
// in which layout weights and activations lie: both are opaque to everything above this file.
#pragma once

#include <cstdint>

namespace rmt {

class ThreadPool;

// Shape of an encoder; validated before a backend sees it.
struct ModelShape {
  int32_t hidden_size;        // H
  int32_t num_layers;         // L
  int32_t num_heads;          // NH
  int32_t head_size;          // HS = H / NH
  int32_t intermediate_size;  // F
  int32_t vocab_size;         // V
  int32_t max_positions;      // P
  int32_t type_vocab_size;
  int32_t num_mem_tokens;     // M
  int32_t num_labels;         // 0: no pooler, no classifier
  int32_t num_probe_outputs;  // rows of the probes' weight; 0 but in training
  float layer_norm_eps;
};

// The tensors of a model. Those from kQueryWeight to kOutputNormBias exist once per layer.
enum class Tensor : int32_t {
  kWordEmbeddings,      // (V, H)
  kPositionEmbeddings,  // (P, H)
  kTypeEmbeddings,      // (type_vocab_size, H)
  kEmbeddingNormWeight,
  kEmbeddingNormBias,
  kMemory,       // (M, H)
  kQueryWeight,  // (H, H) as (out, in), like all linear weights
  kQueryBias,
  kKeyWeight,
  kKeyBias,
  kValueWeight,
  kValueBias,
  kAttentionOutputWeight,
  kAttentionOutputBias,
  kAttentionNormWeight,
  kAttentionNormBias,
  kIntermediateWeight,  // (F, H)
  kIntermediateBias,
  kOutputWeight,  // (H, F)
  kOutputBias,
  kOutputNormWeight,
  kOutputNormBias,
  kPoolerWeight,  // (H, H)
  kPoolerBias,
  kClassifierWeight,  // (num_labels, H)
  kClassifierBias,
  kProbeWeight,  // (num_probe_outputs, H)
  kProbeBias,
  kCount
};

// Positions [begin, end) of a document.
struct RowRange {
  int32_t begin;
  int32_t end;
};

// One document's positions in one segment: the unit that a backend works on. Row blocks of a call are independent of
// each other, so one call may hold blocks of different layers (`layer` differs) or of one.
struct RowBlock {
  const int32_t *ids;         // (length); not read at memory positions
  int32_t length;             // valid positions; attention sees these and no others
  int32_t layer;              // layer whose weights apply
  int32_t read_memory_start;  // position of the first of M memory rows; -1: none
  const float *read_memory;   // (M, H)
  RowRange rows[2];           // chosen rows, ascending, not overlapping; num_rows = 0: all valid rows
  int32_t num_rows;           // ranges in `rows` that are used
  int32_t index;              // which block of the workspace holds the activations, 0 ... max_batch_size - 1
};

// What every operation gets: where to compute and on what.
struct SegmentContext {
  const ModelShape *shape;
  const void *weights;  // made by create_weights
  void *workspace;      // made by create_workspace
  ThreadPool *pool;
  bool causal;
};

struct TrainingBackend;  // training.h

struct Backend {
  const char *name;  // "reference", "portable", "avx2", "avx512"
  const TrainingBackend *training;

  // Weights. Bytes are known before anything is allocated; create_* return null where memory is refused.
  int64_t (*weights_bytes)(const ModelShape &shape);
  void *(*create_weights)(const ModelShape &shape);
  void (*destroy_weights)(void *weights);
  // Element `offset` ... `offset + count - 1` of the row-major tensor; `layer` is 0 for tensors outside the layers.
  void (*write_tensor)(const ModelShape &shape, void *weights, Tensor tensor, int32_t layer, const float *values,
                       int64_t offset, int64_t count);
  void (*read_tensor)(const ModelShape &shape, const void *weights, Tensor tensor, int32_t layer, float *values,
                      int64_t offset, int64_t count);

  // Workspace: activations of max_batch_size row blocks of max_input_length positions.
  int64_t (*workspace_bytes)(const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length,
                             int32_t threads);
  void *(*create_workspace)(const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length, int32_t threads);
  void (*destroy_workspace)(void *workspace);

  // x = LayerNorm(word + position + type 0); memory rows enter in place of word rows, below the LayerNorm.
  void (*embed)(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks);

  // x = LayerNorm(x + Attention(x) Wo + bo). Keys and values come from all valid rows, queries from the chosen ones.
  void (*attention_block)(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks);

  // x = LayerNorm(x + GELU(x Wi + bi) Wo + bo) on the chosen rows.
  void (*feed_forward_block)(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks);

  // Copies rows [begin, end) of x, row-major: (end - begin, H).
  void (*read_rows)(const SegmentContext &context, const RowBlock &block, RowRange rows, float *values);

  // pooled = tanh(hidden Wp + bp) and logits = pooled Wc + bc of one row; both pointers may be null.
  void (*classify)(const SegmentContext &context, const float *hidden /* (H) */, float *pooled /* (H) */,
                   float *logits /* (num_labels) */);
};

}  // namespace rmt
