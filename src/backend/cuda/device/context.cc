#include "backend/cuda/device/context.h"

#include <cstdio>
#include <cstring>

#include "backend/cuda/device/failure.h"

using sinter::backend::cuda::ErrorSlot;
using sinter::backend::cuda::kNoError;
using sinter::backend::cuda::kPositionBits;
using sinter::backend::cuda::device::check;
using sinter::backend::cuda::device::Failure;
using sinter::backend::cuda::device::use_device;

namespace sinter::backend::cuda::device {
namespace {

template <std::size_t size>
void write_version(char (&to)[size], int version) {
  std::snprintf(to, size, "%d.%d", version / 1000, version % 1000 / 10);
}

}  // namespace

int count_devices() {
  int count = 0;
  check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  return count;
}

void use_device(int device) { check(cudaSetDevice(device), "cudaSetDevice"); }

void describe_device(int device, SinterCudaDevice& out) {
  std::memset(&out, 0, sizeof(out));
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  std::snprintf(out.name, sizeof(out.name), "%.*s", static_cast<int>(sizeof(out.name)) - 1,
                properties.name);
  int version = 0;
  check(cudaDriverGetVersion(&version), "cudaDriverGetVersion");
  write_version(out.driver, version);
  check(cudaRuntimeGetVersion(&version), "cudaRuntimeGetVersion");
  write_version(out.runtime, version);
  out.major = properties.major;
  out.minor = properties.minor;
  out.multiprocessors = properties.multiProcessorCount;
#ifdef SINTER_CUDA_EMULATED
  out.is_emulated = 1;
#endif
  use_device(device);
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  out.memory_total = total;
  out.memory_free = free;
}

Stream::Stream() {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}
Stream::~Stream() { static_cast<void>(cudaStreamDestroy(stream_)); }

DeviceMemory::DeviceMemory(std::size_t bytes) { check(cudaMalloc(&memory_, bytes), "cudaMalloc"); }
DeviceMemory::~DeviceMemory() { static_cast<void>(cudaFree(memory_)); }

}  // namespace sinter::backend::cuda::device

SinterCudaGraph::~SinterCudaGraph() { static_cast<void>(cudaGraphExecDestroy(executable_)); }

SinterCudaContext::SinterCudaContext(int device)
    : device_(device), use_(device), errors_(sizeof(ErrorSlot)) {
  forget_errors();
  check(cudaStreamSynchronize(stream()), "the first work on the device");
}

SinterCudaContext::~SinterCudaContext() {
  if (capturing_) abandon_capture();
  // What is in flight uses the memory that is about to be freed. Failures have nowhere to go.
  static_cast<void>(cudaSetDevice(device_));
  static_cast<void>(cudaStreamSynchronize(stream()));
  static_cast<void>(cudaGetLastError());
}

void SinterCudaContext::enter() const {
  if (!lost_.empty()) {
    throw Failure(kSinterCudaDeviceLost, "the device was lost earlier: " + lost_);
  }
  use_device(device_);
}

void SinterCudaContext::enter_outside_capture(const char* what) const {
  enter();
  if (capturing_) {
    throw Failure(kSinterCudaBadCall, std::string(what) + " while launches are captured");
  }
}

void SinterCudaContext::fail(const Failure& failure, bool ends_capture) noexcept {
  const bool lost = failure.status() == kSinterCudaDeviceLost;
  if (capturing_ && (ends_capture || lost)) abandon_capture();
  if (!lost || !lost_.empty()) return;
  try {
    lost_ = failure.what();
  } catch (...) {
    lost_.assign(1, '?');  // fits in place
  }
}

void SinterCudaContext::abandon_capture() noexcept {
  capturing_ = false;
  cudaGraph_t graph = nullptr;
  static_cast<void>(cudaStreamEndCapture(stream(), &graph));
  if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  static_cast<void>(cudaGetLastError());
}

void SinterCudaContext::copy_in(void* to, const void* from, std::size_t bytes) {
  staging_.copy_in(stream(), to, from, bytes);
}

void SinterCudaContext::copy_out(void* to, const void* from, std::size_t bytes) {
  read_back_.copy_out(stream(), to, from, bytes);
}

void SinterCudaContext::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream()),
        "cudaMemcpyAsync on the device");
}

void SinterCudaContext::synchronize() {
  check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize");
}

void SinterCudaContext::forget_errors() {
  check(cudaMemsetAsync(errors(), 0xFF, sizeof(ErrorSlot), stream()), "cudaMemsetAsync");
}

SinterCudaKernelError SinterCudaContext::take_kernel_error() {
  ErrorSlot slot;
  read_back_.copy_out(stream(), &slot, errors(), sizeof(slot));
  if (slot.key == kNoError) return {-1, 0, 0, 0, 0};
  forget_errors();
  return {static_cast<std::int32_t>(slot.key >> kPositionBits), 0,
          static_cast<std::int64_t>(slot.key & ((1ULL << kPositionBits) - 1)), slot.value,
          slot.limit};
}

void SinterCudaContext::begin_capture() {
  // Relaxed, because other threads may allocate and free meanwhile; this one launches only.
  check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  capturing_ = true;
}

SinterCudaGraph* SinterCudaContext::end_capture() {
  if (!capturing_) throw Failure(kSinterCudaBadCall, "no capture to end");
  capturing_ = false;
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream(), &graph), "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t code = cudaGraphInstantiate(&executable, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));
  check(code, "cudaGraphInstantiate");
  return new SinterCudaGraph(executable);
}

void SinterCudaContext::launch(const SinterCudaGraph& graph) {
  check(cudaGraphLaunch(graph.get(), stream()), "cudaGraphLaunch");
}

void SinterCudaContext::start_timer() {
  timer_begin_.record(stream());
  timing_ = true;
}

double SinterCudaContext::stop_timer() {
  if (!timing_) throw Failure(kSinterCudaBadCall, "no timer was started");
  timing_ = false;
  timer_end_.record(stream());
  timer_end_.wait();
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, timer_begin_.get(), timer_end_.get()),
        "cudaEventElapsedTime");
  return static_cast<double>(milliseconds) / 1000;
}
