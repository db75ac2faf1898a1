// layout.h - where weights and activations lie.
//
// Activations: the positions of a document are cut into panels of kRows. Element (row r, column c) of a panel lies at
// c * kRows + r, so that a vector holds one column of kLanes positions: every operation reads and writes this layout,
// nothing is transposed or repacked between them, and sums over columns or keys run down the registers.
//
// Weights: a linear (out, in) lies in tiles of kTile outputs, within a tile by input: element (n, k) at
// first * in + k * width + n - first, where `first` is the tile's first output and `width` its number of columns. The
// last tile is as narrow as kTileUnit allows and padded with zeros. Biases and norms are padded to 16 values.
// The position table lies in panels, everything else row-major.
#pragma once

#include "kernels/cpu/simd.h"
#include "kernels/kernels.h"

namespace rmt::RMT_ISA {
namespace {

constexpr int32_t kNumTensors = static_cast<int32_t>(Tensor::kCount);
constexpr Tensor kFirstLayerTensor = Tensor::kQueryWeight;
constexpr Tensor kLastLayerTensor = Tensor::kOutputNormBias;
constexpr int64_t kAlignment = 16;  // floats: a cache line

// Columns of an activation panel with `columns` of them in use: tiles are stored whole.
RMT_INLINE int64_t padded(int32_t columns) { return round_up(columns, kTileUnit); }

enum class Packing { kRowMajor, kPanels, kTiles };

struct TensorShape {
  int64_t rows;
  int64_t columns;
  Packing packing;

  int64_t floats() const {
    switch (packing) {
      case Packing::kPanels:
        return round_up(rows, kRows) * columns;
      case Packing::kTiles:
        return round_up(rows, kTileUnit) * columns;
      default:
        return rows * columns;
    }
  }
};

inline TensorShape tensor_shape(const ModelShape &shape, Tensor tensor) {
  const int64_t h = shape.hidden_size;
  const int64_t f = shape.intermediate_size;
  switch (tensor) {
    case Tensor::kWordEmbeddings:
      return {shape.vocab_size, h, Packing::kRowMajor};
    case Tensor::kPositionEmbeddings:
      return {shape.max_positions, h, Packing::kPanels};
    case Tensor::kTypeEmbeddings:
      return {shape.type_vocab_size, h, Packing::kRowMajor};
    case Tensor::kMemory:
      return {shape.num_mem_tokens, h, Packing::kRowMajor};
    case Tensor::kQueryWeight:
    case Tensor::kKeyWeight:
    case Tensor::kValueWeight:
    case Tensor::kAttentionOutputWeight:
      return {h, h, Packing::kTiles};
    case Tensor::kIntermediateWeight:
      return {f, h, Packing::kTiles};
    case Tensor::kOutputWeight:
      return {h, f, Packing::kTiles};
    case Tensor::kIntermediateBias:
      return {1, f, Packing::kRowMajor};
    case Tensor::kPoolerWeight:
      return {shape.num_labels > 0 ? h : 0, h, Packing::kRowMajor};
    case Tensor::kPoolerBias:
      return {shape.num_labels > 0 ? 1 : 0, h, Packing::kRowMajor};
    case Tensor::kClassifierWeight:
      return {shape.num_labels, h, Packing::kRowMajor};
    case Tensor::kClassifierBias:
      return {1, shape.num_labels, Packing::kRowMajor};
    case Tensor::kProbeWeight:
      return {shape.num_probe_outputs, h, Packing::kRowMajor};
    case Tensor::kProbeBias:
      return {1, shape.num_probe_outputs, Packing::kRowMajor};
    default:  // biases and norms
      return {1, h, Packing::kRowMajor};
  }
}

struct WeightsLayout {
  int64_t offset[kNumTensors];  // floats; of layer 0
  int64_t layer_stride;
  int64_t floats;

  explicit WeightsLayout(const ModelShape &shape) {
    int64_t end = 0;
    for (int32_t i = 0; i < kNumTensors; ++i) {
      const Tensor tensor = static_cast<Tensor>(i);
      const int64_t layers_begin = end;
      offset[i] = end;
      end += round_up(tensor_shape(shape, tensor).floats(), kAlignment);
      if (tensor == kFirstLayerTensor) layer_stride = -layers_begin;
      if (tensor == kLastLayerTensor) {
        layer_stride += end;
        end += layer_stride * (shape.num_layers - 1);
      }
    }
    floats = end;
  }

