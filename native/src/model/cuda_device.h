// cuda_device.h - GPUs: librmt_cuda, loaded when one is asked for.
#pragma once

#include <memory>

#include "model/device.h"
#include "rmt/rmt.h"

namespace rmt {

// Throws RMT_DEVICE with the reason where the library, the driver or the GPU cannot be used.
std::shared_ptr<const Device> make_cuda_device(const rmt_cuda_options *options);

// What there is; a reason why nothing can be used is part of it.
void describe_cuda(const char *library, rmt_cuda_info *info);

}  // namespace rmt
