// training.h - the table of training operations on a GPU.
#pragma once

#include "kernels/training.h"

namespace rmt::cuda {

extern const TrainingBackend kTraining;

}  // namespace rmt::cuda
