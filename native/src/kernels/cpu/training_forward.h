// training_forward.h - the forward of training: the tiles of backend.h in the same order, so in the same bits, with
// everything that the backward needs left on the tape.
#pragma once

#include "kernels/cpu/attention.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/rows_backward.h"
#include "kernels/cpu/tape.h"
#include "kernels/cpu/tasks.h"
#include "kernels/cpu/trainer.h"
#include "kernels/thread_pool.h"

namespace rmt::RMT_ISA {
namespace {

// What a task of training needs to know; one per call of an operation, on the caller's stack.
struct TrainingJob {
  const ModelShape *shape;
  Trainer *trainer;
  Tape *tape;
  ThreadPool *pool;
  const TrainingBlock *blocks;
  int32_t num_blocks;
  bool causal;
  Dropout dropout;
  WeightsLayout layout;
  TransposedLayout transposed_layout;

  TrainingJob(const TrainingContext &context, const TrainingBlock *row_blocks, int32_t count)
      : shape(context.shape),
        trainer(static_cast<Trainer *>(context.trainer)),
        tape(static_cast<Tape *>(context.tape)),
        pool(context.pool),
        blocks(row_blocks),
        num_blocks(count),
        causal(context.causal),
        dropout(context.dropout),
        layout(*context.shape),
        transposed_layout(*context.shape) {}

  const float *weight(Tensor which, int32_t layer = 0) const {
    return trainer->of(Values::kWeights) + layout.at(which, layer);
  }
  float *gradient(Tensor which, int32_t layer = 0) const {
    return trainer->of(Values::kGradients) + layout.at(which, layer);
  }
  const float *transposed(Tensor which, int32_t layer) const {
    return trainer->transposed_weights() + transposed_layout.at(which, layer);
  }
  Linear linear_of(Tensor weights, Tensor bias, int32_t layer, int32_t in) const {
    return {weight(weights, layer), weight(bias, layer), in};
  }
  Norm norm_of(Tensor weights, Tensor bias, int32_t layer) const {
    return {weight(weights, layer), weight(bias, layer), shape->layer_norm_eps};
  }

  // Panel of the tape that holds panel `panel` of a block.
  int64_t panel_of(const RowBlock &block, int32_t panel) const { return tape->first_panel_list()[block.index] + panel; }

  bool drops_rows() const { return dropout.hidden > 0; }
  Dropped dropped_rows(const TrainingBlock &block, uint32_t site) const {
    return Dropped(block.dropout_key, site == DropoutSite::kEmbedding ? site : layer_site(block.layer, site),
                   dropout.hidden);
  }
  bool drops_weights() const { return dropout.attention > 0; }
  Dropped dropped_weights(const TrainingBlock &block, int32_t head) const {
    return Dropped(block.dropout_key, layer_site(block.layer, DropoutSite::kAttention + static_cast<uint32_t>(head)),
                   dropout.attention);
  }

