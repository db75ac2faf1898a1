// training_backward.h - the backwards of the half layers.
//
// In each chunk of rows (see tape.h) gradients go down through the rows, task by task, into buffers of the chunk; then
// tasks that own parts of the weights add up what the rows of the chunk give to them. So no two threads write to the
// same gradient, and the order of all sums follows from the documents alone.
//
// Of the blocks of a call only the layer counts: all rows go backwards that went forwards. Those to which no gradient
// comes have zeros.
#pragma once

#include "kernels/cpu/attention_backward.h"
#include "kernels/cpu/linear_backward.h"
#include "kernels/cpu/training_job.h"

namespace rmt::RMT_ISA {
namespace {

constexpr int32_t kMaxProducts = 4;
constexpr int32_t kProductTiles = 4;  // of columns, for a task

// A chunk on its way; all tasks read it.
struct BackwardJob : TrainingJob {
  using TrainingJob::TrainingJob;

  int32_t chunk_index;
  int32_t chosen_tasks;
  int32_t valid_tasks;
  Tensor norm_weight;
  Tensor norm_bias;
  // What the tasks behind the others do: products, their biases, the LayerNorm.
  WeightGradient products[kMaxProducts];
  struct {
    const float *panels;
    int64_t stride;
    int32_t num_rows;
    int32_t columns;
    float *gradient;
  } biases[kMaxProducts];
  int32_t num_products;

  const TapeChunk &tape_chunk() const { return chunk(chunk_index); }
  const LayerChunk &rows() const { return layer_chunk(chunk_index); }
  float *chunk_of(Chunk which, int32_t panel) const { return tape->chunk_of(which, panel, tape_chunk()); }
  float *chunk_of(Chunk which) const { return chunk_of(which, tape_chunk().first_panel); }
  // dx of the rows that the layer computes.
  float *dx_of(int32_t panel) const { return rows().whole ? tape->dx_of(panel) : chunk_of(Chunk::kDx, panel); }

  void transpose_to(Transposed which, int32_t panel, const float *from) const {
    transpose_panel(from, shape->hidden_size, tape->transposed_block,
                    tape->transposed_of(which, hidden_blocks(), (panel - tape_chunk().first_panel) * kRows));
  }
  int32_t hidden_blocks() const { return divide_up(shape->hidden_size, kRows); }

  // Adds a product of `columns`, which are the outputs' gradients or the inputs, and transposed rows to the list; the
  // bias sums up `doutputs`.
  void add_product(const float *columns, int64_t stride, int32_t num_columns, Transposed transposed_rows,
                   int32_t num_rows, bool columns_are_outputs, Tensor weights) {
    products[num_products++] = {columns,
                                stride,
                                num_columns,
                                tape->transposed_of(transposed_rows, hidden_blocks(), 0),
                                tape->transposed_block,
                                shape->hidden_size,
                                num_rows,
                                columns_are_outputs,
                                gradient(weights)};
  }

