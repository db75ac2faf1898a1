#include "model/config.h"

#include <cmath>

#include "model/error.h"

namespace rmt {

namespace {

void require_between(const char *field, int64_t value, int64_t low, int64_t high) {
  require(value >= low && value <= high, field, " is ", value, ", expected ", low, " to ", high);
}

}  // namespace

ModelShape validated_shape(const rmt_model_config *config) {
  require_struct(config, "rmt_model_config");
  require(config->architecture == RMT_BERT, "architecture is ", config->architecture, ", expected ",
          static_cast<int>(RMT_BERT), " (RMT_BERT)");
  require_between("hidden_size", config->hidden_size, 1, Limits::kHiddenSize);
  require_between("num_layers", config->num_layers, 1, Limits::kNumLayers);
  require_between("num_heads", config->num_heads, 1, config->hidden_size);
  require(config->hidden_size % config->num_heads == 0, "hidden_size ", config->hidden_size,
          " is not a multiple of num_heads ", config->num_heads);
  require_between("intermediate_size", config->intermediate_size, 1, Limits::kIntermediateSize);
  require_between("vocab_size", config->vocab_size, 1, Limits::kVocabSize);
  require_between("max_positions", config->max_positions, 1, Limits::kMaxPositions);
  require_between("type_vocab_size", config->type_vocab_size, 1, Limits::kTypeVocabSize);
  require(config->num_mem_tokens >= 0, "num_mem_tokens is ", config->num_mem_tokens, ", expected 0 or more");
  require(config->num_mem_tokens <= config->max_positions, "num_mem_tokens ", config->num_mem_tokens,
          " does not fit into max_positions ", config->max_positions);
  require_between("num_labels", config->num_labels, 0, Limits::kNumLabels);
  // The comparison is false for NaN too.
  require(config->layer_norm_eps > 0 && std::isfinite(config->layer_norm_eps), "layer_norm_eps is ",
          config->layer_norm_eps, ", expected a finite number above 0");

  ModelShape shape{};
  shape.hidden_size = config->hidden_size;
  shape.num_layers = config->num_layers;
  shape.num_heads = config->num_heads;
  shape.head_size = config->hidden_size / config->num_heads;
  shape.intermediate_size = config->intermediate_size;
  shape.vocab_size = config->vocab_size;
  shape.max_positions = config->max_positions;
  shape.type_vocab_size = config->type_vocab_size;
  shape.num_mem_tokens = config->num_mem_tokens;
  shape.num_labels = config->num_labels;
  shape.layer_norm_eps = config->layer_norm_eps;
  return shape;
}

void validate(const rmt_memory_options *options, const ModelShape &shape) {
  require_struct(options, "rmt_memory_options");
  require_between("num_slots", options->num_slots, 1, Limits::kNumSlots);
  require_between("max_batch_size", options->max_batch_size, 1, Limits::kBatchSize);
  require(options->max_batch_size <= options->num_slots, "max_batch_size ", options->max_batch_size,
          " exceeds num_slots ", options->num_slots, ": each document of a batch needs a slot of its own");
  require(options->max_input_length >= 1, "max_input_length is ", options->max_input_length, ", expected 1 or more");
  require(options->max_input_length <= shape.max_positions, "max_input_length ", options->max_input_length,
          " exceeds max_positions ", shape.max_positions, " of the model");
}

ModelShape validated_training_shape(const rmt_model_config *config, const rmt_trainer_options *options) {
  ModelShape shape = validated_shape(config);
  require_struct(options, "rmt_trainer_options");
  require_between("max_batch_size", options->max_batch_size, 1, Limits::kBatchSize);
  require(options->max_input_length >= 1, "max_input_length is ", options->max_input_length, ", expected 1 or more");
  require(options->max_input_length <= shape.max_positions, "max_input_length ", options->max_input_length,
          " exceeds max_positions ", shape.max_positions, " of the model");
  const int64_t most = int64_t{options->max_batch_size} * options->max_input_length;
  require(options->max_total_length >= 0 && options->max_total_length <= most, "max_total_length is ",
          options->max_total_length, ", expected 0 to max_batch_size x max_input_length = ", most);
  require_between("num_states", options->num_states, 0, Limits::kNumStates);
  require_between("num_tapes", options->num_tapes, 1, Limits::kNumTapes);
  require_between("num_probe_outputs", options->num_probe_outputs, 0, Limits::kNumLabels);
  require_between("keep_average", options->keep_average, 0, 1);
  shape.num_probe_outputs = options->num_probe_outputs;
  return shape;
}

}  // namespace rmt
