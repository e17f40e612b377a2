// Uses of AsmJit what Sinter does: whether it can be linked into a shared library (asmjit.cmake).
#include <asmjit/x86.h>

const char* sinter_asmjit_probe() {
  asmjit::JitRuntime runtime;
  asmjit::CodeHolder code;
  code.init(runtime.environment());
  asmjit::x86::Compiler compiler(&code);
  compiler.addFunc(asmjit::FuncSignatureT<void>());
  compiler.endFunc();
  compiler.finalize();
  void* function = nullptr;
  return asmjit::DebugUtils::errorAsString(runtime.add(&function, &code));
}
