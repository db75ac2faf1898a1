#include "model/segment.h"

#include <algorithm>
#include <optional>

#include "model/attention_maps.h"
#include "model/config.h"
#include "model/error.h"
#include "model/rows.h"

namespace rmt {

namespace {

bool wants_head(const rmt_segment_output *output) {
  return output != nullptr &&
         (output->head_hidden != nullptr || output->pooled != nullptr || output->logits != nullptr);
}

// One segment on its way through the layers.
class Run {
 public:
  Run(const Model &model, SegmentWorkspace &workspace, MemorySlots &slots, const rmt_segment &segment,
      const rmt_segment_output *output)
      : shape_(model.shape()),
        backend_(model.device().backend()),
        workspace_(workspace),
        slots_(slots),
        segment_(segment),
        output_(output),
        context_{&model.shape(),
                 model.weights(),
                 workspace.activations(),
                 &model.device().pool(),
                 model.device().place(),
                 segment.causal != 0,
                 output != nullptr && (output->hidden != nullptr || output->attention != nullptr),
                 model.device().operations_counter()},
        hidden_(output == nullptr ? nullptr : output->hidden) {
    if (output != nullptr && output->attention != nullptr) maps_.emplace(model, segment, *output);
  }

  void run() {
    prepare_blocks();
    if (backend_.begin_segment != nullptr) {
      const int32_t last = activate_blocks(shape_.num_layers - 1);
      backend_.begin_segment(context_, workspace_.blocks.data(), segment_.batch_size, workspace_.active.data(), last);
    }
    backend_.embed(context_, workspace_.blocks.data(), segment_.batch_size);
    copy_hidden(0);
    for (int32_t layer = 0; layer < shape_.num_layers; ++layer) {
      const int32_t active = activate_blocks(layer);
      if (maps_) maps_->add(context_, workspace_.blocks.data(), layer);
      backend_.attention_block(context_, workspace_.active.data(), active);
      backend_.feed_forward_block(context_, workspace_.active.data(), active);
      copy_hidden(layer + 1);
    }
    backend_.write_memory(context_, workspace_.blocks.data(), segment_.batch_size);
    if (backend_.end_segment != nullptr) backend_.end_segment(context_);
    if (wants_head(output_)) write_heads();
    for (int32_t b = 0; b < segment_.batch_size; ++b) {
      if (segment_.write_memory_start[b] >= 0) slots_.commit(segment_.slots[b]);
    }
  }

 private:
  void prepare_blocks() {
    for (int32_t b = 0; b < segment_.batch_size; ++b) {
      RowBlock &block = workspace_.blocks[b];
      block = RowBlock{};
      block.ids = segment_.ids + int64_t{b} * segment_.input_length;
      block.length = segment_.lengths[b];
      block.read_memory_start = shape_.num_mem_tokens > 0 ? segment_.read_memory_start[b] : -1;
      block.read_memory = block.read_memory_start >= 0 ? slots_.current(segment_.slots[b]) : nullptr;
      block.index = b;
      block.write_memory_start = shape_.num_mem_tokens > 0 ? segment_.write_memory_start[b] : -1;
      block.write_memory = block.write_memory_start >= 0 ? slots_.next(segment_.slots[b]) : nullptr;
    }
  }

  // Fills workspace.active with the blocks of a layer and returns their number. In the last layer only rows that
  // somebody reads are chosen, and documents of which nobody reads any row stay out.
  int32_t activate_blocks(int32_t layer) {
    const bool all_rows = layer + 1 < shape_.num_layers || segment_.all_rows != 0 || hidden_ != nullptr;
    int32_t active = 0;
    for (int32_t b = 0; b < segment_.batch_size; ++b) {
      RowBlock block = workspace_.blocks[b];
      block.layer = layer;
      if (!all_rows) {
        block.num_rows = needed_rows(segment_.write_memory_start[b], shape_.num_mem_tokens,
                                     wants_head(output_) ? segment_.head_position[b] : -1, block.rows);
        if (block.num_rows == 0) continue;
      }
      workspace_.active[active++] = block;
    }
    return active;
  }

  // Row-major (B, T, H) of one entry of `hidden`; rows beyond a document's length are zero.
  void copy_hidden(int32_t entry) {
    if (hidden_ == nullptr) return;
    const int64_t document_size = int64_t{segment_.input_length} * shape_.hidden_size;
    for (int32_t b = 0; b < segment_.batch_size; ++b) {
      float *values = hidden_ + (int64_t{entry} * segment_.batch_size + b) * document_size;
      const int32_t length = segment_.lengths[b];
      backend_.read_rows(context_, workspace_.blocks[b], {0, length}, values);
      std::fill(values + int64_t{length} * shape_.hidden_size, values + document_size, 0.0f);
    }
  }

  void write_heads() {
    const int32_t hidden_size = shape_.hidden_size;
    for (int32_t b = 0; b < segment_.batch_size; ++b) {
      float *head_hidden = output_->head_hidden == nullptr ? nullptr : output_->head_hidden + int64_t{b} * hidden_size;
      float *pooled = output_->pooled == nullptr ? nullptr : output_->pooled + int64_t{b} * hidden_size;
      float *logits = output_->logits == nullptr ? nullptr : output_->logits + int64_t{b} * shape_.num_labels;
      const int32_t position = segment_.head_position[b];
      if (position < 0) {
        if (head_hidden != nullptr) std::fill_n(head_hidden, hidden_size, 0.0f);
        if (pooled != nullptr) std::fill_n(pooled, hidden_size, 0.0f);
        if (logits != nullptr) std::fill_n(logits, shape_.num_labels, 0.0f);
        continue;
      }
      float *head = workspace_.head.data();
      backend_.read_rows(context_, workspace_.blocks[b], {position, position + 1}, head);
      if (head_hidden != nullptr) std::copy_n(head, hidden_size, head_hidden);
      if (pooled != nullptr || logits != nullptr) backend_.classify(context_, head, pooled, logits);
    }
  }

