// The host's side of the emulated CUDA runtime: memory, lazy streams, events, graphs, errors on
// demand.
#include <cmath>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "backend/cuda/device/language.h"
#include "backend/cuda/device/launch.h"
#include "emulated_fixture.h"

namespace {

using sinter::backend::cuda::launch;

struct AddOne {
  int* values;
  int count;
};
__global__ void add_one(AddOne p) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < p.count) p.values[i] += 1;
}
struct Append {
  int* list;  // its length, then its digits as one number
  int digit;
};
__global__ void append(Append p) { *p.list = *p.list * 10 + p.digit; }

cudaStream_t make_stream(unsigned flags = cudaStreamNonBlocking) {
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreateWithFlags(&stream, flags), cudaSuccess);
  return stream;
}

int* make_pinned(int value) {
  int* memory = nullptr;
  EXPECT_EQ(cudaMallocHost(&memory, sizeof(int)), cudaSuccess);
  *memory = value;
  return memory;
}

TEST_F(Emulated, MemoryIsAlignedAndFullOfOnes) {
  for (const std::size_t count : {1, 3, 1000, 5000}) {
    const Buffer<float> buffer(count);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 256, 0U);
    for (const float value : buffer.read()) EXPECT_TRUE(std::isnan(value));
  }
  void* nothing = &nothing;
  EXPECT_EQ(cudaMalloc(&nothing, 0), cudaSuccess);
  EXPECT_EQ(nothing, nullptr);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
}

TEST_F(Emulated, MemoryIsCounted) {
  std::size_t before = 0;
  std::size_t total = 0;
  std::size_t after = 0;
  ASSERT_EQ(cudaMemGetInfo(&before, &total), cudaSuccess);
  {
    const Buffer<char> buffer(1000);
    ASSERT_EQ(cudaMemGetInfo(&after, &total), cudaSuccess);
    EXPECT_EQ(before - after, 1024U);
  }
  ASSERT_EQ(cudaMemGetInfo(&after, &total), cudaSuccess);
  EXPECT_EQ(before, after);
  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, total + 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(memory, nullptr);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
}

