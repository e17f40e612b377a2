// A device with a stream: everything that is enqueued, and what that needs.
#ifndef SINTER_BACKEND_CUDA_DEVICE_CONTEXT_H_
#define SINTER_BACKEND_CUDA_DEVICE_CONTEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "backend/cuda/api.h"
#include "backend/cuda/device/error_slot.h"
#include "backend/cuda/device/failure.h"
#include "backend/cuda/device/staging.h"
#include "backend/cuda/kernels/kernel.h"

namespace sinter::backend::cuda::device {

int count_devices();
void describe_device(int device, SinterCudaDevice& out);

// Makes `device` the calling thread's.
void use_device(int device);

// A stream; destroyed with the object.
class Stream {
 public:
  Stream();
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// Device memory; freed with the object.
class DeviceMemory {
 public:
  explicit DeviceMemory(std::size_t bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  void* get() const { return memory_; }

 private:
  void* memory_ = nullptr;
};

}  // namespace sinter::backend::cuda::device

// A sequence of launches, instantiated.
struct SinterCudaGraph {
  explicit SinterCudaGraph(cudaGraphExec_t executable) : executable_(executable) {}
  ~SinterCudaGraph();
  SinterCudaGraph(const SinterCudaGraph&) = delete;
  SinterCudaGraph& operator=(const SinterCudaGraph&) = delete;
  cudaGraphExec_t get() const { return executable_; }

 private:
  cudaGraphExec_t executable_;
};

// All functions throw device::Failure. Once the device is lost, enter() throws.
struct SinterCudaContext {
  explicit SinterCudaContext(int device);
  ~SinterCudaContext();
  SinterCudaContext(const SinterCudaContext&) = delete;
  SinterCudaContext& operator=(const SinterCudaContext&) = delete;

  // Before each use: makes the device the thread's, and refuses to go on when it is lost.
  void enter() const;
  // The same, and refuses `what` while the context captures.
  void enter_outside_capture(const char* what) const;
  // After a failure: ends a capture, and remembers that the device is lost.
  void fail(const sinter::backend::cuda::device::Failure& failure, bool ends_capture) noexcept;

  cudaStream_t stream() const { return stream_.get(); }
  sinter::backend::cuda::ErrorSlot* errors() const {
    return static_cast<sinter::backend::cuda::ErrorSlot*>(errors_.get());
  }

  void copy_in(void* to, const void* from, std::size_t bytes);
  void copy_out(void* to, const void* from, std::size_t bytes);
  void copy(void* to, const void* from, std::size_t bytes);
  void synchronize();
  SinterCudaKernelError take_kernel_error();

  void begin_capture();
  SinterCudaGraph* end_capture();
  void launch(const SinterCudaGraph& graph);

  void start_timer();
  double stop_timer();

 private:
  void abandon_capture() noexcept;
  void forget_errors();

  struct Use {
    explicit Use(int device) { sinter::backend::cuda::device::use_device(device); }
  };

  int device_;
  Use use_;  // before the members that need the device to be the thread's
  sinter::backend::cuda::device::Stream stream_;
  sinter::backend::cuda::device::StagingRing staging_;
  sinter::backend::cuda::device::ReadBack read_back_;
  sinter::backend::cuda::device::DeviceMemory errors_;
  sinter::backend::cuda::device::Event timer_begin_{true};
  sinter::backend::cuda::device::Event timer_end_{true};
  bool timing_ = false;
  bool capturing_ = false;
  std::string lost_;  // why the device is lost; empty: it is not
};

#endif  // SINTER_BACKEND_CUDA_DEVICE_CONTEXT_H_
