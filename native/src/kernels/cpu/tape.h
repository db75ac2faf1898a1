// tape.h - where the activations of a segment lie from its forward to its backward, and what the backward works in.
//
// Rows lie packed: the documents of a segment one behind the other without gaps, so that short documents cost no
// more than their positions. Only keys and values of a document begin with a panel of their own, since attention runs
// along them. What a layer keeps lies packed too, by the rows that were computed in it: in the last layer those are
// few.
//
// Documents are grouped into chunks, about kChunkRows rows each, that begin with whole panels. The backward goes from
// chunk to chunk: what it hands from one step to the next stays in the outer caches, and sums over the rows of a chunk
// are long enough to be cheap.
//
// Panels are a little longer than their columns: columns that lie a power of two apart would fight for the same lines
// of the first cache where a product runs over many panels.
#pragma once

#include "kernels/cpu/layout.h"
#include "kernels/training.h"

namespace rmt::RMT_ISA {
namespace {

constexpr int32_t kChunkRows = 1024;
constexpr int64_t kPanelPadding = 128;  // floats

// A document of the segment.
struct TapeDocument {
  int32_t length;
  int32_t first_row;        // among the packed rows of the tape
  int32_t first_key_panel;  // of its keys and values
  uint64_t dropout_key;
};

// Documents whose rows lie together.
struct TapeChunk {
  int32_t first_panel;  // packed
  int32_t num_rows;
  int32_t first_document;
  int32_t num_documents;
};

// Neighbouring rows of one document that a layer computes.
struct RowRun {
  int32_t document;
  int32_t position;  // of the first
  int32_t count;
  int32_t row;  // of the first, among the rows that the layer keeps
};

// What a layer computes of a chunk. Its rows begin where those of the chunk do.
struct LayerChunk {
  int32_t first_run;
  int32_t num_runs;
  int32_t num_rows;
  bool whole;  // all rows: then those that the layer keeps lie where those of the tape do
};

// Panels of one chunk that a task works on.
struct PanelTask {
  int32_t chunk;
  int32_t first_panel;
  int32_t num_panels;
};

// Panels of queries that a task works on: kRows each, the last one of a run may have fewer.
struct QueryTask {
  int32_t run;
  int32_t first;  // row of the run
  int32_t num_panels;
};

// Activations of (rows, H) that a layer keeps, packed.
enum class Kept : int32_t {
  kQueries,
  kAttended,             // what the heads put together, before the output linear
  kAttentionNormalized,  // LayerNorm before weight and bias
  kAttentionOutput,      // output of the attention block
  kOutputNormalized,
  kCount
};

// Buffers of a chunk, packed, of (rows, H).
enum class Chunk : int32_t {
  kDx,         // dx of the rows that the layer computes, where those are not all
  kProjected,  // gradient of what the last linear of the block put out
  kDattended,  // gradient of what the heads put together; kDqueries and so on follow
  kDqueries,
  kDkeys,
  kDvalues,
  kCount
};

// Transposed copies of (rows, H) of a chunk: see linear_backward.h.
enum class Transposed : int32_t { kInputs, kChosenInputs, kAttended, kProjected = kAttended, kCount };

// Head of a tape; the arrays follow it in the same allocation. Offsets and strides are in floats from the head.
struct Tape {
  int64_t bytes;
  int64_t hidden_panel;  // stride of a panel of H columns
  int64_t inner_panel;   // of F columns
  int64_t head_panel;    // of a column for each head
  int64_t panels;        // packed ones that there is room for
  int64_t key_panels;    // of keys, likewise
  int64_t chunk_panels;  // of a chunk, likewise
  int64_t max_documents;
  int64_t max_chunks;
  int64_t x;  // level 0
  int64_t embedding_normalized;
  int64_t embedding_factors;
  int64_t layers;  // layer 0: Kept, inner, factors of both norms, shifts and inverse sums of attention, keys, values
  int64_t layer_stride;
  int64_t dx;
  int64_t chunk;             // Chunk
  int64_t dinner;            // (F): gradient of the intermediate columns before GELU, of a chunk
  int64_t activations;       // (F): GELU of them
  int64_t dots;              // (heads): see attention_backward.h
  int64_t transposed;        // Transposed
  int64_t transposed_block;  // stride of kRows columns
  int64_t norm_partials;     // (panels, norm_partial_stride)
  int64_t norm_partial_stride;
  int64_t documents;     // TapeDocument[max_documents]
  int64_t chunks;        // TapeChunk[max_chunks]
  int64_t layer_chunks;  // LayerChunk[layers][max_chunks]
  int64_t runs;          // RowRun[layers][2 max_documents]
  int64_t panel_tasks[2];
  int64_t query_tasks;
  int64_t scratch;  // of worker 0
  int64_t scratch_stride;
  int32_t num_documents;
  int32_t num_chunks;

