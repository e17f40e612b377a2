// What the emulation tells AddressSanitizer and ThreadSanitizer, each a function that does nothing
// in builds without that sanitizer.
//
// The runtime itself is built without ThreadSanitizer's instrumentation (SINTER_EMULATED_TSAN says
// that the program has it): it moves between fibers, and its own data is no kernel's business. Code
// here that runs on a fiber keeps to its own types and to memory it already has, because templates
// of the standard library may be the instrumented copies of another file.
#ifndef SINTER_BACKEND_CUDA_EMULATED_SANITIZER_H_
#define SINTER_BACKEND_CUDA_EMULATED_SANITIZER_H_

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define SINTER_EMULATED_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SINTER_EMULATED_ASAN 1
#endif
#endif

#ifdef SINTER_EMULATED_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SINTER_EMULATED_TSAN
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace sinter_emulated {

#ifdef SINTER_EMULATED_ASAN
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#ifdef SINTER_EMULATED_TSAN
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

// What happened before release(object) happens before what follows acquire(object).
inline void release([[maybe_unused]] void* object) {
#ifdef SINTER_EMULATED_TSAN
  __tsan_release(object);
#endif
}
inline void acquire([[maybe_unused]] void* object) {
#ifdef SINTER_EMULATED_TSAN
  __tsan_acquire(object);
#endif
}

// While one lives, ThreadSanitizer does not look at this thread's reads and writes.
class IgnoreAccesses {
 public:
  IgnoreAccesses() {
#ifdef SINTER_EMULATED_TSAN
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
  }
  ~IgnoreAccesses() {
#ifdef SINTER_EMULATED_TSAN
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
  }
  IgnoreAccesses(const IgnoreAccesses&) = delete;
  IgnoreAccesses& operator=(const IgnoreAccesses&) = delete;
};

// Makes memory unusable, for AddressSanitizer, and usable again.
inline void poison([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef SINTER_EMULATED_ASAN
  __asan_poison_memory_region(memory, bytes);
#endif
}
inline void unpoison([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef SINTER_EMULATED_ASAN
  __asan_unpoison_memory_region(memory, bytes);
#endif
}

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_SANITIZER_H_
