// The table of backend/cuda/api.h: every entry catches what is thrown below it and gives the status
// and, to last_error(), the text.
#include "backend/cuda/api.h"

#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "backend/cuda/device/call.h"
#include "backend/cuda/device/context.h"
#include "backend/cuda/device/failure.h"
#include "backend/cuda/device/module.h"
#include "backend/cuda/vendor/nvrtc.h"
#include "sinter/error.h"
#ifdef SINTER_CUDA_EMULATED
#include "sinter_emulated/control.h"
#endif

struct SinterCudaKernel {
  sinter::backend::cuda::ChosenKernel chosen;
};

namespace sinter::backend::cuda::device {
namespace {

thread_local std::string thread_error;
thread_local std::string thread_image;  // of the thread's last compile()

// What an exception says, without its last period or line ends.
void keep_error(const char* text) {
  thread_error = text;
  for (char& c : thread_error) {
    if (c == '\n') c = ' ';
  }
  while (!thread_error.empty() && (thread_error.back() == '.' || thread_error.back() == ' ')) {
    thread_error.pop_back();
  }
}

// Runs `call`; whatever it throws becomes a Failure for `handle` and is kept as the thread's error.
template <class Call, class Handle>
std::int32_t guarded(Call&& call, Handle&& handle) noexcept {
  const auto fail = [&](SinterCudaStatus status, const char* text) {
    try {
      keep_error(text);
      handle(Failure(status, text));
    } catch (...) {
      // No memory for the text: the status has to do.
    }
    return static_cast<std::int32_t>(status);
  };
  try {
    call();
    return kSinterCudaOk;
  } catch (const Failure& failure) {
    return fail(failure.status(), failure.what());
  } catch (const std::bad_alloc&) {
    return fail(kSinterCudaOutOfMemory, "out of host memory");
  } catch (const std::exception& error) {  // Error and InternalError: the call does not fit
    return fail(kSinterCudaBadCall, error.what());
  } catch (...) {
    return fail(kSinterCudaBadCall, "an unknown exception");
  }
}

template <class Call>
std::int32_t guarded(Call&& call) noexcept {
  return guarded(std::forward<Call>(call), [](const Failure&) {});
}

enum class Capture { forbidden, allowed, ends_on_failure };

// Runs `call` on a context.
template <class Call>
std::int32_t on(SinterCudaContext* context, const char* what, Capture capture,
                Call&& call) noexcept {
  return guarded(
      [&] {
        if (capture == Capture::forbidden) {
          context->enter_outside_capture(what);
        } else {
          context->enter();
        }
        call();
      },
      [&](const Failure& failure) { context->fail(failure, capture == Capture::ends_on_failure); });
}

const char* last_error() { return thread_error.c_str(); }

std::int32_t api_count_devices(std::int32_t* count) {
  *count = 0;
  return guarded([&] { *count = count_devices(); });
}

std::int32_t api_describe_device(std::int32_t device, SinterCudaDevice* device_out) {
  return guarded([&] { describe_device(device, *device_out); });
}

std::int32_t create_context(std::int32_t device, SinterCudaContext** context_out) {
  *context_out = nullptr;
  return guarded([&] { *context_out = new SinterCudaContext(device); });
}

void destroy_context(SinterCudaContext* context) { delete context; }

std::int32_t allocate(SinterCudaContext* context, std::size_t bytes, void** memory_out) {
  *memory_out = nullptr;
  return on(context, "allocate", Capture::allowed, [&] {
    const cudaError_t code = cudaMalloc(memory_out, bytes > 0 ? bytes : 1);
    if (code == cudaSuccess) return;
    const std::string what = "cudaMalloc of " + std::to_string(bytes) + " bytes";
    check(code, what.c_str());
  });
}

std::int32_t release(SinterCudaContext* context, void* memory) {
  return on(context, "release", Capture::allowed, [&] { check(cudaFree(memory), "cudaFree"); });
}

std::int32_t copy_in(SinterCudaContext* context, void* to, const void* from, std::size_t bytes) {
  return on(context, "copy_in", Capture::forbidden, [&] { context->copy_in(to, from, bytes); });
}

std::int32_t copy_out(SinterCudaContext* context, void* to, const void* from, std::size_t bytes) {
  return on(context, "copy_out", Capture::forbidden, [&] { context->copy_out(to, from, bytes); });
}

std::int32_t copy(SinterCudaContext* context, void* to, const void* from, std::size_t bytes) {
  return on(context, "copy", Capture::ends_on_failure, [&] { context->copy(to, from, bytes); });
}

std::int32_t synchronize(SinterCudaContext* context) {
  return on(context, "synchronize", Capture::forbidden, [&] { context->synchronize(); });
}

std::int32_t accepts(const SinterCudaCall* call, std::int32_t input, std::int32_t* accepted_out) {
  *accepted_out = 0;
  return guarded([&] { *accepted_out = DecodedCall(*call).accepts(input) ? 1 : 0; });
}

std::int32_t candidates(SinterCudaContext* context, const SinterCudaCall* call,
                        const char** names_out, std::int32_t* count_out) {
  *count_out = 0;
  return on(context, "candidates", Capture::allowed, [&] {
    std::vector<const char*> names = DecodedCall(*call).candidates();
    names.resize(std::min(names.size(), std::size_t{kSinterCudaMaxCandidates}));
    std::copy(names.begin(), names.end(), names_out);
    *count_out = static_cast<std::int32_t>(names.size());
  });
}

std::int32_t workspace_bytes(SinterCudaContext* context, const SinterCudaCall* call,
                             std::int64_t* bytes_out) {
  *bytes_out = 0;
  return on(context, "workspace_bytes", Capture::allowed,
            [&] { *bytes_out = DecodedCall(*call).prepare().kernel->workspace_bytes(); });
}

std::int32_t prepare_kernel(SinterCudaContext* context, const SinterCudaCall* call,
                            SinterCudaKernel** kernel_out) {
  *kernel_out = nullptr;
  return on(context, "prepare_kernel", Capture::allowed,
            [&] { *kernel_out = new SinterCudaKernel{DecodedCall(*call).prepare()}; });
}

const char* substituted_because(const SinterCudaKernel* kernel) {
  const std::string& text = kernel->chosen.substituted;
  return text.empty() ? nullptr : text.c_str();
}

void destroy_kernel(SinterCudaKernel* kernel) { delete kernel; }

std::int32_t launch_kernel(SinterCudaContext* context, const SinterCudaKernel* kernel,
                           std::int32_t step, void* const* inputs, void* const* outputs,
                           void* workspace) {
  return on(context, "launch_kernel", Capture::ends_on_failure, [&] {
    kernel->chosen.kernel->launch(
        {context->stream(), inputs, outputs, workspace, context->errors(), step});
  });
}

std::int32_t take_kernel_error(SinterCudaContext* context, SinterCudaKernelError* error_out) {
  *error_out = {-1, 0, 0, 0, 0};
  return on(context, "take_kernel_error", Capture::forbidden,
            [&] { *error_out = context->take_kernel_error(); });
}

std::int32_t api_compiler_version(char* text, std::size_t bytes) {
  return guarded([&] { std::snprintf(text, bytes, "%s", compiler_version().c_str()); });
}

std::int32_t api_compile(const char* source, std::int32_t architecture, const void** image_out,
                         std::size_t* bytes_out) {
  *image_out = nullptr;
  *bytes_out = 0;
  return guarded([&] {
    thread_image = compile(source, architecture);
    *image_out = thread_image.data();
    *bytes_out = thread_image.size();
  });
}

std::int32_t load_module(SinterCudaContext* context, const void* image, std::size_t bytes,
                         SinterCudaModule** module_out) {
  *module_out = nullptr;
  return on(context, "load_module", Capture::forbidden,
            [&] { *module_out = new SinterCudaModule(image, bytes); });
}

void destroy_module(SinterCudaModule* module) { delete module; }

std::int32_t launch_module(SinterCudaContext* context, const SinterCudaModule* module,
                           const char* name, const SinterCudaLaunch* launch, const void* arguments,
                           std::size_t) {
  return on(context, "launch_module", Capture::ends_on_failure,
            [&] { module->launch(name, *launch, arguments, context->stream()); });
}

std::int32_t begin_capture(SinterCudaContext* context) {
  return on(context, "begin_capture", Capture::forbidden, [&] { context->begin_capture(); });
}

std::int32_t end_capture(SinterCudaContext* context, SinterCudaGraph** graph_out) {
  *graph_out = nullptr;
  return on(context, "end_capture", Capture::ends_on_failure,
            [&] { *graph_out = context->end_capture(); });
}

std::int32_t launch_graph(SinterCudaContext* context, const SinterCudaGraph* graph) {
  return on(context, "launch_graph", Capture::forbidden, [&] { context->launch(*graph); });
}

void destroy_graph(SinterCudaGraph* graph) { delete graph; }

std::int32_t start_timer(SinterCudaContext* context) {
  return on(context, "start_timer", Capture::forbidden, [&] { context->start_timer(); });
}

std::int32_t stop_timer(SinterCudaContext* context, double* seconds_out) {
  *seconds_out = 0;
  return on(context, "stop_timer", Capture::forbidden,
            [&] { *seconds_out = context->stop_timer(); });
}

constexpr SinterCudaApi kApi = {
    .abi = kSinterCudaAbi,
    .size = sizeof(SinterCudaApi),
    .last_error = last_error,
    .count_devices = api_count_devices,
    .describe_device = api_describe_device,
    .create_context = create_context,
    .destroy_context = destroy_context,
    .allocate = allocate,
    .release = release,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .copy = copy,
    .synchronize = synchronize,
    .accepts = accepts,
    .candidates = candidates,
    .workspace_bytes = workspace_bytes,
    .prepare_kernel = prepare_kernel,
    .substituted_because = substituted_because,
    .destroy_kernel = destroy_kernel,
    .launch_kernel = launch_kernel,
    .take_kernel_error = take_kernel_error,
    .compiler_version = api_compiler_version,
    .compile = api_compile,
    .load_module = load_module,
    .destroy_module = destroy_module,
    .launch_module = launch_module,
    .begin_capture = begin_capture,
    .end_capture = end_capture,
    .launch_graph = launch_graph,
    .destroy_graph = destroy_graph,
    .start_timer = start_timer,
    .stop_timer = stop_timer,
};

}  // namespace
}  // namespace sinter::backend::cuda::device

extern "C" __attribute__((visibility("default"))) const SinterCudaApi* sinter_cuda_api(void) {
  return &sinter::backend::cuda::device::kApi;
}

#ifdef SINTER_CUDA_EMULATED
// For tests, in the emulation only: the errors on demand of sinter_emulated/control.h. "" ends them
// and forgets what went wrong.
extern "C" __attribute__((visibility("default"))) void sinter_cuda_set_failures(const char* list);
void sinter_cuda_set_failures(const char* list) {
  sinter_emulated::set_failures(list);
  if (*list == '\0') sinter_emulated::forget_errors();
}
#endif
