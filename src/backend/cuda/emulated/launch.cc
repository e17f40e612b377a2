#include "backend/cuda/emulated/launch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

#include "backend/cuda/emulated/block.h"
#include "backend/cuda/emulated/include/sinter_emulated/control.h"
#include "backend/cuda/emulated/memory.h"
#include "backend/cuda/emulated/module.h"
#include "backend/cuda/emulated/names.h"
#include "backend/cuda/emulated/runtime.h"
#include "backend/cuda/emulated/sanitizer.h"
#include "backend/cuda/emulated/stream.h"

namespace sinter_emulated {
namespace {

BlockRunner& runner() {
  static BlockRunner& the_runner = *[] {
    auto* made = new BlockRunner;
    const char* reversed = std::getenv("SINTER_EMULATED_REVERSED");
    made->set_reversed(reversed != nullptr && reversed[0] == '1');
    return made;
  }();
  return the_runner;
}

char fence_word[8];
std::uint64_t kernels_run = 0;

// Arguments of a kernel, aligned as parameters may be.
struct alignas(16) Unit {
  unsigned char bytes[16];
};

// Permissions for more dynamic shared memory than 48 KiB, by function.
std::map<const void*, std::size_t>& shared_permissions() {
  static auto& permissions = *new std::map<const void*, std::size_t>;
  return permissions;
}

std::size_t permitted_shared_bytes(const void* function) {
  const auto found = shared_permissions().find(function);
  return found == shared_permissions().end() ? kStaticSharedBytes
                                             : std::max(found->second, kStaticSharedBytes);
}

bool is_launchable(const LaunchRequest& request) {
  const dim3 block = request.block;
  const dim3 grid = request.grid;
  const bool block_fits = block.x >= 1 && block.y >= 1 && block.z >= 1 && block.x <= 1024 &&
                          block.y <= 1024 && block.z <= 64 && block.x * block.y * block.z <= 1024;
  const bool grid_fits = grid.x >= 1 && grid.y >= 1 && grid.z >= 1 && grid.x <= 0x7FFFFFFFU &&
                         grid.y <= 65535 && grid.z <= 65535;
  return block_fits && grid_fits;
}

void run(const Launch& launch) {
  if (fail_kernel_on_demand() != cudaSuccess) return;
  ++kernels_run;
  if (!runner().run(launch)) set_sticky_error(cudaErrorLaunchFailure, runner().fault());
}

}  // namespace

cudaError_t enqueue(const LaunchRequest& request, cudaStream_t stream) {
  if (!is_launchable(request)) return cudaErrorInvalidConfiguration;
  if (request.shared_bytes > permitted_shared_bytes(request.function)) return cudaErrorInvalidValue;
  const std::size_t units = (request.argument_bytes + sizeof(Unit) - 1) / sizeof(Unit);
  const std::shared_ptr<Unit[]> arguments(new Unit[units]);
  std::memcpy(arguments.get(), request.arguments, request.argument_bytes);
  const Launch launch{request.entry, request.function,     request.name,   request.grid,
                      request.block, request.shared_bytes, arguments.get()};
  return submit(stream, [launch, arguments, keep = request.keep] { run(launch); });
}

cudaError_t launch_entry(KernelEntry entry, const void* function, dim3 grid, dim3 block,
                         size_t shared_bytes, cudaStream_t stream, const void* arguments,
                         size_t argument_bytes) {
  return call("cudaLaunchKernel", InCapture::kAllowed, [&] {
    if (device_code_is_missing()) return cudaErrorNoKernelImageForDevice;
    return enqueue(
        {entry, function, nullptr, grid, block, shared_bytes, arguments, argument_bytes, nullptr},
        stream);
  });
}

Counts counts() {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  return {kernels_run,           runner().blocks_run(), switch_count,   allocations_made(),
          device_bytes_in_use(), live_device_blocks(),  tasks_not_run()};
}

void set_reversed(bool reversed) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  runner().set_reversed(reversed);
}

Device sinter_emulated_device = {
    kDeviceAbi,
    {},
    {},
    {},
    {},
    [](int value, const char* file, int line) { return runner().barrier(value, file, line); },
    [](Collective kind, unsigned mask, unsigned long long value, int source, const char* file,
       int line) { return runner().collective(kind, mask, value, source, file, line); },
    [](const SharedSite* site) { return runner().shared_object(*site); },
    [] { return runner().dynamic_shared(); },
    [] { release(fence_word); },
    [] { acquire(fence_word); },
    [](const char* what, const char* file, int line) { runner().fail(what, file, line); },
};

}  // namespace sinter_emulated

using namespace sinter_emulated;

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                             size_t shared_bytes, cudaStream_t stream) {
  return call("cudaLaunchKernel", InCapture::kAllowed, [&] {
    const std::shared_ptr<const ModuleKernel> kernel = find_kernel(function);
    if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
    if (arguments == nullptr || arguments[0] == nullptr) return cudaErrorInvalidValue;
    return enqueue({kernel->entry, function, kernel->name.c_str(), grid, block, shared_bytes,
                    arguments[0], kernel->parameter_bytes, kernel},
                   stream);
  });
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  return call("cudaFuncSetAttribute", InCapture::kAllowed, [&] {
    if (function == nullptr) return cudaErrorInvalidDeviceFunction;
    if (find_kernel(function) == nullptr && device_code_is_missing()) {
      return cudaErrorNoKernelImageForDevice;
    }
    if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return cudaSuccess;
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<std::size_t>(value) > kMostSharedBytes) {
      return cudaErrorInvalidValue;
    }
    shared_permissions()[function] = static_cast<std::size_t>(value);
    return cudaSuccess;
  });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  return call("cudaFuncGetAttributes", InCapture::kAllowed, [&] {
    if (attributes == nullptr) return cudaErrorInvalidValue;
    if (function == nullptr) return cudaErrorInvalidDeviceFunction;
    if (find_kernel(function) == nullptr && device_code_is_missing()) {
      return cudaErrorNoKernelImageForDevice;
    }
    *attributes = {0, 1024, 0, static_cast<int>(permitted_shared_bytes(function))};
    return cudaSuccess;
  });
}
