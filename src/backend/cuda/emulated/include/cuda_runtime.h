// The CUDA runtime (13.0) as far as Sinter uses it, on the CPU: found before CUDA's own header when
// libsinter_cuda_emulated.so is built. Its purpose is to run every line of GPU code without a GPU
// and to be less forgiving than one. sinter_emulated/device.h is the device language; this is the
// host's side.
//
// Streams are lazy. A launch or an asynchronous copy is a closure in its stream's queue, and runs
// when somebody waits for it: cudaStreamSynchronize, cudaEventSynchronize, cudaDeviceSynchronize, a
// synchronous copy, cudaFree; cudaStreamQuery and cudaEventQuery run one of them. Waiting for one
// stream runs that stream only, and of others what it waits for by events, so a wait that the
// program forgot gives wrong data (memory is all ones until written). The legacy default stream (0)
// orders itself with blocking streams as in CUDA.
//
// Memory. cudaMalloc gives memory aligned to 256 bytes, all bytes ones. The host may not touch it:
// with AddressSanitizer, or with SINTER_EMULATED_PROTECT=1 in the environment, that is found at
// once (device memory is unreadable while neither a kernel nor a copy runs). Freed memory stays
// unusable. Overruns: with AddressSanitizer at once, by one byte; otherwise a guard behind each
// block is looked at when it is freed. An asynchronous copy reads pinned memory when it runs,
// pageable memory when it is called (as CUDA stages it); to pageable memory it waits. Copies are
// checked against the blocks they touch. SINTER_EMULATED_MEMORY: bytes of the device, 4 GiB if not
// set.
//
// Capture into graphs keeps the dependencies between nodes; a graph runs them in an order that
// those allow, latest captured first, so that a missing dependency shows. A call that CUDA forbids
// during capture returns cudaErrorStreamCaptureUnsupported and invalidates the capture. Copies to
// and from pageable memory are refused in a capture, which is stricter than CUDA.
//
// Errors. A fault in a kernel (see device.h) gives cudaErrorLaunchFailure from the wait that ran it
// and from every call after that, until cudaDeviceReset; cudaGetErrorString says kernel, block and
// thread. sinter_emulated/control.h: errors on demand, for tests.
//
// Threads: any thread may call anything; one lock is held while a call, or a kernel, runs. Under
// ThreadSanitizer kernels of one launch are checked against each other, host code outside is not.
#ifndef SINTER_BACKEND_CUDA_EMULATED_INCLUDE_CUDA_RUNTIME_H_
#define SINTER_BACKEND_CUDA_EMULATED_INCLUDE_CUDA_RUNTIME_H_

#define SINTER_CUDA_EMULATED 1

#include <stddef.h>

#include <type_traits>

#include "sinter_emulated/device.h"

#define CUDART_VERSION 13000

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInitializationError = 3,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDevicePointer = 17,
  cudaErrorInvalidMemcpyDirection = 21,
  cudaErrorInsufficientDriver = 35,
  cudaErrorDevicesUnavailable = 46,
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorNoDevice = 100,
  cudaErrorInvalidDevice = 101,
  cudaErrorInvalidKernelImage = 200,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorECCUncorrectable = 214,
  cudaErrorUnsupportedPtxVersion = 222,
  cudaErrorInvalidResourceHandle = 400,
  cudaErrorIllegalState = 401,
  cudaErrorSymbolNotFound = 500,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchOutOfResources = 701,
  cudaErrorLaunchTimeout = 702,
  cudaErrorAssert = 710,
  cudaErrorHardwareStackError = 714,
  cudaErrorIllegalInstruction = 715,
  cudaErrorMisalignedAddress = 716,
  cudaErrorInvalidAddressSpace = 717,
  cudaErrorInvalidPc = 718,
  cudaErrorLaunchFailure = 719,
  cudaErrorNotSupported = 801,
  cudaErrorSystemNotReady = 802,
  cudaErrorSystemDriverMismatch = 803,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureMerge = 902,
  cudaErrorStreamCaptureUnmatched = 903,
  cudaErrorStreamCaptureUnjoined = 904,
  cudaErrorStreamCaptureIsolation = 905,
  cudaErrorStreamCaptureImplicit = 906,
  cudaErrorCapturedEvent = 907,
  cudaErrorStreamCaptureWrongThread = 908,
  cudaErrorUnknown = 999,
};

enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4,
};

enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,
  cudaStreamCaptureModeThreadLocal = 1,
  cudaStreamCaptureModeRelaxed = 2,
};

enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone = 0,
  cudaStreamCaptureStatusActive = 1,
  cudaStreamCaptureStatusInvalidated = 2,
};

enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9,
};

enum cudaMemoryType {
  cudaMemoryTypeUnregistered = 0,
  cudaMemoryTypeHost = 1,
  cudaMemoryTypeDevice = 2,
};

enum cudaJitOption { cudaJitMaxRegisters = 0 };
enum cudaLibraryOption { cudaLibraryHostUniversalFunctionAndDataTable = 0 };

struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
  void* devicePointer;
  void* hostPointer;
};

struct cudaFuncAttributes {
  size_t sharedSizeBytes;
  int maxThreadsPerBlock;
  int numRegs;
  int maxDynamicSharedSizeBytes;
};

struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem;
  size_t sharedMemPerBlock;
  size_t sharedMemPerBlockOptin;
  size_t sharedMemPerMultiprocessor;
  int regsPerBlock;
  int warpSize;
  int maxThreadsPerBlock;
  int maxThreadsDim[3];
  int maxGridSize[3];
  int major;
  int minor;
  int multiProcessorCount;
  int maxThreadsPerMultiProcessor;
  int l2CacheSize;
};

namespace sinter_emulated {
class Stream;
class Event;
class Graph;
class GraphExec;
class Library;
class ModuleKernel;
}  // namespace sinter_emulated

using cudaStream_t = sinter_emulated::Stream*;
using cudaEvent_t = sinter_emulated::Event*;
using cudaGraph_t = sinter_emulated::Graph*;
using cudaGraphExec_t = sinter_emulated::GraphExec*;
using cudaLibrary_t = sinter_emulated::Library*;
using cudaKernel_t = sinter_emulated::ModuleKernel*;
using cudaGraphNode_t = const void*;

inline constexpr unsigned cudaStreamDefault = 0;
inline constexpr unsigned cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDefault = 0;
inline constexpr unsigned cudaEventBlockingSync = 1;
inline constexpr unsigned cudaEventDisableTiming = 2;
inline constexpr unsigned cudaEventWaitDefault = 0;
inline constexpr unsigned cudaEventWaitExternal = 1;
inline constexpr unsigned cudaHostAllocDefault = 0;

// Errors and devices.
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceSynchronize();
cudaError_t cudaDeviceReset();

// Memory.
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes);
cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, size_t bytes);
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory);
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream = nullptr);
cudaError_t cudaMemset(void* to, int value, size_t bytes);
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream = nullptr);
template <class T>
cudaError_t cudaMalloc(T** memory, size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(memory), bytes);
}
template <class T>
cudaError_t cudaMallocHost(T** memory, size_t bytes) {
  return cudaMallocHost(reinterpret_cast<void**>(memory), bytes);
}

// Streams and events.
cudaError_t cudaStreamCreate(cudaStream_t* stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end);

// Graphs.
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status);
// With `nodes` null: how many there are.
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long flags = 0);
cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

// Kernels. `image` is what nvrtcGetCUBIN of sinter_emulated/nvrtc gave. cudaLaunchKernel takes
// kernels of libraries only; launch() of device/launch.h starts the others.
cudaError_t cudaLibraryLoadData(cudaLibrary_t* library, const void* image,
                                cudaJitOption* jit_options, void** jit_values, unsigned jit_count,
                                cudaLibraryOption* options, void** values, unsigned count);
cudaError_t cudaLibraryUnload(cudaLibrary_t library);
cudaError_t cudaLibraryGetKernel(cudaKernel_t* kernel, cudaLibrary_t library, const char* name);
cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                             size_t shared_bytes, cudaStream_t stream);
cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value);
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function);
template <class P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}
template <class P>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(P)) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(kernel));
}

namespace sinter_emulated {

// Calls a kernel for the running thread, with its arguments.
using KernelEntry = void (*)(const void* function, const void* arguments);

cudaError_t launch_entry(KernelEntry entry, const void* function, dim3 grid, dim3 block,
                         size_t shared_bytes, cudaStream_t stream, const void* arguments,
                         size_t argument_bytes);

// What launch() of device/launch.h does here.
template <class Params>
cudaError_t launch_kernel(void (*kernel)(Params), dim3 grid, dim3 block, size_t shared_bytes,
                          cudaStream_t stream, const std::type_identity_t<Params>& params) {
  static_assert(alignof(Params) <= 16);
  const KernelEntry entry = [](const void* function, const void* arguments) {
    reinterpret_cast<void (*)(Params)>(const_cast<void*>(function))(
        *static_cast<const std::remove_cv_t<Params>*>(arguments));
  };
  return launch_entry(entry, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes,
                      stream, &params, sizeof params);
}

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_INCLUDE_CUDA_RUNTIME_H_
