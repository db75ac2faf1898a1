// training_backward.h - the backwards of the half layers.
//
// Rows are taken in chunks of whole documents (see tape.h). In each chunk gradients go down through the rows, task by
// task, into buffers of the chunk; then tasks that own parts of the weights add up what the rows of the chunk give to
// them. So no two threads write to the same gradient, and the order of all sums follows from the blocks alone.
#pragma once

#include "kernels/cpu/attention_backward.h"
#include "kernels/cpu/training_forward.h"

namespace rmt::RMT_ISA {
namespace {

constexpr int32_t kMaxProducts = 4;
constexpr int32_t kProductColumns = 32;  // columns of A for a task

// A chunk on its way; all tasks read it.
struct BackwardJob : TrainingJob {
  using TrainingJob::TrainingJob;

  int32_t layer;
  int32_t first_block;
  SliceList chosen;
  SliceList valid;
  int32_t num_documents;
  // What the second half of the tasks does.
  WeightGradient products[kMaxProducts];
  int32_t num_products;
  Tensor norm_weight;
  Tensor norm_bias;

  int32_t product_tasks() const {
    int32_t tasks = 1;  // the LayerNorm
    for (int32_t i = 0; i < num_products; ++i) tasks += divide_up(products[i].a_columns, kProductColumns);
    return tasks;
  }

  void run_product_task(int32_t index) const {
    for (int32_t i = 0; i < num_products; ++i) {
      const int32_t tasks = divide_up(products[i].a_columns, kProductColumns);
      if (index < tasks) {
        const int32_t begin = index * kProductColumns;
        products[i].add(begin, min(products[i].a_columns, begin + kProductColumns));
        return;
      }
      index -= tasks;
    }
    add_norm_partials(tape->norm_partial_of(0), tape->norm_partial_stride, chosen.num_slices, shape->hidden_size,
                      gradient(norm_weight, layer), gradient(norm_bias, layer));
  }

  // Lists the slices of a chunk with their places, and its documents.
  void begin_chunk(int32_t begin, int32_t end) {
    layer = blocks[begin].layer;
    first_block = begin;
    chosen = list_slices(true, begin, end);
    valid = list_slices(false, begin, end);
    list_places(&chosen);
    list_places(&valid);
    ChunkDocument *documents = tape->document_list();
    num_documents = end - begin;
    int32_t panel = 0;
    int32_t task = 0;
    for (int32_t i = 0; i < num_documents; ++i) {
      const int32_t first_slice = task < chosen.num_tasks ? chosen.tasks[task].first_slice : chosen.num_slices;
      documents[i] = {begin + i, first_slice, 0, panel};
      for (; task < chosen.num_tasks && chosen.tasks[task].block == begin + i; ++task) {
        documents[i].num_slices += chosen.tasks[task].num_slices;
      }
      panel += divide_up(blocks[begin + i].length, kRows);
    }
  }

  WeightGradient product(const float *a, int64_t VectorPlace::*in_a, int32_t a_columns, const float *b,
                         int64_t VectorPlace::*in_b, int32_t b_columns, const SliceList &list, bool a_is_output,
                         Tensor weights, Tensor bias) const {
    return {a,
            b,
            in_a,
            in_b,
            list.places,
            list.num_places,
            a_columns,
            b_columns,
            a_is_output,
            gradient(weights, layer),
            gradient(bias, layer)};
  }

