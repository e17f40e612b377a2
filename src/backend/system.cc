#include "sinter/system.h"

#include <asmjit/asmjit.h>
#include <dnnl.h>

#include "backend/cpu/isa.h"
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

}  // namespace

const char* version() { return SINTER_VERSION; }

SystemInfo system_info() {
  const dnnl_version_t* onednn = dnnl_version();
  return {.device = "cpu",
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

void check_device(const std::string& device) {
  if (device == "cpu" || device == "auto") return;
  if (device == "cuda" || device.rfind("cuda:", 0) == 0) {
    raise({.where = "device",
           .what = "this build of Sinter has no CUDA back end",
           .got = device,
           .expected = "cpu or auto",
           .hint = {}});
  }
  raise({.where = "device",
         .what = "there is no such device",
         .got = device,
         .expected = "auto, cpu, cuda or cuda:N",
         .hint = {}});
}

}  // namespace sinter
