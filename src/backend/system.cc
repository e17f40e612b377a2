#include "sinter/system.h"

#include <asmjit/asmjit.h>
#include <dnnl.h>
#include <unistd.h>

#include <array>

#include "backend/cpu/isa.h"
#include "backend/cuda/backend.h"
#include "backend/cuda/library.h"
#include "backend/cuda/status.h"
#include "backend/registry.h"
#include "base/switches.h"
#include "sinter/error.h"

namespace sinter {
namespace {

std::string isa_name() {
  switch (switches().isa) {
    case IsaChoice::interpreter:
      return "interpreter";
    case IsaChoice::avx2:
      return "avx2";
    case IsaChoice::avx512:
      return "avx512";
    case IsaChoice::automatic:
      break;
  }
  switch (backend::cpu::this_loop_isa()) {
    case backend::cpu::LoopIsa::avx512:
      return "avx512";
    case backend::cpu::LoopIsa::avx2:
      return "avx2";
    case backend::cpu::LoopIsa::baseline:
      break;
  }
  return "baseline";
}

Device cpu_device() {
  const std::int64_t page = sysconf(_SC_PAGESIZE);
  return {.name = "cpu",
          .model = isa_name(),
          .architecture = isa_name(),
          .memory_total = sysconf(_SC_PHYS_PAGES) * page,
          .memory_free = sysconf(_SC_AVPHYS_PAGES) * page};
}

Device cuda_device(std::size_t number, const SinterCudaDevice& device) {
  return {.name = "cuda:" + std::to_string(number),
          .model = device.name,
          .architecture = "sm_" + std::to_string(10 * device.major + device.minor),
          .memory_total = static_cast<std::int64_t>(device.memory_total),
          .memory_free = static_cast<std::int64_t>(device.memory_free),
          .emulated = device.is_emulated != 0,
          .driver = device.driver,
          .runtime = device.runtime};
}

// "nvrtc 13.0", or why there is no compiler.
std::string compiler_text(const SinterCudaApi& api) {
  std::array<char, 64> text{};
  const int status = api.compiler_version(text.data(), text.size());
  return status == kSinterCudaOk ? text.data()
                                 : backend::cuda::problem_text(status, api.last_error());
}

SystemInfo cuda_info(const std::string& name) {
  const auto& backend = static_cast<const backend::cuda::CudaBackend&>(backend::find_backend(name));
  const SinterCudaDevice& device = backend.device();
  return {.device = name,
          .isa = "sm_" + std::to_string(10 * device.major + device.minor),
          .threads = thread_count(),
          .libraries = {{.name = "GPU", .version = device.name},
                        {.name = "CUDA", .version = device.runtime},
                        {.name = "driver", .version = device.driver},
                        {.name = "compiler", .version = compiler_text(backend.api())}}};
}

}  // namespace

const char* version() { return SINTER_VERSION; }

DeviceList devices() {
  DeviceList list;
  list.devices.push_back(cpu_device());
  const backend::cuda::Library& library = backend::cuda::library();
  const backend::cuda::DeviceTable table = backend::cuda::list_devices(library);
  for (std::size_t i = 0; i < table.devices.size(); ++i) {
    list.devices.push_back(cuda_device(i, table.devices[i]));
  }
  list.why_no_cuda = table.problem;
  list.cuda_library = library.path;
  if (library.api != nullptr) list.cuda_compiler = compiler_text(*library.api);
  return list;
}

Device describe_device(const std::string& device) {
  const std::string name = backend::find_backend(device).name();
  if (name == "cpu") return cpu_device();
  for (const Device& each : devices().devices) {
    if (each.name == name) return each;
  }
  raise({.where = name,
         .what = "the device is not there any more",
         .got = {},
         .expected = {},
         .hint = {}});
}

SystemInfo system_info() {
  const std::string device = current_device();
  if (device != "cpu") return cuda_info(device);
  const dnnl_version_t* onednn = dnnl_version();
  return {.device = device,
          .isa = isa_name(),
          .threads = thread_count(),
          .libraries = {
              {.name = "oneDNN",
               .version = std::to_string(onednn->major) + "." + std::to_string(onednn->minor) +
                          "." + std::to_string(onednn->patch)},
              {.name = "AsmJit",
               .version = std::to_string(ASMJIT_LIBRARY_VERSION >> 16) + "." +
                          std::to_string((ASMJIT_LIBRARY_VERSION >> 8) & 0xFF) + "." +
                          std::to_string(ASMJIT_LIBRARY_VERSION & 0xFF)}}};
}

}  // namespace sinter
