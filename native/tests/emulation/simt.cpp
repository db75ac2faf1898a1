#include "simt.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "cuda_device.h"
#include "fiber.h"

namespace rmt::emulation {

uint3 thread_index;
uint3 block_index;
dim3 block_size;
dim3 grid_size;

namespace {

constexpr unsigned kWarp = 32;
constexpr unsigned char kNaN = 0xff;

Order order = Order::kForward;
uint64_t random_state = 1;

uint64_t next_random() {  // SplitMix64
  uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint32_t bit(unsigned index) { return uint32_t{1} << index; }

// One of the bits of `set`, which is not empty.
unsigned pick(uint32_t set) {
  if (order == Order::kForward) return static_cast<unsigned>(__builtin_ctz(set));
  if (order == Order::kReverse) return 31u - static_cast<unsigned>(__builtin_clz(set));
  for (unsigned skip = static_cast<unsigned>(next_random() % static_cast<unsigned>(__builtin_popcount(set))); skip > 0;
       --skip) {
    set &= set - 1;
  }
  return static_cast<unsigned>(__builtin_ctz(set));
}

struct Thread {
  uint3 index;
  Fiber *fiber;  // null: has not begun, or has ended
  // What it waits for.
  Call call;
  const char *file;
  int line;
  unsigned mask;
  int source;
  uint64_t value;  // given, then received
};

struct Warp {
  uint32_t lanes;    // those there are
  uint32_t ready;    // can run
  uint32_t waiting;  // for other lanes
  uint32_t at_barrier;
  Thread threads[kWarp];
};

const char *name_of(Call call) {
  switch (call) {
    case Call::kSyncthreads:
      return "__syncthreads";
    case Call::kSyncwarp:
      return "__syncwarp";
    case Call::kShuffle:
      return "a shuffle";
    default:
      return "a vote";
  }
}

std::string show(const uint3 &index) {
  return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z) + ")";
}

// The kernel that runs.
struct Grid {
  const Launch *launch = nullptr;
  void *shared = nullptr;
  std::vector<Warp> warps;
  uint32_t ready_warps = 0;
  Warp *warp = nullptr;      // runs
  Thread *thread = nullptr;  // runs
  Fiber *host = nullptr;
  std::string error;
};
Grid grid;

std::vector<std::unique_ptr<Fiber>> fibers;  // all there are
std::vector<Fiber *> idle_fibers;            // would take a thread that has not begun

unsigned lane_of(const Thread &thread) { return static_cast<unsigned>(&thread - grid.warp->threads); }

std::string place(const Thread &thread) {
  const char *name = std::strrchr(thread.file, '/');
  return std::string(name_of(thread.call)) + " (" + (name == nullptr ? thread.file : name + 1) + ":" +
         std::to_string(thread.line) + ")";
}

std::string describe(const Warp &warp, unsigned lane) {
  const Thread &thread = warp.threads[lane];
  const std::string who = "thread " + show(thread.index);
  if ((warp.at_barrier | warp.waiting) & bit(lane)) return who + " waits at " + place(thread);
  return who + " has ended";
}

void fail(const std::string &text) {
  grid.error = "kernel " + grid.launch->name() + ", block " + show(block_index) + ": " + text;
}

// All warps stand still: at the barrier, or at their end. Says whether they may go on.
bool release_barrier() {
  const Warp *first = nullptr;
  unsigned first_lane = 0;
  for (const Warp &warp : grid.warps) {
    if (warp.at_barrier == 0) continue;
    first = &warp;
    first_lane = pick(warp.at_barrier);
    break;
  }
  if (first == nullptr) return false;  // the block has ended
  for (const Warp &warp : grid.warps) {
    for (unsigned lane = 0; lane < kWarp; ++lane) {
      if (!(warp.lanes & bit(lane))) continue;
      const Thread &thread = warp.threads[lane];
      const Thread &other = first->threads[first_lane];
      if ((warp.at_barrier & bit(lane)) && thread.line == other.line && std::strcmp(thread.file, other.file) == 0)
        continue;
      fail(describe(*first, first_lane) + ", " + describe(warp, lane));
      return false;
    }
  }
  for (Warp &warp : grid.warps) {
    warp.ready = warp.at_barrier;
    warp.at_barrier = 0;
    grid.ready_warps |= bit(static_cast<unsigned>(&warp - grid.warps.data()));
  }
  return true;
}

// Which thread runs next: null where the block has ended or failed.
Thread *choose() {
  while (grid.error.empty()) {
    if (grid.warp != nullptr) {
      if (grid.warp->ready != 0) return &grid.warp->threads[pick(grid.warp->ready)];
      if (grid.warp->waiting != 0) {
        const unsigned lane = pick(grid.warp->waiting);
        uint32_t missing = 0;
        for (unsigned other = 0; other < kWarp; ++other) {
          if (!(grid.warp->threads[lane].mask & bit(other))) continue;
          const bool here =
              (grid.warp->waiting & bit(other)) && grid.warp->threads[other].mask == grid.warp->threads[lane].mask;
          if (!here) missing |= bit(other);
        }
        fail(describe(*grid.warp, lane) + (missing == 0 ? "" : ", " + describe(*grid.warp, pick(missing))));
        return nullptr;
      }
      grid.ready_warps &= ~bit(static_cast<unsigned>(grid.warp - grid.warps.data()));
      grid.warp = nullptr;
    }
    if (grid.ready_warps == 0 && !release_barrier()) return nullptr;
    grid.warp = &grid.warps[pick(grid.ready_warps)];
  }
  return nullptr;
}

void run_thread();

void resume(Fiber &from, Thread *next) {
  if (next == nullptr) {
    from.switch_to(*grid.host);
    return;
  }
  grid.thread = next;
  thread_index = next->index;
  if (next->fiber == nullptr) {
    if (idle_fibers.empty()) {
      fibers.push_back(std::make_unique<Fiber>(&run_thread));
      idle_fibers.push_back(fibers.back().get());
    }
    next->fiber = idle_fibers.back();
    idle_fibers.pop_back();
  }
  if (next->fiber != &from) from.switch_to(*next->fiber);
}

// What a fiber does: one thread after another, from its beginning to its end.
void run_thread() {
  for (;;) {
    grid.launch->thread();
    Fiber *fiber = grid.thread->fiber;
    grid.thread->fiber = nullptr;
    grid.warp->ready &= ~bit(lane_of(*grid.thread));
    idle_fibers.push_back(fiber);
    resume(*fiber, choose());
  }
}

// The running thread waits; others run.
void wait() {
  grid.warp->ready &= ~bit(lane_of(*grid.thread));
  Fiber *fiber = grid.thread->fiber;
  resume(*fiber, choose());
}

// Behind fail(), which has left nothing on this stack that needs an end.
[[noreturn]] void stop() {
  grid.thread->fiber->switch_to(*grid.host);
  std::abort();
}
[[noreturn]] void stop(const Warp &warp, unsigned lane, const char *why) {
  fail(describe(warp, lane) + why);
  stop();
}

void begin_block(uint64_t block) {
  const dim3 &size = grid.launch->grid;
  block_index.x = static_cast<unsigned>(block % size.x);
  block_index.y = static_cast<unsigned>(block / size.x % size.y);
  block_index.z = static_cast<unsigned>(block / size.x / size.y);
  std::memset(grid.shared, kNaN, grid.launch->shared_bytes);
  grid.ready_warps = 0;
  for (Warp &warp : grid.warps) {
    warp.ready = warp.lanes;
    warp.waiting = warp.at_barrier = 0;
    grid.ready_warps |= bit(static_cast<unsigned>(&warp - grid.warps.data()));
  }
  grid.warp = nullptr;
}

void make_threads() {
  const dim3 &size = grid.launch->block;
  const unsigned count = size.x * size.y * size.z;
  grid.warps.assign((count + kWarp - 1) / kWarp, Warp());
  for (unsigned i = 0; i < count; ++i) {
    Warp &warp = grid.warps[i / kWarp];
    warp.lanes |= bit(i % kWarp);
    warp.threads[i % kWarp].index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
  }
}

}  // namespace

void set_order(Order new_order, uint64_t seed) {
  order = new_order;
  random_state = seed;
}

void *shared_memory() { return grid.shared; }

int lane() { return static_cast<int>(lane_of(*grid.thread)); }

void sync_block(const char *file, int line) {
  Thread &self = *grid.thread;
  self.call = Call::kSyncthreads;
  self.file = file;
  self.line = line;
  grid.warp->at_barrier |= bit(lane_of(self));
  wait();
}

uint64_t sync_lanes(Call call, unsigned mask, uint64_t value, int source, const char *file, int line) {
  Warp &warp = *grid.warp;
  Thread &self = *grid.thread;
  const unsigned own = lane_of(self);
  self.call = call;
  self.file = file;
  self.line = line;
  self.mask = mask;
  self.source = source;
  self.value = value;
  warp.waiting |= bit(own);
  if (!(mask & bit(own))) stop(warp, own, " with a mask that lacks its own lane");
  if (mask & ~warp.lanes) stop(warp, own, " with a mask of lanes that the block does not have");

  bool complete = (warp.waiting & mask) == mask;
  if (complete) {
    for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
      const auto other = static_cast<unsigned>(__builtin_ctz(rest));
      const Thread &thread = warp.threads[other];
      if (thread.mask != mask) {
        complete = false;
        break;
      }
      if (thread.call != call || thread.line != line || std::strcmp(thread.file, file) != 0) {
        fail(describe(warp, own) + ", " + describe(warp, other));
        stop();
      }
    }
  }
  if (!complete) {
    wait();
    return self.value;
  }

