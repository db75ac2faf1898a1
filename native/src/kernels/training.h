// training.h - the operations that a backend implements for training: forward passes that keep what the backward
// passes need, their backwards, and the optimizer.
//
// A trainer object holds the weights and everything of the same shape (gradients, moments, average). A tape holds the
// activations of one segment of a batch, from its forward to its backward. Both are opaque to everything above this
// file. All sums have one order that depends on the blocks alone, never on the number of threads.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace rmt {

// What a trainer keeps for each element of a parameter.
enum class Values : int32_t {
  kWeights,
  kGradients,
  kFirstMoment,
  kSecondMoment,
  kAverage,  // exponential moving average of the weights, where it is kept
};

// One document's positions in one segment, with what belongs to training. `read_memory` of the row block is the memory
// that enters; its gradient leaves through `dread_memory`.
struct TrainingBlock : RowBlock {
  float *dread_memory;         // (M, H), overwritten by embed_backward; null: not wanted
  const float *dwrite_memory;  // (M, H), added by add_memory_gradients; null: none
  uint64_t dropout_key;        // which dropout masks: the same key gives the same masks
};

// One row of one level.
struct RowPlace {
  const TrainingBlock *block;
  int32_t level;     // 0: embedding, l: output of the l-th layer
  int32_t position;  // within the document
};

struct Dropout {
  float hidden;  // probability of dropping an element behind the embedding and behind both linears of a layer; 0: none
  float attention;  // probability of dropping an attention weight
};

struct TrainingContext {
  const ModelShape *shape;
  void *trainer;  // made by create_trainer
  void *tape;     // made by create_tape
  ThreadPool *pool;
  void *device;
  bool causal;
  Dropout dropout;
  bool backward = false;  // of begin_segment: a backward follows
};

// How much one segment of a batch may hold.
struct TapeLimits {
  int32_t max_batch_size;
  int32_t max_input_length;
  int64_t max_total_length;  // sum of the lengths of the documents of one call
};

// The tensors that AdamW::decay_everything = false spares: all but the matrices.
static inline bool is_bias_or_norm(Tensor tensor) {
  switch (tensor) {
    case Tensor::kWordEmbeddings:
    case Tensor::kPositionEmbeddings:
    case Tensor::kTypeEmbeddings:
    case Tensor::kMemory:
    case Tensor::kQueryWeight:
    case Tensor::kKeyWeight:
    case Tensor::kValueWeight:
    case Tensor::kAttentionOutputWeight:
    case Tensor::kIntermediateWeight:
    case Tensor::kOutputWeight:
    case Tensor::kPoolerWeight:
    case Tensor::kClassifierWeight:
    case Tensor::kProbeWeight:
      return false;
    default:
      return true;
  }
}

struct AdamW {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;    // decoupled: w -= learning_rate x weight_decay x w
  bool decay_everything;  // false: biases and LayerNorm parameters are spared
  double gradient_scale;  // the gradient is multiplied by this first
  double clip_value;      // then each element is clipped to [-clip_value, clip_value]; 0: not
  double clip_norm;       // then all are scaled so that their global norm is at most this; 0: not
  double average_decay;   // average = average x decay + weights x (1 - decay); where an average is kept
  int64_t step;           // counted from 1, for the bias correction
};

struct TrainingBackend {
  // ---- trainer ----
  int64_t (*trainer_bytes)(const ModelShape &shape, bool keep_average);
  // All zero; null where memory is refused.
  void *(*create_trainer)(void *device, const ModelShape &shape, bool keep_average);
  void (*destroy_trainer)(void *trainer);
  // Elements offset ... offset + count - 1 of the row-major tensor.
  void (*write_values)(const ModelShape &shape, void *trainer, Values which, Tensor tensor, int32_t layer,
                       const float *values, int64_t offset, int64_t count);
  void (*read_values)(const ModelShape &shape, const void *trainer, Values which, Tensor tensor, int32_t layer,
                      float *values, int64_t offset, int64_t count);

