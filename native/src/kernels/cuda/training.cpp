// training.cpp - the table of training.h on a GPU.
//
// The operations of a pass are put off until the host wants to see something of them, or the pass ends: then all of
// them are recorded as one CUDA graph for each shape, and replayed as in backend.cpp. What lies between, heads and
// probes, the host works on.

#include "kernels/cuda/training.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/cuda/operations.h"
#include "kernels/cuda/tape.h"
#include "kernels/cuda/trainer.h"
#include "kernels/dropout.h"

namespace rmt::cuda {

namespace {

constexpr int64_t kFloat = sizeof(float);

Tape &tape_of(const TrainingContext &context) { return *static_cast<Tape *>(context.tape); }

// What an operation works with. While there is one, the calls of this thread stay together.
struct Job {
  explicit Job(const TrainingContext &training_context, int32_t layer_index = 0)
      : context(training_context),
        shape(*training_context.shape),
        trainer(*static_cast<Trainer *>(training_context.trainer)),
        tape(tape_of(training_context)),
        lock(tape.place.mutex()),
        tables(tape.tables),
        layer(layer_index),
        last(layer_index + 1 == shape.num_layers),
        chosen(last && tables.chosen()),
        rows(last ? tables.last_rows() : tables.all_rows()),
        kept(tape.layers[static_cast<size_t>(layer_index)]),
        stream(tape.place.stream()),
        products(tape.place.products()),
        hidden(shape.hidden_size),
        inner(shape.intermediate_size) {
    tape.place.enter();
  }

  const float *weight(Tensor tensor) const { return trainer.weight(tensor, layer); }
  float *gradient(Tensor tensor) const { return trainer.gradient(tensor, layer); }
  NormWeights norm(Tensor weight_tensor, Tensor bias) const {
    return {weight(weight_tensor), weight(bias), shape.layer_norm_eps};
  }
  // The input of the next layer, or what comes out of the last.
  float *next_x() const { return last ? tape.output : tape.layers[static_cast<size_t>(layer) + 1].x; }
  AttentionShape attention() const { return {shape.num_heads, shape.head_size, context.causal}; }
  HeadRows query(float *projections) const {
    return chosen ? HeadRows{projections + 2 * hidden * tables.num_rows(), hidden} : HeadRows{projections, 3 * hidden};
  }
  HeadRows key(float *projections) const {
    return chosen ? HeadRows{projections, 2 * hidden} : HeadRows{projections + hidden, 3 * hidden};
  }
  HeadRows value(float *projections) const {
    const HeadRows keys = key(projections);
    return {keys.values + hidden, keys.row_stride};
  }

  Mask mask(uint32_t site, float probability) const {
    const uint32_t layer_site = static_cast<uint32_t>(layer + 1) << DropoutSite::kLayerShift;
    return {site + (site == DropoutSite::kEmbedding ? 0 : layer_site), dropout_threshold(probability),
            1 / (1 - probability)};
  }
  // The gradient in front of dropout: `dx` itself where nothing is dropped.
  const float *dropped(const Mask &drops, float *dx) const {
    if (drops.threshold == 0) return dx;
    drop(stream, tables.documents(), rows, hidden, drops, dx, tape.added);
    return tape.added;
  }
  // dx of the rows that the layer computed, in one piece.
  float *take_dx() const {
    if (!chosen) return tape.dx;
    gather(stream, tape.dx, rows.rows, rows.count, hidden, tape.chosen_dx);
    return tape.chosen_dx;
  }
  void put_dx() const {
    if (chosen) scatter(stream, tape.chosen_dx, rows.rows, rows.count, hidden, false, tape.dx);
  }

