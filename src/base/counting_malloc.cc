#include "base/counting_malloc.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SINTER_COUNTS_ALLOCATIONS 1
#else
#define SINTER_COUNTS_ALLOCATIONS 0
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef SINTER_COUNTS_ALLOCATIONS
#define SINTER_COUNTS_ALLOCATIONS 0
#endif
#endif

namespace {

std::atomic<std::int64_t> large{0};
std::atomic<std::int64_t> small{0};
std::atomic<bool> counts_small{false};
std::atomic<std::size_t> largest{0};

#if SINTER_COUNTS_ALLOCATIONS
constexpr std::size_t kLarge = 4096;

void count(std::size_t bytes) {
  if (bytes < kLarge) {
    if (counts_small.load(std::memory_order_relaxed)) small.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  large.fetch_add(1, std::memory_order_relaxed);
  std::size_t seen = largest;
  while (bytes > seen && !largest.compare_exchange_weak(seen, bytes)) {
  }
}
#endif

}  // namespace

#if SINTER_COUNTS_ALLOCATIONS
// glibc takes these in place of its own, in every library of the process, and keeps its own under
// the names with __libc_.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

void* malloc(std::size_t bytes) {
  count(bytes);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t number, std::size_t bytes) {
  count(number * bytes);
  return __libc_calloc(number, bytes);
}
void* realloc(void* memory, std::size_t bytes) {
  count(bytes);
  return __libc_realloc(memory, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  count(bytes);
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  count(bytes);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  count(bytes);
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
}
#endif

namespace sinter {

std::int64_t large_allocations() { return SINTER_COUNTS_ALLOCATIONS ? large.load() : -1; }

std::int64_t all_allocations() { return SINTER_COUNTS_ALLOCATIONS ? large + small : -1; }

void count_small_allocations(bool on) { counts_small = on; }

std::size_t take_largest_allocation() { return largest.exchange(0); }

}  // namespace sinter