  int64_t at(Tensor tensor, int32_t layer) const {
    return offset[static_cast<int32_t>(tensor)] + (layer > 0 ? layer * layer_stride : 0);
  }
};

// Places of a run of elements of one row: the first at `offset`, each next one `stride` further.
struct Run {
  int64_t offset;
  int64_t stride;
};

inline Run run_of(const TensorShape &tensor, int64_t row, int64_t column) {
  switch (tensor.packing) {
    case Packing::kPanels: {
      const int64_t panel = row / kRows;
      return {panel * kRows * tensor.columns + column * kRows + row % kRows, kRows};
    }
    case Packing::kTiles: {
      const int64_t first = row / kTile * kTile;
      const int64_t rest = round_up(tensor.rows - first, kTileUnit);
      const int64_t width = rest < kTile ? rest : kTile;
      return {first * tensor.columns + column * width + row - first, width};
    }
    default:
      return {row * tensor.columns + column, 1};
  }
}

// Calls copy(place of the element, index into the caller's values, stride, count) for each run of `count` elements.
template <typename Copy>
void for_each_run(const ModelShape &shape, Tensor tensor, int32_t layer, int64_t offset, int64_t count,
                  const Copy &copy) {
  const int64_t begin = WeightsLayout(shape).at(tensor, layer);
  const TensorShape tensor_dims = tensor_shape(shape, tensor);
  for (int64_t done = 0; done < count;) {
    const int64_t row = (offset + done) / tensor_dims.columns;
    const int64_t column = (offset + done) % tensor_dims.columns;
    const int64_t rest_of_row = tensor_dims.columns - column;
    const int64_t run_length = rest_of_row < count - done ? rest_of_row : count - done;
    const Run run = run_of(tensor_dims, row, column);
    copy(begin + run.offset, run.stride, done, run_length);
    done += run_length;
  }
}

// Rows of one panel that are computed: the whole panel, or one vector of it where no other row is chosen.
struct Slice {
  int32_t block;  // index into the blocks of the call
  int32_t panel;
  int32_t first_vector;
  int32_t vectors;  // 1 or kVectors
};

constexpr int32_t kMaxGroup = 256 / kRows;             // slices that a weight tile in the first cache serves
constexpr int32_t kKeyBlock = 4 * 32 / kRows * kRows;  // keys whose scores are held at a time
constexpr int32_t kMaxFeedForwardChunk = 384;          // intermediate columns that are held at a time

// The intermediate columns are cut into equal chunks of whole tiles, the last may be narrower.
RMT_INLINE int32_t feed_forward_chunk(const ModelShape &shape) {
  const int32_t chunks = divide_up(shape.intermediate_size, kMaxFeedForwardChunk);
  return divide_up(divide_up(shape.intermediate_size, chunks), kTile) * kTile;
}

// Head of a workspace; the arrays follow it in the same allocation. Offsets and strides are in floats from the head.
struct Workspace {
  int64_t bytes;
  int64_t hidden_panel;  // stride of a panel of H columns
  int64_t block_stride;  // stride of the panels of one block
  int64_t hidden;        // x of block 0
  int64_t keys;          // of block 0, for the layer that is being computed
  int64_t values;
  int64_t slices;          // Slice[], one per panel at most
  int64_t scratch;         // of worker 0
  int64_t scratch_stride;  // of a worker

  float *base() { return reinterpret_cast<float *>(this); }
  float *hidden_of(int32_t block_index) { return base() + hidden + block_index * block_stride; }
  float *keys_of(int32_t block_index) { return base() + keys + block_index * block_stride; }
  float *values_of(int32_t block_index) { return base() + values + block_index * block_stride; }
  float *scratch_of(int32_t worker) { return base() + scratch + worker * scratch_stride; }
  Slice *slice_list() { return reinterpret_cast<Slice *>(base() + slices); }
};

// Scratch of a worker: two sets of panels of H columns; then either the scores of a key block and the output of a head,
// or a chunk of intermediate columns.
RMT_INLINE int64_t attention_scratch(const ModelShape &shape) {
  return round_up(static_cast<int64_t>(kKeyBlock) * kRows + static_cast<int64_t>(shape.head_size) * kRows, kAlignment);
}
RMT_INLINE int64_t feed_forward_scratch(const ModelShape &shape) {
  return static_cast<int64_t>(kMaxGroup) * feed_forward_chunk(shape) * kRows;
}

inline Workspace workspace_layout(const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length,
                                  int32_t threads) {
  Workspace w;
  const int64_t panels = divide_up(max_input_length, kRows);
  w.hidden_panel = round_up(padded(shape.hidden_size) * kRows, kAlignment);
  w.block_stride = panels * w.hidden_panel;
  int64_t end = round_up(sizeof(Workspace), kAlignment * sizeof(float)) / sizeof(float);
  w.hidden = end;
  end += max_batch_size * w.block_stride;
  w.keys = end;
  end += max_batch_size * w.block_stride;
  w.values = end;
  end += max_batch_size * w.block_stride;
  w.slices = end;
  end += round_up(max_batch_size * panels * sizeof(Slice), kAlignment * sizeof(float)) / sizeof(float);
  w.scratch = end;
  const int64_t attention = attention_scratch(shape);
  const int64_t feed_forward = feed_forward_scratch(shape);
  w.scratch_stride = 2 * kMaxGroup * w.hidden_panel + (attention > feed_forward ? attention : feed_forward);
  end += threads * w.scratch_stride;
  w.bytes = end * sizeof(float);
  return w;
}

}  // namespace
}  // namespace rmt::RMT_ISA