  float *base() { return reinterpret_cast<float *>(this); }
  template <typename T>
  T *list(int64_t offset) {
    return reinterpret_cast<T *>(base() + offset);
  }

  float *x_of(int32_t level, int64_t panel) { return base() + x + (level * panels + panel) * hidden_panel; }
  float *embedding_normalized_of(int64_t panel) { return base() + embedding_normalized + panel * hidden_panel; }
  float *embedding_factors_of(int64_t panel) { return base() + embedding_factors + panel * kRows; }
  float *dx_of(int64_t panel) { return base() + dx + panel * hidden_panel; }

  float *kept(int32_t layer, Kept which, int64_t panel) {
    return base() + layers + layer * layer_stride + (static_cast<int64_t>(which) * panels + panel) * hidden_panel;
  }
  float *inner_of(int32_t layer, int64_t panel) { return kept(layer, Kept::kCount, 0) + panel * inner_panel; }
  float *attention_factors_of(int32_t layer, int64_t panel) { return inner_of(layer, panels) + panel * kRows; }
  float *output_factors_of(int32_t layer, int64_t panel) { return attention_factors_of(layer, panels + panel); }
  float *shifts_of(int32_t layer, int64_t panel) { return output_factors_of(layer, panels) + panel * head_panel; }
  float *inverse_sums_of(int32_t layer, int64_t panel) { return shifts_of(layer, panels + panel); }
  float *keys_of(int32_t layer, int64_t key_panel) { return inverse_sums_of(layer, panels) + key_panel * hidden_panel; }
  float *values_of(int32_t layer, int64_t key_panel) { return keys_of(layer, key_panels + key_panel); }

  // Panel `panel` of the tape, in a buffer of the chunk that begins with panel `first_panel`.
  float *chunk_of(Chunk which, int64_t panel, const TapeChunk &of) {
    return base() + chunk + (static_cast<int64_t>(which) * chunk_panels + panel - of.first_panel) * hidden_panel;
  }
  float *dinner_of(int64_t panel, const TapeChunk &of) {
    return base() + dinner + (panel - of.first_panel) * inner_panel;
  }
  float *activations_of(int64_t panel, const TapeChunk &of) {
    return base() + activations + (panel - of.first_panel) * inner_panel;
  }
  float *dots_of(int64_t panel, const TapeChunk &of) { return base() + dots + (panel - of.first_panel) * head_panel; }
  // Row `row` of the chunk, in the first block of columns.
  float *transposed_of(Transposed which, int64_t hidden_blocks, int64_t row) {
    return base() + transposed + static_cast<int64_t>(which) * hidden_blocks * transposed_block + row * kRows;
  }
  float *norm_partial_of(int64_t panel) { return base() + norm_partials + panel * norm_partial_stride; }
  float *scratch_of(int32_t worker) { return base() + scratch + worker * scratch_stride; }