  const ModelShape &shape_;
  const Backend &backend_;
  SegmentWorkspace &workspace_;
  MemorySlots &slots_;
  const rmt_segment &segment_;
  const rmt_segment_output *output_;
  const SegmentContext context_;
  float *const hidden_;
  std::optional<AttentionMaps> maps_;
};

// Every slot in range and named once. `taken` is all 0 before and after.
void require_slots(const rmt_segment &segment, int32_t num_slots, std::vector<uint8_t> &taken) {
  int32_t out_of_range = -1;
  int32_t repeated = -1;
  int32_t b = 0;
  for (; b < segment.batch_size && out_of_range < 0 && repeated < 0; ++b) {
    const int32_t slot = segment.slots[b];
    if (slot < 0 || slot >= num_slots) {
      out_of_range = b;
    } else if (taken[slot] != 0) {
      repeated = b;
    } else {
      taken[slot] = 1;
    }
  }
  for (int32_t i = 0; i < b; ++i) {
    if (i != out_of_range) taken[segment.slots[i]] = 0;
  }
  require(out_of_range < 0, "slots[", out_of_range, "] is ", out_of_range < 0 ? 0 : segment.slots[out_of_range],
          ", expected 0 to num_slots - 1 = ", num_slots - 1);
  require(repeated < 0, "slots[", repeated, "] is ", repeated < 0 ? 0 : segment.slots[repeated],
          ", which another document of the batch has too; the slots of a batch must differ");
}

}  // namespace

SegmentWorkspace::SegmentWorkspace(const Model &model, const rmt_memory_options &options)
    : blocks(options.max_batch_size),
      active(options.max_batch_size),
      head(model.shape().hidden_size),
      slot_taken(options.num_slots),
      max_input_length_(options.max_input_length),
      activations_(nullptr, model.device().backend().destroy_workspace) {
  activations_.reset(model.device().backend().create_workspace(model.device().place(), model.shape(),
                                                               options.max_batch_size, options.max_input_length,
                                                               model.device().threads()));
  if (activations_ == nullptr) {
    fail(RMT_OUT_OF_MEMORY, "the workspace of a segment needs ", required_bytes(model, options),
         " bytes, and the system refused them");
  }
}

int64_t SegmentWorkspace::required_bytes(const Model &model, const rmt_memory_options &options) {
  return model.device().backend().workspace_bytes(model.shape(), options.max_batch_size, options.max_input_length,
                                                  model.device().threads()) +
         options.max_batch_size * static_cast<int64_t>(2 * sizeof(RowBlock)) +
         model.shape().hidden_size * static_cast<int64_t>(sizeof(float)) + options.num_slots;
}

void validate(const Model &model, SegmentWorkspace &workspace, const MemorySlots &slots, const rmt_segment *segment,
              const rmt_segment_output *output) {
  const ModelShape &shape = model.shape();
  require_struct(segment, "rmt_segment");
  require(segment->batch_size >= 1 && segment->batch_size <= workspace.max_batch_size(), "batch_size is ",
          segment->batch_size, ", expected 1 to max_batch_size = ", workspace.max_batch_size());
  require(segment->input_length >= 1 && segment->input_length <= workspace.max_input_length(), "input_length is ",
          segment->input_length, ", expected 1 to max_input_length = ", workspace.max_input_length());
  require(segment->causal == 0, "causal is ", segment->causal, ", expected 0: RMT_BERT sees all valid positions");
  require(segment->all_rows == 0 || segment->all_rows == 1, "all_rows is ", segment->all_rows, ", expected 0 or 1");
  require(segment->ids != nullptr, "ids is NULL");
  require(segment->lengths != nullptr, "lengths is NULL");
  require(segment->slots != nullptr, "slots is NULL");
  require(segment->read_memory_start != nullptr, "read_memory_start is NULL");
  require(segment->write_memory_start != nullptr, "write_memory_start is NULL");
  require(segment->head_position != nullptr, "head_position is NULL");
  require_slots(*segment, slots.num_slots(), workspace.slot_taken);
  for (int32_t b = 0; b < segment->batch_size; ++b) {
    const int32_t length = segment->lengths[b];
    require(length >= 1 && length <= segment->input_length, "lengths[", b, "] is ", length,
            ", expected 1 to input_length = ", segment->input_length);
    require_positions("read_memory_start", b, segment->read_memory_start[b], shape.num_mem_tokens, length);
    require_positions("write_memory_start", b, segment->write_memory_start[b], shape.num_mem_tokens, length);
    require_positions("head_position", b, segment->head_position[b], 1, length);
    require_ids(shape, b, segment->ids + int64_t{b} * segment->input_length, length, segment->read_memory_start[b]);
  }
  if (output != nullptr) {
    require_struct(output, "rmt_segment_output");
    require(shape.num_labels > 0 || (output->pooled == nullptr && output->logits == nullptr),
            "pooled or logits is wanted, but num_labels of the model is 0: it has neither pooler nor classifier");
    require_attention_layers(shape, *output);
  }
}

void run_segment(const Model &model, SegmentWorkspace &workspace, MemorySlots &slots, const rmt_segment &segment,
                 const rmt_segment_output *output) {
  Run(model, workspace, slots, segment, output).run();
}

}  // namespace rmt