  static int32_t tasks_of(const WeightGradient &product) {
    return divide_up(product.num_columns, kProductTiles * kTile);
  }
  int32_t product_tasks() const {
    int32_t tasks = num_products + 1;
    for (int32_t i = 0; i < num_products; ++i) tasks += tasks_of(products[i]);
    return tasks;
  }
  void run_product_task(int32_t index) const {
    for (int32_t i = 0; i < num_products; ++i) {
      const int32_t tasks = tasks_of(products[i]);
      if (index < tasks) {
        const int32_t begin = index * kProductTiles * kTile;
        products[i].add(begin, min(products[i].num_columns, begin + kProductTiles * kTile));
        return;
      }
      index -= tasks;
    }
    if (index < num_products) {
      add_column_sums(biases[index].panels, biases[index].stride, biases[index].num_rows, biases[index].columns,
                      biases[index].gradient);
      return;
    }
    add_norm_partials(tape->norm_partial_of(0), tape->norm_partial_stride, divide_up(rows().num_rows, kRows),
                      shape->hidden_size, gradient(norm_weight), gradient(norm_bias));
  }
};

// Calls run() for each chunk of which the layer computes rows.
template <typename Run>
inline void for_each_chunk(BackwardJob *job, const Run &run) {
  for (int32_t i = 0; i < job->tape->num_chunks; ++i) {
    if (job->layer_chunk(i).num_rows == 0) continue;
    job->chunk_index = i;
    job->chosen_tasks = job->list_panels(true, i, i + 1);
    job->valid_tasks = job->list_panels(false, i, i + 1);
    job->num_products = 0;
    run();
  }
}

// dx of a panel from the output of a half layer to the input of its LayerNorm, and what that is for the output of its
// last linear.
inline void start_panel(const BackwardJob &job, int32_t panel, uint32_t site, const NormTape &kept) {
  const int32_t columns = job.shape->hidden_size;
  float *dx = job.dx_of(panel);
  float *projected = job.chunk_of(Chunk::kProjected, panel);
  if (!job.rows().whole) job.gather(job.chunk_index, panel, job.dx(), dx);
  layer_norm_backward(job.weight(job.norm_weight), columns, kept, dx,
                      job.tape->norm_partial_of(panel - job.tape_chunk().first_panel));
  if (job.drops_rows()) {
    job.dropped_rows(job.chunk_index, panel, site).apply(columns, dx, nullptr, projected);
  } else {
    memcpy(projected, dx, static_cast<size_t>(columns) * kRows * sizeof(float));
  }
}

// ---- feed-forward -----------------------------------------------------------------------------------------------

inline void feed_forward_rows_task(void *context, int index, int) {
  const BackwardJob &job = *static_cast<const BackwardJob *>(context);
  Tape &tape = *job.tape;
  const PanelTask &task = job.panel_tasks(true)[index];
  const int32_t columns = job.shape->hidden_size;
  const int32_t inner_columns = job.shape->intermediate_size;
  LinearRows outer_rows[kMaxGroup];
  LinearRows inner_rows[kMaxGroup];
  for (int32_t i = 0; i < task.num_panels; ++i) {
    const int32_t panel = task.first_panel + i;
    start_panel(job, panel, DropoutSite::kOutput,
                {tape.kept(job.layer, Kept::kOutputNormalized, panel), tape.output_factors_of(job.layer, panel)});
    const float *projected = job.chunk_of(Chunk::kProjected, panel);
    job.transpose_to(Transposed::kProjected, panel, projected);
    job.transpose_to(Transposed::kInputs, panel, tape.kept(job.layer, Kept::kAttentionOutput, panel));
    float *dinner = tape.dinner_of(panel, job.tape_chunk());
    outer_rows[i] = {projected, nullptr, dinner, kVectors};
    inner_rows[i] = {dinner, nullptr, job.dx_of(panel), kVectors};
  }
  add_linear(job.transposed(Tensor::kOutputWeight), columns, inner_columns, true, outer_rows, task.num_panels);
  for (int32_t i = 0; i < task.num_panels; ++i) {
    const int32_t panel = task.first_panel + i;
    gelu_backward(inner_columns, tape.inner_of(job.layer, panel), outer_rows[i].out,
                  tape.activations_of(panel, job.tape_chunk()));
  }
  add_linear(job.transposed(Tensor::kIntermediateWeight), inner_columns, columns, false, inner_rows, task.num_panels);
  if (job.rows().whole) return;
  for (int32_t i = 0; i < task.num_panels; ++i) {
    job.scatter(job.chunk_index, task.first_panel + i, inner_rows[i].out, job.dx());
  }
}

inline void product_task(void *context, int index, int) {
  static_cast<const BackwardJob *>(context)->run_product_task(index);
}

inline void feed_forward_backward(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  if (num_blocks == 0) return;
  BackwardJob job(context, blocks[0].layer);
  Tape &tape = *job.tape;
  const int32_t columns = context.shape->hidden_size;
  const int32_t inner_columns = context.shape->intermediate_size;
  job.norm_weight = Tensor::kOutputNormWeight;
  job.norm_bias = Tensor::kOutputNormBias;
  for_each_chunk(&job, [&] {
    context.pool->run(job.chosen_tasks, feed_forward_rows_task, &job);
    const TapeChunk &chunk = job.tape_chunk();
    const int32_t num_rows = job.rows().num_rows;
    const float *dinner = tape.dinner_of(chunk.first_panel, chunk);
    job.biases[0] = {dinner, tape.inner_panel, num_rows, inner_columns, job.gradient(Tensor::kIntermediateBias)};
    job.add_product(dinner, tape.inner_panel, inner_columns, Transposed::kInputs, num_rows, true,
                    Tensor::kIntermediateWeight);
    job.biases[1] = {job.chunk_of(Chunk::kProjected), tape.hidden_panel, num_rows, columns,
                     job.gradient(Tensor::kOutputBias)};
    job.add_product(tape.activations_of(chunk.first_panel, chunk), tape.inner_panel, inner_columns,
                    Transposed::kProjected, num_rows, false, Tensor::kOutputWeight);
    context.pool->run(job.product_tasks(), product_task, &job);
  });
}

// ---- attention --------------------------------------------------------------------------------------------------

// Scalar products of the columns of each head of two panels.
inline void dots_of_heads(const ModelShape &shape, const float *a, const float *b, float *dots) {
  for (int32_t h = 0; h < shape.num_heads; ++h) {
    for (int32_t v = 0; v < kVectors; ++v) {
      Vec sum{};
      for (int32_t c = h * shape.head_size; c < (h + 1) * shape.head_size; ++c) {
        const int32_t at = c * kRows + v * kLanes;
        sum = fma(load(a + at), load(b + at), sum);
      }
      store(dots + h * kRows + v * kLanes, sum);
    }
  }
}

inline void attention_rows_task(void *context, int index, int) {
  const BackwardJob &job = *static_cast<const BackwardJob *>(context);
  Tape &tape = *job.tape;
  const ModelShape &shape = *job.shape;
  if (index >= job.chosen_tasks) {
    // What goes into queries, keys and values comes from other rows than these.
    const PanelTask &task = job.panel_tasks(false)[index - job.chosen_tasks];
    for (int32_t p = task.first_panel; p < task.first_panel + task.num_panels; ++p) {
      const size_t bytes = static_cast<size_t>(tape.hidden_panel) * sizeof(float);
      memset(job.chunk_of(Chunk::kDqueries, p), 0, bytes);
      memset(job.chunk_of(Chunk::kDkeys, p), 0, bytes);
      memset(job.chunk_of(Chunk::kDvalues, p), 0, bytes);
      job.transpose_to(Transposed::kInputs, p, tape.x_of(job.layer, p));
    }
    return;
  }
  const PanelTask &task = job.panel_tasks(true)[index];
  LinearRows rows[kMaxGroup];
  for (int32_t i = 0; i < task.num_panels; ++i) {
    const int32_t panel = task.first_panel + i;
    start_panel(job, panel, DropoutSite::kAttentionOutput,
                {tape.kept(job.layer, Kept::kAttentionNormalized, panel), tape.attention_factors_of(job.layer, panel)});
    job.transpose_to(Transposed::kAttended, panel, tape.kept(job.layer, Kept::kAttended, panel));
    if (!job.rows().whole) {
      float *x = job.chunk_of(Chunk::kDattended, panel);
      job.gather(job.chunk_index, panel, job.x(), x);
      job.transpose_to(Transposed::kChosenInputs, panel, x);
    }
    rows[i] = {job.chunk_of(Chunk::kProjected, panel), nullptr, job.chunk_of(Chunk::kDattended, panel), kVectors};
  }
  add_linear(job.transposed(Tensor::kAttentionOutputWeight), shape.hidden_size, shape.hidden_size, true, rows,
             task.num_panels);
  for (int32_t i = 0; i < task.num_panels; ++i) {
    const int32_t panel = task.first_panel + i;
    dots_of_heads(shape, rows[i].out, tape.kept(job.layer, Kept::kAttended, panel),
                  tape.dots_of(panel, job.tape_chunk()));
  }
}

// What attend_backward() works in beside its own scratch: (head_size, kRows) and (kRows).
struct HeadScratch {
  float *queries;
  float *dattended;
  float *dqueries;
  float *shifts;
  float *dots;
  float *inverse_sums;
  float *rest;
};

// One head of neighbouring queries of a document, kRows at most.
inline void attend_panel_backward(const BackwardJob &job, const HeadBackward &head, const RowRun &run, int32_t first,
                                  int32_t count, int32_t head_index, const HeadScratch &scratch) {
  Tape &tape = *job.tape;
  const int32_t row = run.row + first;
  const int32_t row_in_chunk = row - job.tape_chunk().first_panel * kRows;
  const int64_t column = static_cast<int64_t>(head_index) * head.head_size * kRows;
  const auto move_in = [&](float *from, int64_t stride, int32_t from_row, int32_t columns, float *to) {
    if (count % kQueryUnit != 0) clear_rows(to, count, columns);
    move_rows({from, stride}, from_row, {to, 0}, 0, count, columns);
  };
  move_in(tape.kept(job.layer, Kept::kQueries, 0) + column, tape.hidden_panel, row, head.head_size, scratch.queries);
  move_in(job.chunk_of(Chunk::kDattended) + column, tape.hidden_panel, row_in_chunk, head.head_size, scratch.dattended);
  const int64_t of_head = static_cast<int64_t>(head_index) * kRows;
  move_in(tape.shifts_of(job.layer, 0) + of_head, tape.head_panel, row, 1, scratch.shifts);
  move_in(tape.inverse_sums_of(job.layer, 0) + of_head, tape.head_panel, row, 1, scratch.inverse_sums);
  move_in(tape.dots_of(job.tape_chunk().first_panel, job.tape_chunk()) + of_head, tape.head_panel, row_in_chunk, 1,
          scratch.dots);
  for (int32_t v = 0; v * kLanes < count; ++v) {
    const Vec inverse_sum = load(scratch.inverse_sums + v * kLanes);
    store(scratch.dots + v * kLanes, load(scratch.dots + v * kLanes) * inverse_sum);
    for (int32_t d = 0; d < head.head_size; ++d) {
      float *g = scratch.dattended + d * kRows + v * kLanes;
      store(g, load(g) * inverse_sum);
    }
  }
  attend_backward(
      head,
      {scratch.queries, scratch.dattended, scratch.dqueries, scratch.shifts, scratch.dots, run.position + first, count},
      scratch.rest);
  move_rows({scratch.dqueries, 0}, 0, {job.chunk_of(Chunk::kDqueries) + column, tape.hidden_panel}, row_in_chunk, count,
            head.head_size);
}

// One head of one document.
inline void attention_head_task(void *context, int index, int worker) {
  const BackwardJob &job = *static_cast<const BackwardJob *>(context);
  Tape &tape = *job.tape;
  const ModelShape &shape = *job.shape;
  const TapeChunk &chunk = job.tape_chunk();
  const int32_t document_index = chunk.first_document + index / shape.num_heads;
  const TapeDocument &document = job.document(document_index);
  const int32_t head_index = index % shape.num_heads;
  const int64_t column = static_cast<int64_t>(head_index) * shape.head_size * kRows;
  const int64_t head_floats = static_cast<int64_t>(shape.head_size) * kRows;
  const int32_t panels = divide_up(document.length, kRows);
  const Dropped dropped = job.dropped_weights(document, head_index);

  HeadScratch scratch;
  scratch.queries = tape.scratch_of(worker);
  scratch.dattended = scratch.queries + head_floats;
  scratch.dqueries = scratch.dattended + head_floats;
  scratch.shifts = scratch.dqueries + head_floats;
  scratch.dots = scratch.shifts + kRows;
  scratch.inverse_sums = scratch.dots + kRows;
  float *const dkeys = scratch.inverse_sums + kRows;
  float *const dvalues = dkeys + panels * head_floats;
  scratch.rest = dvalues + panels * head_floats;

  HeadBackward head;
  head.keys = tape.keys_of(job.layer, document.first_key_panel) + column;
  head.values = tape.values_of(job.layer, document.first_key_panel) + column;
  head.panel_stride = tape.hidden_panel;
  head.dkeys = dkeys;
  head.dvalues = dvalues;
  head.gradient_stride = head_floats;
  head.head_size = shape.head_size;
  head.length = document.length;
  head.causal = job.causal;
  head.root_scale = 1.0f / __builtin_sqrtf(static_cast<float>(shape.head_size));
  head.scale = 1.44269504f / __builtin_sqrtf(static_cast<float>(shape.head_size));
  head.dropped = job.drops_weights() ? &dropped : nullptr;

  memset(dkeys, 0, static_cast<size_t>(2 * panels * head_floats) * sizeof(float));
  const LayerChunk &rows = job.rows();
  for (int32_t r = rows.first_run; r < rows.first_run + rows.num_runs; ++r) {
    const RowRun &run = job.run(r);
    if (run.document != document_index) continue;
    for (int32_t first = 0; first < run.count; first += kRows) {
      attend_panel_backward(job, head, run, first, min(kRows, run.count - first), head_index, scratch);
    }
  }
  for (int64_t i = 0; i < panels * head_floats; i += kLanes) store(dkeys + i, load(dkeys + i) * head.root_scale);
  const int32_t row = document.first_row - chunk.first_panel * kRows;
  move_rows({dkeys, head_floats}, 0, {job.chunk_of(Chunk::kDkeys) + column, tape.hidden_panel}, row, document.length,
            shape.head_size);
  move_rows({dvalues, head_floats}, 0, {job.chunk_of(Chunk::kDvalues) + column, tape.hidden_panel}, row,
            document.length, shape.head_size);
}

// dx of the chosen rows += what goes through the queries, back to where the rows lie in the tape.
inline void chosen_inputs_task(void *context, int index, int) {
  const BackwardJob &job = *static_cast<const BackwardJob *>(context);
  const PanelTask &task = job.panel_tasks(true)[index];
  const int32_t columns = job.shape->hidden_size;
  LinearRows queries[kMaxGroup];
  for (int32_t i = 0; i < task.num_panels; ++i) {
    const int32_t panel = task.first_panel + i;
    queries[i] = {job.chunk_of(Chunk::kDqueries, panel), nullptr, job.dx_of(panel), kVectors};
  }
  add_linear(job.transposed(Tensor::kQueryWeight), columns, columns, false, queries, task.num_panels);
  for (int32_t i = 0; i < task.num_panels; ++i) {
    job.scatter(job.chunk_index, task.first_panel + i, queries[i].out, job.dx());
  }
}

// dx += what goes through keys and values, and through queries where all rows have some; then the products.
inline void attention_inputs_task(void *context, int index, int) {
  const BackwardJob &job = *static_cast<const BackwardJob *>(context);
  if (index >= job.valid_tasks) {
    job.run_product_task(index - job.valid_tasks);
    return;
  }
  const PanelTask &task = job.panel_tasks(false)[index];
  const int32_t columns = job.shape->hidden_size;
  const auto add = [&](Chunk which, Tensor weights) {
    LinearRows rows[kMaxGroup];
    for (int32_t i = 0; i < task.num_panels; ++i) {
      const int32_t panel = task.first_panel + i;
      rows[i] = {job.chunk_of(which, panel), nullptr, job.tape->dx_of(panel), kVectors};
    }
    add_linear(job.transposed(weights), columns, columns, false, rows, task.num_panels);
  };
  if (job.rows().whole) add(Chunk::kDqueries, Tensor::kQueryWeight);
  add(Chunk::kDkeys, Tensor::kKeyWeight);
  add(Chunk::kDvalues, Tensor::kValueWeight);
}

inline void attention_backward(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  if (num_blocks == 0) return;
  BackwardJob job(context, blocks[0].layer);
  const int32_t columns = context.shape->hidden_size;
  const int64_t stride = job.tape->hidden_panel;
  job.norm_weight = Tensor::kAttentionNormWeight;
  job.norm_bias = Tensor::kAttentionNormBias;
  for_each_chunk(&job, [&] {
    const TapeChunk &chunk = job.tape_chunk();
    const LayerChunk &rows = job.rows();
    context.pool->run(job.chosen_tasks + job.valid_tasks, attention_rows_task, &job);
    context.pool->run(chunk.num_documents * context.shape->num_heads, attention_head_task, &job);
    if (!rows.whole) context.pool->run(job.chosen_tasks, chosen_inputs_task, &job);
    const auto add_product = [&](Chunk doutputs, Transposed inputs, int32_t num_rows, Tensor weights, Tensor bias) {
      job.biases[job.num_products] = {job.chunk_of(doutputs), stride, num_rows, columns, job.gradient(bias)};
      job.add_product(job.chunk_of(doutputs), stride, columns, inputs, num_rows, true, weights);
    };
    add_product(Chunk::kProjected, Transposed::kAttended, rows.num_rows, Tensor::kAttentionOutputWeight,
                Tensor::kAttentionOutputBias);
    add_product(Chunk::kDqueries, rows.whole ? Transposed::kInputs : Transposed::kChosenInputs, rows.num_rows,
                Tensor::kQueryWeight, Tensor::kQueryBias);
    add_product(Chunk::kDkeys, Transposed::kInputs, chunk.num_rows, Tensor::kKeyWeight, Tensor::kKeyBias);
    add_product(Chunk::kDvalues, Transposed::kInputs, chunk.num_rows, Tensor::kValueWeight, Tensor::kValueBias);
    context.pool->run(job.valid_tasks + job.product_tasks(), attention_inputs_task, &job);
  });
}

}  // namespace
}  // namespace rmt::RMT_ISA
