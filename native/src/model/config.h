// config.h - from the numbers of a caller to a shape that everything below may trust.
#pragma once

#include "kernels/kernels.h"
#include "rmt/rmt.h"

namespace rmt {

// Largest values that are accepted. They are far beyond any BERT, and small enough that no product of sizes that is
// formed anywhere in librmt leaves int64.
struct Limits {
  static constexpr int32_t kHiddenSize = 1 << 16;
  static constexpr int32_t kNumLayers = 1 << 10;
  static constexpr int32_t kIntermediateSize = 1 << 18;
  static constexpr int32_t kVocabSize = 1 << 24;
  static constexpr int32_t kMaxPositions = 1 << 20;
  static constexpr int32_t kTypeVocabSize = 1 << 16;
  static constexpr int32_t kNumLabels = 1 << 20;
  static constexpr int32_t kNumSlots = 1 << 20;
  static constexpr int32_t kBatchSize = 1 << 20;
  static constexpr int32_t kNumStates = 1 << 20;
  static constexpr int32_t kNumTapes = 1 << 16;
  static constexpr int32_t kThreads = 1 << 10;
};

// Throws RMT_INVALID_ARGUMENT naming the field and its value.
ModelShape validated_shape(const rmt_model_config *config);

// Throws RMT_INVALID_ARGUMENT naming the field and its value.
void validate(const rmt_memory_options *options, const ModelShape &shape);

// The shape of a trainer: that of the config, with the options' probes. Throws RMT_INVALID_ARGUMENT naming the field of
// either and its value.
ModelShape validated_training_shape(const rmt_model_config *config, const rmt_trainer_options *options);

}  // namespace rmt
