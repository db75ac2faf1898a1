// stream.cpp - streams, events and graphs. What a stream is given waits in its queue (queue.h). The graph of a stream
// that is being captured takes it with its arguments, and a launch of the graph is the work.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "queue.h"
#include "simt.h"
#include "state.h"

using namespace rmt::emulation;

namespace {

struct Capture {
  CUstream_st *origin;
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  bool spoiled = false;
  std::vector<Operation> operations;
};

}  // namespace

struct CUstream_st {
  unsigned flags = cudaStreamDefault;
  std::shared_ptr<Capture> capture;  // null: none
  std::shared_ptr<Queue> queue = make_queue();
};
struct CUevent_st {
  unsigned flags = cudaEventDefault;
  bool recorded = false;
  std::chrono::steady_clock::time_point time;
  std::shared_ptr<Capture> capture;  // in which it was recorded last; null: none
  Moment moment;                     // when it comes, where it was not recorded in a capture
};
struct CUgraph_st {
  std::shared_ptr<const std::vector<Operation>> operations;
};
struct CUgraphExec_st {
  std::shared_ptr<const std::vector<Operation>> operations;
};

namespace {

std::vector<CUstream_st *> &streams() {  // that were created
  static auto *all = new std::vector<CUstream_st *>;
  return *all;
}

CUstream_st &legacy_stream() {
  static auto *const legacy = new CUstream_st;
  return *legacy;
}

// The stream behind a handle; null where there is none.
CUstream_st *stream_of(cudaStream_t handle) {
  if (handle == nullptr) return &legacy_stream();
  return std::find(streams().begin(), streams().end(), handle) == streams().end() ? nullptr : handle;
}

bool is_blocking(const CUstream_st &stream) { return (stream.flags & cudaStreamNonBlocking) == 0; }

int64_t graph_launches = 0;
int64_t graphs = 0;

cudaError_t run(const std::vector<Operation> &operations) {
  for (const Operation &operation : operations) {
    if (const cudaError_t error = operation(); error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

// Does the operation, or gives it to the graph that the stream is captured into. An error of the operation itself is
// one of the device: it shows in later calls, not in this one.
cudaError_t submit(cudaStream_t handle, Operation operation) {
  CUstream_st *stream = stream_of(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (stream->capture != nullptr) {
    if (stream->capture->spoiled) return cudaErrorStreamCaptureInvalidated;
    stream->capture->operations.push_back(std::move(operation));
    return cudaSuccess;
  }
  // The legacy stream and those that are not kept apart from it wait for each other.
  if (handle == nullptr) {
    for (CUstream_st *other : streams()) {
      if (!is_blocking(*other)) continue;
      if (other->capture != nullptr) {
        other->capture->spoiled = true;
        return cudaErrorStreamCaptureImplicit;
      }
      give_wait(stream->queue, present(other->queue));
    }
  } else if (is_blocking(*stream)) {
    give_wait(stream->queue, present(legacy_stream().queue));
  }
  give(stream->queue, std::move(operation));
  return cudaSuccess;
}

cudaError_t run_kernel(const Launch &launch) {
  const std::string name = launch.name();
  if (state().capability < 61 || state().capability >= 200) {
    return fail_device(cudaErrorNoKernelImageForDevice, "kernel " + name + " is not made for this device");
  }
  for (size_t i = 0; i < launch.addresses.size(); ++i) {
    const void *address = launch.addresses[i];
    if (address == nullptr || find(state().device_memory, address, 0) != nullptr ||
        find(state().pinned_memory, address, 0) != nullptr) {
      continue;
    }
    return fail_device(cudaErrorIllegalAddress, "kernel " + name + ": pointer " + std::to_string(i + 1) +
                                                    " of its arguments is not to memory of the device");
  }
  const std::string error = run_blocks(launch);
  return error.empty() ? cudaSuccess : fail_device(cudaErrorLaunchFailure, error);
}

// What a GPU refuses at the launch.
struct Refusal {
  cudaError_t error;
  const char *why;
};
Refusal refusal(const Launch &launch) {
  const dim3 &grid = launch.grid;
  const dim3 &block = launch.block;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || block.x == 0 || block.y == 0 || block.z == 0) {
    return {cudaErrorInvalidConfiguration, "is empty"};
  }
  if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    return {cudaErrorInvalidConfiguration, "has too large a grid"};
  }
  if (block.x > 1024 || block.y > 1024 || block.z > 64 || uint64_t{block.x} * block.y * block.z > 1024) {
    return {cudaErrorInvalidConfiguration, "has blocks of more than 1024 threads"};
  }
  if (launch.shared_bytes > size_t{48} << 10)
    return {cudaErrorInvalidValue, "asks for more than 48 KB of shared memory"};
  return {cudaSuccess, nullptr};
}

}  // namespace

namespace rmt::emulation {

bool spoils_capture() {
  bool spoiled = false;
  for (CUstream_st *stream : streams()) {
    Capture *capture = stream->capture.get();
    if (capture == nullptr || capture->mode == cudaStreamCaptureModeRelaxed) continue;
    if (capture->mode == cudaStreamCaptureModeThreadLocal && capture->thread != std::this_thread::get_id()) continue;
    capture->spoiled = spoiled = true;
  }
  return spoiled;
}

cudaError_t finish() {
  bring_all();
  return state().broken;
}

int64_t num_graph_launches() {
  const std::lock_guard<std::mutex> lock(state().mutex);
  return graph_launches;
}

int64_t num_graphs() {
  const std::lock_guard<std::mutex> lock(state().mutex);
  return graphs;
}

void enqueue(cudaStream_t handle, Launch launch) {
  call([&] {
    const Refusal refused = refusal(launch);
    if (refused.error == cudaSuccess) {
      return submit(handle, [launch = std::move(launch)] { return run_kernel(launch); });
    }
    state().error_text = "the launch of kernel " + launch.name() + " " + refused.why;
    CUstream_st *stream = stream_of(handle);
    if (stream != nullptr && stream->capture != nullptr) stream->capture->spoiled = true;
    return refused.error;
  });
}

}  // namespace rmt::emulation

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  return call([&] {
    *stream = new CUstream_st;
    (*stream)->flags = flags;
    streams().push_back(*stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreate(cudaStream_t *stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  if (handle == nullptr || stream_of(handle) == nullptr) return remember(cudaErrorInvalidResourceHandle);
  bring(present(handle->queue));
  streams().erase(std::find(streams().begin(), streams().end(), handle));
  delete handle;
  return remember(usable());
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call([&] {
    CUstream_st *stream = stream_of(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (stream->capture != nullptr) {
      stream->capture->spoiled = true;
      return cudaErrorStreamCaptureUnsupported;
    }
    bring(present(stream->queue));
    return state().broken;
  });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) { return cudaStreamSynchronize(handle); }

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return call([&] {
    if (const cudaError_t error = check_copy(to, from, bytes, kind); error != cudaSuccess) return error;
    const CUstream_st *on = stream_of(stream);
    const bool captured = on != nullptr && on->capture != nullptr;
    if (kind == cudaMemcpyHostToDevice && !captured && find(state().pinned_memory, from, bytes) == nullptr) {
      // Memory that is not pinned is read before the call returns.
      const auto *begin = static_cast<const char *>(from);
      return submit(stream, [to, kept = std::vector<char>(begin, begin + bytes)] {
        if (kept.empty()) return cudaSuccess;
        if (find(state().device_memory, to, kept.size()) == nullptr) {
          return fail_device(cudaErrorIllegalAddress, "a copy uses memory that has been freed");
        }
        std::memcpy(to, kept.data(), kept.size());
        return cudaSuccess;
      });
    }
    return submit(stream, [=] {
      if (check_copy(to, from, bytes, kind) != cudaSuccess) {
        return fail_device(cudaErrorIllegalAddress, "a copy uses memory that has been freed");
      }
      if (bytes > 0) std::memcpy(to, from, bytes);
      return cudaSuccess;
    });
  });
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream) {
  return call([&] {
    if (bytes > 0 && find(state().device_memory, memory, bytes) == nullptr) return cudaErrorInvalidValue;
    return submit(stream, [=] {
      if (bytes == 0) return cudaSuccess;
      if (find(state().device_memory, memory, bytes) == nullptr) {
        return fail_device(cudaErrorIllegalAddress, "a memset uses memory that has been freed");
      }
      std::memset(memory, value, bytes);
      return cudaSuccess;
    });
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void *), void *argument) {
  return call([&] {
    return submit(stream, [=] {
      function(argument);
      return cudaSuccess;
    });
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  return call([&] {
    *event = new CUevent_st;
    (*event)->flags = flags;
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  if (event == nullptr) return remember(cudaErrorInvalidResourceHandle);
  delete event;
  return remember(usable());
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return call([&] {
    CUstream_st *stream = stream_of(handle);
    if (stream == nullptr || event == nullptr) return cudaErrorInvalidResourceHandle;
    event->capture = stream->capture;
    event->recorded = true;
    event->moment = stream->capture == nullptr ? present(stream->queue) : Moment{};
    event->time = std::chrono::steady_clock::now();
    return cudaSuccess;
  });
}

// A stream that waits for an event of a capture joins it: its work goes to the same graph, behind what is there.
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  return call([&] {
    CUstream_st *stream = stream_of(handle);
    if (stream == nullptr || event == nullptr) return cudaErrorInvalidResourceHandle;
    if (!event->recorded) return cudaSuccess;
    if (event->capture == stream->capture) {
      if (stream->capture == nullptr) give_wait(stream->queue, event->moment);
      return cudaSuccess;
    }
    if (stream->capture != nullptr) {
      stream->capture->spoiled = true;
      return event->capture == nullptr ? cudaErrorStreamCaptureIsolation : cudaErrorStreamCaptureMerge;
    }
    if (handle == nullptr) return cudaErrorStreamCaptureImplicit;
    stream->capture = event->capture;
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call([&] {
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    if (event->capture != nullptr) {
      event->capture->spoiled = true;
      return cudaErrorCapturedEvent;
    }
    bring(event->moment);
    return state().broken;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  return call([&] {
    if (begin == nullptr || end == nullptr || !begin->recorded || !end->recorded) return cudaErrorInvalidResourceHandle;
    if ((begin->flags | end->flags) & cudaEventDisableTiming) return cudaErrorInvalidResourceHandle;
    *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call([&] {
    CUstream_st *stream = stream_of(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (handle == nullptr) return cudaErrorStreamCaptureUnsupported;
    if (stream->capture != nullptr) return cudaErrorInvalidValue;
    stream->capture = std::make_shared<Capture>();
    stream->capture->origin = stream;
    stream->capture->mode = mode;
    stream->capture->thread = std::this_thread::get_id();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph) {
  return call([&] {
    *graph = nullptr;
    CUstream_st *stream = stream_of(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    const std::shared_ptr<Capture> capture = stream->capture;
    if (capture == nullptr) return cudaErrorInvalidValue;
    if (capture->origin != stream) return cudaErrorStreamCaptureUnmatched;
    if (capture->mode != cudaStreamCaptureModeRelaxed && capture->thread != std::this_thread::get_id()) {
      return cudaErrorStreamCaptureWrongThread;
    }
    for (CUstream_st *other : streams()) {
      if (other->capture == capture) other->capture = nullptr;
    }
    if (capture->spoiled) return cudaErrorStreamCaptureInvalidated;
    *graph = new CUgraph_st{std::make_shared<const std::vector<Operation>>(std::move(capture->operations))};
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus *status) {
  return call([&] {
    CUstream_st *stream = stream_of(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    *status = stream->capture == nullptr ? cudaStreamCaptureStatusNone
              : stream->capture->spoiled ? cudaStreamCaptureStatusInvalidated
                                         : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
  return call([&] {
    if (graph == nullptr || nodes != nullptr) return cudaErrorInvalidValue;
    *count = graph->operations->size();
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long) {
  return call([&] {
    *exec = nullptr;
    if (graph == nullptr) return cudaErrorInvalidValue;
    *exec = new CUgraphExec_st{graph->operations};
    ++graphs;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags) {
  return cudaGraphInstantiateWithFlags(exec, graph, flags);
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
  return call(
      [&] { return exec == nullptr || stream_of(stream) == nullptr ? cudaErrorInvalidResourceHandle : cudaSuccess; });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return call([&] {
    if (exec == nullptr) return cudaErrorInvalidValue;
    ++graph_launches;
    return submit(stream, [operations = exec->operations] { return run(*operations); });
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  if (exec == nullptr) return remember(cudaErrorInvalidResourceHandle);
  delete exec;
  --graphs;
  return remember(usable());
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const std::lock_guard<std::mutex> lock(state().mutex);
  delete graph;
  return remember(usable());
}
