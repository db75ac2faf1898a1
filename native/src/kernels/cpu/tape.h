// tape.h - where the activations of a segment lie from its forward to its backward, and what the backward works in.
//
// Documents lie one behind the other in whole panels, so that a tape is as large as the rows it holds and not as batch
// times longest document. Panels are a little longer than their columns: columns that lie a power of two apart would
// fight for the same lines of the first cache where a product runs over many panels.
#pragma once

#include "kernels/cpu/layout.h"
#include "kernels/cpu/linear.h"
#include "kernels/training.h"

namespace rmt::RMT_ISA {
namespace {

// The backward goes through the rows in chunks of this many panels or one document: what it hands from one step to the
// next stays in the outer cache, and sums over the rows of a chunk are long enough to be cheap.
constexpr int32_t kChunkPanels = 1024 / kRows;

constexpr int64_t kPanelPadding = 128;  // floats

// Activations of (rows, H) that are kept for each layer.
enum class Kept : int32_t {
  kQueries,
  kKeys,
  kValues,
  kAttended,             // what the heads put together, before the output linear
  kAttentionNormalized,  // LayerNorm before weight and bias
  kAttentionOutput,      // output of the attention block
  kOutputNormalized,
  kCount
};

// Buffers of a chunk, by slice or panel of it. The feed-forward block and attention use the same room in turn.
enum class Chunk : int32_t {
  kProjected,  // (H): gradient of what the last linear of the block put out; of both blocks
  kDattended,  // (H): gradient of what the heads put together, times the inverse sums of softmax
  kDqueries,
  kDkeys,
  kDvalues,
  kDinner = 1,       // (F): gradient of the intermediate columns before GELU
  kActivations = 2,  // (F): GELU of them
};

// A vector of rows: how many floats behind the first column of the first panel it lies.
struct VectorPlace {
  int64_t in_chunk;        // in buffers of (H) of the chunk
  int64_t in_chunk_inner;  // in those of (F)
  int64_t in_tape;         // in those of the tape, (H)
};

// A document of a chunk.
struct ChunkDocument {
  int32_t block;        // index into the blocks of the call
  int32_t first_slice;  // among the chosen ones of the chunk
  int32_t num_slices;
  int32_t first_panel;  // among the valid ones of the chunk
};

// Slices of a chunk with tasks made of them.
struct SliceList {
  Task *tasks;
  Slice *slices;
  VectorPlace *places;
  int32_t num_tasks;
  int32_t num_slices;
  int32_t num_places;
};

// Head of a tape; the arrays follow it in the same allocation. Offsets and strides are in floats from the head.
struct Tape {
  int64_t bytes;
  int64_t hidden_panel;     // stride of a panel of H columns
  int64_t inner_panel;      // of F columns
  int64_t attention_panel;  // of a row for each head
  int64_t panels;           // that there is room for
  int64_t chunk_panels;     // likewise in a chunk
  int64_t x;                // level 0
  int64_t embedding_normalized;
  int64_t embedding_factors;
  int64_t layers;  // layer 0: Kept, inner, factors of both norms, shift and inverse sum of attention
  int64_t layer_stride;
  int64_t dx;
  int64_t chunk;
  int64_t dots;           // (chunk_panels, heads, kRows): see attention_backward.h
  int64_t norm_partials;  // (panels, norm_partial_stride)
  int64_t norm_partial_stride;
  int64_t first_panels;  // int32_t[max_batch_size]
  int64_t lists[2];      // chosen and valid: tasks, slices, places
  int64_t documents;     // ChunkDocument[max_batch_size]
  int64_t scratch;       // of worker 0
  int64_t scratch_stride;

  float *base() { return reinterpret_cast<float *>(this); }
  float *x_of(int32_t level, int64_t panel) { return base() + x + (level * panels + panel) * hidden_panel; }
  float *embedding_normalized_of(int64_t panel) { return base() + embedding_normalized + panel * hidden_panel; }
  float *embedding_factors_of(int64_t panel) { return base() + embedding_factors + panel * kRows; }
  float *dx_of(int64_t panel) { return base() + dx + panel * hidden_panel; }

  float *layer(int32_t index) { return base() + layers + index * layer_stride; }
  float *kept(int32_t index, Kept which, int64_t panel) {
    return layer(index) + (static_cast<int64_t>(which) * panels + panel) * hidden_panel;
  }
  float *inner_of(int32_t index, int64_t panel) { return kept(index, Kept::kCount, 0) + panel * inner_panel; }
  float *attention_factors_of(int32_t index, int64_t panel) { return inner_of(index, panels) + panel * kRows; }
  float *output_factors_of(int32_t index, int64_t panel) { return attention_factors_of(index, panels + panel); }
  float *attention_shifts_of(int32_t index, int64_t panel) {
    return output_factors_of(index, panels) + panel * attention_panel;
  }
  float *inverse_sums_of(int32_t index, int64_t panel) { return attention_shifts_of(index, panels + panel); }

