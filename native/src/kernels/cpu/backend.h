// backend.h - the backend table for one instruction set.
//
// Included by avx512.cpp, avx2.cpp and portable.cpp only, which define RMT_ISA and are compiled with the flags of their
// instruction set (cmake/RmtIsa.cmake). The one symbol that leaves each object is RMT_ISA_backend().
#pragma once

#include "kernels/cpu/attention.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/memory.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/tasks.h"
#include "kernels/cpu/training.h"
#include "kernels/host_memory.h"
#include "kernels/thread_pool.h"

#define RMT_JOIN_(a, b) a##b
#define RMT_JOIN(a, b) RMT_JOIN_(a, b)
#define RMT_QUOTE_(a) #a
#define RMT_QUOTE(a) RMT_QUOTE_(a)

namespace rmt {

const Backend *RMT_JOIN(RMT_ISA, _backend)();

namespace RMT_ISA {
namespace {

// ---- weights ----------------------------------------------------------------------------------------------------

int64_t weights_bytes(const ModelShape &shape) {
  return WeightsLayout(shape).floats * static_cast<int64_t>(sizeof(float));
}

void *create_weights(void *, const ModelShape &shape) { return allocate_zeroed(weights_bytes(shape)); }

void destroy_weights(void *weights) { release(weights); }

void write_tensor(const ModelShape &shape, void *weights, Tensor tensor, int32_t layer, const float *values,
                  int64_t offset, int64_t count) {
  float *base = static_cast<float *>(weights);
  for_each_run(shape, tensor, layer, offset, count, [&](int64_t place, int64_t stride, int64_t first, int64_t length) {
    for (int64_t i = 0; i < length; ++i) base[place + i * stride] = values[first + i];
  });
}

void read_tensor(const ModelShape &shape, const void *weights, Tensor tensor, int32_t layer, float *values,
                 int64_t offset, int64_t count) {
  const float *base = static_cast<const float *>(weights);
  for_each_run(shape, tensor, layer, offset, count, [&](int64_t place, int64_t stride, int64_t first, int64_t length) {
    for (int64_t i = 0; i < length; ++i) values[first + i] = base[place + i * stride];
  });
}

// ---- workspace --------------------------------------------------------------------------------------------------

int64_t workspace_bytes(const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length, int32_t threads) {
  return workspace_layout(shape, max_batch_size, max_input_length, threads).bytes;
}

void *create_workspace(void *, const ModelShape &shape, int32_t max_batch_size, int32_t max_input_length,
                       int32_t threads) {
  const Workspace layout = workspace_layout(shape, max_batch_size, max_input_length, threads);
  void *memory = allocate_zeroed(layout.bytes);
  if (memory != nullptr) memcpy(memory, &layout, sizeof(layout));
  return memory;
}

void destroy_workspace(void *workspace) { release(workspace); }

// ---- tasks ------------------------------------------------------------------------------------------------------

// The slices of one task: a weight tile that has come into the first cache serves all of them.
struct Group {
  const Slice *slices;
  int32_t size;  // at most kMaxGroup
};

struct Range {
  int32_t begin;
  int32_t end;
};

// What a task needs to know; one per call of an operation, on the caller's stack.
struct Job {
  const ModelShape *shape;
  const float *weights;
  Workspace *workspace;
  ThreadPool *pool;
  const RowBlock *blocks;
  int32_t num_blocks;
  bool causal;
  int64_t *operations;
  WeightsLayout layout;
  int32_t num_slices = 0;
  int32_t slices_per_task = 1;

  Job(const SegmentContext &context, const RowBlock *row_blocks, int32_t num_row_blocks)
      : shape(context.shape),
        weights(static_cast<const float *>(context.weights)),
        workspace(static_cast<Workspace *>(context.workspace)),
        pool(context.pool),
        blocks(row_blocks),
        num_blocks(num_row_blocks),
        causal(context.causal),
        operations(context.operations),
        layout(*context.shape) {}

