// Tests of the emulation's host calls: errors, memory, streams and graphs are as on a GPU, and misuse shows.

#include <functional>

#include "emulation_fixture.h"

namespace {

using rmt::emulation::last_error_text;
using test::Fresh;
using test::make_believe;
using test::Stream;

__global__ void part_at_barrier(int part) {
  if (static_cast<int>(threadIdx.x) < part) __syncthreads();
}
__global__ void add_to(float value, float *out) { out[0] += value; }
__global__ void add_from(const float *value, float *out) { out[0] += value[0]; }

}  // namespace

TEST("an error in a kernel stays, whoever asks, and the next kernel does not run") {
  const Fresh fresh;
  test::DeviceBuffer<float> out(std::vector<float>{0.0f});
  RMT_LAUNCH(part_at_barrier, 1, 64, 0, nullptr, 48);
  CHECK_EQUAL(cudaGetLastError(), cudaErrorLaunchFailure);
  CHECK_EQUAL(cudaGetLastError(), cudaErrorLaunchFailure);
  RMT_LAUNCH(add_to, 1, 1, 0, nullptr, 1.0f, out.data());
  CHECK_EQUAL(cudaStreamSynchronize(nullptr), cudaErrorLaunchFailure);
  void *memory = nullptr;
  CHECK_EQUAL(cudaMalloc(&memory, 4), cudaErrorLaunchFailure);
  rmt::emulation::reset();
  CHECK_EQUAL(out.download()[0], 0.0f);
}

TEST("a launch that no GPU takes is refused and does not stay") {
  const Fresh fresh;
  test::DeviceBuffer<float> out(std::vector<float>{0.0f});
  RMT_LAUNCH(add_to, 1, 1025, 0, nullptr, 1.0f, out.data());
  CHECK_EQUAL(cudaGetLastError(), cudaErrorInvalidConfiguration);
  CHECK_CONTAINS(last_error_text(), "kernel add_to has blocks of more than 1024 threads");
  RMT_LAUNCH(add_to, 0, 1, 0, nullptr, 1.0f, out.data());
  CHECK_EQUAL(cudaGetLastError(), cudaErrorInvalidConfiguration);
  RMT_LAUNCH(add_to, 1, 1, (48 << 10) + 1, nullptr, 1.0f, out.data());
  CHECK_EQUAL(cudaGetLastError(), cudaErrorInvalidValue);
  RMT_LAUNCH(add_to, 1, 1, 48 << 10, nullptr, 1.0f, out.data());
  CHECK_EQUAL(cudaGetLastError(), cudaSuccess);
  CHECK_EQUAL(out.download()[0], 1.0f);
}

TEST("a kernel that is given memory of the host, or none any more, is an error") {
  const Fresh fresh;
  float value = 0.0f;
  RMT_LAUNCH(add_to, 1, 1, 0, nullptr, 1.0f, &value);
  CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  CHECK_CONTAINS(last_error_text(), "kernel add_to: pointer 1 of its arguments");
  CHECK_EQUAL(value, 0.0f);
  rmt::emulation::reset();
  float *freed = nullptr;
  CHECK_CUDA(cudaMalloc(&freed, sizeof(float)));
  CHECK_CUDA(cudaFree(freed));
  RMT_LAUNCH(add_to, 1, 1, 0, nullptr, 1.0f, freed);
  CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
}

TEST("a graph does what was captured, with the arguments of then, each time it is launched") {
  const Fresh fresh;
  const Stream stream;
  test::DeviceBuffer<float> out(std::vector<float>{0.0f});
  float given = 5.0f;
  float result = 0.0f;
  float step = 1.0f;
  CHECK_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  CHECK_CUDA(cudaMemcpyAsync(out.data(), &given, sizeof(float), cudaMemcpyHostToDevice, stream));
  RMT_LAUNCH(add_to, 1, 1, 0, stream, step, out.data());
  CHECK_CUDA(cudaMemcpyAsync(&result, out.data(), sizeof(float), cudaMemcpyDeviceToHost, stream));
  cudaGraph_t graph = nullptr;
  CHECK_CUDA(cudaStreamEndCapture(stream, &graph));
  size_t nodes = 0;
  CHECK_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
  CHECK_EQUAL(nodes, 3u);
  CHECK_EQUAL(out.download()[0], 0.0f);  // nothing has run

  cudaGraphExec_t exec = nullptr;
  CHECK_CUDA(cudaGraphInstantiateWithFlags(&exec, graph, 0));
  CHECK_CUDA(cudaGraphDestroy(graph));
  step = 100.0f;  // the launch took the old one
  for (const float start : {5.0f, 7.0f}) {
    given = start;  // a copy reads when it runs
    CHECK_CUDA(cudaGraphLaunch(exec, stream));
    CHECK_CUDA(cudaStreamSynchronize(stream));
    CHECK_EQUAL(result, start + 1.0f);
  }
  CHECK_CUDA(cudaGraphExecDestroy(exec));
}

