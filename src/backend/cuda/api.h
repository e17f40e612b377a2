// The boundary between Sinter and its CUDA library (libsinter_cuda.so), which is loaded at run
// time, so that one build of Sinter runs on machines with and without a GPU. The library's only
// symbol is sinter_cuda_api(), a table of C functions. No exception, STL type or ownership of
// memory crosses it: errors cross as a code and a text, objects as opaque handles that the library
// made and the library destroys.
//
// Threads: a context is used by one thread at a time; everything else may be called from any
// thread. Everything enqueued on a context runs in order, on the device's own time; functions that
// wait for it say so.
#ifndef SINTER_BACKEND_CUDA_API_H_
#define SINTER_BACKEND_CUDA_API_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Changes with every change of this file; a library with another number is refused.
enum { kSinterCudaAbi = 2 };

typedef enum SinterCudaStatus {
  kSinterCudaOk = 0,
  kSinterCudaNoDriver = 1,      // no driver, or no device that it knows
  kSinterCudaOldDriver = 2,     // a driver older than the CUDA that the library was built with
  kSinterCudaNoKernel = 3,      // an architecture that the library has no code for
  kSinterCudaOutOfMemory = 4,   //
  kSinterCudaNoCompiler = 5,    // NVRTC was not found
  kSinterCudaCompileError = 6,  // NVRTC refused the text: our mistake
  kSinterCudaBadImage = 7,      // compiled code that the driver refuses
  kSinterCudaBadCall = 8,       // arguments that no kernel takes: our mistake or a user's dtype
  kSinterCudaLaunchFailed = 9,  // the device found a fault; it may be used again
  kSinterCudaDeviceLost = 10,   // nothing works on this device any more in this process
  kSinterCudaNotTaken = 11,     // a kernel that does not take the call's epilogue
} SinterCudaStatus;

// What a device is. Texts end with 0 and are cut to fit.
typedef struct SinterCudaDevice {
  char name[128];
  char driver[32];   // "13.0", the CUDA version that the driver supports
  char runtime[32];  // "13.0", the CUDA version that the library was built with
  int32_t major;     // compute capability
  int32_t minor;
  int32_t multiprocessors;
  int32_t is_emulated;  // the CPU stands in for it
  uint64_t memory_total;
  uint64_t memory_free;
} SinterCudaDevice;

enum { kSinterCudaMaxRank = 8 };  // sinter::Shape::kMaxRank or more

// How an argument of a kernel lies in memory; its address is that of its first element. `dtype` is
// the number of sinter::Dtype. Strides count elements; outputs are dense.
typedef struct SinterCudaTensor {
  int32_t dtype;
  int32_t rank;
  int64_t shape[kSinterCudaMaxRank];
  int64_t strides[kSinterCudaMaxRank];
} SinterCudaTensor;

typedef enum SinterCudaAttributeKind {
  kSinterCudaInteger = 0,
  kSinterCudaReal = 1,
  kSinterCudaIntegers = 2,
} SinterCudaAttributeKind;

typedef struct SinterCudaAttribute {
  const char* name;
  int32_t kind;
  int32_t count;  // of `integers`
  int64_t integer;
  double real;
  const int64_t* integers;
} SinterCudaAttribute;

typedef enum SinterCudaActivation {
  kSinterCudaNoActivation = 0,
  kSinterCudaRelu = 1,
} SinterCudaActivation;

// What a kernel does with each element of its call's result, which then has no memory of its own:
// sinter::backend::EpilogueForm, which says exactly what is computed. A launch gets its inputs
// behind those of the call, and its outputs in place of the call's.
typedef struct SinterCudaEpilogue {
  float scale;       // 1: no factor
  int32_t bias;      // which of the epilogue's inputs; -1: none
  int32_t residual;  // which of them; -1: none
  int32_t bias_dtype;
  int32_t residual_dtype;
  int32_t output_dtype;
  int32_t activation;  // SinterCudaActivation
  int32_t has_mask;    // a second output
} SinterCudaEpilogue;

// One call of a structured op, before there are addresses.
typedef struct SinterCudaCall {
  const char* op;  // "matmul"
  int32_t input_count;
  int32_t output_count;
  int32_t attribute_count;
  const SinterCudaTensor* inputs;
  const SinterCudaTensor* outputs;
  const SinterCudaAttribute* attributes;
  const char* kernel;                  // one of candidates(); "": the first
  const SinterCudaEpilogue* epilogue;  // null: the result is stored as it is
} SinterCudaCall;

enum { kSinterCudaMaxCandidates = 8 };  // kernels for one call

// What a kernel found wrong with the numbers it was given (an id out of range); kernels go on with
// zeros in its place. The first one in the order of steps since the last look.
typedef struct SinterCudaKernelError {
  int32_t step;  // as given to launch_kernel; -1: none
  int32_t reserved;
  int64_t position;  // of the offending element
  int64_t value;
  int64_t limit;  // values from 0 to limit - 1 were expected
} SinterCudaKernelError;

typedef struct SinterCudaContext SinterCudaContext;  // a device with a stream
typedef struct SinterCudaKernel SinterCudaKernel;    // a structured op's call made ready
typedef struct SinterCudaModule SinterCudaModule;    // compiled fused groups
typedef struct SinterCudaGraph SinterCudaGraph;      // a captured sequence of launches

