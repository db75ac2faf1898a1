#include "queue.h"

#include <algorithm>
#include <vector>

#include "state.h"

namespace rmt::emulation {

namespace {

Streams streams = Streams::kNow;

std::vector<std::weak_ptr<Queue>> &queues() {  // in the order in which they were made
  static auto *all = new std::vector<std::weak_ptr<Queue>>;
  return *all;
}

bool is_ready(const Queue &queue) {
  return !queue.items.empty() && (queue.items.front().operation != nullptr || queue.items.front().awaited.has_come());
}

void do_next(Queue &queue) {
  if (const Moment awaited = queue.items.front().awaited; !awaited.has_come()) bring(awaited);
  const Operation operation = std::move(queue.items.front().operation);
  queue.items.pop_front();
  if (operation != nullptr && state().broken == cudaSuccess) operation();
  ++queue.num_done;
}

// Lets all but one go on for as long as none of them has to wait.
void let_run_ahead(const Queue &all_but) {
  for (bool any = true; any;) {
    any = false;
    for (const std::weak_ptr<Queue> &weak : queues()) {
      const std::shared_ptr<Queue> queue = weak.lock();
      for (; queue != nullptr && queue.get() != &all_but && is_ready(*queue); any = true) do_next(*queue);
    }
  }
}

void add(const std::shared_ptr<Queue> &queue, Queue::Item item) {
  queue->items.push_back(std::move(item));
  ++queue->num_given;
  if (streams == Streams::kNow) bring(present(queue));
}

}  // namespace

bool Moment::has_come() const { return queue == nullptr || queue->num_done >= num_done; }

std::shared_ptr<Queue> make_queue() {
  auto queue = std::make_shared<Queue>();
  auto &all = queues();
  all.erase(std::remove_if(all.begin(), all.end(), [](const auto &weak) { return weak.expired(); }), all.end());
  all.push_back(queue);
  return queue;
}

Moment present(const std::shared_ptr<Queue> &queue) { return {queue, queue->num_given}; }

void give(const std::shared_ptr<Queue> &queue, Operation operation) { add(queue, {std::move(operation), {}}); }

void give_wait(const std::shared_ptr<Queue> &queue, const Moment &moment) { add(queue, {nullptr, moment}); }

void bring(const Moment &moment) {
  while (!moment.has_come()) {
    if (streams == Streams::kAhead) let_run_ahead(*moment.queue);
    do_next(*moment.queue);
  }
}

void bring_all() {
  for (const std::weak_ptr<Queue> &weak : std::vector<std::weak_ptr<Queue>>(queues())) {
    if (const std::shared_ptr<Queue> queue = weak.lock(); queue != nullptr) bring(present(queue));
  }
}

void set_streams(Streams new_streams) { streams = new_streams; }

}  // namespace rmt::emulation
