// trainer.h - weights being trained on a GPU, and everything of the same shape; the optimizer.
#pragma once

#include <cstdint>

#include "kernels/cuda/place.h"
#include "kernels/cuda/slab.h"
#include "kernels/training.h"

namespace rmt::cuda {

struct Trainer {
  static int64_t bytes(const ModelShape &shape, bool keep_average);

  Trainer(Place &place, const ModelShape &shape, bool keep_average);
  ~Trainer();
  Trainer(const Trainer &) = delete;
  Trainer &operator=(const Trainer &) = delete;

  bool granted() const { return slabs != nullptr && sums != nullptr; }
  // Null: the average, where none is kept.
  float *slab(Values which) const;
  float *at(Values which, Tensor tensor, int32_t layer = 0) const { return slab(which) + layout.at(tensor, layer); }
  const float *weight(Tensor tensor, int32_t layer = 0) const { return at(Values::kWeights, tensor, layer); }
  float *gradient(Tensor tensor, int32_t layer = 0) const { return at(Values::kGradients, tensor, layer); }

  Place &place;
  const SlabLayout layout;
  const bool keep_average;
  float *slabs;  // (4 or 5, floats), in the order of Values
  double *sums;  // partial sums of squares, and one result behind them
};

// Entries of the table.
int64_t trainer_bytes(const ModelShape &shape, bool keep_average);
void *create_trainer(void *device, const ModelShape &shape, bool keep_average);
void destroy_trainer(void *trainer);
void write_values(const ModelShape &shape, void *trainer, Values which, Tensor tensor, int32_t layer,
                  const float *values, int64_t offset, int64_t count);
void read_values(const ModelShape &shape, const void *trainer, Values which, Tensor tensor, int32_t layer,
                 float *values, int64_t offset, int64_t count);
void read_initial_memory(const TrainingContext &context, float *state);
void add_initial_memory_gradient(const TrainingContext &context, const float *dstate);
void clear_gradients(const TrainingContext &context);
double gradient_norm(const TrainingContext &context, double scale);
void update(const TrainingContext &context, const AdamW &options);

}  // namespace rmt::cuda
