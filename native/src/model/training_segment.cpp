#include "model/training_segment.h"

#include <algorithm>

#include "model/rows.h"

namespace rmt {

namespace {

int64_t state_size(const ModelShape &shape) { return int64_t{shape.num_mem_tokens} * shape.hidden_size; }

}  // namespace

TrainingScratch::TrainingScratch(const std::shared_ptr<const Device> &device, const ModelShape &shape,
                                 const TapeLimits &limits, int32_t num_states)
    : blocks(limits.max_batch_size),
      active(limits.max_batch_size),
      highest_level(limits.max_batch_size),
      initial_memory(device, state_size(shape), "the initial memory"),
      dinitial_memory(device, state_size(shape), "the gradient of the initial memory"),
      dread_memory(device, limits.max_batch_size * state_size(shape), "the gradients of read memory"),
      state_written(num_states),
      heads(shape, limits) {}

int64_t TrainingScratch::required_bytes(const ModelShape &shape, const TapeLimits &limits, int32_t num_states) {
  return limits.max_batch_size * static_cast<int64_t>(2 * sizeof(TrainingBlock) + sizeof(int32_t)) +
         (2 + limits.max_batch_size) * state_size(shape) * static_cast<int64_t>(sizeof(float)) + num_states +
         TrainingHeads::required_bytes(shape, limits);
}

TrainingPass::TrainingPass(const Device &device, const TrainingContext &context, TrainingStates &states,
                           TrainingScratch &scratch, const rmt_training_segment &segment)
    : shape_(*context.shape),
      backend_(*device.backend().training),
      memory_(*device.backend().memory),
      context_(context),
      states_(states),
      scratch_(scratch),
      segment_(segment) {
  const int64_t state_size = states.state_size();
  if (state_size > 0) backend_.read_initial_memory(context, scratch.initial_memory.data());
  for (int32_t b = 0; b < segment.batch_size; ++b) {
    TrainingBlock &block = scratch.blocks[b];
    block = TrainingBlock{};
    block.ids = segment.ids + int64_t{b} * segment.input_length;
    block.length = segment.lengths[b];
    block.read_memory_start = state_size > 0 ? segment.read_memory_start[b] : -1;
    if (block.read_memory_start >= 0) {
      const int32_t state = segment.read_state[b];
      block.read_memory = state >= 0 ? states.value(state) : scratch.initial_memory.data();
      block.dread_memory = scratch.dread_memory.data() + b * state_size;
    }
    block.index = b;
    block.dropout_key = segment.dropout_keys == nullptr ? 0 : segment.dropout_keys[b];
    block.write_memory_start = -1;
    if (segment.write_state[b] >= 0) {
      block.write_memory_start = segment.write_memory_start[b];
      block.write_memory = states.value(segment.write_state[b]);
      block.dwrite_memory = states.gradient(segment.write_state[b]);
    }
  }
  scratch.heads.begin(segment);
  const int32_t last = activate_blocks(shape_.num_layers - 1);
  backend_.begin_segment(context_, scratch_.blocks.data(), segment_.batch_size, scratch_.active.data(), last);
}

// Fills scratch.active with the blocks of a layer and returns their number. In the last layer only rows that somebody
// reads are chosen, and documents of which nobody reads any row stay out.
int32_t TrainingPass::activate_blocks(int32_t layer) {
  const bool all_rows = layer + 1 < shape_.num_layers || segment_.all_rows != 0;
  int32_t active = 0;
  for (int32_t b = 0; b < segment_.batch_size; ++b) {
    TrainingBlock block = scratch_.blocks[b];
    block.layer = layer;
    if (!all_rows) {
      block.num_rows =
          needed_rows(segment_.write_memory_start[b], shape_.num_mem_tokens, segment_.head_position[b], block.rows);
      if (block.num_rows == 0) continue;
    }
    scratch_.active[active++] = block;
  }
  return active;
}

void TrainingPass::forward() {
  backend_.embed(context_, scratch_.blocks.data(), segment_.batch_size);
  for (int32_t layer = 0; layer < shape_.num_layers; ++layer) {
    const int32_t active = activate_blocks(layer);
    backend_.attention_block(context_, scratch_.active.data(), active);
    backend_.feed_forward_block(context_, scratch_.active.data(), active);
  }
}

void TrainingPass::write_states() { backend_.write_memory(context_, scratch_.blocks.data(), segment_.batch_size); }

void TrainingPass::read_heads(const rmt_training_output &output) {
  scratch_.heads.read_labels(backend_, context_, scratch_.blocks.data(), segment_, output);
  scratch_.heads.read_probes(backend_, context_, scratch_.blocks.data(), segment_, output);
}

void TrainingPass::find_highest_levels(bool with_loss) {
  std::vector<int32_t> &highest = scratch_.highest_level;
  for (int32_t b = 0; b < segment_.batch_size; ++b) {
    const bool enters_on_top = segment_.write_state[b] >= 0 || (with_loss && segment_.labels[b] >= 0);
    highest[b] = enters_on_top ? shape_.num_layers : -1;
  }
  for (int32_t i = 0; with_loss && i < segment_.num_probes; ++i) {
    const rmt_probe_row &probe = segment_.probes[i];
    highest[probe.document] = std::max(highest[probe.document], probe.level);
  }
}

// Those of the blocks of the layer below `level` (of the embedding for level 0) that a gradient has entered: for all
// others there is nothing to do.
int32_t TrainingPass::activate_blocks_below(int32_t level) {
  int32_t count = segment_.batch_size;
  if (level > 0) {
    count = activate_blocks(level - 1);
  } else {
    std::copy_n(scratch_.blocks.begin(), count, scratch_.active.begin());
  }
  const auto end =
      std::remove_if(scratch_.active.begin(), scratch_.active.begin() + count,
                     [&](const TrainingBlock &block) { return scratch_.highest_level[block.index] < level; });
  return static_cast<int32_t>(end - scratch_.active.begin());
}

// The gradients of what was read, document after document, so that the order of sums is fixed.
void TrainingPass::add_read_gradients() {
  const int64_t size = states_.state_size();
  bool initial_memory_is_read = false;
  for (int32_t b = 0; b < segment_.batch_size; ++b) {
    const TrainingBlock &block = scratch_.blocks[b];
    if (block.read_memory_start < 0 || scratch_.highest_level[b] < 0) continue;
    const int32_t state = segment_.read_state[b];
    if (state >= 0) {
      memory_.add(context_.device, states_.gradient(state), block.dread_memory, size);
      continue;
    }
    const auto put = initial_memory_is_read ? memory_.add : memory_.copy;
    put(context_.device, scratch_.dinitial_memory.data(), block.dread_memory, size);
    initial_memory_is_read = true;
  }
  if (initial_memory_is_read) backend_.add_initial_memory_gradient(context_, scratch_.dinitial_memory.data());
}

void TrainingPass::backward(bool with_loss) {
  TrainingBlock *blocks = scratch_.blocks.data();
  find_highest_levels(with_loss);
  backend_.clear_dx(context_, blocks, segment_.batch_size);
  backend_.add_memory_gradients(context_, blocks, segment_.batch_size);
  if (with_loss) scratch_.heads.labels_backward(backend_, context_, blocks, segment_);
  for (int32_t level = shape_.num_layers; level >= 0; --level) {
    if (with_loss) scratch_.heads.probes_backward(backend_, context_, blocks, segment_, level);
    const int32_t active = activate_blocks_below(level);
    if (level == 0) {
      backend_.embed_backward(context_, scratch_.active.data(), active);
    } else {
      backend_.feed_forward_backward(context_, scratch_.active.data(), active);
      backend_.attention_backward(context_, scratch_.active.data(), active);
    }
  }
  add_read_gradients();
}

}  // namespace rmt