 private:
  void list_places(SliceList *list) const {
    list->num_places = 0;
    for (int32_t t = 0; t < list->num_tasks; ++t) {
      const Task &task = list->tasks[t];
      for (int32_t i = task.first_slice; i < task.first_slice + task.num_slices; ++i) {
        const Slice &slice = list->slices[i];
        for (int32_t v = slice.first_vector; v < slice.first_vector + slice.vectors; ++v) {
          const int64_t row = v * kLanes;
          list->places[list->num_places++] = {i * tape->hidden_panel + row, i * tape->inner_panel + row,
                                              panel_of(blocks[task.block], slice.panel) * tape->hidden_panel + row};
        }
      }
    }
  }
};

// Calls run() for each chunk of `job`: documents of one layer, as many as have kChunkPanels panels, one at least.
template <typename Run>
inline void for_each_chunk(BackwardJob *job, const Run &run) {
  for (int32_t begin = 0; begin < job->num_blocks;) {
    int32_t panels = divide_up(job->blocks[begin].length, kRows);
    int32_t end = begin + 1;
    for (; end < job->num_blocks && job->blocks[end].layer == job->blocks[begin].layer; ++end) {
      panels += divide_up(job->blocks[end].length, kRows);
      if (panels > job->tape->chunk_panels) break;
    }
    job->begin_chunk(begin, end);
    run();
    begin = end;
  }
}

// Gradient of a half layer's output to that of its LayerNorm's input, in place, and of its last linear's output in the
// chunk. `index`: of the slice in the chunk.
inline void start_slice(const BackwardJob &job, const TrainingBlock &block, int32_t index, uint32_t site,
                        const NormTape &kept) {
  Tape &tape = *job.tape;
  const Slice &slice = job.chosen.slices[index];
  const int32_t columns = job.shape->hidden_size;
  const int32_t row = slice.first_vector * kLanes;
  float *dx = tape.dx_of(job.panel_of(block, slice.panel)) + row;
  float *projected = tape.chunk_of(Chunk::kProjected, index) + row;
  layer_norm_backward(job.weight(job.norm_weight, job.layer), columns, slice.vectors, kept, dx,
                      tape.norm_partial_of(index));
  if (job.drops_rows()) {
    drop_rows(job.dropped_rows(block, site), slice.panel * kRows + row, columns, slice.vectors, dx, nullptr, projected);
    return;
  }
  for (int32_t c = 0; c < columns; ++c) {
    for (int32_t v = 0; v < slice.vectors; ++v) {
      const int32_t at = c * kRows + v * kLanes;
      store(projected + at, load(dx + at));
    }
  }
}

// ---- feed-forward -----------------------------------------------------------------------------------------------

inline void feed_forward_rows_task(void *context, int index, int) {
  const BackwardJob &job = *static_cast<const BackwardJob *>(context);
  Tape &tape = *job.tape;
  const Task &task = job.chosen.tasks[index];
  const TrainingBlock &block = job.blocks[task.block];
  const int32_t columns = job.shape->hidden_size;
  const int32_t inner_columns = job.shape->intermediate_size;
  LinearRows outer_rows[kMaxGroup];
  LinearRows inner_rows[kMaxGroup];
  for (int32_t i = 0; i < task.num_slices; ++i) {
    const int32_t place = task.first_slice + i;
    const Slice &slice = job.chosen.slices[place];
    const int64_t panel = job.panel_of(block, slice.panel);
    const int32_t row = slice.first_vector * kLanes;
    start_slice(
        job, block, place, DropoutSite::kOutput,
        {tape.kept(job.layer, Kept::kOutputNormalized, panel) + row, tape.output_factors_of(job.layer, panel) + row});
    float *dinner = tape.inner_chunk_of(Chunk::kDinner, place) + row;
    outer_rows[i] = {tape.chunk_of(Chunk::kProjected, place) + row, nullptr, dinner, slice.vectors};
    inner_rows[i] = {dinner, nullptr, tape.dx_of(panel) + row, slice.vectors};
  }
  add_linear(job.transposed(Tensor::kOutputWeight, job.layer), columns, inner_columns, true, outer_rows,
             task.num_slices);
  for (int32_t i = 0; i < task.num_slices; ++i) {
    const int32_t place = task.first_slice + i;
    const Slice &slice = job.chosen.slices[place];
    const int32_t row = slice.first_vector * kLanes;
    gelu_backward(inner_columns, slice.vectors, tape.inner_of(job.layer, job.panel_of(block, slice.panel)) + row,
                  outer_rows[i].out, tape.inner_chunk_of(Chunk::kActivations, place) + row);
  }
  add_linear(job.transposed(Tensor::kIntermediateWeight, job.layer), inner_columns, columns, false, inner_rows,
             task.num_slices);
}

inline void product_task(void *context, int index, int) {
  static_cast<const BackwardJob *>(context)->run_product_task(index);
}

inline void feed_forward_backward(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  BackwardJob job(context, blocks, num_blocks);
  Tape &tape = *job.tape;
  const int32_t columns = context.shape->hidden_size;
  const int32_t inner_columns = context.shape->intermediate_size;
  job.norm_weight = Tensor::kOutputNormWeight;
  job.norm_bias = Tensor::kOutputNormBias;
  for_each_chunk(&job, [&] {
    context.pool->run(job.chosen.num_tasks, feed_forward_rows_task, &job);
    job.num_products = 2;
    job.products[0] = job.product(tape.inner_chunk_of(Chunk::kDinner, 0), &VectorPlace::in_chunk_inner, inner_columns,
                                  tape.kept(job.layer, Kept::kAttentionOutput, 0), &VectorPlace::in_tape, columns,
                                  job.chosen, true, Tensor::kIntermediateWeight, Tensor::kIntermediateBias);
    job.products[1] = job.product(tape.inner_chunk_of(Chunk::kActivations, 0), &VectorPlace::in_chunk_inner,
                                  inner_columns, tape.chunk_of(Chunk::kProjected, 0), &VectorPlace::in_chunk, columns,
                                  job.chosen, false, Tensor::kOutputWeight, Tensor::kOutputBias);
    context.pool->run(job.product_tasks(), product_task, &job);
  });
}

// ---- attention --------------------------------------------------------------------------------------------------

// dattended x inverse sums, and its scalar products with the output, of each head.
inline void scale_by_inverse_sums(const BackwardJob &job, const TrainingBlock &block, int32_t place) {
  Tape &tape = *job.tape;
  const Slice &slice = job.chosen.slices[place];
  const int64_t panel = job.panel_of(block, slice.panel);
  const int32_t head_size = job.shape->head_size;
  for (int32_t v = slice.first_vector; v < slice.first_vector + slice.vectors; ++v) {
    const float *attended = tape.kept(job.layer, Kept::kAttended, panel) + v * kLanes;
    float *gradient = tape.chunk_of(Chunk::kDattended, place) + v * kLanes;
    for (int32_t h = 0; h < job.shape->num_heads; ++h) {
      const Vec inverse_sum = load(tape.inverse_sums_of(job.layer, panel) + h * kRows + v * kLanes);
      Vec dots{};
      for (int32_t c = h * head_size; c < (h + 1) * head_size; ++c) {
        const Vec g = load(gradient + c * kRows) * inverse_sum;
        store(gradient + c * kRows, g);
        dots = fma(g, load(attended + c * kRows), dots);
      }
      store(tape.dots_of(place) + h * kRows + v * kLanes, dots);
    }
  }
}

inline void attention_rows_task(void *context, int index, int) {
  const BackwardJob &job = *static_cast<const BackwardJob *>(context);
  Tape &tape = *job.tape;
  const Task &task = job.chosen.tasks[index];
  const TrainingBlock &block = job.blocks[task.block];
  const int32_t columns = job.shape->hidden_size;
  LinearRows rows[kMaxGroup];
  for (int32_t i = 0; i < task.num_slices; ++i) {
    const int32_t place = task.first_slice + i;
    const Slice &slice = job.chosen.slices[place];
    const int64_t panel = job.panel_of(block, slice.panel);
    const int32_t row = slice.first_vector * kLanes;
    start_slice(job, block, place, DropoutSite::kAttentionOutput,
                {tape.kept(job.layer, Kept::kAttentionNormalized, panel) + row,
                 tape.attention_factors_of(job.layer, panel) + row});
    rows[i] = {tape.chunk_of(Chunk::kProjected, place) + row, nullptr, tape.chunk_of(Chunk::kDattended, place) + row,
               slice.vectors};
  }
  add_linear(job.transposed(Tensor::kAttentionOutputWeight, job.layer), columns, columns, true, rows, task.num_slices);
  for (int32_t i = 0; i < task.num_slices; ++i) scale_by_inverse_sums(job, block, task.first_slice + i);
}

// The rows of a slice that gradients come from, as whole tiles of queries: [begin, end) of the panel.
inline void query_range(const TrainingBlock &block, const Slice &slice, int32_t *begin, int32_t *end) {
  const int32_t first = slice.panel * kRows;
  *begin = slice.first_vector * kLanes;
  *end = min(*begin + slice.vectors * kLanes, block.length - first);
  if (block.num_rows > 0) {
    *begin = max(*begin, block.rows[0].begin - first);
    *end = min(*end, block.rows[block.num_rows - 1].end - first);
  }
  constexpr int32_t kUnit = kQueryTile > kSumsA ? kQueryTile : kSumsA;
  *begin = *begin / kUnit * kUnit;
  *end = divide_up(*end, kUnit) * kUnit;
}

// One head of one document.
inline void attention_head_task(void *context, int index, int worker) {
  const BackwardJob &job = *static_cast<const BackwardJob *>(context);
  Tape &tape = *job.tape;
  const ModelShape &shape = *job.shape;
  const ChunkDocument &document = tape.document_list()[index / shape.num_heads];
  const int32_t head_index = index % shape.num_heads;
  const TrainingBlock &block = job.blocks[document.block];
  const int64_t column = static_cast<int64_t>(head_index) * shape.head_size * kRows;
  const int64_t first_panel = job.panel_of(block, 0);
  const int32_t panels = divide_up(block.length, kRows);
  const Dropped dropped = job.dropped_weights(block, head_index);

  HeadBackward head;
  head.keys = tape.kept(job.layer, Kept::kKeys, first_panel) + column;
  head.values = tape.kept(job.layer, Kept::kValues, first_panel) + column;
  head.panel_stride = tape.hidden_panel;
  head.dkeys = tape.chunk_of(Chunk::kDkeys, document.first_panel) + column;
  head.dvalues = tape.chunk_of(Chunk::kDvalues, document.first_panel) + column;
  head.gradient_stride = tape.hidden_panel;
  head.head_size = shape.head_size;
  head.length = block.length;
  head.root_scale = 1.0f / __builtin_sqrtf(static_cast<float>(shape.head_size));
  head.scale = 1.44269504f * head.root_scale;
  head.dropped = job.drops_weights() ? &dropped : nullptr;

  const size_t head_bytes = static_cast<size_t>(shape.head_size) * kRows * sizeof(float);
  for (int32_t p = 0; p < panels; ++p) {
    memset(head.dkeys + p * head.gradient_stride, 0, head_bytes);
    memset(head.dvalues + p * head.gradient_stride, 0, head_bytes);
  }
  float *scratch = tape.scratch_of(worker);
  VectorPlace *places = reinterpret_cast<VectorPlace *>(scratch + static_cast<int64_t>(panels) * 2 * kRows * kRows);
  for (int32_t i = 0; i < panels * kVectors; ++i) {
    const int64_t row = i % kVectors * kLanes;
    places[i] = {i / kVectors * int64_t{kRows * kRows} + row, 0, i / kVectors * head.panel_stride + row};
  }
  for (int32_t i = document.first_slice; i < document.first_slice + document.num_slices; ++i) {
    const Slice &slice = job.chosen.slices[i];
    const int64_t panel = job.panel_of(block, slice.panel);
    QueryRows rows;
    rows.queries = tape.kept(job.layer, Kept::kQueries, panel) + column;
    rows.dattended = tape.chunk_of(Chunk::kDattended, i) + column;
    rows.dqueries = tape.chunk_of(Chunk::kDqueries, i) + column;
    rows.shifts = tape.attention_shifts_of(job.layer, panel) + static_cast<int64_t>(head_index) * kRows;
    rows.dots = tape.dots_of(i) + static_cast<int64_t>(head_index) * kRows;
    rows.first_row = slice.panel * kRows;
    query_range(block, slice, &rows.begin, &rows.end);
    memset(rows.dqueries, 0, head_bytes);
    attend_backward(head, rows, job.causal, places, scratch);
  }
  for (int32_t p = 0; p < panels; ++p) {
    float *dkeys = head.dkeys + p * head.gradient_stride;
    for (int32_t i = 0; i < shape.head_size * kRows; i += kLanes) store(dkeys + i, load(dkeys + i) * head.root_scale);
  }
}

// dx += what goes through queries, keys and values, for a group of valid panels.
inline void add_attention_inputs(const BackwardJob &job, const Task &task) {
  Tape &tape = *job.tape;
  const TrainingBlock &block = job.blocks[task.block];
  const int32_t columns = job.shape->hidden_size;
  LinearRows keys[kMaxGroup];
  LinearRows values[kMaxGroup];
  for (int32_t i = 0; i < task.num_slices; ++i) {
    const int32_t place = task.first_slice + i;
    float *dx = tape.dx_of(job.panel_of(block, job.valid.slices[place].panel));
    keys[i] = {tape.chunk_of(Chunk::kDkeys, place), nullptr, dx, kVectors};
    values[i] = {tape.chunk_of(Chunk::kDvalues, place), nullptr, dx, kVectors};
  }
  add_linear(job.transposed(Tensor::kKeyWeight, job.layer), columns, columns, false, keys, task.num_slices);
  add_linear(job.transposed(Tensor::kValueWeight, job.layer), columns, columns, false, values, task.num_slices);

  const ChunkDocument &document = tape.document_list()[task.block - job.first_block];
  const int32_t first_panel = job.valid.slices[task.first_slice].panel;
  LinearRows queries[kMaxGroup];
  int32_t count = 0;
  for (int32_t i = document.first_slice; i < document.first_slice + document.num_slices; ++i) {
    const Slice &slice = job.chosen.slices[i];
    if (slice.panel < first_panel || slice.panel >= first_panel + task.num_slices) continue;
    const int32_t row = slice.first_vector * kLanes;
    queries[count++] = {tape.chunk_of(Chunk::kDqueries, i) + row, nullptr,
                        tape.dx_of(job.panel_of(block, slice.panel)) + row, slice.vectors};
  }
  if (count > 0) {
    add_linear(job.transposed(Tensor::kQueryWeight, job.layer), columns, columns, false, queries, count);
  }
}

inline void attention_inputs_task(void *context, int index, int) {
  const BackwardJob &job = *static_cast<const BackwardJob *>(context);
  if (index < job.valid.num_tasks) {
    add_attention_inputs(job, job.valid.tasks[index]);
  } else {
    job.run_product_task(index - job.valid.num_tasks);
  }
}

inline void attention_backward(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  BackwardJob job(context, blocks, num_blocks);
  Tape &tape = *job.tape;
  const int32_t columns = context.shape->hidden_size;
  job.norm_weight = Tensor::kAttentionNormWeight;
  job.norm_bias = Tensor::kAttentionNormBias;
  for_each_chunk(&job, [&] {
    context.pool->run(job.chosen.num_tasks, attention_rows_task, &job);
    context.pool->run(job.num_documents * context.shape->num_heads, attention_head_task, &job);
    const auto in_chunk = &VectorPlace::in_chunk;
    const auto in_tape = &VectorPlace::in_tape;
    const float *x = tape.x_of(job.layer, 0);
    job.num_products = 4;
    job.products[0] =
        job.product(tape.chunk_of(Chunk::kProjected, 0), in_chunk, columns, tape.kept(job.layer, Kept::kAttended, 0),
                    in_tape, columns, job.chosen, true, Tensor::kAttentionOutputWeight, Tensor::kAttentionOutputBias);
    job.products[1] = job.product(tape.chunk_of(Chunk::kDqueries, 0), in_chunk, columns, x, in_tape, columns,
                                  job.chosen, true, Tensor::kQueryWeight, Tensor::kQueryBias);
    job.products[2] = job.product(tape.chunk_of(Chunk::kDkeys, 0), in_chunk, columns, x, in_tape, columns, job.valid,
                                  true, Tensor::kKeyWeight, Tensor::kKeyBias);
    job.products[3] = job.product(tape.chunk_of(Chunk::kDvalues, 0), in_chunk, columns, x, in_tape, columns, job.valid,
                                  true, Tensor::kValueWeight, Tensor::kValueBias);
    context.pool->run(job.valid.num_tasks + job.product_tasks(), attention_inputs_task, &job);
  });
}

// ---- embedding --------------------------------------------------------------------------------------------------

inline void embedding_rows_task(void *context, int index, int) {
  const TrainingJob &job = *static_cast<const TrainingJob *>(context);
  Tape &tape = *job.tape;
  const SliceList list = tape.slice_list(false);
  const Task &task = list.tasks[index];
  const TrainingBlock &block = job.blocks[task.block];
  const int32_t columns = job.shape->hidden_size;
  for (int32_t i = task.first_slice; i < task.first_slice + task.num_slices; ++i) {
    const int32_t panel = list.slices[i].panel;
    const int64_t place = job.panel_of(block, panel);
    float *dx = tape.dx_of(place);
    if (job.drops_rows()) {
      drop_rows(job.dropped_rows(block, DropoutSite::kEmbedding), panel * kRows, columns, kVectors, dx, nullptr, dx);
    }
    layer_norm_backward(job.weight(Tensor::kEmbeddingNormWeight), columns, kVectors,
                        {tape.embedding_normalized_of(place), tape.embedding_factors_of(place)}, dx,
                        tape.norm_partial_of(i));
  }
}

// Some columns of what the rows of a document give to the embeddings, and of its memory's gradient.
inline void add_embedding_rows(const TrainingJob &job, const TrainingBlock &block, int32_t begin, int32_t end,
                               float *type) {
  const int32_t columns = job.shape->hidden_size;
  float *words = job.gradient(Tensor::kWordEmbeddings);
  for (int32_t t = 0; t < block.length; ++t) {
    const float *dx = job.tape->dx_of(job.panel_of(block, t / kRows)) + t % kRows;
    const int32_t memory_row = t - block.read_memory_start;
    const bool is_memory = block.read_memory_start >= 0 && memory_row >= 0 && memory_row < job.shape->num_mem_tokens;
    if (is_memory) {
      if (block.dread_memory == nullptr) continue;
      float *dmemory = block.dread_memory + static_cast<int64_t>(memory_row) * columns;
      for (int32_t c = begin; c < end; ++c) dmemory[c] = dx[c * kRows];
    } else {
      float *word = words + static_cast<int64_t>(block.ids[t]) * columns;
      for (int32_t c = begin; c < end; ++c) word[c] += dx[c * kRows];
    }
  }
  const int32_t panels = divide_up(block.length, kRows);
  float *positions = job.gradient(Tensor::kPositionEmbeddings);
  for (int32_t p = 0; p < panels; ++p) {
    const float *dx = job.tape->dx_of(job.panel_of(block, p));
    float *position = positions + static_cast<int64_t>(p) * kRows * columns;
    for (int32_t c = begin; c < end; ++c) {
      Vec sum{};
      for (int32_t v = 0; v < kVectors; ++v) {
        const int32_t at = c * kRows + v * kLanes;
        const Vec d = load(dx + at);
        store(position + at, load(position + at) + d);
        sum += d;
      }
      float *s = type + (c - begin) * kLanes;
      store(s, load(s) + sum);
    }
  }
}

constexpr int32_t kEmbeddingColumns = 16;  // of a task

inline void embedding_columns_task(void *context, int index, int) {
  const TrainingJob &job = *static_cast<const TrainingJob *>(context);
  const int32_t columns = job.shape->hidden_size;
  const int32_t begin = index * kEmbeddingColumns;
  if (begin >= columns) {
    int32_t panels = 0;
    for (int32_t i = 0; i < job.num_blocks; ++i) panels += divide_up(job.blocks[i].length, kRows);
    add_norm_partials(job.tape->norm_partial_of(0), job.tape->norm_partial_stride, panels, columns,
                      job.gradient(Tensor::kEmbeddingNormWeight), job.gradient(Tensor::kEmbeddingNormBias));
    return;
  }
  const int32_t end = min(columns, begin + kEmbeddingColumns);
  float type[kEmbeddingColumns * kLanes] __attribute__((aligned(64))) = {};
  for (int32_t i = 0; i < job.num_blocks; ++i) add_embedding_rows(job, job.blocks[i], begin, end, type);
  float *type_gradient = job.gradient(Tensor::kTypeEmbeddings);
  for (int32_t c = begin; c < end; ++c) {
    float sum = 0;
    for (int32_t lane = 0; lane < kLanes; ++lane) sum += type[(c - begin) * kLanes + lane];
    type_gradient[c] += sum;
  }
}

inline void embed_backward(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  TrainingJob job(context, blocks, num_blocks);
  context.pool->run(job.list_slices(false, 0, num_blocks).num_tasks, embedding_rows_task, &job);
  context.pool->run(divide_up(context.shape->hidden_size, kEmbeddingColumns) + 1, embedding_columns_task, &job);
}

}  // namespace
}  // namespace rmt::RMT_ISA
