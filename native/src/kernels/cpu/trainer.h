// trainer.h - weights, gradients, moments and average in the layout of the weights, and transposed linear weights.
#pragma once

#include "kernels/cpu/layout.h"
#include "kernels/cpu/memory.h"
#include "kernels/training.h"

namespace rmt::RMT_ISA {
namespace {

// W^T of the linears of the layers, packed as a linear (in, out) of its own: what dx += dy W runs through.
struct TransposedLayout {
  int64_t offset[kNumTensors];  // floats; of layer 0; -1 where there is no copy
  int64_t layer_stride;
  int64_t floats;

  explicit TransposedLayout(const ModelShape &shape) {
    int64_t end = 0;
    for (int32_t i = 0; i < kNumTensors; ++i) {
      const TensorShape dims = tensor_shape(shape, static_cast<Tensor>(i));
      offset[i] = -1;
      if (dims.packing != Packing::kTiles) continue;
      offset[i] = end;
      end += round_up(TensorShape{dims.columns, dims.rows, Packing::kTiles}.floats(), kAlignment);
    }
    layer_stride = end;
    floats = end * shape.num_layers;
  }

  bool has(Tensor tensor) const { return offset[static_cast<int32_t>(tensor)] >= 0; }
  int64_t at(Tensor tensor, int32_t layer) const { return offset[static_cast<int32_t>(tensor)] + layer * layer_stride; }
};

// Elements that one task of the optimizer works on.
struct Piece {
  int64_t begin;
  int32_t count;
  bool is_bias_or_norm;
};
constexpr int64_t kPieceSize = 8192;

// Calls visit(tensor, layer) for each tensor of each layer, in the order of WeightsLayout.
template <typename Visit>
void for_each_tensor(const ModelShape &shape, const Visit &visit) {
  for (int32_t i = 0; i < kNumTensors; ++i) {
    const Tensor tensor = static_cast<Tensor>(i);
    const bool per_layer = tensor >= kFirstLayerTensor && tensor <= kLastLayerTensor;
    for (int32_t layer = 0; layer < (per_layer ? shape.num_layers : 1); ++layer) visit(tensor, layer);
  }
}

// Head of a trainer; the arrays follow it in the same allocation. Offsets are in floats from the head.
struct Trainer {
  int64_t bytes;
  int64_t values[5];  // by Values; the average is there only where it is kept
  int64_t transposed;
  int64_t pieces;       // Piece[num_pieces]
  int64_t piece_norms;  // double[num_pieces]
  int32_t num_pieces;
  bool keeps_average;

