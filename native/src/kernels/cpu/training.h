// training.h - the table of training operations for one instruction set.
#pragma once

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

inline void *create_tape(const ModelShape &shape, const TapeLimits &limits, int32_t threads) {
  const Tape layout = tape_layout(shape, limits, threads);
  void *memory = allocate_zeroed(layout.bytes);
  if (memory != nullptr) memcpy(memory, &layout, sizeof(layout));
  return memory;
}

inline void destroy_tape(void *tape) { release(tape); }

inline void begin_segment(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  int32_t *first_panels = static_cast<Tape *>(context.tape)->first_panel_list();
  int32_t panel = 0;
  for (int32_t i = 0; i < num_blocks; ++i) {
    first_panels[blocks[i].index] = panel;
    panel += divide_up(blocks[i].length, kRows);
  }
}

// ---- rows -------------------------------------------------------------------------------------------------------

inline void read_row(const TrainingContext &context, const TrainingBlock &block, int32_t level, int32_t position,
                     float *values) {
  const TrainingJob job(context, &block, 1);
  const float *x = job.tape->x_of(level, job.panel_of(block, position / kRows)) + position % kRows;
  for (int32_t c = 0; c < context.shape->hidden_size; ++c) values[c] = x[c * kRows];
}

inline void clear_dx(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  const TrainingJob job(context, blocks, num_blocks);
  for (int32_t i = 0; i < num_blocks; ++i) {
    const int64_t panels = divide_up(blocks[i].length, kRows);
    memset(job.tape->dx_of(job.panel_of(blocks[i], 0)), 0,
           static_cast<size_t>(panels * job.tape->hidden_panel) * sizeof(float));
  }
}

inline void add_to_dx(const TrainingContext &context, const TrainingBlock &block, int32_t position,
                      const float *values) {
  const TrainingJob job(context, &block, 1);
  float *dx = job.tape->dx_of(job.panel_of(block, position / kRows)) + position % kRows;
  for (int32_t c = 0; c < context.shape->hidden_size; ++c) dx[c * kRows] += values[c];
}

// ---- small linears ----------------------------------------------------------------------------------------------

inline GatheredJob gathered_job(const TrainingContext &context, Tensor weight, Tensor bias, int32_t first,
                                int32_t count, const float *in, int32_t num_rows) {
  const TrainingJob job(context, nullptr, 0);
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
    training_embed,
    training_attention_block,
    training_feed_forward_block,
    read_row,
    clear_dx,
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
