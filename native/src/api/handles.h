// handles.h - what stands behind the handles of the C interface.
#pragma once

#include <memory>

#include "model/device.h"
#include "model/memory.h"
#include "model/model.h"
#include "model/trainer.h"
#include "rmt/rmt.h"

// A handle is one reference: what is made from an object holds another, so that the order of destruction is free.
struct rmt_device {
  std::shared_ptr<const rmt::Device> object;
};
struct rmt_model {
  std::shared_ptr<rmt::Model> object;
};
struct rmt_memory {
  rmt::Memory object;
};
struct rmt_trainer {
  rmt::Trainer object;
};
