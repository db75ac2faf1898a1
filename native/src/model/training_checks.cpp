// training_checks.cpp - what a segment in training must fulfil before any work starts.

#include <cmath>

#include "model/error.h"
#include "model/rows.h"
#include "model/training_segment.h"

namespace rmt {

namespace {

bool is_weight(float value) { return std::isfinite(value) && value >= 0; }

void require_probability(const char *field, float value) {
  // The comparison is false for NaN too.
  require(value >= 0 && value < 1, field, " is ", value, ", expected a probability from 0 to less than 1");
}

void require_arrays(const rmt_training_segment &segment) {
  require(segment.ids != nullptr, "ids is NULL");
  require(segment.lengths != nullptr, "lengths is NULL");
  require(segment.read_state != nullptr, "read_state is NULL");
  require(segment.write_state != nullptr, "write_state is NULL");
  require(segment.read_memory_start != nullptr, "read_memory_start is NULL");
  require(segment.write_memory_start != nullptr, "write_memory_start is NULL");
  require(segment.head_position != nullptr, "head_position is NULL");
  require(segment.labels != nullptr, "labels is NULL");
  require(segment.probes != nullptr || segment.num_probes == 0, "probes is NULL, but num_probes is ",
          segment.num_probes);
  require(segment.dropout_keys != nullptr || (segment.hidden_dropout == 0 && segment.attention_dropout == 0),
          "dropout_keys is NULL, but hidden_dropout is ", segment.hidden_dropout, " and attention_dropout ",
          segment.attention_dropout);
}

void require_lengths(const TapeLimits &limits, const rmt_training_segment &segment) {
  int64_t total = 0;
  for (int32_t b = 0; b < segment.batch_size; ++b) {
    const int32_t length = segment.lengths[b];
    require(length >= 1 && length <= segment.input_length, "lengths[", b, "] is ", length,
            ", expected 1 to input_length = ", segment.input_length);
    total += length;
  }
  require(total <= limits.max_total_length, "the lengths add up to ", total,
          ", more than max_total_length = ", limits.max_total_length, ": run fewer documents in one call");
}

bool reads_state(const rmt_training_segment &segment, int32_t document, int32_t state) {
  return segment.read_memory_start[document] >= 0 && segment.read_state[document] == state;
}

// States in range; written ones all different, and none of them read. `written` is all 0 before and after.
void require_states(const rmt_training_segment &segment, int32_t num_states, std::vector<uint8_t> &written) {
  const auto in_range = [&](int32_t state) { return state >= -1 && state < num_states; };
  for (int32_t b = 0; b < segment.batch_size; ++b) {
    require(in_range(segment.read_state[b]), "read_state[", b, "] is ", segment.read_state[b], ", expected 0 to ",
            "num_states - 1 = ", num_states - 1, ", or -1 for the initial memory");
    require(in_range(segment.write_state[b]), "write_state[", b, "] is ", segment.write_state[b], ", expected 0 to ",
            "num_states - 1 = ", num_states - 1, ", or -1 for none");
    require(segment.write_state[b] < 0 || segment.write_memory_start[b] >= 0, "write_state[", b, "] is ",
            segment.write_state[b], ", but write_memory_start[", b, "] is -1: there is no memory to write");
  }
  int32_t repeated = -1;
  int32_t read_too = -1;
  for (int32_t b = 0; b < segment.batch_size; ++b) {
    const int32_t state = segment.write_state[b];
    if (state < 0) continue;
    if (written[state] != 0) repeated = b;
    written[state] = 1;
  }
  for (int32_t b = 0; b < segment.batch_size; ++b) {
    const int32_t state = segment.read_state[b];
    if (state >= 0 && written[state] != 0 && reads_state(segment, b, state)) read_too = b;
  }
  for (int32_t b = 0; b < segment.batch_size; ++b) {
    if (segment.write_state[b] >= 0) written[segment.write_state[b]] = 0;
  }
  require(repeated < 0, "write_state[", repeated, "] is ", repeated < 0 ? 0 : segment.write_state[repeated],
          ", which another document of the batch writes too; written states must differ");
  require(read_too < 0, "read_state[", read_too, "] is ", read_too < 0 ? 0 : segment.read_state[read_too],
          ", which a document of the same batch writes; run the reader in a call of its own");
}

void require_label(const ModelShape &shape, const rmt_training_segment &segment, int32_t document) {
  const int32_t label = segment.labels[document];
  require(label >= -1 && (label == -1 || label < shape.num_labels), "labels[", document, "] is ", label,
          ", expected 0 to num_labels - 1 = ", shape.num_labels - 1, ", or -1 for no loss");
  require(label == -1 || segment.head_position[document] >= 0, "labels[", document, "] is ", label,
          ", but head_position[", document, "] is -1: a label needs a head position");
  if (segment.label_weights != nullptr) {
    require(is_weight(segment.label_weights[document]), "label_weights[", document, "] is ",
            segment.label_weights[document], ", expected a finite number, 0 or more");
  }
}

// Whether a row of the last level is computed.
bool is_computed(const ModelShape &shape, const rmt_training_segment &segment, int32_t document, int32_t position) {
  if (segment.all_rows != 0) return true;
  RowRange rows[2];
  const int32_t count =
      needed_rows(segment.write_memory_start[document], shape.num_mem_tokens, segment.head_position[document], rows);
  for (int32_t r = 0; r < count; ++r) {
    if (position >= rows[r].begin && position < rows[r].end) return true;
  }
  return false;
}

void require_probe(const ModelShape &shape, const rmt_training_segment &segment, int32_t index) {
  const rmt_probe_row &probe = segment.probes[index];
  require(probe.document >= 0 && probe.document < segment.batch_size, "probes[", index, "].document is ",
          probe.document, ", expected 0 to batch_size - 1 = ", segment.batch_size - 1);
  require(probe.level >= 0 && probe.level <= shape.num_layers, "probes[", index, "].level is ", probe.level,
          ", expected 0 to num_layers = ", shape.num_layers);
  require(probe.position >= 0 && probe.position < segment.lengths[probe.document], "probes[", index, "].position is ",
          probe.position, ", which is not one of the ", segment.lengths[probe.document],
          " valid positions of document ", probe.document);
  // Written so that no sum can overflow.
  require(probe.num_outputs >= 1 && probe.num_outputs <= shape.num_probe_outputs && probe.first_output >= 0 &&
              probe.first_output <= shape.num_probe_outputs - probe.num_outputs,
          "probes[", index, "] has ", probe.num_outputs, " outputs from ", probe.first_output,
          ", which do not lie within num_probe_outputs = ", shape.num_probe_outputs);
  require(probe.label >= 0 && probe.label < probe.num_outputs, "probes[", index, "].label is ", probe.label,
          ", expected 0 to num_outputs - 1 = ", probe.num_outputs - 1);
  require(is_weight(probe.weight), "probes[", index, "].weight is ", probe.weight,
          ", expected a finite number, 0 or more");
  require(probe.level < shape.num_layers || is_computed(shape, segment, probe.document, probe.position), "probes[",
          index, "].position is ", probe.position,
          ", which the last layer does not compute: it is neither a memory nor a head position; set all_rows");
}

}  // namespace

void validate(const ModelShape &shape, const TapeLimits &limits, const TrainingStates &states, TrainingScratch &scratch,
              const rmt_training_segment *segment, const rmt_training_output *output) {
  require_struct(segment, "rmt_training_segment");
  require(segment->batch_size >= 1 && segment->batch_size <= limits.max_batch_size, "batch_size is ",
          segment->batch_size, ", expected 1 to max_batch_size = ", limits.max_batch_size);
  require(segment->input_length >= 1 && segment->input_length <= limits.max_input_length, "input_length is ",
          segment->input_length, ", expected 1 to max_input_length = ", limits.max_input_length);
  require(segment->causal == 0, "causal is ", segment->causal, ", expected 0: RMT_BERT sees all valid positions");
  require(segment->all_rows == 0 || segment->all_rows == 1, "all_rows is ", segment->all_rows, ", expected 0 or 1");
  require_probability("hidden_dropout", segment->hidden_dropout);
  require_probability("attention_dropout", segment->attention_dropout);
  const int64_t max_probes = shape.num_probe_outputs > 0 ? TrainingHeads::max_probes(limits) : 0;
  require(segment->num_probes >= 0 && segment->num_probes <= max_probes, "num_probes is ", segment->num_probes,
          ", expected 0 to ", max_probes,
          shape.num_probe_outputs > 0 ? ", which is 4 x max_total_length" : ": the trainer has no probe outputs");
  require_arrays(*segment);
  require_lengths(limits, *segment);
  for (int32_t b = 0; b < segment->batch_size; ++b) {
    const int32_t length = segment->lengths[b];
    require_positions("read_memory_start", b, segment->read_memory_start[b], shape.num_mem_tokens, length);
    require_positions("write_memory_start", b, segment->write_memory_start[b], shape.num_mem_tokens, length);
    require_positions("head_position", b, segment->head_position[b], 1, length);
    require_ids(shape, b, segment->ids + int64_t{b} * segment->input_length, length, segment->read_memory_start[b]);
    require_label(shape, *segment, b);
  }
  require_states(*segment, states.num_states(), scratch.state_written);
  for (int32_t i = 0; i < segment->num_probes; ++i) require_probe(shape, *segment, i);
  if (output != nullptr) {
    require_struct(output, "rmt_training_output");
    require(shape.num_labels > 0 || output->logits == nullptr,
            "logits is wanted, but num_labels of the model is 0: it has neither pooler nor classifier");
  }
}

uint64_t fingerprint(const ModelShape &shape, const rmt_training_segment &segment) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a, over words of 64 bits
  const auto add = [&](uint64_t word) { hash = (hash ^ word) * 0x100000001b3u; };
  add(static_cast<uint64_t>(segment.batch_size));
  add(static_cast<uint64_t>(segment.all_rows));
  add(static_cast<uint64_t>(static_cast<double>(segment.hidden_dropout) * 0x1p62));
  add(static_cast<uint64_t>(static_cast<double>(segment.attention_dropout) * 0x1p62));
  for (int32_t b = 0; b < segment.batch_size; ++b) {
    const int32_t read = shape.num_mem_tokens > 0 ? segment.read_memory_start[b] : -1;
    add(static_cast<uint64_t>(segment.lengths[b]));
    add(static_cast<uint64_t>(read));
    add(static_cast<uint64_t>(segment.write_memory_start[b]));
    add(static_cast<uint64_t>(segment.head_position[b]));
    if (segment.dropout_keys != nullptr) add(segment.dropout_keys[b]);
    const int32_t *ids = segment.ids + int64_t{b} * segment.input_length;
    for (int32_t t = 0; t < segment.lengths[b]; ++t) {
      const bool is_memory = read >= 0 && t >= read && t < read + shape.num_mem_tokens;
      if (!is_memory) add(static_cast<uint64_t>(ids[t]));
    }
  }
  return hash;
}

}  // namespace rmt
