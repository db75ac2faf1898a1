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

  // Runs `task` on the slices that `add_panels` lists.
  void run(void (*add_panels)(const RowBlock &, int32_t, SliceList *), void (*task)(void *, int, int)) {
    SliceList list{workspace->slice_list()};
    for (int32_t i = 0; i < num_blocks; ++i) add_panels(blocks[i], i, &list);
    num_slices = list.size;
    slices_per_task = group_size(*shape, num_slices, pool->threads());
    pool->run(divide_up(num_slices, slices_per_task), task, this);
  }
  Group group_of(int32_t task) const {
    return {workspace->slice_list() + task * slices_per_task,
            min(slices_per_task, num_slices - task * slices_per_task)};
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
  job.run(add_valid_panels, embed_task);
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

  AttentionHead head;
  head.panel_stride = workspace.hidden_panel;
  head.head_size = shape.head_size;
  head.scale = 1.44269504f / __builtin_sqrtf(static_cast<float>(shape.head_size));
  for (int32_t h = 0; h < shape.num_heads; ++h) {  // the keys and values of a head serve all slices while they are near
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

  const Linear output =
      job.linear_of(Tensor::kAttentionOutputWeight, Tensor::kAttentionOutputBias, job.layer(), columns);
  operations += linear<Activation::kNone>(output, 0, columns, 0, columns, output_rows, group.size);
  add_operations(job.operations, operations);
  const Norm norm = job.norm_of(Tensor::kAttentionNormWeight, Tensor::kAttentionNormBias, job.layer());
  for (int32_t i = 0; i < group.size; ++i) {
    layer_norm(norm, columns, group.slices[i].vectors, output_rows[i].out, job.x_of(group.slices[i]));
  }
}

void attention_block(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
  Job job(context, blocks, num_blocks);
  job.run(add_valid_panels, keys_values_task);
  job.run(add_chosen_panels, attention_task);
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

void feed_forward_block(const SegmentContext &context, const RowBlock *blocks, int32_t num_blocks) {
  Job job(context, blocks, num_blocks);
  job.run(add_chosen_panels, feed_forward_task);
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
