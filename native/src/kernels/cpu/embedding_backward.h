// embedding_backward.h - the backward of the embedding.
#pragma once

#include "kernels/cpu/linear_backward.h"
#include "kernels/cpu/training_forward.h"

namespace rmt::RMT_ISA {
namespace {

constexpr int32_t kEmbeddingColumns = 16;  // of a task

struct EmbeddingBackwardJob : EmbeddingJob {
  int32_t num_blocks;

  EmbeddingBackwardJob(const TrainingContext &context, const TrainingBlock *some_blocks, int32_t count)
      : EmbeddingJob(context, some_blocks), num_blocks(count) {}
};

inline void embedding_rows_task(void *context, int index, int) {
  const EmbeddingBackwardJob &job = *static_cast<const EmbeddingBackwardJob *>(context);
  Tape &tape = *job.tape;
  const PanelTask &task = job.panel_tasks(false)[index];
  const int32_t columns = job.shape->hidden_size;
  for (int32_t p = task.first_panel; p < task.first_panel + task.num_panels; ++p) {
    float *dx = tape.dx_of(p);
    if (job.drops_rows()) job.dropped_embedding(job.chunk(task.chunk), p).apply(columns, dx, nullptr, dx);
    layer_norm_backward(job.weight(Tensor::kEmbeddingNormWeight), columns,
                        {tape.embedding_normalized_of(p), tape.embedding_factors_of(p)}, dx, tape.norm_partial_of(p));
  }
}

// Some columns of what the rows of a document give to words and positions, and of its memory's gradient.
inline void add_embedding_rows(const EmbeddingBackwardJob &job, const TrainingBlock &block, int32_t begin,
                               int32_t end) {
  const int32_t columns = job.shape->hidden_size;
  const int32_t first_row = job.document(block.index).first_row;
  float *words = job.gradient(Tensor::kWordEmbeddings);
  for (int32_t t = 0; t < block.length; ++t) {
    const float *dx = job.tape->dx_of((first_row + t) / kRows) + (first_row + t) % kRows;
    if (reads_memory(block, t, job.shape->num_mem_tokens)) {
      if (block.dread_memory == nullptr) continue;
      float *dmemory = block.dread_memory + static_cast<int64_t>(t - block.read_memory_start) * columns;
      for (int32_t c = begin; c < end; ++c) dmemory[c] = dx[c * kRows];
    } else {
      float *word = words + static_cast<int64_t>(block.ids[t]) * columns;
      for (int32_t c = begin; c < end; ++c) word[c] += dx[c * kRows];
    }
  }
  const Panels dx{job.tape->dx_of(0) + begin * kRows, job.tape->hidden_panel};
  const Panels positions{job.gradient(Tensor::kPositionEmbeddings) + begin * kRows, int64_t{columns} * kRows};
  move_rows<true>(dx, first_row, positions, 0, block.length, end - begin);
}

inline void embedding_columns_task(void *context, int index, int) {
  const EmbeddingBackwardJob &job = *static_cast<const EmbeddingBackwardJob *>(context);
  Tape &tape = *job.tape;
  const int32_t columns = job.shape->hidden_size;
  const int32_t begin = index * kEmbeddingColumns;
  const int32_t end = min(columns, begin + kEmbeddingColumns);
  for (int32_t i = 0; begin < columns && i < job.num_blocks; ++i) {
    add_embedding_rows(job, job.blocks[i], begin, end);
  }
  for (int32_t i = 0; i < tape.num_chunks; ++i) {
    const TapeChunk &chunk = job.chunk(i);
    if (begin < columns) {
      add_column_sums(tape.dx_of(chunk.first_panel) + begin * kRows, tape.hidden_panel, chunk.num_rows, end - begin,
                      job.gradient(Tensor::kTypeEmbeddings) + begin);
    } else {
      add_norm_partials(tape.norm_partial_of(chunk.first_panel), tape.norm_partial_stride,
                        divide_up(chunk.num_rows, kRows), columns, job.gradient(Tensor::kEmbeddingNormWeight),
                        job.gradient(Tensor::kEmbeddingNormBias));
    }
  }
}

inline void embed_backward(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  EmbeddingBackwardJob job(context, blocks, num_blocks);
  context.pool->run(job.list_panels(false, 0, job.tape->num_chunks), embedding_rows_task, &job);
  context.pool->run(divide_up(context.shape->hidden_size, kEmbeddingColumns) + 1, embedding_columns_task, &job);
}

}  // namespace
}  // namespace rmt::RMT_ISA