  TapeDocument *document_list() { return list<TapeDocument>(documents); }
  TapeChunk *chunk_list() { return list<TapeChunk>(chunks); }
  LayerChunk *layer_chunk_list(int32_t layer) { return list<LayerChunk>(layer_chunks) + layer * max_chunks; }
  RowRun *run_list(int32_t layer) { return list<RowRun>(runs) + layer * 2 * max_documents; }
};

// Scratch of a worker, floats. Forward: sums of a group of panels, then either queries, output, shifts and inverse sums
// of a panel beside the scratch of attend(), or a chunk of intermediate columns. Backward: what attention_backward.h
// says.
RMT_INLINE int64_t forward_scratch(const ModelShape &shape, int64_t hidden_panel) {
  const int64_t attention =
      2 * hidden_panel + 2 * static_cast<int64_t>(shape.num_heads) * kRows + attention_scratch(shape);
  const int64_t feed_forward = feed_forward_scratch(shape);
  return 2 * kMaxGroup * hidden_panel + (attention > feed_forward ? attention : feed_forward);
}
RMT_INLINE int64_t backward_scratch(const ModelShape &shape, int64_t key_panels) {
  const int64_t head = static_cast<int64_t>(shape.head_size) * kRows;
  return 2 * key_panels * (kRows * kRows + head) + 3 * head + 3 * kRows;
}

inline Tape tape_layout(const ModelShape &shape, const TapeLimits &limits, int32_t threads) {
  Tape t{};
  int64_t end = 0;
  const auto take = [&end](int64_t floats) {
    const int64_t begin = end;
    end += round_up(floats, kAlignment);
    return begin;
  };
  const auto take_list = [&take](int64_t count, size_t size) {
    return take(round_up(count * static_cast<int64_t>(size), sizeof(float)) / static_cast<int64_t>(sizeof(float)));
  };
  take_list(1, sizeof(Tape));
  t.max_documents = limits.max_batch_size;
  const int64_t longest = limits.max_input_length;
  const int64_t chunk_rows = longest > kChunkRows ? longest : kChunkRows;
  const int64_t all_rows =
      limits.max_total_length < t.max_documents * longest ? limits.max_total_length : t.max_documents * longest;
  // Two neighbouring chunks have more rows than one may have.
  const int64_t chunks = 2 * all_rows / chunk_rows + 1;
  t.max_chunks = chunks < t.max_documents ? chunks : t.max_documents;
  t.panels = all_rows / kRows + t.max_chunks;
  const int64_t key_panels = all_rows / kRows + t.max_documents;
  const int64_t longest_panels = (longest + kRows - 1) / kRows;
  t.key_panels = key_panels < t.max_documents * longest_panels ? key_panels : t.max_documents * longest_panels;
  t.chunk_panels = (chunk_rows + kRows - 1) / kRows;
  if (t.chunk_panels > t.panels) t.chunk_panels = t.panels;
  t.hidden_panel = round_up(padded(shape.hidden_size) * kRows, kAlignment) + kPanelPadding;
  t.inner_panel = round_up(padded(shape.intermediate_size) * kRows, kAlignment) + kPanelPadding;
  t.head_panel = static_cast<int64_t>(shape.num_heads) * kRows;

  t.x = take((shape.num_layers + 1) * t.panels * t.hidden_panel);
  t.embedding_normalized = take(t.panels * t.hidden_panel);
  t.embedding_factors = take(t.panels * kRows);
  t.layer_stride = round_up(
      t.panels * (static_cast<int64_t>(Kept::kCount) * t.hidden_panel + t.inner_panel + 2 * kRows + 2 * t.head_panel) +
          2 * t.key_panels * t.hidden_panel,
      kAlignment);
  t.layers = take(shape.num_layers * t.layer_stride);
  t.dx = take(t.panels * t.hidden_panel);
  // The feed-forward block needs less room for rows of H and more for rows of F.
  const int64_t feed_forward = 2 * t.chunk_panels * t.inner_panel;
  const int64_t attention =
      (static_cast<int64_t>(Chunk::kCount) - static_cast<int64_t>(Chunk::kDattended)) * t.chunk_panels * t.hidden_panel;
  t.chunk = take(static_cast<int64_t>(Chunk::kDattended) * t.chunk_panels * t.hidden_panel +
                 (feed_forward > attention ? feed_forward : attention));
  t.dinner = t.chunk + static_cast<int64_t>(Chunk::kDattended) * t.chunk_panels * t.hidden_panel;
  t.activations = t.dinner + t.chunk_panels * t.inner_panel;
  t.dots = take(t.chunk_panels * t.head_panel);
  t.transposed_block = t.chunk_panels * kRows * kRows;
  t.transposed =
      take(static_cast<int64_t>(Transposed::kCount) * divide_up(shape.hidden_size, kRows) * t.transposed_block);
  t.norm_partial_stride = 2 * round_up(shape.hidden_size, kAlignment);
  t.norm_partials = take(t.panels * t.norm_partial_stride);
  t.documents = take_list(t.max_documents, sizeof(TapeDocument));
  t.chunks = take_list(t.max_chunks, sizeof(TapeChunk));
  t.layer_chunks = take_list(shape.num_layers * t.max_chunks, sizeof(LayerChunk));
  t.runs = take_list(shape.num_layers * 2 * t.max_documents, sizeof(RowRun));
  for (int64_t &tasks : t.panel_tasks) tasks = take_list(t.panels, sizeof(PanelTask));
  t.query_tasks = take_list(t.panels + 2 * t.max_documents, sizeof(QueryTask));
  const int64_t forward = forward_scratch(shape, t.hidden_panel);
  const int64_t backward = backward_scratch(shape, longest_panels);
  t.scratch_stride = round_up(forward > backward ? forward : backward, kAlignment);
  t.scratch = take(threads * t.scratch_stride);
  t.bytes = end * static_cast<int64_t>(sizeof(float));
  return t;
}

}  // namespace
}  // namespace rmt::RMT_ISA
