#include "fake_cuda.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string_view>
#include <vector>

using sinter::backend::cuda::fake_cuda;
using sinter::backend::cuda::FakeCuda;

struct SinterCudaKernel {
  std::string op;
  std::vector<SinterCudaTensor> inputs;
  std::vector<SinterCudaTensor> outputs;
  std::vector<SinterCudaAttribute> attributes;
  std::vector<std::string> names;
  std::vector<std::vector<std::int64_t>> integers;
  std::string name;  // of the kernel
  SinterCudaEpilogue epilogue{};
  SinterCudaCall call{};
};
struct SinterCudaModule {
  std::string source;
};
struct SinterCudaGraph {
  std::vector<std::function<void()>> work;
};
struct SinterCudaContext {
  bool capturing = false;
  bool launched = false;
  std::vector<std::function<void()>> recorded;
  std::map<void*, std::size_t> blocks;
};

namespace sinter::backend::cuda {

FakeCuda& fake_cuda() {
  static FakeCuda state;
  return state;
}

namespace {

thread_local std::string said;

std::int32_t fail(std::int32_t status, const std::string& text) {
  said = text;
  return status;
}

std::int32_t check_usable(const SinterCudaContext* context, bool may_capture) {
  if (fake_cuda().lost) return fail(kSinterCudaDeviceLost, fake_cuda().text);
  if (context->capturing && !may_capture) return fail(kSinterCudaBadCall, "in a capture");
  return kSinterCudaOk;
}

// Enqueues (does) or records some work; counts it as a launch and fails when told to.
std::int32_t launch(SinterCudaContext* context, std::function<void()> work) {
  FakeCuda& fake = fake_cuda();
  if (const std::int32_t status = check_usable(context, true)) return status;
  if (context->capturing) {
    context->recorded.push_back(std::move(work));
    return kSinterCudaOk;
  }
  if (fake.launch_status != kSinterCudaOk && fake.launches_left-- <= 0) {
    const std::int32_t status = fake.launch_status;
    fake.lost = status == kSinterCudaDeviceLost;
    if (!fake.lost) fake.launch_status = kSinterCudaOk;
    return fail(status, fake.text);
  }
  context->launched = true;
  work();
  return kSinterCudaOk;
}

const char* last_error() { return said.c_str(); }

std::int32_t count_devices(std::int32_t* count) {
  if (fake_cuda().count_status != kSinterCudaOk) {
    return fail(fake_cuda().count_status, fake_cuda().text);
  }
  *count = fake_cuda().device_count;
  return kSinterCudaOk;
}

std::int32_t describe_device(std::int32_t device, SinterCudaDevice* out) {
  *out = SinterCudaDevice{};
  std::snprintf(out->name, sizeof(out->name), "Fake GPU %d", device);
  std::snprintf(out->driver, sizeof(out->driver), "13.0");
  std::snprintf(out->runtime, sizeof(out->runtime), "13.0");
  out->major = 8;
  out->minor = 6;
  out->multiprocessors = 4;
  out->is_emulated = 1;
  out->memory_total = fake_cuda().memory_total;
  out->memory_free = fake_cuda().memory_total - fake_cuda().memory_used;
  return kSinterCudaOk;
}

std::int32_t create_context(std::int32_t, SinterCudaContext** out) {
  if (fake_cuda().context_status != kSinterCudaOk) {
    return fail(fake_cuda().context_status, fake_cuda().text);
  }
  *out = new SinterCudaContext;
  return kSinterCudaOk;
}

// What the context still holds goes with it: a lost device's memory is not released one by one.
void destroy_context(SinterCudaContext* context) {
  for (const auto& [memory, bytes] : context->blocks) {
    fake_cuda().memory_used -= bytes;
    std::free(memory);
  }
  delete context;
}

std::int32_t allocate(SinterCudaContext* context, std::size_t bytes, void** out) {
  if (const std::int32_t status = check_usable(context, false)) return status;
  if (fake_cuda().memory_used + bytes > fake_cuda().memory_total) {
    return fail(kSinterCudaOutOfMemory, "");
  }
  const std::size_t rounded = (bytes + 255) / 256 * 256;
  *out = std::aligned_alloc(256, rounded);
  std::memset(*out, 0, rounded);
  context->blocks[*out] = bytes;
  fake_cuda().memory_used += bytes;
  return kSinterCudaOk;
}

std::int32_t release(SinterCudaContext* context, void* memory) {
  const auto found = context->blocks.find(memory);
  if (found == context->blocks.end()) return fail(kSinterCudaBadCall, "unknown memory");
  fake_cuda().memory_used -= found->second;
  context->blocks.erase(found);
  std::free(memory);
  return kSinterCudaOk;
}

std::int32_t copy_in(SinterCudaContext* context, void* to, const void* from, std::size_t bytes) {
  if (const std::int32_t status = check_usable(context, false)) return status;
  ++fake_cuda().copies_in;
  std::memcpy(to, from, bytes);
  return kSinterCudaOk;
}

std::int32_t copy_out(SinterCudaContext* context, void* to, const void* from, std::size_t bytes) {
  if (const std::int32_t status = check_usable(context, false)) return status;
  ++fake_cuda().copies_out;
  ++fake_cuda().waits;
  std::memcpy(to, from, bytes);
  return kSinterCudaOk;
}

std::int32_t copy(SinterCudaContext* context, void* to, const void* from, std::size_t bytes) {
  if (const std::int32_t status = check_usable(context, true)) return status;
  auto work = [=] { std::memmove(to, from, bytes); };
  if (context->capturing) {
    context->recorded.emplace_back(work);
  } else {
    ++fake_cuda().copies;
    work();
  }
  return kSinterCudaOk;
}

std::int32_t synchronize(SinterCudaContext* context) {
  if (const std::int32_t status = check_usable(context, false)) return status;
  ++fake_cuda().waits;
  return kSinterCudaOk;
}

std::int32_t accepts(const SinterCudaCall* call, std::int32_t input, std::int32_t* out) {
  *out = call->inputs[input].rank == 2 ? 1 : 0;
  return kSinterCudaOk;
}

std::int32_t candidates(SinterCudaContext*, const SinterCudaCall*, const char** names,
                        std::int32_t* count) {
  const std::vector<const char*>& kernels = fake_cuda().kernels;
  std::copy(kernels.begin(), kernels.end(), names);
  *count = static_cast<std::int32_t>(kernels.size());
  return kSinterCudaOk;
}

std::int32_t check_kernel(const SinterCudaCall* call) {
  const std::vector<const char*>& kernels = fake_cuda().kernels;
  const std::string_view name = call->kernel;
  if (!name.empty() && std::find(kernels.begin(), kernels.end(), name) == kernels.end()) {
    return fail(kSinterCudaBadCall, "no such kernel");
  }
  if (call->epilogue == nullptr || fake_cuda().takes_epilogues) return kSinterCudaOk;
  return fail(kSinterCudaNotTaken, "");
}

std::int32_t workspace_bytes(SinterCudaContext*, const SinterCudaCall* call, std::int64_t* out) {
  *out = call->epilogue != nullptr ? 128 : 64;
  return check_kernel(call);
}

std::int32_t prepare_kernel(SinterCudaContext*, const SinterCudaCall* call,
                            SinterCudaKernel** out) {
  if (const std::int32_t status = check_kernel(call)) return status;
  auto* const kernel = new SinterCudaKernel;
  kernel->op = call->op;
  kernel->inputs.assign(call->inputs, call->inputs + call->input_count);
  kernel->outputs.assign(call->outputs, call->outputs + call->output_count);
  kernel->attributes.assign(call->attributes, call->attributes + call->attribute_count);
  kernel->names.reserve(kernel->attributes.size());
  kernel->integers.reserve(kernel->attributes.size());
  for (SinterCudaAttribute& attribute : kernel->attributes) {
    attribute.name = kernel->names.emplace_back(attribute.name).c_str();
    if (attribute.kind != kSinterCudaIntegers) continue;
    attribute.integers =
        kernel->integers.emplace_back(attribute.integers, attribute.integers + attribute.count)
            .data();
  }
  kernel->call = *call;
  kernel->call.op = kernel->op.c_str();
  kernel->call.inputs = kernel->inputs.data();
  kernel->call.outputs = kernel->outputs.data();
  kernel->call.attributes = kernel->attributes.data();
  kernel->name = call->kernel;
  kernel->call.kernel = kernel->name.c_str();
  if (call->epilogue != nullptr) {
    kernel->epilogue = *call->epilogue;
    kernel->call.epilogue = &kernel->epilogue;
  }
  *out = kernel;
  return kSinterCudaOk;
}

const char* substituted_because(const SinterCudaKernel*) { return fake_cuda().substituted_because; }

void destroy_kernel(SinterCudaKernel* kernel) { delete kernel; }

std::int32_t launch_kernel(SinterCudaContext* context, const SinterCudaKernel* kernel,
                           std::int32_t step, void* const* inputs, void* const* outputs,
                           void* workspace) {
  fake_cuda().last_step = step;
  if (!context->capturing) ++fake_cuda().kernel_launches;
  std::size_t input_count = kernel->inputs.size();
  std::size_t output_count = kernel->outputs.size();
  if (const SinterCudaEpilogue* const epilogue = kernel->call.epilogue) {
    input_count += (epilogue->bias >= 0 ? 1 : 0) + (epilogue->residual >= 0 ? 1 : 0);
    output_count = epilogue->has_mask != 0 ? 2 : 1;
  }
  const std::vector<void*> from(inputs, inputs + input_count);
  const std::vector<void*> to(outputs, outputs + output_count);
  return launch(context, [=] {
    if (fake_cuda().run_kernel) {
      fake_cuda().run_kernel(kernel->call, from.data(), to.data(), workspace);
    }
  });
}

std::int32_t take_kernel_error(SinterCudaContext* context, SinterCudaKernelError* out) {
  if (const std::int32_t status = check_usable(context, false)) return status;
  ++fake_cuda().waits;
  *out = {.step = -1, .reserved = 0, .position = 0, .value = 0, .limit = 0};
  if (context->launched) std::swap(*out, fake_cuda().kernel_error);
  context->launched = false;
  return kSinterCudaOk;
}

std::int32_t compiler_version(char* text, std::size_t bytes) {
  if (fake_cuda().compile_status != kSinterCudaOk) {
    return fail(fake_cuda().compile_status, fake_cuda().text);
  }
  std::snprintf(text, bytes, "fake 1.0");
  return kSinterCudaOk;
}

std::int32_t compile(const char* source, std::int32_t, const void** image, std::size_t* bytes) {
  FakeCuda& fake = fake_cuda();
  if (fake.compile_status != kSinterCudaOk) return fail(fake.compile_status, fake.text);
  fake.source = source;
  *image = fake.source.data();
  *bytes = fake.source.size();
  return kSinterCudaOk;
}

std::int32_t load_module(SinterCudaContext*, const void* image, std::size_t bytes,
                         SinterCudaModule** out) {
  *out = new SinterCudaModule{std::string(static_cast<const char*>(image), bytes)};
  return kSinterCudaOk;
}

void destroy_module(SinterCudaModule* module) { delete module; }

std::int32_t launch_module(SinterCudaContext* context, const SinterCudaModule*, const char* name,
                           const SinterCudaLaunch*, const void* arguments, std::size_t bytes) {
  if (!context->capturing) ++fake_cuda().module_launches;
  std::vector<void*> copied(bytes / sizeof(void*));
  std::memcpy(copied.data(), arguments, copied.size() * sizeof(void*));
  return launch(context, [kernel = std::string(name), copied] {
    if (fake_cuda().run_module) fake_cuda().run_module(kernel, copied.data());
  });
}

std::int32_t begin_capture(SinterCudaContext* context) {
  if (const std::int32_t status = check_usable(context, false)) return status;
  context->capturing = true;
  context->recorded.clear();
  return kSinterCudaOk;
}

std::int32_t end_capture(SinterCudaContext* context, SinterCudaGraph** out) {
  context->capturing = false;
  ++fake_cuda().captures;
  *out = new SinterCudaGraph{std::move(context->recorded)};
  return kSinterCudaOk;
}

std::int32_t launch_graph(SinterCudaContext* context, const SinterCudaGraph* graph) {
  ++fake_cuda().graph_launches;
  return launch(context, [graph] {
    for (const auto& work : graph->work) work();
  });
}

void destroy_graph(SinterCudaGraph* graph) { delete graph; }

std::int32_t start_timer(SinterCudaContext*) { return kSinterCudaOk; }
std::int32_t stop_timer(SinterCudaContext*, double* seconds) {
  *seconds = 0;
  return kSinterCudaOk;
}

void set_number(std::string_view name, long value) {
  FakeCuda& fake = fake_cuda();
  const auto number = static_cast<std::int32_t>(value);
  if (name == "abi") fake.abi = number;
  if (name == "device_count") fake.device_count = number;
  if (name == "memory_total") fake.memory_total = static_cast<std::uint64_t>(value);
  if (name == "count_status") fake.count_status = number;
  if (name == "context_status") fake.context_status = number;
  if (name == "compile_status") fake.compile_status = number;
  if (name == "launch_status") fake.launch_status = number;
  if (name == "launches_left") fake.launches_left = number;
}

void read_environment() {
  const char* const given = std::getenv("FAKE_CUDA");
  std::string_view text = given != nullptr ? given : "";
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    const std::size_t equals = pair.find('=');
    set_number(pair.substr(0, equals), std::atol(std::string(pair.substr(equals + 1)).c_str()));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
  }
}

}  // namespace
}  // namespace sinter::backend::cuda

extern "C" FakeCuda* fake_cuda_state() { return &fake_cuda(); }

extern "C" const SinterCudaApi* sinter_cuda_api() {
  using namespace sinter::backend::cuda;
  read_environment();
  static SinterCudaApi api;
  api = {.abi = fake_cuda().abi,
         .size = fake_cuda().table_bytes,
         .last_error = last_error,
         .count_devices = count_devices,
         .describe_device = describe_device,
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
         .compiler_version = compiler_version,
         .compile = compile,
         .load_module = load_module,
         .destroy_module = destroy_module,
         .launch_module = launch_module,
         .begin_capture = begin_capture,
         .end_capture = end_capture,
         .launch_graph = launch_graph,
         .destroy_graph = destroy_graph,
         .start_timer = start_timer,
         .stop_timer = stop_timer};
  return &api;
}
