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
// each other; those of a call belong to one layer.
struct RowBlock {
  const int32_t *ids;          // (length); not read at memory positions
  int32_t length;              // valid positions; attention sees these and no others
  int32_t layer;               // layer whose weights apply
  int32_t read_memory_start;   // position of the first of M memory rows; -1: none
  const float *read_memory;    // (M, H)
  RowRange rows[2];            // chosen rows, ascending, not overlapping; num_rows = 0: all valid rows
  int32_t num_rows;            // ranges in `rows` that are used
  int32_t index;               // which block of the workspace holds the activations, 0 ... max_batch_size - 1
  int32_t write_memory_start;  // position of the first of M rows that write_memory copies; -1: none
  float *write_memory;         // (M, H)
};

// Whether one of the M memory rows that are read stands at position t, in place of a word.
static inline bool reads_memory(const RowBlock &block, int64_t t, int32_t num_mem_tokens) {
  return block.read_memory_start >= 0 && t >= block.read_memory_start && t < block.read_memory_start + num_mem_tokens;
}

// Floats where a backend computes: memory states and what is copied between them. `device` is the backend's own; null
// for the CPU. What is enqueued runs in the order of the calls.
struct DeviceMemory {
  float *(*allocate)(void *device, int64_t count);  // zero; null where memory is refused
  void (*release)(void *device, float *values);
  void (*write)(void *device, float *to, const float *host, int64_t count);
  void (*read)(void *device, const float *from, float *host, int64_t count);  // waits
  void (*copy)(void *device, float *to, const float *from, int64_t count);
  void (*add)(void *device, float *to, const float *from, int64_t count);  // to += from
  // Bytes that could be taken now. Null: what the system says.
  int64_t (*available_bytes)(void *device);
  // Why the device cannot be used any more, in one sentence; null: it can. Devices may fail later than the call that is
  // to blame: what reads asks this afterwards. Null: nothing like that happens.
  const char *(*failure)(void *device);
};

// What every operation gets: where to compute and on what.
struct SegmentContext {
  const ModelShape *shape;
  const void *weights;  // made by create_weights
  void *workspace;      // made by create_workspace
  ThreadPool *pool;
  void *device;
  bool causal;
  bool stepwise;                  // rows are read between the operations: nothing may be put off to end_segment
  int64_t *operations = nullptr;  // takes what products cost, see rmt_device_get_operations; null: nobody asks
};

// Adds to a count of operations that several threads share.
static inline void add_operations(int64_t *count, int64_t operations) {
  if (count != nullptr) __atomic_fetch_add(count, operations, __ATOMIC_RELAXED);
}

struct TrainingBackend;  // training.h

struct Backend {
  const char *name;  // "reference", "portable", "avx2", "avx512", "cuda"
  const DeviceMemory *memory;
  const TrainingBackend *training;

  // Weights. Bytes are known before anything is allocated; create_* return null where memory is refused.
  int64_t (*weights_bytes)(const ModelShape &shape);
  void *(*create_weights)(void *device, const ModelShape &shape);
  void (*destroy_weights)(void *weights);
  // Element `offset` ... `offset + count - 1` of the row-major tensor; `layer` is 0 for tensors outside the layers.
  void (*write_tensor)(const ModelShape &shape, void *weights, Tensor tensor, int32_t layer, const float *values,
                       int64_t offset, int64_t count);
  void (*read_tensor)(const ModelShape &shape, const void *weights, Tensor tensor, int32_t layer, float *values,
                      int64_t offset, int64_t count);

  // Workspace: activations of max_batch_size row blocks of max_input_length positions.
  int64_t (*workspace_bytes)(const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length,
                             int32_t threads);
  void *(*create_workspace)(void *device, const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length,
                            int32_t threads);
  void (*destroy_workspace)(void *workspace);

  // Around the operations of a segment: `blocks` are all its documents, block i with index i; `last_blocks` those of
  // the last layer with the rows that are chosen there. end_segment may be what starts the work. Null: nothing to do.
  void (*begin_segment)(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks,
                        const RowBlock *last_blocks, int32_t num_last_blocks);
  void (*end_segment)(const SegmentContext &context);

  // x = LayerNorm(word + position + type 0); memory rows enter in place of word rows, below the LayerNorm.
  void (*embed)(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks);

  // x = LayerNorm(x + Attention(x) Wo + bo). Keys and values come from all valid rows, queries from the chosen ones.
  void (*attention_block)(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks);

  // x = LayerNorm(x + GELU(x Wi + bi) Wo + bo) on the chosen rows.
  void (*feed_forward_block)(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks);

  // Copies the M rows of x from write_memory_start on to write_memory, for each block that has them.
  void (*write_memory)(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks);

  // After end_segment: copies rows [begin, end) of x to the host, row-major: (end - begin, H).
  void (*read_rows)(const SegmentContext &context, const RowBlock &block, RowRange rows, float *values);

  // pooled = tanh(hidden Wp + bp) and logits = pooled Wc + bc of one row; both pointers may be null.
  void (*classify)(const SegmentContext &context, const float *hidden /* (H) */, float *pooled /* (H) */,
                   float *logits /* (num_labels) */);
};

}  // namespace rmt
