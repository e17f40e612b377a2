#include "backend/cpu/code_memory.h"

#include "sinter/error.h"

namespace sinter::backend::cpu {

namespace {

// Never destroyed: kernels in static storage may be released after it would have been.
asmjit::JitRuntime& runtime() {
  static asmjit::JitRuntime* const instance = [] {
    asmjit::JitAllocator::CreateParams params{};
    params.options = asmjit::JitAllocatorOptions::kUseDualMapping;
    return new asmjit::JitRuntime(&params);
  }();
  return *instance;
}

}  // namespace

const asmjit::Environment& code_environment() { return runtime().environment(); }

CodeMemory::CodeMemory(asmjit::CodeHolder* holder) {
  const asmjit::Error error = runtime().add(&entry_, holder);
  if (error != asmjit::kErrorOk) {
    raise({.where = "cpu",
           .what = "no memory for machine code",
           .got = asmjit::DebugUtils::errorAsString(error),
           .expected = {},
           .hint = "SINTER_ISA=interpreter runs without machine code"});
  }
}

CodeMemory::~CodeMemory() { runtime().release(entry_); }

}  // namespace sinter::backend::cpu