  float *base() { return reinterpret_cast<float *>(this); }
  const float *base() const { return reinterpret_cast<const float *>(this); }
  float *of(Values which) { return base() + values[static_cast<int32_t>(which)]; }
  const float *of(Values which) const { return base() + values[static_cast<int32_t>(which)]; }
  float *transposed_weights() { return base() + transposed; }
  Piece *piece_list() { return reinterpret_cast<Piece *>(base() + pieces); }
  double *norm_list() { return reinterpret_cast<double *>(base() + piece_norms); }
};

inline Trainer trainer_layout(const ModelShape &shape, bool keep_average) {
  Trainer t;
  int64_t end = 0;
  const auto take = [&end](int64_t bytes) {
    const int64_t begin = end;
    end += round_up(bytes, kAlignment * sizeof(float)) / static_cast<int64_t>(sizeof(float));
    return begin;
  };
  take(sizeof(Trainer));
  const int64_t bytes = WeightsLayout(shape).floats * static_cast<int64_t>(sizeof(float));
  for (int32_t i = 0; i < 5; ++i) {
    const bool kept = keep_average || i != static_cast<int32_t>(Values::kAverage);
    t.values[i] = take(kept ? bytes : 0);
  }
  t.transposed = take(TransposedLayout(shape).floats * static_cast<int64_t>(sizeof(float)));
  t.num_pieces = 0;
  for_each_tensor(shape, [&](Tensor tensor, int32_t) {
    t.num_pieces += static_cast<int32_t>((tensor_shape(shape, tensor).floats() + kPieceSize - 1) / kPieceSize);
  });
  t.pieces = take(t.num_pieces * static_cast<int64_t>(sizeof(Piece)));
  t.piece_norms = take(t.num_pieces * static_cast<int64_t>(sizeof(double)));
  t.keeps_average = keep_average;
  t.bytes = end * static_cast<int64_t>(sizeof(float));
  return t;
}

inline int64_t trainer_bytes(const ModelShape &shape, bool keep_average) {
  return trainer_layout(shape, keep_average).bytes;
}

inline void *create_trainer(void *, const ModelShape &shape, bool keep_average) {
  const Trainer layout = trainer_layout(shape, keep_average);
  void *memory = allocate_zeroed(layout.bytes);
  if (memory == nullptr) return nullptr;
  memcpy(memory, &layout, sizeof(layout));
  Trainer *trainer = static_cast<Trainer *>(memory);
  Piece *piece = trainer->piece_list();
  const WeightsLayout weights(shape);
  for_each_tensor(shape, [&](Tensor tensor, int32_t layer) {
    const int64_t floats = tensor_shape(shape, tensor).floats();
    for (int64_t begin = 0; begin < floats; begin += kPieceSize) {
      const int64_t rest = floats - begin;
      piece->begin = weights.at(tensor, layer) + begin;
      piece->count = static_cast<int32_t>(rest < kPieceSize ? rest : kPieceSize);
      piece->is_bias_or_norm = is_bias_or_norm(tensor);
      ++piece;
    }
  });
  return memory;
}

inline void destroy_trainer(void *trainer) { release(trainer); }

inline void write_values(const ModelShape &shape, void *trainer, Values which, Tensor tensor, int32_t layer,
                         const float *values, int64_t offset, int64_t count) {
  Trainer *t = static_cast<Trainer *>(trainer);
  float *base = t->of(which);
  for_each_run(shape, tensor, layer, offset, count, [&](int64_t place, int64_t stride, int64_t first, int64_t length) {
    for (int64_t i = 0; i < length; ++i) base[place + i * stride] = values[first + i];
  });
  const TransposedLayout transposed(shape);
  if (which != Values::kWeights || !transposed.has(tensor)) return;
  const TensorShape dims = tensor_shape(shape, tensor);
  float *copy = t->transposed_weights() + transposed.at(tensor, layer);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = (offset + i) / dims.columns;
    const int64_t column = (offset + i) % dims.columns;
    copy[run_of({dims.columns, dims.rows, Packing::kTiles}, column, row).offset] = values[i];
  }
}

inline void read_values(const ModelShape &shape, const void *trainer, Values which, Tensor tensor, int32_t layer,
                        float *values, int64_t offset, int64_t count) {
  const float *base = static_cast<const Trainer *>(trainer)->of(which);
  for_each_run(shape, tensor, layer, offset, count, [&](int64_t place, int64_t stride, int64_t first, int64_t length) {
    for (int64_t i = 0; i < length; ++i) values[first + i] = base[place + i * stride];
  });
}

inline void read_initial_memory(const TrainingContext &context, float *state) {
  const ModelShape &shape = *context.shape;
  read_values(shape, context.trainer, Values::kWeights, Tensor::kMemory, 0, state, 0,
              tensor_shape(shape, Tensor::kMemory).floats());
}

inline void add_initial_memory_gradient(const TrainingContext &context, const float *dstate) {
  const ModelShape &shape = *context.shape;
  float *base = static_cast<Trainer *>(context.trainer)->of(Values::kGradients);
  for_each_run(shape, Tensor::kMemory, 0, 0, tensor_shape(shape, Tensor::kMemory).floats(),
               [&](int64_t place, int64_t stride, int64_t first, int64_t length) {
                 for (int64_t i = 0; i < length; ++i) base[place + i * stride] += dstate[first + i];
               });
}

}  // namespace
}  // namespace rmt::RMT_ISA