  // Lists the slices of the next operations.
  void list(void (*add_panels)(const RowBlock &, int32_t, SliceList *)) {
    SliceList slices{workspace->slice_list()};
    for (int32_t i = 0; i < num_blocks; ++i) add_panels(blocks[i], i, &slices);
    num_slices = slices.size;
    slices_per_task = group_size(*shape, num_slices, pool->threads());
  }
  // Runs `task` on groups of slices.
  void run(void (*task)(void *, int, int)) { pool->run(divide_up(num_slices, slices_per_task), task, this); }
  Group group_of(int32_t task) const {
    return {workspace->slice_list() + task * slices_per_task,
            min(slices_per_task, num_slices - task * slices_per_task)};
  }

  // Whether there are too few slices to go round, as where the last layer computes memory rows alone: then threads
  // share the columns instead, and wait for each other after each product.
  bool is_narrow() const { return 0 < num_slices && num_slices < pool->threads() && num_slices <= kMaxGroup; }
  // Runs `task` on every part of the columns.
  void run_parts(void (*task)(void *, int, int)) { pool->run(pool->threads(), task, this); }
  Group all_slices() const { return {workspace->slice_list(), num_slices}; }
  // The part of `count` units that task `part` has.
  Range part_of(int32_t count, int32_t part) const {
    const int64_t parts = pool->threads();
    return {static_cast<int32_t>(count * part / parts), static_cast<int32_t>(count * (part + 1) / parts)};
  }
  // The same for columns, in whole tiles.
  Range columns_of(int32_t count, int32_t part) const {
    const Range tiles = part_of(divide_up(count, kTile), part);
    return {min(count, tiles.begin * kTile), min(count, tiles.end * kTile)};
  }