typedef struct SinterCudaLaunch {
  uint32_t grid[3];
  uint32_t block[3];
  uint32_t shared_bytes;  // dynamic shared memory
} SinterCudaLaunch;

// All functions that may fail return a SinterCudaStatus; the text is the calling thread's
// last_error().
typedef struct SinterCudaApi {
  int32_t abi;   // kSinterCudaAbi
  int32_t size;  // sizeof(SinterCudaApi)

  // What the thread's last failing call said: one line, without a period; good until its next call.
  const char* (*last_error)(void);

  int32_t (*count_devices)(int32_t* count);
  int32_t (*describe_device)(int32_t device, SinterCudaDevice* device_out);

  int32_t (*create_context)(int32_t device, SinterCudaContext** context_out);
  void (*destroy_context)(SinterCudaContext* context);

  // Device memory, 256-byte aligned, contents undefined; plain cudaMalloc and cudaFree.
  int32_t (*allocate)(SinterCudaContext* context, size_t bytes, void** memory_out);
  int32_t (*release)(SinterCudaContext* context, void* memory);

  // From host to device, through pinned memory of the library's own: `from` may change when the
  // call returns; the copy itself is enqueued.
  int32_t (*copy_in)(SinterCudaContext* context, void* to, const void* from, size_t bytes);
  // From device to host, after everything enqueued before; waits.
  int32_t (*copy_out)(SinterCudaContext* context, void* to, const void* from, size_t bytes);
  // On the device, enqueued.
  int32_t (*copy)(SinterCudaContext* context, void* to, const void* from, size_t bytes);
  // Waits for everything enqueued.
  int32_t (*synchronize)(SinterCudaContext* context);

  // Structured ops. `accepts` writes 1 when input `input` is taken with its strides, else 0.
  int32_t (*accepts)(const SinterCudaCall* call, int32_t input, int32_t* accepted_out);
  // The kernels that serve the call on this device, by name, the one to take first; one of no name
  // where there is nothing to choose. Room for kSinterCudaMaxCandidates; names live as long as the
  // process. The same at every call, and `kernel` and `epilogue` are not looked at.
  int32_t (*candidates)(SinterCudaContext* context, const SinterCudaCall* call,
                        const char** names_out, int32_t* count_out);
  // Of the call's kernel with its epilogue; kSinterCudaNotTaken where it does not take that, here
  // and in prepare_kernel.
  int32_t (*workspace_bytes)(SinterCudaContext* context, const SinterCudaCall* call,
                             int64_t* bytes_out);
  int32_t (*prepare_kernel)(SinterCudaContext* context, const SinterCudaCall* call,
                            SinterCudaKernel** kernel_out);
  // Which kernels were passed over for this one and why, good as long as it lives; null where none
  // was.
  const char* (*substituted_because)(const SinterCudaKernel* kernel);
  void (*destroy_kernel)(SinterCudaKernel* kernel);
  // Enqueues, or records when the context captures. `step` names the call in SinterCudaKernelError.
  int32_t (*launch_kernel)(SinterCudaContext* context, const SinterCudaKernel* kernel, int32_t step,
                           void* const* inputs, void* const* outputs, void* workspace);
  // Waits, gives the first error found since the last call, and forgets it.
  int32_t (*take_kernel_error)(SinterCudaContext* context, SinterCudaKernelError* error_out);

  // Fused groups. `compiler_version` is part of what compiled code depends on ("nvrtc 13.0");
  // `architecture` is the one compiled for, from describe_device: 100 * major + 10 * minor. The
  // image is the library's until the calling thread's next compile().
  int32_t (*compiler_version)(char* text, size_t bytes);
  int32_t (*compile)(const char* source, int32_t architecture, const void** image_out,
                     size_t* bytes_out);
  int32_t (*load_module)(SinterCudaContext* context, const void* image, size_t bytes,
                         SinterCudaModule** module_out);
  void (*destroy_module)(SinterCudaModule* module);
  // Enqueues the kernel `name` (extern "C", one parameter: a structure of `bytes` bytes, by value).
  int32_t (*launch_module)(SinterCudaContext* context, const SinterCudaModule* module,
                           const char* name, const SinterCudaLaunch* launch, const void* arguments,
                           size_t bytes);

  // Between the two, launches and copy() are recorded instead of enqueued; copy_in, copy_out and
  // synchronize are errors. A failing launch ends the capture.
  int32_t (*begin_capture)(SinterCudaContext* context);
  int32_t (*end_capture)(SinterCudaContext* context, SinterCudaGraph** graph_out);
  int32_t (*launch_graph)(SinterCudaContext* context, const SinterCudaGraph* graph);
  void (*destroy_graph)(SinterCudaGraph* graph);

  // Seconds between two points of the context's time, by events; for measurements. Waits.
  int32_t (*start_timer)(SinterCudaContext* context);
  int32_t (*stop_timer)(SinterCudaContext* context, double* seconds_out);
} SinterCudaApi;

// The library's one symbol. The table lives as long as the process.
typedef const SinterCudaApi* (*SinterCudaApiFunction)(void);
const SinterCudaApi* sinter_cuda_api(void);

#ifdef __cplusplus
}
#endif

#endif  // SINTER_BACKEND_CUDA_API_H_
