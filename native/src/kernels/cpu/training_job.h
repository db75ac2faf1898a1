// training_job.h - which rows an operation of training works on, cut into tasks.
#pragma once

#include "kernels/cpu/packed_rows.h"
#include "kernels/cpu/rows_backward.h"
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
  bool causal;
  Dropout dropout;
  int32_t layer;
  WeightsLayout layout;
  TransposedLayout transposed_layout;

  TrainingJob(const TrainingContext &context, int32_t of_layer)
      : shape(context.shape),
        trainer(static_cast<Trainer *>(context.trainer)),
        tape(static_cast<Tape *>(context.tape)),
        pool(context.pool),
        causal(context.causal),
        dropout(context.dropout),
        layer(of_layer),
        layout(*context.shape),
        transposed_layout(*context.shape) {}

  // ---- parameters, those of the layer ----

  const float *weight(Tensor which) const { return trainer->of(Values::kWeights) + layout.at(which, layer); }
  float *gradient(Tensor which) const { return trainer->of(Values::kGradients) + layout.at(which, layer); }
  const float *transposed(Tensor which) const {
    return trainer->transposed_weights() + transposed_layout.at(which, layer);
  }
  Linear linear_of(Tensor weights, Tensor bias, int32_t in) const { return {weight(weights), weight(bias), in}; }
  Norm norm_of(Tensor weights, Tensor bias) const { return {weight(weights), weight(bias), shape->layer_norm_eps}; }

  // ---- rows ----

  const TapeDocument &document(int32_t index) const { return tape->document_list()[index]; }
  const TapeChunk &chunk(int32_t index) const { return tape->chunk_list()[index]; }
  const LayerChunk &layer_chunk(int32_t index) const { return tape->layer_chunk_list(layer)[index]; }
  const RowRun &run(int32_t index) const { return tape->run_list(layer)[index]; }

  Panels x() const { return {tape->x_of(layer, 0), tape->hidden_panel}; }
  Panels next_x() const { return {tape->x_of(layer + 1, 0), tape->hidden_panel}; }
  Panels dx() const { return {tape->dx_of(0), tape->hidden_panel}; }

  // Calls visit(run, first, count) for the runs that have rows in panel `panel` of the layer: rows [first,
  // first + count) of the run.
  template <typename Visit>
  void for_each_run(int32_t chunk_index, int32_t panel, const Visit &visit) const {
    const LayerChunk &rows = layer_chunk(chunk_index);
    for (int32_t i = rows.first_run; i < rows.first_run + rows.num_runs; ++i) {
      const RowRun &r = run(i);
      const int32_t begin = max(r.row, panel * kRows);
      const int32_t end = min(r.row + r.count, (panel + 1) * kRows);
      if (begin < end) visit(r, begin - r.row, end - begin);
    }
  }

  // Rows of the layer's panel from where they lie in the tape to `out`, a panel; zeros behind them.
  void gather(int32_t chunk_index, int32_t panel, const Panels &from, float *out) const {
    const int32_t rest = chunk(chunk_index).first_panel * kRows + layer_chunk(chunk_index).num_rows - panel * kRows;
    if (rest < kRows) clear_rows(out, rest, shape->hidden_size);
    for_each_run(chunk_index, panel, [&](const RowRun &r, int32_t first, int32_t count) {
      move_rows(from, document(r.document).first_row + r.position + first, {out, 0}, (r.row + first) % kRows, count,
                shape->hidden_size);
    });
  }
  // The other way.
  void scatter(int32_t chunk_index, int32_t panel, float *from, const Panels &out) const {
    for_each_run(chunk_index, panel, [&](const RowRun &r, int32_t first, int32_t count) {
      move_rows({from, 0}, (r.row + first) % kRows, out, document(r.document).first_row + r.position + first, count,
                shape->hidden_size);
    });
  }

  // ---- dropout ----

  bool drops_rows() const { return dropout.hidden > 0; }
  // Of the rows of the layer's panel.
  DroppedRows dropped_rows(int32_t chunk_index, int32_t panel, uint32_t site) const {
    DroppedRows rows{};
    for_each_run(chunk_index, panel, [&](const RowRun &r, int32_t first, int32_t count) {
      const Dropped dropped(document(r.document).dropout_key, layer_site(layer, site), dropout.hidden);
      for (int32_t i = 0; i < count; ++i) {
        rows.hashes[(r.row + first + i) % kRows] = dropped.hash_of_row(r.position + first + i);
      }
      rows.threshold = dropped.threshold;
      rows.scale = dropped.scale;
    });
    return rows;
  }
  bool drops_weights() const { return dropout.attention > 0; }
  Dropped dropped_weights(const TapeDocument &of, int32_t head) const {
    return Dropped(of.dropout_key, layer_site(layer, DropoutSite::kAttention + static_cast<uint32_t>(head)),
                   dropout.attention);
  }

  // ---- tasks ----

  // Panels of chunks [begin, end): with `chosen` those of the rows that the layer computes, else those of the tape.
  // Returns the number of tasks.
  int32_t list_panels(bool chosen, int32_t begin, int32_t end) const {
    PanelTask *tasks = panel_tasks(chosen);
    const int32_t group = group_size(*shape, static_cast<int32_t>(tape->panels), pool->threads());
    int32_t count = 0;
    for (int32_t i = begin; i < end; ++i) {
      const int32_t panels = divide_up(chosen ? layer_chunk(i).num_rows : chunk(i).num_rows, kRows);
      for (int32_t p = 0; p < panels; p += group) {
        tasks[count++] = {i, chunk(i).first_panel + p, min(group, panels - p)};
      }
    }
    return count;
  }
  PanelTask *panel_tasks(bool chosen) const { return tape->list<PanelTask>(tape->panel_tasks[chosen ? 0 : 1]); }
};

// Lays out the rows that `blocks` choose of a layer: ascending documents, some of them or all.
inline void list_rows(const TrainingJob &job, const TrainingBlock *blocks, int32_t num_blocks) {
  Tape &tape = *job.tape;
  RowRun *runs = tape.run_list(job.layer);
  int32_t num_runs = 0;
  int32_t b = 0;
  for (int32_t i = 0; i < tape.num_chunks; ++i) {
    const TapeChunk &chunk = job.chunk(i);
    LayerChunk rows{num_runs, 0, 0, true};
    const int32_t first_row = chunk.first_panel * kRows;
    const auto add = [&](int32_t document, int32_t position, int32_t count) {
      runs[num_runs++] = {document, position, count, first_row + rows.num_rows};
      rows.num_runs++;
      rows.num_rows += count;
    };
    for (; b < num_blocks && blocks[b].index < chunk.first_document + chunk.num_documents; ++b) {
      const TrainingBlock &block = blocks[b];
      if (block.num_rows == 0) add(block.index, 0, block.length);
      for (int32_t r = 0; r < block.num_rows; ++r) {
        add(block.index, block.rows[r].begin, block.rows[r].end - block.rows[r].begin);
      }
    }
    rows.whole = rows.num_rows == chunk.num_rows;
    tape.layer_chunk_list(job.layer)[i] = rows;
  }
}

}  // namespace
}  // namespace rmt::RMT_ISA