  uint64_t received[kWarp];
  uint64_t votes = 0;
  for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
    const auto other = static_cast<unsigned>(__builtin_ctz(rest));
    const Thread &thread = warp.threads[other];
    if (call == Call::kVote) votes |= (thread.value & 1) << other;
    if (call != Call::kShuffle) continue;
    if (thread.source < 0 || thread.source >= static_cast<int>(kWarp) ||
        !(mask & bit(static_cast<unsigned>(thread.source)))) {
      stop(warp, other, " and reads a lane that is not in the mask");
    }
    received[other] = warp.threads[thread.source].value;
  }
  for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
    const auto other = static_cast<unsigned>(__builtin_ctz(rest));
    warp.threads[other].value = call == Call::kShuffle ? received[other] : votes;
  }
  warp.ready |= mask;
  warp.waiting &= ~mask;
  return self.value;
}

std::string Launch::name() const {
  const std::string text = kernel;
  return text.size() > 2 && text.front() == '(' ? text.substr(1, text.size() - 2) : text;
}

std::string run_blocks(const Launch &launch) {
  Fiber host;
  grid.launch = &launch;
  grid.host = &host;
  grid.error.clear();
  block_size = launch.block;
  grid_size = launch.grid;
  make_threads();
  const std::unique_ptr<void, decltype(&std::free)> shared(std::malloc(launch.shared_bytes), &std::free);
  grid.shared = shared.get();

  const uint64_t count = uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
  std::vector<uint64_t> shuffled;
  if (order == Order::kRandom) {
    for (uint64_t i = 0; i < count; ++i) shuffled.push_back(i);
    for (uint64_t i = count; i > 1; --i) std::swap(shuffled[i - 1], shuffled[next_random() % i]);
  }
  for (uint64_t i = 0; i < count && grid.error.empty(); ++i) {
    begin_block(order == Order::kForward ? i : order == Order::kReverse ? count - 1 - i : shuffled[i]);
    if (Thread *first = choose()) resume(host, first);
  }
  if (!grid.error.empty()) {  // the fibers stand somewhere in the kernel
    idle_fibers.clear();
    fibers.clear();
  }
  return grid.error;
}

}  // namespace rmt::emulation