  // ---- tape ----
  int64_t (*tape_bytes)(const ModelShape &shape, const TapeLimits &limits, int32_t threads);
  // Null where memory is refused.
  void *(*create_tape)(void *device, const ModelShape &shape, const TapeLimits &limits, int32_t threads);
  void (*destroy_tape)(void *tape);
  // Before the forward of a segment, and before its backward: as in kernels.h. Lays out the tape for them. A forward
  // ends with write_memory, a backward with embed_backward: these may be what starts the work.
  void (*begin_segment)(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks,
                        const TrainingBlock *last_blocks, int32_t num_last_blocks);
  // The parameter "memory", (M, H), to a state; and from the gradient of a state, added to the parameter's.
  void (*read_initial_memory)(const TrainingContext &context, float *state);
  void (*add_initial_memory_gradient)(const TrainingContext &context, const float *dstate);

  // ---- forward; `layer` and the chosen rows of each block say what runs, as in kernels.h. Blocks of a call belong to
  // one layer and ascend by index; each layer is run by one call of each operation, both with the same blocks. ----
  // x_0 = Dropout(LayerNorm(word + position + type 0)), memory rows in place of word rows.
  void (*embed)(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks);
  // a = LayerNorm(x + Dropout(Attention(x) Wo + bo)), with Dropout on the attention weights too.
  void (*attention_block)(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks);
  // x_(layer+1) = LayerNorm(a + Dropout(GELU(a Wi + bi) Wo + bo)).
  void (*feed_forward_block)(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks);
  // The M rows from write_memory_start on of the output of the last layer, to write_memory, for each block that has
  // them.
  void (*write_memory)(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks);
  // Rows of x to the host. Rows that were not computed: undefined.
  void (*read_rows)(const TrainingContext &context, const RowPlace *places, int32_t num_places,
                    float *values /* (num_places, H) */);

  // ---- backward. The tape holds one gradient dx for each position; each operation turns the gradient of its output
  // into that of its input, in place, and adds to the gradients of its parameters. ----
  void (*clear_dx)(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks);
  // dx of the rows from write_memory_start on += dwrite_memory, for each block that has it. dx stands at the last
  // level.
  void (*add_memory_gradients)(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks);
  // dx of each place += its row of `values`, in their order, for gradients that come from heads and probes. All places
  // are of the level where dx stands.
  void (*add_to_dx)(const TrainingContext &context, const RowPlace *places, int32_t num_places,
                    const float *values /* (num_places, H) */);
  // Where rows were chosen in forward, dx of all other rows is zero on entry, and the same rows are chosen. Blocks may
  // stay out whose dx is zero.
  void (*feed_forward_backward)(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks);
  // On return dx holds all valid rows, since keys and values come from all of them.
  void (*attention_backward)(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks);
  // Words (but at memory positions), positions, type, LayerNorm; and dread_memory of each block.
  void (*embed_backward)(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks);

  // ---- small linears on gathered rows: pooler, classifier, probes. Rows [first, first + count) of `weight`. ----
  // out[r] = in[r] W^T + b.
  void (*rows_linear)(const TrainingContext &context, Tensor weight, Tensor bias, int32_t first, int32_t count,
                      const float *in /* (num_rows, H) */, int32_t num_rows, float *out /* (num_rows, count) */);
  // din[r] = dout[r] W (overwritten); gradients of W and b += .
  void (*rows_linear_backward)(const TrainingContext &context, Tensor weight, Tensor bias, int32_t first, int32_t count,
                               const float *in, const float *dout, int32_t num_rows, float *din);

  // ---- optimizer ----
  void (*clear_gradients)(const TrainingContext &context);
  // Global norm of gradient x scale, before any clipping; not finite where a gradient is not.
  double (*gradient_norm)(const TrainingContext &context, double scale);
  // One step of AdamW on all parameters; gradients are left as they are.
  void (*update)(const TrainingContext &context, const AdamW &options);
};

}  // namespace rmt
