// Memory for machine code. Pages are mapped twice, once writable and once executable, so that no
// address is ever both.
#ifndef SINTER_BACKEND_CPU_CODE_MEMORY_H_
#define SINTER_BACKEND_CPU_CODE_MEMORY_H_

#include <asmjit/core.h>

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
  // Takes what `holder` has. Throws Error when there is no memory for it.
  explicit CodeMemory(asmjit::CodeHolder* holder);
  ~CodeMemory();
  CodeMemory(const CodeMemory&) = delete;
  CodeMemory& operator=(const CodeMemory&) = delete;

  Code entry() const { return entry_; }

 private:
  Code entry_ = nullptr;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_CODE_MEMORY_H_
