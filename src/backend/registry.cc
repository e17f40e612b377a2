#include "backend/registry.h"

#include "backend/cpu/backend.h"
#include "sinter/error.h"

namespace sinter::backend {

namespace {

// Never destroyed: Tensors with static storage may outlive it.
cpu::CpuBackend& cpu_backend() {
  static cpu::CpuBackend* const instance = new cpu::CpuBackend;
  return *instance;
}

}  // namespace

Backend& find_backend(std::string_view device) {
  if (device == "cpu") return cpu_backend();
  raise({.where = "device",
         .what = "this build has no such device",
         .got = "\"" + std::string(device) + "\"",
         .expected = "cpu",
         .hint = {}});
}

Backend& default_backend() { return cpu_backend(); }

}  // namespace sinter::backend
