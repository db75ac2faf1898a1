// training_forward.h - the forward of training: the tiles of backend.h in the same order, so in the same bits, with
// everything that the backward needs left on the tape.
#pragma once

#include "kernels/cpu/attention.h"
#include "kernels/cpu/training_job.h"

namespace rmt::RMT_ISA {
namespace {

// ---- embedding --------------------------------------------------------------------------------------------------

struct EmbeddingJob : TrainingJob {
  const TrainingBlock *blocks;  // document i is block i

  EmbeddingJob(const TrainingContext &context, const TrainingBlock *all_blocks)
      : TrainingJob(context, 0), blocks(all_blocks) {}

  // Calls visit(document, position, row of the panel) for the rows of a panel.
  template <typename Visit>
  void for_each_row(const TapeChunk &of, int32_t panel, const Visit &visit) const {
    for (int32_t d = of.first_document; d < of.first_document + of.num_documents; ++d) {
      const int32_t first = document(d).first_row - panel * kRows;
      for (int32_t r = max(first, 0); r < min(first + document(d).length, kRows); ++r) visit(d, r - first, r);
    }
  }

  DroppedRows dropped_embedding(const TapeChunk &of, int32_t panel) const {
    DroppedRows rows{};
    for_each_row(of, panel, [&](int32_t d, int32_t position, int32_t r) {
      const Dropped dropped(document(d).dropout_key, DropoutSite::kEmbedding, dropout.hidden);
      rows.hashes[r] = dropped.hash_of_row(position);
      rows.threshold = dropped.threshold;
      rows.scale = dropped.scale;
    });
    return rows;
  }
};

inline void training_embed_task(void *context, int index, int worker) {
  const EmbeddingJob &job = *static_cast<const EmbeddingJob *>(context);
  const PanelTask &task = job.panel_tasks(false)[index];
  const TapeChunk &chunk = job.chunk(task.chunk);
  const int32_t columns = job.shape->hidden_size;
  const float *table = job.weight(Tensor::kPositionEmbeddings);
  float *positions = job.tape->scratch_of(worker);
  const Norm norm = job.norm_of(Tensor::kEmbeddingNormWeight, Tensor::kEmbeddingNormBias);
  for (int32_t p = task.first_panel; p < task.first_panel + task.num_panels; ++p) {
    const float *rows[kRows];
    int32_t filled = 0;
    job.for_each_row(chunk, p, [&](int32_t d, int32_t position, int32_t r) {
      rows[r] = embedding_row(job.weight(Tensor::kWordEmbeddings), *job.shape, job.blocks[d], position);
      const float *from = table + static_cast<int64_t>(position / kRows) * kRows * columns + position % kRows;
      for (int32_t c = 0; c < columns; ++c) positions[c * kRows + r] = from[c * kRows];
      filled = r + 1;
    });
    for (int32_t r = filled; r < kRows; ++r) rows[r] = rows[filled - 1];  // never read, but must stay finite
    clear_rows(positions, filled, columns);
    float *x = job.tape->x_of(0, p);
    embed_rows<true>(rows, positions, job.weight(Tensor::kTypeEmbeddings), norm, columns, x,
                     {job.tape->embedding_normalized_of(p), job.tape->embedding_factors_of(p)});
    if (job.drops_rows()) job.dropped_embedding(chunk, p).apply(columns, x, nullptr, x);
  }
}

inline void training_embed(const TrainingContext &context, const TrainingBlock *blocks, int32_t) {
  EmbeddingJob job(context, blocks);
  context.pool->run(job.list_panels(false, 0, job.tape->num_chunks), training_embed_task, &job);
}

// ---- attention --------------------------------------------------------------------------------------------------

struct AttentionJob : TrainingJob {
  using TrainingJob::TrainingJob;
  int32_t valid_tasks = 0;
};

// A panel of keys or values in the order of the tape's rows, to where those of the documents lie.
inline void move_to_documents(const TrainingJob &job, const TapeChunk &chunk, int32_t panel, const float *from,
                              float *keys) {
  const int32_t columns = job.shape->hidden_size;
  for (int32_t d = chunk.first_document; d < chunk.first_document + chunk.num_documents; ++d) {
    const TapeDocument &document = job.document(d);
    const int32_t begin = max(document.first_row, panel * kRows);
    const int32_t end = min(document.first_row + document.length, (panel + 1) * kRows);
    if (begin >= end) continue;
    const Panels to{keys + document.first_key_panel * job.tape->hidden_panel, job.tape->hidden_panel};
    move_rows({const_cast<float *>(from), 0}, begin % kRows, to, begin - document.first_row, end - begin, columns);
    const int32_t used = document.length % kRows;
    if (end == document.first_row + document.length && used > 0) {
      clear_rows(to.first + document.length / kRows * to.stride, used, columns);
    }
  }
}

// Keys and values of a group of panels, and queries where all rows have some.
inline void project_valid_panels(const TrainingJob &job, const PanelTask &task, float *scratch) {
  Tape &tape = *job.tape;
  const TapeChunk &chunk = job.chunk(task.chunk);
  const int32_t columns = job.shape->hidden_size;
  LinearRows keys[kMaxGroup];
  LinearRows values[kMaxGroup];
  LinearRows queries[kMaxGroup];
  for (int32_t i = 0; i < task.num_panels; ++i) {
    const float *x = tape.x_of(job.layer, task.first_panel + i);
    keys[i] = {x, nullptr, scratch + i * tape.hidden_panel, kVectors};
    values[i] = {x, nullptr, scratch + (kMaxGroup + i) * tape.hidden_panel, kVectors};
    queries[i] = {x, nullptr, tape.kept(job.layer, Kept::kQueries, task.first_panel + i), kVectors};
  }
  linear<Activation::kNone>(job.linear_of(Tensor::kKeyWeight, Tensor::kKeyBias, columns), 0, columns, 0, columns, keys,
                            task.num_panels);
  linear<Activation::kNone>(job.linear_of(Tensor::kValueWeight, Tensor::kValueBias, columns), 0, columns, 0, columns,
                            values, task.num_panels);
  if (job.layer_chunk(task.chunk).whole) {
    linear<Activation::kNone>(job.linear_of(Tensor::kQueryWeight, Tensor::kQueryBias, columns), 0, columns, 0, columns,
                              queries, task.num_panels);
  }
  for (int32_t i = 0; i < task.num_panels; ++i) {
    move_to_documents(job, chunk, task.first_panel + i, keys[i].out, tape.keys_of(job.layer, 0));
    move_to_documents(job, chunk, task.first_panel + i, values[i].out, tape.values_of(job.layer, 0));
  }
}

// Queries of a group of panels of chosen rows.
inline void project_chosen_panels(const TrainingJob &job, const PanelTask &task, float *scratch) {
  Tape &tape = *job.tape;
  const int32_t columns = job.shape->hidden_size;
  LinearRows queries[kMaxGroup];
  for (int32_t i = 0; i < task.num_panels; ++i) {
    float *x = scratch + i * tape.hidden_panel;
    job.gather(task.chunk, task.first_panel + i, job.x(), x);
    queries[i] = {x, nullptr, tape.kept(job.layer, Kept::kQueries, task.first_panel + i), kVectors};
  }
  linear<Activation::kNone>(job.linear_of(Tensor::kQueryWeight, Tensor::kQueryBias, columns), 0, columns, 0, columns,
                            queries, task.num_panels);
}

inline void training_projections_task(void *context, int index, int worker) {
  const AttentionJob &job = *static_cast<const AttentionJob *>(context);
  float *scratch = job.tape->scratch_of(worker);
  if (index < job.valid_tasks) {
    project_valid_panels(job, job.panel_tasks(false)[index], scratch);
    return;
  }
  const PanelTask &task = job.panel_tasks(true)[index - job.valid_tasks];
  const LayerChunk &rows = job.layer_chunk(task.chunk);
  if (!rows.whole) project_chosen_panels(job, task, scratch);
  // Attention writes the rows that there are; what lies behind them must be finite.
  const int32_t last_panel = job.chunk(task.chunk).first_panel + (rows.num_rows - 1) / kRows;
  if (rows.num_rows % kRows > 0 && last_panel == task.first_panel + task.num_panels - 1) {
    clear_rows(job.tape->kept(job.layer, Kept::kAttended, last_panel), rows.num_rows % kRows, job.shape->hidden_size);
  }
}

// Where the rows of a query panel are copied to, so that they begin with a panel; and what comes out of them.
struct QueryScratch {
  float *queries;
  float *attended;
  float *shifts;        // (heads, kRows)
  float *inverse_sums;  // (heads, kRows)
  float *scores;
};

// All heads of neighbouring queries of a document, kRows at most.
inline void attend_panel(const TrainingJob &job, const RowRun &run, int32_t first, int32_t count,
                         const QueryScratch &scratch) {
  Tape &tape = *job.tape;
  const ModelShape &shape = *job.shape;
  const TapeDocument &document = job.document(run.document);
  const int32_t row = run.row + first;
  const Panels queries{tape.kept(job.layer, Kept::kQueries, 0), tape.hidden_panel};
  const Panels attended{tape.kept(job.layer, Kept::kAttended, 0), tape.hidden_panel};
  move_rows(queries, row, {scratch.queries, 0}, 0, count, shape.hidden_size);
  AttentionHead head;
  head.panel_stride = tape.hidden_panel;
  head.head_size = shape.head_size;
  head.length = document.length;
  head.scale = 1.44269504f / __builtin_sqrtf(static_cast<float>(shape.head_size));
  for (int32_t h = 0; h < shape.num_heads; ++h) {
    const int64_t column = static_cast<int64_t>(h) * shape.head_size * kRows;
    head.keys = tape.keys_of(job.layer, document.first_key_panel) + column;
    head.values = tape.values_of(job.layer, document.first_key_panel) + column;
    const Dropped dropped = job.dropped_weights(document, h);
    const AttentionTape kept{scratch.shifts + h * kRows, scratch.inverse_sums + h * kRows,
                             job.drops_weights() ? &dropped : nullptr};
    if (count > kLanes) {
      attend<kVectors>(head, scratch.queries + column, run.position + first, job.causal, scratch.scores,
                       scratch.attended + column, &kept);
    } else {
      attend<1>(head, scratch.queries + column, run.position + first, job.causal, scratch.scores,
                scratch.attended + column, &kept);
    }
  }
  move_rows({scratch.attended, 0}, 0, attended, row, count, shape.hidden_size);
  move_rows({scratch.shifts, 0}, 0, {tape.shifts_of(job.layer, 0), tape.head_panel}, row, count, shape.num_heads);
  move_rows({scratch.inverse_sums, 0}, 0, {tape.inverse_sums_of(job.layer, 0), tape.head_panel}, row, count,
            shape.num_heads);
}

inline void training_attend_task(void *context, int index, int worker) {
  const AttentionJob &job = *static_cast<const AttentionJob *>(context);
  const QueryTask &task = job.tape->list<QueryTask>(job.tape->query_tasks)[index];
  const RowRun &run = job.run(task.run);
  QueryScratch scratch;
  scratch.queries = job.tape->scratch_of(worker);
  scratch.attended = scratch.queries + job.tape->hidden_panel;
  scratch.shifts = scratch.attended + job.tape->hidden_panel;
  scratch.inverse_sums = scratch.shifts + job.tape->head_panel;
  scratch.scores = scratch.inverse_sums + job.tape->head_panel;
  for (int32_t i = 0; i < task.num_panels; ++i) {
    const int32_t first = task.first + i * kRows;
    attend_panel(job, run, first, min(kRows, run.count - first), scratch);
  }
}

inline int32_t list_query_tasks(const TrainingJob &job) {
  Tape &tape = *job.tape;
  QueryTask *tasks = tape.list<QueryTask>(tape.query_tasks);
  const int32_t group = group_size(*job.shape, static_cast<int32_t>(tape.panels), job.pool->threads());
  const LayerChunk &last = job.layer_chunk(tape.num_chunks - 1);
  int32_t count = 0;
  for (int32_t r = 0; r < last.first_run + last.num_runs; ++r) {
    const int32_t panels = divide_up(job.run(r).count, kRows);
    for (int32_t p = 0; p < panels; p += group) tasks[count++] = {r, p * kRows, min(group, panels - p)};
  }
  return count;
}

// What the last linear of a half layer has put out becomes the input of the next one: dropout, residual, LayerNorm.
// Without dropout the linear has added the residual itself.
inline void finish_panel(const TrainingJob &job, int32_t chunk_index, int32_t panel, uint32_t site, const Norm &norm,
                         float *sums, const float *residual, float *out, const NormTape &kept) {
  const int32_t columns = job.shape->hidden_size;
  if (job.drops_rows()) job.dropped_rows(chunk_index, panel, site).apply(columns, sums, residual, sums);
  layer_norm<true>(norm, columns, kVectors, sums, out, kept);
}

inline void training_attention_output_task(void *context, int index, int worker) {
  const AttentionJob &job = *static_cast<const AttentionJob *>(context);
  Tape &tape = *job.tape;
  const PanelTask &task = job.panel_tasks(true)[index];
  const bool whole = job.layer_chunk(task.chunk).whole;
  const int32_t columns = job.shape->hidden_size;
  float *scratch = tape.scratch_of(worker);
  LinearRows rows[kMaxGroup];
  const float *residuals[kMaxGroup];
  for (int32_t i = 0; i < task.num_panels; ++i) {
    const int32_t panel = task.first_panel + i;
    residuals[i] = tape.x_of(job.layer, panel);
    if (!whole) {
      float *gathered = scratch + (kMaxGroup + i) * tape.hidden_panel;
      job.gather(task.chunk, panel, job.x(), gathered);
      residuals[i] = gathered;
    }
    rows[i] = {tape.kept(job.layer, Kept::kAttended, panel), job.drops_rows() ? nullptr : residuals[i],
               scratch + i * tape.hidden_panel, kVectors};
  }
  linear<Activation::kNone>(job.linear_of(Tensor::kAttentionOutputWeight, Tensor::kAttentionOutputBias, columns), 0,
                            columns, 0, columns, rows, task.num_panels);
  const Norm norm = job.norm_of(Tensor::kAttentionNormWeight, Tensor::kAttentionNormBias);
  for (int32_t i = 0; i < task.num_panels; ++i) {
    const int32_t panel = task.first_panel + i;
    finish_panel(
        job, task.chunk, panel, DropoutSite::kAttentionOutput, norm, rows[i].out, residuals[i],
        tape.kept(job.layer, Kept::kAttentionOutput, panel),
        {tape.kept(job.layer, Kept::kAttentionNormalized, panel), tape.attention_factors_of(job.layer, panel)});
  }
}

inline void training_attention_block(const TrainingContext &context, const TrainingBlock *blocks, int32_t num_blocks) {
  if (num_blocks == 0) return;
  AttentionJob job(context, blocks[0].layer);
  list_rows(job, blocks, num_blocks);
  job.valid_tasks = job.list_panels(false, 0, job.tape->num_chunks);
  const int32_t chosen_tasks = job.list_panels(true, 0, job.tape->num_chunks);
  context.pool->run(job.valid_tasks + chosen_tasks, training_projections_task, &job);
  context.pool->run(list_query_tasks(job), training_attend_task, &job);
  context.pool->run(chosen_tasks, training_attention_output_task, &job);
}

// ---- feed-forward -----------------------------------------------------------------------------------------------

inline void training_feed_forward_task(void *context, int index, int worker) {
  const TrainingJob &job = *static_cast<const TrainingJob *>(context);
  Tape &tape = *job.tape;
  const PanelTask &task = job.panel_tasks(true)[index];
  const bool whole = job.layer_chunk(task.chunk).whole;
  const int32_t columns = job.shape->hidden_size;
  const int32_t intermediate_size = job.shape->intermediate_size;
  const int32_t chunk = feed_forward_chunk(*job.shape);
  float *sums = tape.scratch_of(worker);
  float *activations = sums + 2 * kMaxGroup * tape.hidden_panel;

  const Linear inner = job.linear_of(Tensor::kIntermediateWeight, Tensor::kIntermediateBias, columns);
  const Linear outer = job.linear_of(Tensor::kOutputWeight, Tensor::kOutputBias, intermediate_size);
  for (int32_t begin = 0; begin < intermediate_size; begin += chunk) {
    const int32_t end = min(intermediate_size, begin + chunk);
    LinearRows inner_rows[kMaxGroup];
    LinearRows outer_rows[kMaxGroup];
    for (int32_t i = 0; i < task.num_panels; ++i) {
      const int32_t panel = task.first_panel + i;
      const float *a = tape.kept(job.layer, Kept::kAttentionOutput, panel);
      inner_rows[i] = {a, nullptr, tape.inner_of(job.layer, panel) + static_cast<int64_t>(begin) * kRows, kVectors};
      outer_rows[i] = {activations + static_cast<int64_t>(i) * chunk * kRows, job.drops_rows() ? nullptr : a,
                       sums + i * tape.hidden_panel, kVectors};
    }
    linear<Activation::kNone>(inner, 0, columns, begin, end, inner_rows, task.num_panels);
    for (int32_t i = 0; i < task.num_panels; ++i) {
      gelu_all(inner_rows[i].out, (end - begin) * kVectors, activations + static_cast<int64_t>(i) * chunk * kRows);
    }
    linear<Activation::kNone>(outer, begin, end, 0, columns, outer_rows, task.num_panels);
  }
  const Norm norm = job.norm_of(Tensor::kOutputNormWeight, Tensor::kOutputNormBias);
  for (int32_t i = 0; i < task.num_panels; ++i) {
    const int32_t panel = task.first_panel + i;
    float *sum = sums + i * tape.hidden_panel;
    finish_panel(job, task.chunk, panel, DropoutSite::kOutput, norm, sum,
                 tape.kept(job.layer, Kept::kAttentionOutput, panel), whole ? tape.x_of(job.layer + 1, panel) : sum,
                 {tape.kept(job.layer, Kept::kOutputNormalized, panel), tape.output_factors_of(job.layer, panel)});
    if (!whole) job.scatter(task.chunk, panel, sum, job.next_x());
  }
}

inline void training_feed_forward_block(const TrainingContext &context, const TrainingBlock *blocks,
                                        int32_t num_blocks) {
  if (num_blocks == 0) return;
  TrainingJob job(context, blocks[0].layer);
  context.pool->run(job.list_panels(true, 0, job.tape->num_chunks), training_feed_forward_task, &job);
}

}  // namespace
}  // namespace rmt::RMT_ISA