TEST("a second stream that waits for an event of a capture joins it") {
  const Fresh fresh;
  const Stream first;
  const Stream second;
  test::DeviceBuffer<float> out(std::vector<float>{0.0f});
  cudaEvent_t event = nullptr;
  CHECK_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  CHECK_CUDA(cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal));
  CHECK_CUDA(cudaEventRecord(event, first));
  CHECK_CUDA(cudaStreamWaitEvent(second, event, 0));
  RMT_LAUNCH(add_to, 1, 1, 0, second, 1.0f, out.data());
  CHECK_CUDA(cudaEventRecord(event, second));
  CHECK_CUDA(cudaStreamWaitEvent(first, event, 0));
  cudaGraph_t graph = nullptr;
  CHECK_CUDA(cudaStreamEndCapture(first, &graph));
  size_t nodes = 0;
  CHECK_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
  CHECK_EQUAL(nodes, 1u);
  CHECK_CUDA(cudaGraphDestroy(graph));
  CHECK_CUDA(cudaStreamSynchronize(second));  // is not captured any more
  CHECK_CUDA(cudaEventDestroy(event));
}

TEST("what waits or allocates while a stream is captured is refused, and spoils the capture") {
  const Fresh fresh;
  const Stream stream;
  test::DeviceBuffer<float> out(1);
  void *memory = nullptr;
  const auto spoils = [&](const std::function<cudaError_t()> &call, cudaError_t expected) {
    CHECK_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    CHECK_EQUAL(call(), expected);
    cudaGraph_t graph = nullptr;
    CHECK_EQUAL(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    CHECK(graph == nullptr);
  };
  spoils([&] { return cudaStreamSynchronize(stream); }, cudaErrorStreamCaptureUnsupported);
  spoils([&] { return cudaStreamQuery(stream); }, cudaErrorStreamCaptureUnsupported);
  spoils([&] { return cudaDeviceSynchronize(); }, cudaErrorStreamCaptureUnsupported);
  spoils([&] { return cudaMalloc(&memory, 4); }, cudaErrorStreamCaptureUnsupported);
  spoils([&] { return cudaMemset(out.data(), 0, 4); }, cudaErrorStreamCaptureUnsupported);
  RMT_LAUNCH(add_to, 1, 1, 0, stream, 1.0f, out.data());
  CHECK_CUDA(cudaStreamSynchronize(stream));  // and the stream can be used again
}

TEST("streams that are late show a result that nobody waited for") {
  const Fresh fresh;
  make_believe("RMT_EMULATED_STREAMS", "late");
  const Stream stream;
  test::DeviceBuffer<float> out(std::vector<float>{1.0f});
  float result = 0.0f;
  RMT_LAUNCH(add_to, 1, 1, 0, stream, 2.0f, out.data());
  CHECK_CUDA(cudaMemcpyAsync(&result, out.data(), sizeof(float), cudaMemcpyDeviceToHost, stream));
  CHECK_EQUAL(result, 0.0f);
  CHECK_CUDA(cudaStreamSynchronize(stream));
  CHECK_EQUAL(result, 3.0f);
  RMT_LAUNCH(part_at_barrier, 1, 64, 0, stream, 48);
  CHECK_EQUAL(cudaGetLastError(), cudaSuccess);
  CHECK_EQUAL(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
}

TEST("memory of the host that is not pinned may be used again behind a copy to the device") {
  const Fresh fresh;
  make_believe("RMT_EMULATED_STREAMS", "late");
  const Stream stream;
  test::DeviceBuffer<float> out(1);
  float *pinned = nullptr;
  CHECK_CUDA(cudaMallocHost(&pinned, sizeof(float)));
  float usual = 1.0f;
  CHECK_CUDA(cudaMemcpyAsync(out.data(), &usual, sizeof(float), cudaMemcpyHostToDevice, stream));
  usual = 2.0f;
  CHECK_EQUAL(out.download()[0], 1.0f);
  *pinned = 1.0f;
  CHECK_CUDA(cudaMemcpyAsync(out.data(), pinned, sizeof(float), cudaMemcpyHostToDevice, stream));
  *pinned = 2.0f;
  CHECK_EQUAL(out.download()[0], 2.0f);
  CHECK_CUDA(cudaFreeHost(pinned));
}

// Powers of two go over in two buffers by turns, each of which a kernel on another stream adds up. Who leaves out a
// wait?
float sum_through_two_buffers(const char *streams, bool kernel_waits, bool copy_waits) {
  make_believe("RMT_EMULATED_STREAMS", streams);
  const Stream copying;
  const Stream adding;
  float *host = nullptr;
  CHECK_CUDA(cudaMallocHost(&host, 6 * sizeof(float)));
  test::DeviceBuffer<float> buffers(2);
  test::DeviceBuffer<float> sum(std::vector<float>{0.0f});
  cudaEvent_t copied[2];
  cudaEvent_t added[2];
  for (cudaEvent_t *event : {&copied[0], &copied[1], &added[0], &added[1]}) CHECK_CUDA(cudaEventCreate(event));
  for (int i = 0; i < 6; ++i) {
    const int turn = i % 2;
    float *buffer = buffers.data() + turn;
    host[i] = static_cast<float>(1 << i);
    if (copy_waits) CHECK_CUDA(cudaStreamWaitEvent(copying, added[turn], 0));
    CHECK_CUDA(cudaMemcpyAsync(buffer, host + i, sizeof(float), cudaMemcpyHostToDevice, copying));
    CHECK_CUDA(cudaEventRecord(copied[turn], copying));
    if (kernel_waits) CHECK_CUDA(cudaStreamWaitEvent(adding, copied[turn], 0));
    RMT_LAUNCH(add_from, 1, 1, 0, adding, buffer, sum.data());
    CHECK_CUDA(cudaEventRecord(added[turn], adding));
  }
  CHECK_CUDA(cudaStreamSynchronize(adding));
  const float result = sum.download()[0];
  for (cudaEvent_t event : {copied[0], copied[1], added[0], added[1]}) CHECK_CUDA(cudaEventDestroy(event));
  CHECK_CUDA(cudaFreeHost(host));
  return result;
}

TEST("a kernel that does not wait for a copy, and a copy that does not wait for a kernel, show") {
  const Fresh fresh;
  for (const char *streams : {"now", "late", "ahead"}) {
    CHECK_EQUAL(sum_through_two_buffers(streams, true, true), 63.0f);
  }
  CHECK_EQUAL(sum_through_two_buffers("now", false, false), 63.0f);
  CHECK(std::isnan(sum_through_two_buffers("late", false, true)));
  CHECK_EQUAL(sum_through_two_buffers("ahead", true, false), 3 * 16.0f + 3 * 32.0f);
}

TEST("the legacy stream and the usual ones wait for each other, streams kept apart do not") {
  const Fresh fresh;
  make_believe("RMT_EMULATED_STREAMS", "late");
  cudaStream_t usual = nullptr;
  CHECK_CUDA(cudaStreamCreate(&usual));
  const Stream apart;
  test::DeviceBuffer<float> out(std::vector<float>{0.0f, 0.0f});
  float result = 0.0f;
  RMT_LAUNCH(add_to, 1, 1, 0, usual, 1.0f, out.data());
  RMT_LAUNCH(add_to, 1, 1, 0, nullptr, 2.0f, out.data());
  RMT_LAUNCH(add_to, 1, 1, 0, apart, 4.0f, out.data() + 1);
  CHECK_CUDA(cudaMemcpyAsync(&result, out.data(), sizeof(float), cudaMemcpyDeviceToHost, usual));
  CHECK_CUDA(cudaStreamSynchronize(usual));
  CHECK_EQUAL(result, 3.0f);
  CHECK_CUDA(cudaMemcpyAsync(&result, out.data() + 1, sizeof(float), cudaMemcpyDeviceToHost, usual));
  CHECK_CUDA(cudaStreamSynchronize(usual));
  CHECK_EQUAL(result, 0.0f);
  CHECK_CUDA(cudaStreamDestroy(usual));
}

TEST("device memory begins as NaN, and is counted to the byte") {
  const Fresh fresh;
  make_believe("RMT_EMULATED_MEMORY", "1000");
  size_t free_bytes = 0;
  size_t total_bytes = 0;
  float *memory = nullptr;
  CHECK_CUDA(cudaMalloc(&memory, 600));
  CHECK_CUDA(cudaMemGetInfo(&free_bytes, &total_bytes));
  CHECK_EQUAL(free_bytes, 400u);
  CHECK_EQUAL(total_bytes, 1000u);
  float value = 0.0f;
  CHECK_CUDA(cudaMemcpy(&value, memory, sizeof(value), cudaMemcpyDeviceToHost));
  CHECK(std::isnan(value));
  void *more = nullptr;
  CHECK_EQUAL(cudaMalloc(&more, 401), cudaErrorMemoryAllocation);
  CHECK(more == nullptr);
  CHECK_EQUAL(cudaGetLastError(), cudaErrorMemoryAllocation);
  CHECK_EQUAL(cudaGetLastError(), cudaSuccess);
  CHECK_CUDA(cudaMalloc(&more, 400));
  CHECK_CUDA(cudaFree(more));
  CHECK_CUDA(cudaFree(memory));
  CHECK_EQUAL(cudaFree(memory), cudaErrorInvalidValue);
  CHECK_CUDA(cudaMemGetInfo(&free_bytes, &total_bytes));
  CHECK_EQUAL(free_bytes, 1000u);
}

TEST("a copy beyond its memory or in the wrong direction is refused") {
  const Fresh fresh;
  test::DeviceBuffer<float> device(4);
  std::vector<float> host(5);
  CHECK_EQUAL(cudaMemcpy(device.data(), host.data(), 20, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMemcpy(device.data(), host.data(), 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMemcpyAsync(device.data() + 1, host.data(), 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  CHECK_EQUAL(cudaMemsetAsync(device.data(), 0, 17), cudaErrorInvalidValue);
}

TEST("no driver, an old one, no device and an old device are what they are on a real machine") {
  const Fresh fresh;
  int count = -1;
  int version = -1;
  make_believe("RMT_EMULATED_DRIVER", "none");
  CHECK_EQUAL(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  CHECK_EQUAL(count, 0);
  CHECK_EQUAL(cudaDriverGetVersion(&version), cudaSuccess);
  CHECK_EQUAL(version, 0);
  make_believe("RMT_EMULATED_DRIVER", "11040");
  CHECK_EQUAL(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  CHECK_EQUAL(cudaDriverGetVersion(&version), cudaSuccess);
  CHECK_EQUAL(version, 11040);
  unsetenv("RMT_EMULATED_DRIVER");
  make_believe("RMT_EMULATED_DEVICES", "0");
  CHECK_EQUAL(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  make_believe("RMT_EMULATED_DEVICES", "2");
  CHECK_CUDA(cudaGetDeviceCount(&count));
  CHECK_EQUAL(count, 2);
  CHECK_EQUAL(cudaSetDevice(2), cudaErrorInvalidDevice);
  make_believe("RMT_EMULATED_CAPABILITY", "5.2");
  cudaDeviceProp properties;
  CHECK_CUDA(cudaGetDeviceProperties(&properties, 1));
  CHECK_EQUAL(properties.major * 10 + properties.minor, 52);
  test::DeviceBuffer<float> out(1);
  RMT_LAUNCH(add_to, 1, 1, 0, nullptr, 1.0f, out.data());
  CHECK_EQUAL(cudaDeviceSynchronize(), cudaErrorNoKernelImageForDevice);
}

RMT_TEST_MAIN()
