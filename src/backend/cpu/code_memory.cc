#include "backend/cpu/code_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "sinter/error.h"

namespace sinter::backend::cpu {

namespace {

// What AsmJit calls ran into: our mistakes, or no memory for its own tables.
void check(asmjit::Error error) {
  if (error == asmjit::kErrorOk) return;
  raise({.where = "cpu",
         .what = "machine code cannot be put together",
         .got = asmjit::DebugUtils::errorAsString(error),
         .expected = {},
         .hint = {}});
}

[[noreturn]] void raise_system() {
  const int error = errno;
  const bool is_memory = error == ENOMEM;
  raise({.where = "cpu",
         .what = is_memory ? "out of memory for machine code" : "memory cannot be made executable",
         .got = std::generic_category().message(error),
         .expected = {},
         .hint = is_memory
                     ? "the system's memory, a control group's or the address space (ulimit -v) is "
                       "used up; a smaller batch needs less"
                     : "SINTER_ISA=interpreter runs without machine code"});
}

}  // namespace

const asmjit::Environment& code_environment() {
  static const asmjit::Environment instance = asmjit::Environment::host();
  return instance;
}

CodeMemory::CodeMemory(asmjit::CodeHolder* holder) {
  check(holder->flatten());
  check(holder->resolveUnresolvedLinks());
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  bytes_ = (holder->codeSize() + page - 1) / page * page;
  void* const pages =
      mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) raise_system();
  pages_ = pages;
  try {
    check(holder->relocateToBase(reinterpret_cast<std::uintptr_t>(pages_)));
    check(holder->copyFlattenedData(pages_, bytes_));
    if (mprotect(pages_, bytes_, PROT_READ | PROT_EXEC) != 0) raise_system();
  } catch (...) {
    munmap(pages_, bytes_);
    throw;
  }
}

CodeMemory::~CodeMemory() { munmap(pages_, bytes_); }

}  // namespace sinter::backend::cpu