  // Panel or slice `place` of a chunk.
  float *chunk_of(Chunk which, int64_t place) {
    return base() + chunk + (static_cast<int64_t>(which) * chunk_panels + place) * hidden_panel;
  }
  float *inner_chunk_of(Chunk which, int64_t place) {
    return chunk_of(Chunk::kDattended, 0) +
           ((static_cast<int64_t>(which) - static_cast<int64_t>(Chunk::kDinner)) * chunk_panels + place) * inner_panel;
  }
  float *dots_of(int64_t place) { return base() + dots + place * attention_panel; }
  float *norm_partial_of(int64_t place) { return base() + norm_partials + place * norm_partial_stride; }
  float *scratch_of(int32_t worker) { return base() + scratch + worker * scratch_stride; }

  int32_t *first_panel_list() { return reinterpret_cast<int32_t *>(base() + first_panels); }
  ChunkDocument *document_list() { return reinterpret_cast<ChunkDocument *>(base() + documents); }
  SliceList slice_list(bool chosen) {
    SliceList list{};
    list.tasks = reinterpret_cast<Task *>(base() + lists[chosen ? 0 : 1]);
    list.places = reinterpret_cast<VectorPlace *>(list.tasks + round_up(panels, kAlignment));
    list.slices = reinterpret_cast<Slice *>(list.places + round_up(panels, kAlignment) * kVectors);
    return list;
  }
};

// Scratch of a worker, floats: forward a group of panels of H columns beside the scratch of attend() or a chunk of
// intermediate columns; backward what attention_backward.h says.
RMT_INLINE int64_t backward_scratch(int64_t panels_of_a_document) {
  const int64_t places = panels_of_a_document * kVectors * static_cast<int64_t>(sizeof(VectorPlace) / sizeof(float));
  return 2 * panels_of_a_document * kRows * kRows + round_up(places, kAlignment);
}

inline Tape tape_layout(const ModelShape &shape, const TapeLimits &limits, int32_t threads) {
  Tape t;
  int64_t end = 0;
  const auto take = [&end](int64_t floats) {
    const int64_t begin = end;
    end += round_up(floats, kAlignment);
    return begin;
  };
  const auto floats_of = [](int64_t bytes) { return round_up(bytes, sizeof(float)) / sizeof(float); };
  take(floats_of(sizeof(Tape)));
  const int64_t longest = divide_up(limits.max_input_length, kRows);
  // A document wastes less than a panel.
  const int64_t packed = limits.max_total_length / kRows + limits.max_batch_size;
  t.panels = limits.max_batch_size * longest < packed ? limits.max_batch_size * longest : packed;
  t.chunk_panels = longest > kChunkPanels ? longest : kChunkPanels;
  if (t.chunk_panels > t.panels) t.chunk_panels = t.panels;
  t.hidden_panel = round_up(padded(shape.hidden_size) * kRows, kAlignment) + kPanelPadding;
  t.inner_panel = round_up(padded(shape.intermediate_size) * kRows, kAlignment) + kPanelPadding;
  t.attention_panel = static_cast<int64_t>(shape.num_heads) * kRows;

  t.x = take((shape.num_layers + 1) * t.panels * t.hidden_panel);
  t.embedding_normalized = take(t.panels * t.hidden_panel);
  t.embedding_factors = take(t.panels * kRows);
  t.layer_stride = round_up(t.panels * (static_cast<int64_t>(Kept::kCount) * t.hidden_panel + t.inner_panel +
                                        2 * kRows + 2 * t.attention_panel),
                            kAlignment);
  t.layers = take(shape.num_layers * t.layer_stride);
  t.dx = take(t.panels * t.hidden_panel);
  const int64_t attention_chunk = 5 * t.hidden_panel;
  const int64_t feed_forward_chunk_floats = t.hidden_panel + 2 * t.inner_panel;
  t.chunk = take(t.chunk_panels *
                 (attention_chunk > feed_forward_chunk_floats ? attention_chunk : feed_forward_chunk_floats));
  t.dots = take(t.chunk_panels * t.attention_panel);
  t.norm_partial_stride = 2 * round_up(shape.hidden_size, kAlignment);
  t.norm_partials = take(t.panels * t.norm_partial_stride);
  t.first_panels = take(floats_of(limits.max_batch_size * static_cast<int64_t>(sizeof(int32_t))));
  const int64_t listed = round_up(t.panels, kAlignment);
  for (int64_t &list : t.lists) {
    list =
        take(floats_of(listed * static_cast<int64_t>(sizeof(Task) + sizeof(Slice) + kVectors * sizeof(VectorPlace))));
  }
  t.documents = take(floats_of(limits.max_batch_size * static_cast<int64_t>(sizeof(ChunkDocument))));
  const int64_t attention = attention_scratch(shape);
  const int64_t feed_forward = feed_forward_scratch(shape);
  const int64_t forward = 2 * kMaxGroup * t.hidden_panel + (attention > feed_forward ? attention : feed_forward);
  const int64_t backward = backward_scratch(longest);
  t.scratch_stride = round_up(forward > backward ? forward : backward, kAlignment);
  t.scratch = take(threads * t.scratch_stride);
  t.bytes = end * static_cast<int64_t>(sizeof(float));
  return t;
}

}  // namespace
}  // namespace rmt::RMT_ISA
