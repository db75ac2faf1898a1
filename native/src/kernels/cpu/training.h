// training.h - the table of training operations for one instruction set.
#pragma once

#include "kernels/cpu/embedding_backward.h"
#include "kernels/cpu/optimizer.h"
#include "kernels/cpu/rows_linear.h"
#include "kernels/cpu/training_backward.h"
#include "kernels/cpu/training_forward.h"

namespace rmt::RMT_ISA {
namespace {

// ---- tape -------------------------------------------------------------------------------------------------------

inline int64_t tape_bytes(const ModelShape &shape, const TapeLimits &limits, int32_t threads) {
  return tape_layout(shape, limits, threads).bytes;
}

inline void *create_tape(void *, const ModelShape &shape, const TapeLimits &limits, int32_t threads) {
  const Tape layout = tape_layout(shape, limits, threads);
  void *memory = allocate_zeroed(layout.bytes);
  if (memory != nullptr) memcpy(memory, &layout, sizeof(layout));
  return memory;
}

inline void destroy_tape(void *tape) { release(tape); }

inline void begin_segment(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks,
                          const TrainingBlock *, int32_t) {
  Tape &tape = *static_cast<Tape *>(context.tape);
  TapeDocument *documents = tape.document_list();
  TapeChunk *chunks = tape.chunk_list();
  tape.num_documents = num_blocks;
  tape.num_chunks = 0;
  int32_t panel = 0;
  int32_t key_panel = 0;
  for (int32_t i = 0; i < num_blocks;) {
    TapeChunk chunk{panel, 0, i, 0};
    for (; i < num_blocks; ++i) {
      const int32_t length = blocks[i].length;
      if (chunk.num_rows > 0 && chunk.num_rows + length > tape.chunk_panels * kRows) break;
      documents[i] = {length, panel * kRows + chunk.num_rows, key_panel, blocks[i].dropout_key};
      key_panel += divide_up(length, kRows);
      chunk.num_rows += length;
      chunk.num_documents++;
    }
    chunks[tape.num_chunks++] = chunk;
    panel += divide_up(chunk.num_rows, kRows);
  }
}

// ---- rows -------------------------------------------------------------------------------------------------------

inline void read_row(const TrainingContext &context, const TrainingBlock &block, int32_t level, int32_t position,
                     float *values) {
  Tape &tape = *static_cast<Tape *>(context.tape);
  const int32_t row = tape.document_list()[block.index].first_row + position;
  const float *x = tape.x_of(level, row / kRows) + row % kRows;
  for (int32_t c = 0; c < context.shape->hidden_size; ++c) values[c] = x[c * kRows];
}

inline void read_rows_at(const TrainingContext &context, const RowPlace *places, int32_t num_places, float *values) {
  for (int32_t i = 0; i < num_places; ++i) {
    read_row(context, *places[i].block, places[i].level, places[i].position,
             values + static_cast<int64_t>(i) * context.shape->hidden_size);
  }
}

inline void write_memory_rows(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  const ModelShape &shape = *context.shape;
  for (int32_t b = 0; b < num_blocks; ++b) {
    if (blocks[b].write_memory_start < 0) continue;
    for (int32_t m = 0; m < shape.num_mem_tokens; ++m) {
      read_row(context, blocks[b], shape.num_layers, blocks[b].write_memory_start + m,
               blocks[b].write_memory + static_cast<int64_t>(m) * shape.hidden_size);
    }
  }
}

inline void clear_dx_task(void *context, int index, int) {
  const TrainingJob &job = *static_cast<const TrainingJob *>(context);
  const PanelTask &task = job.panel_tasks(false)[index];
  memset(job.tape->dx_of(task.first_panel), 0,
         static_cast<size_t>(task.num_panels * job.tape->hidden_panel) * sizeof(float));
}

inline void clear_dx(const TrainingContext &context, const TrainingBlock *, int32_t) {
  TrainingJob job(context, 0);
  context.pool->run(job.list_panels(false, 0, job.tape->num_chunks), clear_dx_task, &job);
}

inline void add_row_to_dx(const TrainingContext &context, const TrainingBlock &block, int32_t position,
                          const float *values) {
  Tape &tape = *static_cast<Tape *>(context.tape);
  const int32_t row = tape.document_list()[block.index].first_row + position;
  float *dx = tape.dx_of(row / kRows) + row % kRows;
  for (int32_t c = 0; c < context.shape->hidden_size; ++c) dx[c * kRows] += values[c];
}

inline void add_to_dx(const TrainingContext &context, const RowPlace *places, int32_t num_places, const float *values) {
  for (int32_t i = 0; i < num_places; ++i) {
    add_row_to_dx(context, *places[i].block, places[i].position,
                  values + static_cast<int64_t>(i) * context.shape->hidden_size);
  }
}

inline void add_memory_gradients(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  for (int32_t b = 0; b < num_blocks; ++b) {
    if (blocks[b].dwrite_memory == nullptr) continue;
    for (int32_t m = 0; m < context.shape->num_mem_tokens; ++m) {
      add_row_to_dx(context, blocks[b], blocks[b].write_memory_start + m,
                    blocks[b].dwrite_memory + static_cast<int64_t>(m) * context.shape->hidden_size);
    }
  }
}

// ---- small linears ----------------------------------------------------------------------------------------------

inline GatheredJob gathered_job(const TrainingContext &context, Tensor weight, Tensor bias, int32_t first,
                                int32_t count, const float *in, int32_t num_rows) {
  const TrainingJob job(context, 0);
  GatheredJob gathered{};
  gathered.columns = context.shape->hidden_size;
  gathered.count = count;
  gathered.num_rows = num_rows;
  const int64_t begin = static_cast<int64_t>(first) * gathered.columns;
  gathered.weight = job.weight(weight) + begin;
  gathered.bias = job.weight(bias) + first;
  gathered.dweight = job.gradient(weight) + begin;
  gathered.dbias = job.gradient(bias) + first;
  gathered.in = in;
  return gathered;
}

inline void rows_linear(const TrainingContext &context, Tensor weight, Tensor bias, int32_t first, int32_t count,
                        const float *in, int32_t num_rows, float *out) {
  GatheredJob job = gathered_job(context, weight, bias, first, count, in, num_rows);
  job.out = out;
  context.pool->run(divide_up(num_rows, kGatheredRows), gathered_task, &job);
}

inline void rows_linear_backward(const TrainingContext &context, Tensor weight, Tensor bias, int32_t first,
                                 int32_t count, const float *in, const float *dout, int32_t num_rows, float *din) {
  GatheredJob job = gathered_job(context, weight, bias, first, count, in, num_rows);
  job.dout = dout;
  job.din = din;
  job.input_tasks = divide_up(num_rows, kGatheredRows);
  context.pool->run(job.input_tasks + count * divide_up(job.columns, kGatheredColumns), gathered_backward_task, &job);
}

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
    training_embed,
    training_attention_block,
    training_feed_forward_block,
    write_memory_rows,
    read_rows_at,
    clear_dx,
    add_memory_gradients,
    add_to_dx,
    feed_forward_backward,
    attention_backward,
    embed_backward,
    rows_linear,
    rows_linear_backward,
    clear_gradients,
    gradient_norm,
    update,
};

}  // namespace
}  // namespace rmt::RMT_ISA
