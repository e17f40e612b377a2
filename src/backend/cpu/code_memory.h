// Memory for machine code. The pages of a function are written first and made executable then, so
// that no address is ever both. They are private to the process: code that a forked child emits, or
// releases, is its own (memory mapped twice, as AsmJit's allocator has it, would be shared with the
// parent, and each would write over what the other runs).
#ifndef SINTER_BACKEND_CPU_CODE_MEMORY_H_
#define SINTER_BACKEND_CPU_CODE_MEMORY_H_

#include <asmjit/core.h>

#include <cstddef>
#include <cstdint>

namespace sinter::backend::cpu {

// What all emitted functions look like: they get an array of numbers and addresses, whose layout is
// the business of who emits and who calls, and may change it.
using Code = void (*)(std::int64_t* args);

// Where emitted code will run: this process.
const asmjit::Environment& code_environment();

// One emitted function. Owns its memory.
class CodeMemory {
 public:
  // Takes what `holder` has. Throws Error when there is no memory for it, or none that may be
  // executed.
  explicit CodeMemory(asmjit::CodeHolder* holder);
  ~CodeMemory();
  CodeMemory(const CodeMemory&) = delete;
  CodeMemory& operator=(const CodeMemory&) = delete;

  Code entry() const { return reinterpret_cast<Code>(pages_); }

 private:
  void* pages_ = nullptr;
  std::size_t bytes_ = 0;  // whole pages
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_CODE_MEMORY_H_
