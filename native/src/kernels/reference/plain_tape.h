// plain_tape.h - the activations of one segment of a batch, kept from its forward to its backward, for plain loops.
#pragma once

#include <cstdint>
#include <new>
#include <vector>

#include "kernels/training.h"

namespace rmt {

// Rows of all documents, one document behind the other.
template <typename Real>
struct PlainTape {
  using Buffer = std::vector<Real>;

  // What the backward of a LayerNorm needs.
  struct Norm {
    Buffer normalized;  // (rows, H): before weight and bias
    Buffer scale;       // (rows): 1 / standard deviation
  };

  struct Layer {
    Buffer queries;  // (rows, H), like the next three
    Buffer keys;
    Buffer values;
    Buffer attended;  // what the heads put together, before the output linear
    Norm attention_norm;
    Buffer a;      // (rows, H): output of the attention block
    Buffer inner;  // (rows, F): before GELU
    Norm output_norm;
  };

  std::vector<int64_t> begin;  // (max_batch_size): first row of each document
  std::vector<Buffer> x;       // (L + 1) of (rows, H)
  Norm embedding_norm;
  std::vector<Layer> layers;  // (L)
  Buffer dx;                  // (rows, H)
  // Of one document, in attention_backward:
  Buffer dqueries;  // (max_input_length, H)
  Buffer dkeys;
  Buffer dvalues;
  // Of one row:
  Buffer scores;      // (max_input_length)
  Buffer dscores;     // (max_input_length)
  Buffer hidden;      // (H)
  Buffer dhidden;     // (H)
  Buffer activation;  // (F)
  Buffer dinner;      // (F)

  // Calls visit(buffer, elements) for each buffer of a tape whose vectors of buffers have their sizes.
  template <typename Visit>
  static void for_each_buffer(PlainTape &tape, const ModelShape &shape, const TapeLimits &limits, Visit visit) {
    const int64_t rows = limits.max_total_length;
    const int64_t hidden = rows * shape.hidden_size;
    const auto visit_norm = [&](Norm &norm) {
      visit(norm.normalized, hidden);
      visit(norm.scale, rows);
    };
    for (Buffer &level : tape.x) visit(level, hidden);
    visit_norm(tape.embedding_norm);
    for (Layer &layer : tape.layers) {
      for (Buffer *buffer : {&layer.queries, &layer.keys, &layer.values, &layer.attended, &layer.a}) {
        visit(*buffer, hidden);
      }
      visit_norm(layer.attention_norm);
      visit(layer.inner, rows * shape.intermediate_size);
      visit_norm(layer.output_norm);
    }
    visit(tape.dx, hidden);
    for (Buffer *buffer : {&tape.dqueries, &tape.dkeys, &tape.dvalues}) {
      visit(*buffer, int64_t{limits.max_input_length} * shape.hidden_size);
    }
    for (Buffer *buffer : {&tape.scores, &tape.dscores}) visit(*buffer, int64_t{limits.max_input_length});
    for (Buffer *buffer : {&tape.hidden, &tape.dhidden}) visit(*buffer, int64_t{shape.hidden_size});
    for (Buffer *buffer : {&tape.activation, &tape.dinner}) visit(*buffer, int64_t{shape.intermediate_size});
  }

  static void resize_lists(PlainTape &tape, const ModelShape &shape, const TapeLimits &limits) {
    tape.begin.resize(limits.max_batch_size);
    tape.x.resize(shape.num_layers + 1);
    tape.layers.resize(shape.num_layers);
  }

  static int64_t bytes(const ModelShape &shape, const TapeLimits &limits) {
    PlainTape empty;
    resize_lists(empty, shape, limits);
    int64_t reals = 0;
    for_each_buffer(empty, shape, limits, [&](Buffer &, int64_t elements) { reals += elements; });
    return static_cast<int64_t>(sizeof(PlainTape)) + shape.num_layers * static_cast<int64_t>(sizeof(Layer)) +
           (shape.num_layers + 1) * static_cast<int64_t>(sizeof(Buffer)) +
           limits.max_batch_size * static_cast<int64_t>(sizeof(int64_t)) + reals * static_cast<int64_t>(sizeof(Real));
  }

  static PlainTape *create(const ModelShape &shape, const TapeLimits &limits) {
    auto *tape = new (std::nothrow) PlainTape;
    if (tape == nullptr) return nullptr;
    try {
      resize_lists(*tape, shape, limits);
      for_each_buffer(*tape, shape, limits, [](Buffer &buffer, int64_t elements) { buffer.resize(elements); });
      return tape;
    } catch (const std::bad_alloc &) {
      delete tape;
      return nullptr;
    }
  }
};

}  // namespace rmt