  const TrainingContext &context;
  const ModelShape &shape;
  Trainer &trainer;
  Tape &tape;
  const Place::Lock lock;
  const SegmentTables &tables;
  const int32_t layer;
  const bool last;
  const bool chosen;
  const Rows &rows;
  const LayerTape &kept;
  cudaStream_t stream;
  Products &products;
  const int32_t hidden;
  const int32_t inner;
};

// ---- tape ----

int64_t tape_bytes(const ModelShape &shape, const TapeLimits &limits, int32_t) { return Tape::bytes(shape, limits); }

void *create_tape(void *device, const ModelShape &shape, const TapeLimits &limits, int32_t) {
  auto tape = std::make_unique<Tape>(*static_cast<Place *>(device), shape, limits);
  return tape->granted() ? tape.release() : nullptr;
}

void destroy_tape(void *tape) { delete static_cast<Tape *>(tape); }

void begin_segment(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks,
                   const TrainingBlock *last_blocks, int32_t num_last_blocks) {
  Tape &tape = tape_of(context);
  const Place::Lock lock(tape.place.mutex());
  tape.place.enter();
  tape.waiting.clear();
  tape.tables.fill(blocks, num_blocks, last_blocks, num_last_blocks, context.shape->num_mem_tokens, context.backward);
}

int64_t bits(float value) {
  int32_t same;
  std::memcpy(&same, &value, sizeof(same));
  return same;
}
int64_t bits(const void *address) { return static_cast<int64_t>(reinterpret_cast<intptr_t>(address)); }

// Starts what waits.
void start(const TrainingContext &context) {
  Tape &tape = tape_of(context);
  if (tape.waiting.empty()) return;
  const Place::Lock lock(tape.place.mutex());
  tape.place.enter();
  const SegmentTables &tables = tape.tables;
  tape.key = {tables.batch_size(),
              tables.stride(),
              tables.chosen() ? tables.last_rows().count : -1,
              int64_t{context.causal},
              bits(context.dropout.hidden),
              bits(context.dropout.attention),
              bits(context.trainer)};
  for (const Tape::Operation &operation : tape.waiting) {
    tape.key.push_back(bits(reinterpret_cast<const void *>(operation.run)));
    tape.key.push_back(operation.layer);
  }
  if (tape.recordings.begin(tape.key, tables.turn())) {
    for (const Tape::Operation &operation : tape.waiting) operation.run(context, operation.layer);
  }
  tape.recordings.end();
  tape.waiting.clear();
}

// Entries of the table: an operation that is put off, or that ends a pass. Blocks say no more than the tables do, but
// for their layer; with none there is nothing to do.
template <void (*run)(const TrainingContext &, int32_t)>
void put_off(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  if (num_blocks > 0) tape_of(context).waiting.push_back({run, blocks[0].layer});
}
template <void (*run)(const TrainingContext &, int32_t)>
void end_with(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  put_off<run>(context, blocks, num_blocks);
  start(context);
}

// ---- forward ----

void embed(const TrainingContext &context, int32_t layer) {
  const Job job(context, layer);
  embed(job.stream, job.tables.documents(), job.hidden, job.shape.num_mem_tokens,
        job.trainer.weight(Tensor::kWordEmbeddings), job.trainer.weight(Tensor::kPositionEmbeddings),
        job.trainer.weight(Tensor::kTypeEmbeddings),
        {job.trainer.weight(Tensor::kEmbeddingNormWeight), job.trainer.weight(Tensor::kEmbeddingNormBias),
         job.shape.layer_norm_eps},
        job.mask(DropoutSite::kEmbedding, context.dropout.hidden), job.tape.embedding_norm, job.kept.x);
}

void attention_block(const TrainingContext &context, int32_t layer) {
  const Job job(context, layer);
  const LayerTape &kept = job.kept;
  const int64_t all = job.tables.num_rows();
  const float *x = kept.x;
  if (job.chosen) {
    job.products.linear(job.stream, kept.x, job.weight(Tensor::kKeyWeight), job.weight(Tensor::kKeyBias), all,
                        2 * job.hidden, job.hidden, Activation::kNone, nullptr, kept.projections);
    gather(job.stream, kept.x, job.rows.rows, job.rows.count, job.hidden, job.tape.chosen_x);
    x = job.tape.chosen_x;
    job.products.linear(job.stream, x, job.weight(Tensor::kQueryWeight), job.weight(Tensor::kQueryBias), job.rows.count,
                        job.hidden, job.hidden, Activation::kNone, nullptr, job.query(kept.projections).values);
  } else {
    job.products.linear(job.stream, kept.x, job.weight(Tensor::kQueryWeight), job.weight(Tensor::kQueryBias), all,
                        3 * job.hidden, job.hidden, Activation::kNone, nullptr, kept.projections);
  }
  attention(job.stream, job.tables.documents(), job.rows, job.attention(), job.query(kept.projections),
            job.key(kept.projections), job.value(kept.projections),
            job.mask(DropoutSite::kAttention, context.dropout.attention), kept.log_sum_exp, kept.attended);
  job.products.linear(job.stream, kept.attended, job.weight(Tensor::kAttentionOutputWeight),
                      job.weight(Tensor::kAttentionOutputBias), job.rows.count, job.hidden, job.hidden,
                      Activation::kNone, nullptr, job.tape.added);
  add_norm(job.stream, job.tables.documents(), job.rows, job.hidden, x, job.tape.added,
           job.norm(Tensor::kAttentionNormWeight, Tensor::kAttentionNormBias),
           job.mask(DropoutSite::kAttentionOutput, context.dropout.hidden), kept.attention_norm, kept.a);
}

void feed_forward_block(const TrainingContext &context, int32_t layer) {
  const Job job(context, layer);
  const LayerTape &kept = job.kept;
  job.products.linear(job.stream, kept.a, job.weight(Tensor::kIntermediateWeight),
                      job.weight(Tensor::kIntermediateBias), job.rows.count, job.inner, job.hidden, Activation::kGelu,
                      kept.inner, job.tape.activation);
  job.products.linear(job.stream, job.tape.activation, job.weight(Tensor::kOutputWeight),
                      job.weight(Tensor::kOutputBias), job.rows.count, job.hidden, job.inner, Activation::kNone,
                      nullptr, job.tape.added);
  add_norm(job.stream, job.tables.documents(), job.rows, job.hidden, kept.a, job.tape.added,
           job.norm(Tensor::kOutputNormWeight, Tensor::kOutputNormBias),
           job.mask(DropoutSite::kOutput, context.dropout.hidden), kept.output_norm, job.next_x());
}

void write_memory(const TrainingContext &context, int32_t layer) {
  const Job job(context, layer);
  if (job.shape.num_mem_tokens == 0) return;
  read_memory_rows(job.stream, job.tape.output, job.tables.last_write_rows(), job.tables.batch_size(),
                   job.shape.num_mem_tokens, job.hidden, job.tables.write_memory());
}

// Calls run(first, count) for as many places at a time as fit; their rows are on the device then.
template <typename RowOf, typename Run>
void for_each_piece(const Job &job, const RowPlace *places, int32_t num_places, RowOf row_of, Run run) {
  std::vector<int32_t> rows;
  for (int32_t first = 0; first < num_places; first += static_cast<int32_t>(rows.size())) {
    const int64_t count = std::min<int64_t>(num_places - first, job.tape.max_gathered());
    rows.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) rows[static_cast<size_t>(i)] = row_of(places[first + i]);
    job.tape.place.upload(job.tape.places, rows.data(), count * static_cast<int64_t>(sizeof(int32_t)));
    run(first, count);
  }
}

// Places of one level at a time: each level is a buffer of its own.
void read_rows(const TrainingContext &context, const RowPlace *places, int32_t num_places, float *values) {
  start(context);
  const Job job(context);
  for (int32_t begin = 0; begin < num_places;) {
    const int32_t level = places[begin].level;
    int32_t end = begin;
    while (end < num_places && places[end].level == level) ++end;
    const bool last = level == job.shape.num_layers;
    const float *x = last ? job.tape.output : job.tape.layers[static_cast<size_t>(level)].x;
    const auto row_of = [&](const RowPlace &place) {
      return last ? job.tables.last_place(place.block->index, place.position)
                  : place.block->index * job.tables.stride() + place.position;
    };
    for_each_piece(job, places + begin, end - begin, row_of, [&](int32_t first, int64_t count) {
      gather(job.stream, x, job.tape.places, count, job.hidden, job.tape.gathered);
      job.tape.place.download(values + int64_t{begin + first} * job.hidden, job.tape.gathered,
                              count * job.hidden * kFloat);
    });
    begin = end;
  }
}

// ---- backward ----

void clear_dx(const TrainingContext &context, int32_t layer) {
  const Job job(context, layer);
  job.tape.place.clear(job.tape.dx, job.tables.num_rows() * job.hidden * kFloat);
}

void add_memory_gradients(const TrainingContext &context, int32_t layer) {
  const Job job(context, layer);
  if (job.shape.num_mem_tokens == 0) return;
  add_memory_rows(job.stream, job.tape.dx, job.tables.write_rows(), job.tables.batch_size(), job.shape.num_mem_tokens,
                  job.hidden, job.tables.dwrite_memory());
}

void add_to_dx(const TrainingContext &context, const RowPlace *places, int32_t num_places, const float *values) {
  start(context);
  const Job job(context);
  const auto row_of = [&](const RowPlace &place) { return place.block->index * job.tables.stride() + place.position; };
  for_each_piece(job, places, num_places, row_of, [&](int32_t first, int64_t count) {
    job.tape.place.upload(job.tape.gathered, values + int64_t{first} * job.hidden, count * job.hidden * kFloat);
    scatter_add_in_order(job.stream, job.tape.gathered, job.tape.places, count, job.hidden, job.tape.dx);
  });
}

void feed_forward_backward(const TrainingContext &context, int32_t layer) {
  const Job job(context, layer);
  const LayerTape &kept = job.kept;
  Tape &tape = job.tape;
  const int64_t rows = job.rows.count;
  float *dx = job.take_dx();
  norm_backward(job.stream, rows, job.hidden, job.weight(Tensor::kOutputNormWeight), kept.output_norm, tape.sum_scratch,
                dx, job.gradient(Tensor::kOutputNormWeight), job.gradient(Tensor::kOutputNormBias));
  // From here on dx is the gradient of the residual too; the linears add theirs to it.
  const float *dout = job.dropped(job.mask(DropoutSite::kOutput, context.dropout.hidden), dx);
  gelu(job.stream, kept.inner, rows * job.inner, tape.activation);
  job.products.linear_backward_weight(job.stream, dout, tape.activation, rows, job.hidden, job.inner, tape.sum_scratch,
                                      job.gradient(Tensor::kOutputWeight), job.gradient(Tensor::kOutputBias));
  job.products.linear_backward_input(job.stream, dout, job.weight(Tensor::kOutputWeight), rows, job.hidden, job.inner,
                                     false, tape.dinner);
  gelu_backward(job.stream, kept.inner, rows * job.inner, tape.dinner);
  job.products.linear_backward_weight(job.stream, tape.dinner, kept.a, rows, job.inner, job.hidden, tape.sum_scratch,
                                      job.gradient(Tensor::kIntermediateWeight),
                                      job.gradient(Tensor::kIntermediateBias));
  job.products.linear_backward_input(job.stream, tape.dinner, job.weight(Tensor::kIntermediateWeight), rows, job.inner,
                                     job.hidden, true, dx);
  job.put_dx();
}

void attention_backward(const TrainingContext &context, int32_t layer) {
  const Job job(context, layer);
  const LayerTape &kept = job.kept;
  Tape &tape = job.tape;
  const int64_t rows = job.rows.count;
  const int64_t all = job.tables.num_rows();
  float *dx = job.take_dx();
  norm_backward(job.stream, rows, job.hidden, job.weight(Tensor::kAttentionNormWeight), kept.attention_norm,
                tape.sum_scratch, dx, job.gradient(Tensor::kAttentionNormWeight),
                job.gradient(Tensor::kAttentionNormBias));
  const float *dout = job.dropped(job.mask(DropoutSite::kAttentionOutput, context.dropout.hidden), dx);
  job.products.linear_backward_weight(job.stream, dout, kept.attended, rows, job.hidden, job.hidden, tape.sum_scratch,
                                      job.gradient(Tensor::kAttentionOutputWeight),
                                      job.gradient(Tensor::kAttentionOutputBias));
  job.products.linear_backward_input(job.stream, dout, job.weight(Tensor::kAttentionOutputWeight), rows, job.hidden,
                                     job.hidden, false, tape.dattended);
  attention_backward(job.stream, job.tables.documents(), job.rows, job.attention(), job.query(kept.projections),
                     job.key(kept.projections), job.value(kept.projections),
                     job.mask(DropoutSite::kAttention, context.dropout.attention), kept.log_sum_exp, kept.attended,
                     tape.dattended, tape.row_scratch, job.query(tape.dprojections), job.key(tape.dprojections),
                     job.value(tape.dprojections));
  const auto project_backward = [&](Tensor weight, Tensor bias, const float *dy, const float *x, int64_t count,
                                    int32_t outputs, float *dinput) {
    job.products.linear_backward_weight(job.stream, dy, x, count, outputs, job.hidden, tape.sum_scratch,
                                        job.gradient(weight), job.gradient(bias));
    job.products.linear_backward_input(job.stream, dy, job.weight(weight), count, outputs, job.hidden, true, dinput);
  };
  if (job.chosen) {
    gather(job.stream, kept.x, job.rows.rows, rows, job.hidden, tape.chosen_x);
    project_backward(Tensor::kQueryWeight, Tensor::kQueryBias, job.query(tape.dprojections).values, tape.chosen_x, rows,
                     job.hidden, dx);
    job.put_dx();
    project_backward(Tensor::kKeyWeight, Tensor::kKeyBias, tape.dprojections, kept.x, all, 2 * job.hidden, tape.dx);
  } else {
    project_backward(Tensor::kQueryWeight, Tensor::kQueryBias, tape.dprojections, kept.x, all, 3 * job.hidden, tape.dx);
  }
}

void embed_backward(const TrainingContext &context, int32_t layer) {
  const Job job(context, layer);
  Tape &tape = job.tape;
  const Mask mask = job.mask(DropoutSite::kEmbedding, context.dropout.hidden);
  if (mask.threshold != 0) {
    drop(job.stream, job.tables.documents(), job.tables.all_rows(), job.hidden, mask, tape.dx, tape.dx);
  }
  norm_backward(job.stream, job.tables.num_rows(), job.hidden, job.trainer.weight(Tensor::kEmbeddingNormWeight),
                tape.embedding_norm, tape.sum_scratch, tape.dx, job.trainer.gradient(Tensor::kEmbeddingNormWeight),
                job.trainer.gradient(Tensor::kEmbeddingNormBias));
  embedding_backward(job.stream, job.tables.documents(), job.tables.words(), job.hidden, tape.dx, tape.sum_scratch,
                     job.trainer.gradient(Tensor::kWordEmbeddings), job.trainer.gradient(Tensor::kPositionEmbeddings),
                     job.trainer.gradient(Tensor::kTypeEmbeddings));
  if (job.shape.num_mem_tokens > 0) {
    read_memory_rows(job.stream, tape.dx, job.tables.dread_rows(), job.tables.batch_size(), job.shape.num_mem_tokens,
                     job.hidden, job.tables.dread_memory());
  }
}

// ---- small linears ----

void rows_linear(const TrainingContext &context, Tensor weight, Tensor bias, int32_t first, int32_t count,
                 const float *in, int32_t num_rows, float *out) {
  start(context);
  const Job job(context);
  Tape &tape = job.tape;
  tape.place.upload(tape.gathered, in, int64_t{num_rows} * job.hidden * kFloat);
  head_linear(job.stream, tape.gathered, job.trainer.weight(weight) + int64_t{first} * job.hidden,
              job.trainer.weight(bias) + first, num_rows, count, job.hidden, Activation::kNone, tape.gathered_out);
  tape.place.download(out, tape.gathered_out, int64_t{num_rows} * count * kFloat);
}

void rows_linear_backward(const TrainingContext &context, Tensor weight, Tensor bias, int32_t first, int32_t count,
                          const float *in, const float *dout, int32_t num_rows, float *din) {
  start(context);
  const Job job(context);
  Tape &tape = job.tape;
  const int64_t place = int64_t{first} * job.hidden;
  tape.place.upload(tape.gathered, in, int64_t{num_rows} * job.hidden * kFloat);
  tape.place.upload(tape.gathered_out, dout, int64_t{num_rows} * count * kFloat);
  job.products.linear_backward_weight(job.stream, tape.gathered_out, tape.gathered, num_rows, count, job.hidden,
                                      tape.sum_scratch, job.trainer.gradient(weight) + place,
                                      job.trainer.gradient(bias) + first);
  job.products.linear_backward_input(job.stream, tape.gathered_out, job.trainer.weight(weight) + place, num_rows, count,
                                     job.hidden, false, tape.gathered_din);
  tape.place.download(din, tape.gathered_din, int64_t{num_rows} * job.hidden * kFloat);
}

}  // namespace

const TrainingBackend kTraining = {
    trainer_bytes,
    create_trainer,
    destroy_trainer,
    write_values,
    read_values,
    tape_bytes,
    create_tape,
    destroy_tape,
    begin_segment,
    read_initial_memory,
    add_initial_memory_gradient,
    put_off<embed>,
    put_off<attention_block>,
    put_off<feed_forward_block>,
    end_with<write_memory>,
    read_rows,
    put_off<clear_dx>,
    put_off<add_memory_gradients>,
    add_to_dx,
    put_off<feed_forward_backward>,
    put_off<attention_backward>,
    end_with<embed_backward>,
    rows_linear,
    rows_linear_backward,
    clear_gradients,
    gradient_norm,
    update,
};

}  // namespace rmt::cuda