TEST_F(Emulated, CopiesAreChecked) {
  const Buffer<int> buffer(4);
  const Buffer<int> other(4);
  int host[8] = {};
  const auto copy = [](void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  };
  EXPECT_EQ(copy(buffer.data(), host, 16, cudaMemcpyHostToDevice), cudaSuccess);
  EXPECT_EQ(copy(buffer.data(), host, 17, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(copy(buffer.data() + 1, host, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(copy(host, buffer.data(), 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(copy(host, host + 4, 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(copy(buffer.data(), other.data(), 16, cudaMemcpyDeviceToDevice), cudaSuccess);
  EXPECT_EQ(copy(buffer.data(), buffer.data() + 1, 8, cudaMemcpyDeviceToDevice),
            cudaErrorInvalidValue);
  EXPECT_EQ(copy(host, buffer.data(), 16, cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(cudaMemset(host, 0, 16), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(buffer.data(), 1, 16), cudaSuccess);
  EXPECT_EQ(buffer.read()[3], 0x01010101);
  EXPECT_EQ(cudaFree(buffer.data() + 1), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(host), cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST_F(Emulated, StreamsWaitForSomebodyToWait) {
  cudaStream_t stream = make_stream();
  const Buffer<int> buffer(std::vector<int>{0});
  int* result = make_pinned(-5);
  ASSERT_EQ(launch(add_one, 1, 32, 0, stream, {buffer.data(), 1}), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(result, buffer.data(), 4, cudaMemcpyDeviceToHost, stream), cudaSuccess);
  EXPECT_EQ(*result, -5);  // a program that forgets to wait sees this
  EXPECT_EQ(sinter_emulated::counts().tasks_not_run, 2U);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(*result, 1);
  // A query runs one of them.
  ASSERT_EQ(launch(add_one, 1, 32, 0, stream, {buffer.data(), 1}), cudaSuccess);
  EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
  EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(result), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
}

TEST_F(Emulated, PinnedMemoryIsReadLatePageableMemoryAtTheCall) {
  cudaStream_t stream = make_stream();
  const Buffer<int> pinned_copy(1);
  const Buffer<int> pageable_copy(1);
  int* pinned = make_pinned(1);
  int pageable = 1;
  ASSERT_EQ(cudaMemcpyAsync(pinned_copy.data(), pinned, 4, cudaMemcpyHostToDevice, stream),
            cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(pageable_copy.data(), &pageable, 4, cudaMemcpyHostToDevice, stream),
            cudaSuccess);
  *pinned = 2;  // too early
  pageable = 2;
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(pinned_copy.read()[0], 2);
  EXPECT_EQ(pageable_copy.read()[0], 1);
  // A copy to pageable memory is done when the call returns.
  ASSERT_EQ(launch(add_one, 1, 1, 0, stream, {pinned_copy.data(), 1}), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(&pageable, pinned_copy.data(), 4, cudaMemcpyDeviceToHost, stream),
            cudaSuccess);
  EXPECT_EQ(pageable, 3);
  cudaFreeHost(pinned);
  cudaStreamDestroy(stream);
}

TEST_F(Emulated, EventsOrderStreams) {
  for (const bool waits : {false, true}) {
    cudaStream_t first = make_stream();
    cudaStream_t second = make_stream();
    cudaEvent_t event = nullptr;
    ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
    const Buffer<int> list(std::vector<int>{0});
    ASSERT_EQ(launch(append, 1, 1, 0, first, {list.data(), 1}), cudaSuccess);
    ASSERT_EQ(cudaEventRecord(event, first), cudaSuccess);
    ASSERT_EQ(launch(append, 1, 1, 0, first, {list.data(), 3}), cudaSuccess);
    if (waits) {
      ASSERT_EQ(cudaStreamWaitEvent(second, event), cudaSuccess);
    }
    ASSERT_EQ(launch(append, 1, 1, 0, second, {list.data(), 2}), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(second), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(first), cudaSuccess);
    EXPECT_EQ(list.read()[0], waits ? 123 : 213);
    EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
    EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
    cudaStreamDestroy(first);
    cudaStreamDestroy(second);
  }
}

TEST_F(Emulated, TheDefaultStreamWaitsForBlockingStreams) {
  cudaStream_t blocking = make_stream(cudaStreamDefault);
  cudaStream_t other = make_stream();
  const Buffer<int> list(std::vector<int>{0});
  ASSERT_EQ(launch(append, 1, 1, 0, blocking, {list.data(), 1}), cudaSuccess);
  ASSERT_EQ(launch(append, 1, 1, 0, nullptr, {list.data(), 2}), cudaSuccess);
  ASSERT_EQ(launch(append, 1, 1, 0, blocking, {list.data(), 3}), cudaSuccess);
  ASSERT_EQ(launch(append, 1, 1, 0, other, {list.data(), 9}), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(blocking), cudaSuccess);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(list.read()[0], 1239);
  cudaStreamDestroy(blocking);
  cudaStreamDestroy(other);
}

TEST_F(Emulated, EventsMeasureTime) {
  cudaEvent_t start = nullptr;
  cudaEvent_t stop = nullptr;
  ASSERT_EQ(cudaEventCreate(&start), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&stop), cudaSuccess);
  const Buffer<int> buffer(iota<int>(1));
  float milliseconds = -1.0F;
  ASSERT_EQ(cudaEventRecord(start), cudaSuccess);
  ASSERT_EQ(launch(add_one, 1000, 32, 0, nullptr, {buffer.data(), 1}), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(stop), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, stop), cudaErrorNotReady);
  ASSERT_EQ(cudaEventSynchronize(stop), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, stop), cudaSuccess);
  EXPECT_GT(milliseconds, 0.0F);
  cudaEventDestroy(start);
  cudaEventDestroy(stop);
}

TEST_F(Emulated, AGraphRunsWhatWasCaptured) {
  cudaStream_t stream = make_stream();
  const Buffer<int> values(std::vector<int>{0, 0});
  const Buffer<int> copy(2);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  ASSERT_EQ(cudaStreamIsCapturing(stream, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  ASSERT_EQ(launch(add_one, 1, 32, 0, stream, {values.data(), 2}), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(copy.data(), values.data(), 8, cudaMemcpyDeviceToDevice, stream),
            cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(values.data() + 1, 0, 4, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  std::size_t nodes = 0;
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 3U);
  ASSERT_EQ(cudaGraphInstantiate(&exec, graph), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(values.read(), (std::vector<int>{0, 0}));  // nothing has run
  for (int i = 0; i < 3; ++i) ASSERT_EQ(cudaGraphLaunch(exec, stream), cudaSuccess);
  ASSERT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(values.read(), (std::vector<int>{3, 0}));
  EXPECT_EQ(copy.read(), (std::vector<int>{3, 1}));
  cudaStreamDestroy(stream);
}

// Fork to a second stream and back; without the first wait the graph may run the second part first,
// and does.
TEST_F(Emulated, AGraphKeepsOnlyTheOrderThatWasAskedFor) {
  cudaStream_t first = make_stream();
  cudaStream_t second = make_stream();
  cudaEvent_t fork = nullptr;
  cudaEvent_t join = nullptr;
  cudaEventCreate(&fork);
  cudaEventCreate(&join);
  for (const bool forks_late : {false, true}) {
    const Buffer<int> list(std::vector<int>{0});
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal), cudaSuccess);
    if (!forks_late) {
      ASSERT_EQ(cudaEventRecord(fork, first), cudaSuccess);
    }
    ASSERT_EQ(launch(append, 1, 1, 0, first, {list.data(), 1}), cudaSuccess);
    if (forks_late) {
      ASSERT_EQ(cudaEventRecord(fork, first), cudaSuccess);
    }
    ASSERT_EQ(cudaStreamWaitEvent(second, fork), cudaSuccess);
    ASSERT_EQ(launch(append, 1, 1, 0, second, {list.data(), 2}), cudaSuccess);
    ASSERT_EQ(cudaEventRecord(join, second), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(first, join), cudaSuccess);
    ASSERT_EQ(launch(append, 1, 1, 0, first, {list.data(), 3}), cudaSuccess);
    ASSERT_EQ(cudaStreamEndCapture(first, &graph), cudaSuccess);
    ASSERT_EQ(cudaGraphInstantiate(&exec, graph), cudaSuccess);
    ASSERT_EQ(cudaGraphLaunch(exec, first), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(first), cudaSuccess);
    EXPECT_EQ(list.read()[0], forks_late ? 123 : 213);
    cudaGraphDestroy(graph);
    cudaGraphExecDestroy(exec);
  }
  cudaEventDestroy(fork);
  cudaEventDestroy(join);
  cudaStreamDestroy(first);
  cudaStreamDestroy(second);
}

TEST_F(Emulated, CallsThatACaptureForbids) {
  cudaStream_t stream = make_stream();
  cudaStream_t blocking = make_stream(cudaStreamDefault);
  cudaEvent_t event = nullptr;
  cudaEventCreate(&event);
  const Buffer<int> buffer(std::vector<int>{0});
  int host = 0;
  void* memory = nullptr;
  const std::vector<std::pair<const char*, std::function<cudaError_t()>>> calls = {
      {"cudaStreamSynchronize", [&] { return cudaStreamSynchronize(stream); }},
      {"cudaStreamQuery", [&] { return cudaStreamQuery(stream); }},
      {"cudaDeviceSynchronize", [] { return cudaDeviceSynchronize(); }},
      {"cudaMalloc", [&] { return cudaMalloc(&memory, 4); }},
      {"cudaMallocHost", [&] { return cudaMallocHost(&memory, 4); }},
      {"cudaFree", [&] { return cudaFree(buffer.data()); }},
      {"cudaMemcpy", [&] { return cudaMemcpy(&host, buffer.data(), 4, cudaMemcpyDeviceToHost); }},
      {"cudaMemcpyAsync, pageable",
       [&] { return cudaMemcpyAsync(buffer.data(), &host, 4, cudaMemcpyHostToDevice, stream); }},
  };
  for (const auto& [name, function] : calls) {
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
    ASSERT_EQ(launch(add_one, 1, 1, 0, stream, {buffer.data(), 1}), cudaSuccess);
    EXPECT_EQ(function(), cudaErrorStreamCaptureUnsupported) << name;
    EXPECT_EQ(launch(add_one, 1, 1, 0, stream, {buffer.data(), 1}),
              cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated) << name;
    EXPECT_EQ(graph, nullptr);
  }
  // What else may go wrong.
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal),
            cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState);
  ASSERT_EQ(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeRelaxed), cudaSuccess);
  EXPECT_EQ(launch(add_one, 1, 1, 0, nullptr, {buffer.data(), 1}), cudaErrorStreamCaptureImplicit);
  EXPECT_EQ(cudaStreamEndCapture(blocking, &graph), cudaErrorStreamCaptureInvalidated);
  // A stream that forked and did not come back.
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event, stream), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(blocking, event), cudaSuccess);
  ASSERT_EQ(launch(add_one, 1, 1, 0, blocking, {buffer.data(), 1}), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureUnjoined);
  // An event of before.
  ASSERT_EQ(cudaEventRecord(event, blocking), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(stream, event), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
  // Another thread may allocate, if the capture is this thread's own business.
  ASSERT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  std::thread([&] { EXPECT_EQ(cudaMalloc(&memory, 4), cudaSuccess); }).join();
  ASSERT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
  cudaGraphDestroy(graph);
  cudaFree(memory);
  cudaEventDestroy(event);
  cudaStreamDestroy(stream);
  cudaStreamDestroy(blocking);
  EXPECT_EQ(buffer.read()[0], 0);  // none of the captured launches ran
}

TEST_F(Emulated, CallsFailOnDemand) {
  void* memory = nullptr;
  sinter_emulated::set_failures("cudaMalloc:3,cudaStreamCreate:1");
  for (int i = 1; i < 6; ++i) {
    EXPECT_EQ(cudaMalloc(&memory, 4), i == 3 ? cudaErrorMemoryAllocation : cudaSuccess);
    if (i != 3) cudaFree(memory);
  }
  cudaStream_t stream = nullptr;
  EXPECT_EQ(cudaStreamCreate(&stream), cudaErrorUnknown);
  EXPECT_EQ(cudaStreamCreate(&stream), cudaSuccess);
  cudaStreamDestroy(stream);
  sinter_emulated::set_failures("cudaMalloc:2+");
  for (int i = 1; i < 5; ++i) {
    EXPECT_EQ(cudaMalloc(&memory, 4), i >= 2 ? cudaErrorMemoryAllocation : cudaSuccess);
    if (i < 2) cudaFree(memory);
  }
  EXPECT_THROW(sinter_emulated::set_failures("cudaMalloc"), std::invalid_argument);
  EXPECT_THROW(sinter_emulated::set_failures("cudaMalloc:x"), std::invalid_argument);
  EXPECT_THROW(sinter_emulated::set_failures("no_cable"), std::invalid_argument);
}

TEST_F(Emulated, KernelsFailOnDemand) {
  for (const char* what : {"launch:2", "device_lost:2"}) {
    const Buffer<int> values(std::vector<int>{0});
    sinter_emulated::set_failures(what);
    for (int i = 0; i < 3; ++i) {
      ASSERT_EQ(launch(add_one, 1, 1, 0, nullptr, {values.data(), 1}), cudaSuccess);
    }
    const bool is_lost = what[0] == 'd';
    const cudaError_t expected = is_lost ? cudaErrorUnknown : cudaErrorLaunchFailure;
    EXPECT_EQ(cudaStreamSynchronize(nullptr), expected);
    EXPECT_EQ(launch(add_one, 1, 1, 0, nullptr, {values.data(), 1}), expected);
    EXPECT_EQ(cudaDeviceReset(), is_lost ? expected : cudaSuccess);
    EXPECT_EQ(cudaDeviceSynchronize(), is_lost ? expected : cudaSuccess);
    sinter_emulated::forget_errors();
    EXPECT_EQ(values.read()[0], 1);  // the first one ran
  }
}

TEST_F(Emulated, DevicesAndDriversAreMissingOnDemand) {
  int count = -1;
  int version = -1;
  ASSERT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 1);
  sinter_emulated::set_failures("no_driver");
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_EQ(count, 0);
  EXPECT_EQ(cudaDriverGetVersion(&version), cudaSuccess);
  EXPECT_EQ(version, 0);
  sinter_emulated::set_failures("old_driver");
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_EQ(cudaDriverGetVersion(&version), cudaSuccess);
  EXPECT_EQ(version, 12000);
  sinter_emulated::set_failures("no_device");
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  sinter_emulated::set_failures("no_device_code");
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(launch(add_one, 1, 1, 0, nullptr, {nullptr, 0}), cudaErrorNoKernelImageForDevice);
  cudaFuncAttributes attributes;
  EXPECT_EQ(cudaFuncGetAttributes(&attributes, add_one), cudaErrorNoKernelImageForDevice);
}

}  // namespace