  const float *tensor(Tensor which, int32_t layer = 0) const { return weights + layout.at(which, layer); }
  Linear linear_of(Tensor weight, Tensor bias, int32_t layer, int32_t in) const {
    return {tensor(weight, layer), tensor(bias, layer), in};
  }
  Norm norm_of(Tensor weight, Tensor bias, int32_t layer) const {
    return {tensor(weight, layer), tensor(bias, layer), shape->layer_norm_eps};
  }
  int32_t layer() const { return blocks[0].layer; }
  // First column of the rows of a slice in x.
  float *x_of(const Slice &slice) const {
    return workspace->hidden_of(blocks[slice.block].index) + slice.panel * workspace->hidden_panel +
           slice.first_vector * kLanes;
  }
  // Panel i of the scratch that all threads share where there are few slices; there are 2 kMaxGroup of them.
  float *narrow_panel(int32_t i) const { return workspace->scratch_of(0) + i * workspace->hidden_panel; }
  // All intermediate columns of slice i.
  float *narrow_intermediate(int32_t i) const {
    return narrow_panel(2 * kMaxGroup) + i * padded(shape->intermediate_size) * kRows;
  }
  // Ends a block: x of every slice is the LayerNorm of its panel.
  void norm_narrow_panels(Tensor weight, Tensor bias) const {
    const Norm norm = norm_of(weight, bias, layer());
    const Group group = all_slices();
    for (int32_t i = 0; i < group.size; ++i) {
      layer_norm(norm, shape->hidden_size, group.slices[i].vectors, narrow_panel(i), x_of(group.slices[i]));
    }
  }
};

// ---- operations -------------------------------------------------------------------------------------------------

void embed_task(void *context, int index, int) {
  const Job &job = *static_cast<const Job *>(context);
  const Group group = job.group_of(index);
  const EmbeddingTables tables{job.tensor(Tensor::kWordEmbeddings), job.tensor(Tensor::kPositionEmbeddings),
                               job.tensor(Tensor::kTypeEmbeddings)};
  const Norm norm = job.norm_of(Tensor::kEmbeddingNormWeight, Tensor::kEmbeddingNormBias, 0);
  for (int32_t i = 0; i < group.size; ++i) {
    embed_panel(tables, norm, *job.shape, job.blocks[group.slices[i].block], group.slices[i].panel,
                job.x_of(group.slices[i]));
  }
}

void embed(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
  Job job(context, blocks, num_blocks);
  job.list(add_valid_panels);
  job.run(embed_task);
}

// Keys and values of a group of panels.
void keys_values_task(void *context, int index, int) {
  const Job &job = *static_cast<const Job *>(context);
  const Group group = job.group_of(index);
  const int32_t columns = job.shape->hidden_size;
  LinearRows keys[kMaxGroup];
  LinearRows values[kMaxGroup];
  for (int32_t i = 0; i < group.size; ++i) {
    const Slice &slice = group.slices[i];
    const int32_t block_index = job.blocks[slice.block].index;
    const int64_t offset = slice.panel * job.workspace->hidden_panel;
    keys[i] = {job.x_of(slice), nullptr, job.workspace->keys_of(block_index) + offset, kVectors};
    values[i] = {job.x_of(slice), nullptr, job.workspace->values_of(block_index) + offset, kVectors};
  }
  const Linear key = job.linear_of(Tensor::kKeyWeight, Tensor::kKeyBias, job.layer(), columns);
  const Linear value = job.linear_of(Tensor::kValueWeight, Tensor::kValueBias, job.layer(), columns);
  int64_t operations = linear<Activation::kNone>(key, 0, columns, 0, columns, keys, group.size);
  operations += linear<Activation::kNone>(value, 0, columns, 0, columns, values, group.size);
  add_operations(job.operations, operations);
}

// Attention of some heads for a group of slices; panels of queries and contexts lie one behind the other.
int64_t attend_heads(const Job &job, const Group &group, Range heads, const float *queries, float *contexts,
                     float *scratch) {
  Workspace &workspace = *job.workspace;
  const ModelShape &shape = *job.shape;
  int64_t operations = 0;
  AttentionHead head;
  head.panel_stride = workspace.hidden_panel;
  head.head_size = shape.head_size;
  head.scale = 1.44269504f / __builtin_sqrtf(static_cast<float>(shape.head_size));
  for (int32_t h = heads.begin; h < heads.end;
       ++h) {  // the keys and values of a head serve all slices while they are near
    const int64_t column = static_cast<int64_t>(h) * shape.head_size * kRows;
    for (int32_t i = 0; i < group.size; ++i) {
      const Slice &slice = group.slices[i];
      const RowBlock &block = job.blocks[slice.block];
      head.keys = workspace.keys_of(block.index) + column;
      head.values = workspace.values_of(block.index) + column;
      head.length = block.length;
      const float *q = queries + i * workspace.hidden_panel + column;
      float *out = contexts + i * workspace.hidden_panel + column;
      const int32_t first_row = slice.panel * kRows + slice.first_vector * kLanes;
      if (slice.vectors == kVectors) {
        operations += attend<kVectors>(head, q, first_row, job.causal, scratch, out);
      } else {
        operations += attend<1>(head, q, first_row, job.causal, scratch, out);
      }
    }
  }
  return operations;
}

// Queries, attention of all heads, output projection, residual and LayerNorm of a group of slices.
void attention_task(void *context, int index, int worker) {
  const Job &job = *static_cast<const Job *>(context);
  Workspace &workspace = *job.workspace;
  const Group group = job.group_of(index);
  const ModelShape &shape = *job.shape;
  const int32_t columns = shape.hidden_size;
  float *queries = workspace.scratch_of(worker);
  float *contexts = queries + kMaxGroup * workspace.hidden_panel;
  float *scratch = contexts + kMaxGroup * workspace.hidden_panel;

  LinearRows query_rows[kMaxGroup];
  LinearRows output_rows[kMaxGroup];
  for (int32_t i = 0; i < group.size; ++i) {
    const float *x = job.x_of(group.slices[i]);
    float *rows = queries + i * workspace.hidden_panel;
    query_rows[i] = {x, nullptr, rows, group.slices[i].vectors};
    output_rows[i] = {contexts + i * workspace.hidden_panel, x, rows, group.slices[i].vectors};
  }
  const Linear query = job.linear_of(Tensor::kQueryWeight, Tensor::kQueryBias, job.layer(), columns);
  int64_t operations = linear<Activation::kNone>(query, 0, columns, 0, columns, query_rows, group.size);

  operations += attend_heads(job, group, {0, shape.num_heads}, queries, contexts, scratch);

  const Linear output =
      job.linear_of(Tensor::kAttentionOutputWeight, Tensor::kAttentionOutputBias, job.layer(), columns);
  operations += linear<Activation::kNone>(output, 0, columns, 0, columns, output_rows, group.size);
  add_operations(job.operations, operations);
  const Norm norm = job.norm_of(Tensor::kAttentionNormWeight, Tensor::kAttentionNormBias, job.layer());
  for (int32_t i = 0; i < group.size; ++i) {
    layer_norm(norm, columns, group.slices[i].vectors, output_rows[i].out, job.x_of(group.slices[i]));
  }
}

// The same in three steps, by columns or heads; queries and contexts lie in the scratch of worker 0.
void query_columns_task(void *context, int part, int) {
  const Job &job = *static_cast<const Job *>(context);
  const Group group = job.all_slices();
  const int32_t columns = job.shape->hidden_size;
  const Range outputs = job.columns_of(columns, part);
  LinearRows rows[kMaxGroup];
  for (int32_t i = 0; i < group.size; ++i) {
    float *out = job.narrow_panel(i) + int64_t{outputs.begin} * kRows;
    rows[i] = {job.x_of(group.slices[i]), nullptr, out, group.slices[i].vectors};
  }
  const Linear query = job.linear_of(Tensor::kQueryWeight, Tensor::kQueryBias, job.layer(), columns);
  add_operations(job.operations,
                 linear<Activation::kNone>(query, 0, columns, outputs.begin, outputs.end, rows, group.size));
}

void heads_task(void *context, int part, int worker) {
  const Job &job = *static_cast<const Job *>(context);
  float *scratch = job.workspace->scratch_of(worker) + 2 * kMaxGroup * job.workspace->hidden_panel;
  add_operations(job.operations, attend_heads(job, job.all_slices(), job.part_of(job.shape->num_heads, part),
                                              job.narrow_panel(0), job.narrow_panel(kMaxGroup), scratch));
}

void attention_output_columns_task(void *context, int part, int) {
  const Job &job = *static_cast<const Job *>(context);
  const Group group = job.all_slices();
  const int32_t columns = job.shape->hidden_size;
  const Range outputs = job.columns_of(columns, part);
  LinearRows rows[kMaxGroup];
  for (int32_t i = 0; i < group.size; ++i) {
    const int64_t first = int64_t{outputs.begin} * kRows;
    rows[i] = {job.narrow_panel(kMaxGroup + i), job.x_of(group.slices[i]) + first, job.narrow_panel(i) + first,
               group.slices[i].vectors};
  }
  const Linear output =
      job.linear_of(Tensor::kAttentionOutputWeight, Tensor::kAttentionOutputBias, job.layer(), columns);
  add_operations(job.operations,
                 linear<Activation::kNone>(output, 0, columns, outputs.begin, outputs.end, rows, group.size));
}

void attention_block(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
  Job job(context, blocks, num_blocks);
  job.list(add_valid_panels);
  job.run(keys_values_task);
  job.list(add_chosen_panels);
  if (!job.is_narrow()) return job.run(attention_task);
  job.run_parts(query_columns_task);
  job.run_parts(heads_task);
  job.run_parts(attention_output_columns_task);
  job.norm_narrow_panels(Tensor::kAttentionNormWeight, Tensor::kAttentionNormBias);
}

// Both linears of the feed-forward block, residual and LayerNorm of a group of slices, by chunks of intermediate
// columns that stay in the second cache.
void feed_forward_task(void *context, int index, int worker) {
  const Job &job = *static_cast<const Job *>(context);
  Workspace &workspace = *job.workspace;
  const Group group = job.group_of(index);
  const int32_t columns = job.shape->hidden_size;
  const int32_t intermediate_size = job.shape->intermediate_size;
  const int32_t chunk = feed_forward_chunk(*job.shape);
  float *outputs = workspace.scratch_of(worker);
  float *intermediates = outputs + 2 * kMaxGroup * workspace.hidden_panel;

  LinearRows inner_rows[kMaxGroup];
  LinearRows outer_rows[kMaxGroup];
  for (int32_t i = 0; i < group.size; ++i) {
    const float *x = job.x_of(group.slices[i]);
    float *inner = intermediates + static_cast<int64_t>(i) * chunk * kRows;
    inner_rows[i] = {x, nullptr, inner, group.slices[i].vectors};
    outer_rows[i] = {inner, x, outputs + i * workspace.hidden_panel, group.slices[i].vectors};
  }
  const Linear inner = job.linear_of(Tensor::kIntermediateWeight, Tensor::kIntermediateBias, job.layer(), columns);
  const Linear outer = job.linear_of(Tensor::kOutputWeight, Tensor::kOutputBias, job.layer(), intermediate_size);
  int64_t operations = 0;
  for (int32_t begin = 0; begin < intermediate_size; begin += chunk) {
    const int32_t end = min(intermediate_size, begin + chunk);
    operations += linear<Activation::kGelu>(inner, 0, columns, begin, end, inner_rows, group.size);
    operations += linear<Activation::kNone>(outer, begin, end, 0, columns, outer_rows, group.size);
  }
  add_operations(job.operations, operations);
  const Norm norm = job.norm_of(Tensor::kOutputNormWeight, Tensor::kOutputNormBias, job.layer());
  for (int32_t i = 0; i < group.size; ++i) {
    layer_norm(norm, columns, group.slices[i].vectors, outer_rows[i].out, job.x_of(group.slices[i]));
  }
}

// The same in two steps, by columns; all intermediate columns lie in the scratch of worker 0, where it has the room.
bool holds_intermediates(const Job &job) {
  return job.num_slices * padded(job.shape->intermediate_size) <= kMaxGroup * feed_forward_chunk(*job.shape);
}

void intermediate_columns_task(void *context, int part, int) {
  const Job &job = *static_cast<const Job *>(context);
  const Group group = job.all_slices();
  const int32_t columns = job.shape->hidden_size;
  const Range outputs = job.columns_of(job.shape->intermediate_size, part);
  LinearRows rows[kMaxGroup];
  for (int32_t i = 0; i < group.size; ++i) {
    float *out = job.narrow_intermediate(i) + int64_t{outputs.begin} * kRows;
    rows[i] = {job.x_of(group.slices[i]), nullptr, out, group.slices[i].vectors};
  }
  const Linear inner = job.linear_of(Tensor::kIntermediateWeight, Tensor::kIntermediateBias, job.layer(), columns);
  add_operations(job.operations,
                 linear<Activation::kGelu>(inner, 0, columns, outputs.begin, outputs.end, rows, group.size));
}

// By the chunks of feed_forward_task, so that sums are made of the same parts.
void output_columns_task(void *context, int part, int) {
  const Job &job = *static_cast<const Job *>(context);
  const Group group = job.all_slices();
  const int32_t intermediate_size = job.shape->intermediate_size;
  const int32_t chunk = feed_forward_chunk(*job.shape);
  const Range outputs = job.columns_of(job.shape->hidden_size, part);
  const Linear outer = job.linear_of(Tensor::kOutputWeight, Tensor::kOutputBias, job.layer(), intermediate_size);
  int64_t operations = 0;
  for (int32_t begin = 0; begin < intermediate_size; begin += chunk) {
    LinearRows rows[kMaxGroup];
    for (int32_t i = 0; i < group.size; ++i) {
      const int64_t first = int64_t{outputs.begin} * kRows;
      rows[i] = {job.narrow_intermediate(i) + int64_t{begin} * kRows, job.x_of(group.slices[i]) + first,
                 job.narrow_panel(i) + first, group.slices[i].vectors};
    }
    operations += linear<Activation::kNone>(outer, begin, min(intermediate_size, begin + chunk), outputs.begin,
                                            outputs.end, rows, group.size);
  }
  add_operations(job.operations, operations);
}

void feed_forward_block(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
  Job job(context, blocks, num_blocks);
  job.list(add_chosen_panels);
  if (!job.is_narrow() || !holds_intermediates(job)) return job.run(feed_forward_task);
  job.run_parts(intermediate_columns_task);
  job.run_parts(output_columns_task);
  job.norm_narrow_panels(Tensor::kOutputNormWeight, Tensor::kOutputNormBias);
}

void read_rows(const SegmentContext &context, const RowBlock &block, RowRange rows, float *values) {
  Workspace &workspace = *static_cast<Workspace *>(context.workspace);
  const int32_t columns = context.shape->hidden_size;
  for (int32_t row = rows.begin; row < rows.end; ++row, values += columns) {
    const float *x = workspace.hidden_of(block.index) + row / kRows * workspace.hidden_panel + row % kRows;
    for (int32_t c = 0; c < columns; ++c) values[c] = x[c * kRows];
  }
}

void write_memory(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
  for (int32_t b = 0; b < num_blocks; ++b) {
    const int32_t start = blocks[b].write_memory_start;
    if (start < 0) continue;
    read_rows(context, blocks[b], {start, start + context.shape->num_mem_tokens}, blocks[b].write_memory);
  }
}

void classify(const SegmentContext &context, const float *hidden, float *pooled, float *logits) {
  const Job job(context, nullptr, 0);
  const int32_t columns = context.shape->hidden_size;
  const int32_t labels = context.shape->num_labels;
  const float *pooler = job.tensor(Tensor::kPoolerWeight);
  const float *pooler_bias = job.tensor(Tensor::kPoolerBias);
  const float *classifier = job.tensor(Tensor::kClassifierWeight);
  // Logits are summed over one pooled value at a time, so that no row of them has to be kept.
  constexpr int32_t kMaxLabels = 64;
  for (int32_t first = 0; first == 0 || (logits != nullptr && first < labels); first += kMaxLabels) {
    const int32_t count = logits != nullptr ? min(kMaxLabels, labels - first) : 0;
    add_operations(context.operations, int64_t{2} * columns * (columns + count));
    double sum[kMaxLabels] = {};
    for (int32_t n = 0; n < columns; ++n) {
      const double value = dot(hidden, pooler + static_cast<int64_t>(n) * columns, columns) + pooler_bias[n];
      const float p = static_cast<float>(__builtin_tanh(value));
      if (pooled != nullptr) pooled[n] = p;
      for (int32_t i = 0; i < count; ++i) {
        sum[i] += static_cast<double>(p) * classifier[static_cast<int64_t>(first + i) * columns + n];
      }
    }
    for (int32_t i = 0; i < count; ++i) {
      logits[first + i] = static_cast<float>(sum[i] + job.tensor(Tensor::kClassifierBias)[first + i]);
    }
  }
}

const Backend kBackend = {
    RMT_QUOTE(RMT_ISA), &kHostMemory, &kTraining,  weights_bytes,   create_weights,
    destroy_weights,    write_tensor, read_tensor, workspace_bytes, create_workspace,
    destroy_workspace,  nullptr,      nullptr,     embed,           attention_block,
    feed_forward_block, write_memory, read_rows,   classify,
};

}  // namespace
}  // namespace RMT_ISA

const Backend *RMT_JOIN(RMT_ISA, _backend)() { return &RMT_ISA::kBackend; }

}  // namespace rmt
