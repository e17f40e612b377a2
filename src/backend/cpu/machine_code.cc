#include "backend/cpu/machine_code.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/switches.h"

namespace sinter::backend::cpu {

namespace {

// How oneDNN's code lies in memory, and how ours does.
constexpr int kWritableToo = PROT_READ | PROT_WRITE | PROT_EXEC;
constexpr int kReadOnly = PROT_READ | PROT_EXEC;

// Whether a page may get this protection and then be run: 0, or the error that says why not. Memory
// that has run out is no policy, and told where memory is needed.
int try_page(int protection) {
  const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const page =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno == ENOMEM ? 0 : errno;
  int error = 0;
#if defined(__x86_64__)
  static_cast<unsigned char*>(page)[0] = 0xC3;  // ret
#endif
  if (mprotect(page, bytes, protection) != 0) {
    error = errno == ENOMEM ? 0 : errno;
  } else {
#if defined(__x86_64__)
    reinterpret_cast<void (*)()>(page)();
#endif
  }
  munmap(page, bytes);
  return error;
}

struct Permissions {
  bool emitter = true;
  bool onednn = true;
};

Permissions try_pages() {
  const int emitter = try_page(kReadOnly);
  const int onednn = try_page(kWritableToo);
  if (emitter != 0) {
    std::fprintf(stderr,
                 "sinter: warning: this process may not make machine code (%s): fused groups are "
                 "interpreted and contractions run as plain loops, many times slower\n",
                 std::strerror(emitter));
  } else if (onednn != 0) {
    std::fprintf(
        stderr,
        "sinter: warning: this process may not have memory that is writable and executable "
        "(%s), which oneDNN needs: contractions run as plain loops, many times slower\n",
        std::strerror(onednn));
  }
  return {.emitter = emitter == 0, .onednn = emitter == 0 && onednn == 0};
}

const Permissions& permissions() {
  static const Permissions instance = try_pages();
  return instance;
}

}  // namespace

bool may_emit() { return permissions().emitter; }

bool may_use_onednn() {
  if (switches().isa == IsaChoice::interpreter || switches().disabled("onednn")) return false;
  return permissions().onednn;
}

}  // namespace sinter::backend::cpu
