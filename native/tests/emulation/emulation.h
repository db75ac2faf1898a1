// emulation.h - what there is of the emulation beside NVIDIA's own names: how kernels are started
// (kernels/cuda/launch.h), what tests may choose, and what went wrong in words.
//
// One block runs at a time, its threads as fibers of one thread of the host. The schedule is warp-greedy: the lanes of
// a warp run, one after another, until all of them wait for the block or have ended, and only then the next warp. That
// is as far apart as warps can get, so a barrier that is missing between them shows at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "host_types.h"

namespace rmt::emulation {

// In which order blocks, the warps of a block and the lanes of a warp run. The environment variable
// RMT_EMULATED_ORDER: forward, reverse, random or random:SEED.
enum class Order { kForward, kReverse, kRandom };
void set_order(Order order, uint64_t seed = 1);

// When streams do what they are given. The environment variable RMT_EMULATED_STREAMS: now, late or ahead.
enum class Streams {
  kNow,    // at once
  kLate,   // when somebody waits for it, and no more than that needs: who reads without having waited reads too early
  kAhead,  // the same, but all other streams first go on until an event stops them: who overwrites without having
           // waited does so too early
};
void set_streams(Streams streams);

// How often graphs have been launched, and how many there are that could be.
int64_t num_graph_launches();
int64_t num_graphs();

// What went wrong in a kernel or a launch, last; empty: nothing.
std::string last_error_text();
// Forgets an error in a kernel, which on a GPU would last until the process ends. Memory stays.
void reset();
// Reads the environment again: see RMT_EMULATED_* in device.cpp.
void read_environment();

// ---- for cublas.cpp of rmt ----

void *cublas_library();
void *cublas_symbol(void *library, const char *name);

// ---- for launch.h ----

struct Launch {
  const char *kernel;  // as it was written, in parentheses perhaps
  dim3 grid;
  dim3 block;
  size_t shared_bytes;
  std::function<void()> thread;         // what a thread does
  std::vector<const void *> addresses;  // arguments that are pointers

  std::string name() const;
};
void enqueue(cudaStream_t stream, Launch launch);

template <typename Argument>
void add_address(std::vector<const void *> &addresses, const Argument &argument) {
  if constexpr (std::is_pointer_v<Argument>) addresses.push_back(argument);
}

// The arguments are converted to the parameters' types and copied here, as on a GPU: a graph replays these values.
template <typename... Parameters, typename... Arguments>
void launch(const char *name, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
            void (*kernel)(Parameters...), Arguments &&...arguments) {
  std::tuple<Parameters...> values(std::forward<Arguments>(arguments)...);
  std::vector<const void *> addresses;
  std::apply([&](const auto &...value) { (add_address(addresses, value), ...); }, values);
  enqueue(stream, Launch{name, grid, block, shared_bytes, [kernel, values] { std::apply(kernel, values); },
                         std::move(addresses)});
}

// The block's shared memory: exactly the bytes of the launch.
void *shared_memory();

}  // namespace rmt::emulation