  // Lists the slices of blocks [begin, end) and returns the list.
  SliceList list_slices(bool chosen, int32_t begin, int32_t end) const {
    SliceList slices = tape->slice_list(chosen);
    int32_t panels = 0;
    for (int32_t i = begin; i < end; ++i) panels += divide_up(blocks[i].length, kRows);
    TaskList list{slices.tasks, slices.slices, group_size(*shape, panels, pool->threads())};
    for (int32_t i = begin; i < end; ++i) {
      if (chosen) {
        add_chosen_panels(blocks[i], i, &list);
      } else {
        add_valid_panels(blocks[i], i, &list);
      }
    }
    slices.num_tasks = list.num_tasks;
    slices.num_slices = list.num_slices;
    return slices;
  }
};

inline void training_embed_task(void *context, int index, int) {
  const TrainingJob &job = *static_cast<const TrainingJob *>(context);
  const SliceList list = job.tape->slice_list(false);
  const Task &task = list.tasks[index];
  const TrainingBlock &block = job.blocks[task.block];
  const EmbeddingTables tables{job.weight(Tensor::kWordEmbeddings), job.weight(Tensor::kPositionEmbeddings),
                               job.weight(Tensor::kTypeEmbeddings)};
  const Norm norm = job.norm_of(Tensor::kEmbeddingNormWeight, Tensor::kEmbeddingNormBias, 0);
  for (int32_t i = 0; i < task.num_slices; ++i) {
    const int32_t panel = list.slices[task.first_slice + i].panel;
    const int64_t place = job.panel_of(block, panel);
    float *x = job.tape->x_of(0, place);
    embed_panel<true>(tables, norm, *job.shape, block, panel, x,
                      {job.tape->embedding_normalized_of(place), job.tape->embedding_factors_of(place)});
    if (job.drops_rows()) {
      const Dropped dropped = job.dropped_rows(block, DropoutSite::kEmbedding);
      drop_rows(dropped, panel * kRows, job.shape->hidden_size, kVectors, x, nullptr, x);
    }
  }
}

inline void training_embed(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  TrainingJob job(context, blocks, num_blocks);
  context.pool->run(job.list_slices(false, 0, num_blocks).num_tasks, training_embed_task, &job);
}

inline void training_keys_values_task(void *context, int index, int) {
  const TrainingJob &job = *static_cast<const TrainingJob *>(context);
  const SliceList list = job.tape->slice_list(false);
  const Task &task = list.tasks[index];
  const TrainingBlock &block = job.blocks[task.block];
  const int32_t columns = job.shape->hidden_size;
  LinearRows keys[kMaxGroup];
  LinearRows values[kMaxGroup];
  for (int32_t i = 0; i < task.num_slices; ++i) {
    const int64_t place = job.panel_of(block, list.slices[task.first_slice + i].panel);
    const float *in = job.tape->x_of(block.layer, place);
    keys[i] = {in, nullptr, job.tape->kept(block.layer, Kept::kKeys, place), kVectors};
    values[i] = {in, nullptr, job.tape->kept(block.layer, Kept::kValues, place), kVectors};
  }
  const Linear key = job.linear_of(Tensor::kKeyWeight, Tensor::kKeyBias, block.layer, columns);
  const Linear value = job.linear_of(Tensor::kValueWeight, Tensor::kValueBias, block.layer, columns);
  linear<Activation::kNone>(key, 0, columns, 0, columns, keys, task.num_slices);
  linear<Activation::kNone>(value, 0, columns, 0, columns, values, task.num_slices);
}

// One head of the slices of a task.
inline void attend_slices(const TrainingJob &job, const TrainingBlock &block, const Slice *slices, int32_t num_slices,
                          int32_t head_index, float *scratch) {
  Tape &tape = *job.tape;
  const int64_t column = static_cast<int64_t>(head_index) * job.shape->head_size * kRows;
  const int64_t first_panel = job.panel_of(block, 0);
  AttentionHead head;
  head.panel_stride = tape.hidden_panel;
  head.head_size = job.shape->head_size;
  head.length = block.length;
  head.scale = 1.44269504f / __builtin_sqrtf(static_cast<float>(job.shape->head_size));
  head.keys = tape.kept(block.layer, Kept::kKeys, first_panel) + column;
  head.values = tape.kept(block.layer, Kept::kValues, first_panel) + column;
  const Dropped dropped = job.dropped_weights(block, head_index);
  for (int32_t i = 0; i < num_slices; ++i) {
    const Slice &slice = slices[i];
    const int64_t place = job.panel_of(block, slice.panel);
    const int32_t row = slice.first_vector * kLanes;
    const int64_t row_of_head = static_cast<int64_t>(head_index) * kRows + row;
    const AttentionTape kept{tape.attention_shifts_of(block.layer, place) + row_of_head,
                             tape.inverse_sums_of(block.layer, place) + row_of_head,
                             job.drops_weights() ? &dropped : nullptr};
    const float *query = tape.kept(block.layer, Kept::kQueries, place) + column + row;
    float *attended = tape.kept(block.layer, Kept::kAttended, place) + column + row;
    if (slice.vectors == kVectors) {
      attend<kVectors>(head, query, slice.panel * kRows + row, job.causal, scratch, attended, &kept);
    } else {
      attend<1>(head, query, slice.panel * kRows + row, job.causal, scratch, attended, &kept);
    }
  }
}

// What the last linear of a half layer has put out becomes the input of the next one: dropout, residual, LayerNorm.
// Without dropout the linear has added the residual itself.
inline void finish_slice(const TrainingJob &job, const TrainingBlock &block, const Slice &slice, uint32_t site,
                         const Norm &norm, float *sum, const float *residual, float *out, const NormTape &kept) {
  const int32_t columns = job.shape->hidden_size;
  if (job.drops_rows()) {
    drop_rows(job.dropped_rows(block, site), slice.panel * kRows + slice.first_vector * kLanes, columns, slice.vectors,
              sum, residual, sum);
  }
  layer_norm<true>(norm, columns, slice.vectors, sum, out, kept);
}

inline void training_attention_task(void *context, int index, int worker) {
  const TrainingJob &job = *static_cast<const TrainingJob *>(context);
  Tape &tape = *job.tape;
  const SliceList list = tape.slice_list(true);
  const Task &task = list.tasks[index];
  const Slice *slices = list.slices + task.first_slice;
  const TrainingBlock &block = job.blocks[task.block];
  const int32_t layer = block.layer;
  const int32_t columns = job.shape->hidden_size;
  float *sums = tape.scratch_of(worker);

  LinearRows query_rows[kMaxGroup];
  LinearRows output_rows[kMaxGroup];
  for (int32_t i = 0; i < task.num_slices; ++i) {
    const int64_t place = job.panel_of(block, slices[i].panel);
    const int32_t row = slices[i].first_vector * kLanes;
    const float *x = tape.x_of(layer, place) + row;
    query_rows[i] = {x, nullptr, tape.kept(layer, Kept::kQueries, place) + row, slices[i].vectors};
    output_rows[i] = {tape.kept(layer, Kept::kAttended, place) + row, job.drops_rows() ? nullptr : x,
                      sums + i * tape.hidden_panel, slices[i].vectors};
  }
  const Linear query = job.linear_of(Tensor::kQueryWeight, Tensor::kQueryBias, layer, columns);
  linear<Activation::kNone>(query, 0, columns, 0, columns, query_rows, task.num_slices);
  for (int32_t h = 0; h < job.shape->num_heads; ++h) {
    attend_slices(job, block, slices, task.num_slices, h, sums + kMaxGroup * tape.hidden_panel);
  }
  const Linear output = job.linear_of(Tensor::kAttentionOutputWeight, Tensor::kAttentionOutputBias, layer, columns);
  linear<Activation::kNone>(output, 0, columns, 0, columns, output_rows, task.num_slices);
  const Norm norm = job.norm_of(Tensor::kAttentionNormWeight, Tensor::kAttentionNormBias, layer);
  for (int32_t i = 0; i < task.num_slices; ++i) {
    const int64_t place = job.panel_of(block, slices[i].panel);
    const int32_t row = slices[i].first_vector * kLanes;
    finish_slice(
        job, block, slices[i], DropoutSite::kAttentionOutput, norm, output_rows[i].out, query_rows[i].in,
        tape.kept(layer, Kept::kAttentionOutput, place) + row,
        {tape.kept(layer, Kept::kAttentionNormalized, place) + row, tape.attention_factors_of(layer, place) + row});
  }
}

inline void training_attention_block(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  TrainingJob job(context, blocks, num_blocks);
  context.pool->run(job.list_slices(false, 0, num_blocks).num_tasks, training_keys_values_task, &job);
  context.pool->run(job.list_slices(true, 0, num_blocks).num_tasks, training_attention_task, &job);
}

inline void training_feed_forward_task(void *context, int index, int worker) {
  const TrainingJob &job = *static_cast<const TrainingJob *>(context);
  Tape &tape = *job.tape;
  const SliceList list = tape.slice_list(true);
  const Task &task = list.tasks[index];
  const Slice *slices = list.slices + task.first_slice;
  const TrainingBlock &block = job.blocks[task.block];
  const int32_t layer = block.layer;
  const int32_t columns = job.shape->hidden_size;
  const int32_t intermediate_size = job.shape->intermediate_size;
  const int32_t chunk = feed_forward_chunk(*job.shape);
  float *sums = tape.scratch_of(worker);
  float *activations = sums + kMaxGroup * tape.hidden_panel;

  const Linear inner = job.linear_of(Tensor::kIntermediateWeight, Tensor::kIntermediateBias, layer, columns);
  const Linear outer = job.linear_of(Tensor::kOutputWeight, Tensor::kOutputBias, layer, intermediate_size);
  for (int32_t begin = 0; begin < intermediate_size; begin += chunk) {
    const int32_t end = min(intermediate_size, begin + chunk);
    LinearRows inner_rows[kMaxGroup];
    LinearRows outer_rows[kMaxGroup];
    for (int32_t i = 0; i < task.num_slices; ++i) {
      const int64_t place = job.panel_of(block, slices[i].panel);
      const int32_t row = slices[i].first_vector * kLanes;
      const float *a = tape.kept(layer, Kept::kAttentionOutput, place) + row;
      inner_rows[i] = {a, nullptr, tape.inner_of(layer, place) + static_cast<int64_t>(begin) * kRows + row,
                       slices[i].vectors};
      outer_rows[i] = {activations + static_cast<int64_t>(i) * chunk * kRows, job.drops_rows() ? nullptr : a,
                       sums + i * tape.hidden_panel, slices[i].vectors};
    }
    linear<Activation::kNone>(inner, 0, columns, begin, end, inner_rows, task.num_slices);
    for (int32_t i = 0; i < task.num_slices; ++i) {
      float *activation = activations + static_cast<int64_t>(i) * chunk * kRows;
      for (int32_t c = 0; c < end - begin; ++c) {
        for (int32_t v = 0; v < slices[i].vectors; ++v) {
          const int32_t at = c * kRows + v * kLanes;
          store(activation + at, gelu(load(inner_rows[i].out + at)));
        }
      }
    }
    linear<Activation::kNone>(outer, begin, end, 0, columns, outer_rows, task.num_slices);
  }
  const Norm norm = job.norm_of(Tensor::kOutputNormWeight, Tensor::kOutputNormBias, layer);
  for (int32_t i = 0; i < task.num_slices; ++i) {
    const int64_t place = job.panel_of(block, slices[i].panel);
    const int32_t row = slices[i].first_vector * kLanes;
    finish_slice(job, block, slices[i], DropoutSite::kOutput, norm, sums + i * tape.hidden_panel,
                 tape.kept(layer, Kept::kAttentionOutput, place) + row, tape.x_of(layer + 1, place) + row,
                 {tape.kept(layer, Kept::kOutputNormalized, place) + row, tape.output_factors_of(layer, place) + row});
  }
}

inline void training_feed_forward_block(const TrainingContext &context, const TrainingBlock *blocks,
                                        int32_t num_blocks) {
  TrainingJob job(context, blocks, num_blocks);
  context.pool->run(job.list_slices(true, 0, num_blocks).num_tasks, training_feed_forward_task, &job);
}

}  // namespace
}  // namespace rmt::RMT_ISA
