// queue.h - what streams have been given to do, and when it is done: see Streams in emulation.h.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "host_types.h"

namespace rmt::emulation {

using Operation = std::function<cudaError_t()>;

struct Queue;

// When all that a stream had been given so far is done. One without a queue has come.
struct Moment {
  std::shared_ptr<Queue> queue;
  uint64_t num_done = 0;

  bool has_come() const;
};

struct Queue {
  struct Item {
    Operation operation;  // empty: wait for the moment
    Moment awaited;
  };
  std::deque<Item> items;
  uint64_t num_given = 0;
  uint64_t num_done = 0;
};

std::shared_ptr<Queue> make_queue();
// Everything that the queue has been given.
Moment present(const std::shared_ptr<Queue> &queue);
void give(const std::shared_ptr<Queue> &queue, Operation operation);
void give_wait(const std::shared_ptr<Queue> &queue, const Moment &moment);
// Does what has to be done for it to come. What is left undone after an error of the device counts as done.
void bring(const Moment &moment);
// Does everything.
void bring_all();

}  // namespace rmt::emulation
