#include "backend/cuda/emulated/shared_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "backend/cuda/emulated/sanitizer.h"

namespace sinter_emulated {
namespace {

constexpr std::size_t kArenaBytes = std::size_t{1} << 30;
constexpr std::size_t kBlockReserve = 1 << 20;  // more than a block can take
constexpr std::size_t kGuardBytes = 64;
constexpr unsigned char kGuardByte = 0xA5;

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

void SharedMemory::begin_block(std::size_t dynamic_bytes) {
  dynamic_site_.bytes = dynamic_bytes;
  static_bytes_ = 0;
}

char* SharedMemory::allocate(std::size_t bytes, std::size_t alignment) {
  if constexpr (kThreadSanitizer) {
    if (arena_ == nullptr) {
      void* memory = mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) throw std::bad_alloc();
      arena_ = static_cast<char*>(memory);
    }
    arena_used_ = round_up(arena_used_, alignment);
    char* memory = arena_ + arena_used_;
    arena_used_ += bytes + kGuardBytes;
    return memory;
  }
  void* memory = nullptr;
  const std::size_t guard = kAddressSanitizer ? 0 : kGuardBytes;
  if (posix_memalign(&memory, alignment, bytes + guard) != 0) throw std::bad_alloc();
  return static_cast<char*>(memory);
}

void* SharedMemory::fresh(const SharedSite& site) {
  const IgnoreAccesses ignore;
  if (&site != &dynamic_site_) static_bytes_ += site.bytes;
  Object* object = nullptr;
  for (Object& candidate : objects_) {
    if (candidate.site == &site) object = &candidate;
  }
  // A module that was loaded where an unloaded one was may have another site at the same address.
  if (object != nullptr && object->memory != nullptr && object->bytes != site.bytes) {
    if (!kThreadSanitizer) std::free(object->memory);
    object->memory = nullptr;
  }
  if (object == nullptr) {
    objects_.push_back({&site, site.bytes, nullptr, false});
    object = &objects_.back();
  }
  if (object->memory == nullptr) {
    const std::size_t alignment = site.alignment < 16 ? 16 : site.alignment;
    object->memory = allocate(site.bytes, alignment);
  }
  object->is_of_this_block = true;
  object->bytes = site.bytes;
  std::memset(object->memory, 0xFF, site.bytes);
  if (!kAddressSanitizer) std::memset(object->memory + site.bytes, kGuardByte, kGuardBytes);
  return object->memory;
}

void* SharedMemory::object(const SharedSite& site) {
  for (const Object& object : objects_) {
    if (object.site == &site && object.is_of_this_block) return object.memory;
  }
  return fresh(site);
}

void* SharedMemory::dynamic() { return object(dynamic_site_); }

const char* SharedMemory::end_block() {
  const IgnoreAccesses ignore;
  const char* overrun = nullptr;
  for (Object& object : objects_) {
    if (!object.is_of_this_block) continue;
    for (std::size_t i = 0; !kAddressSanitizer && i < kGuardBytes; ++i) {
      const unsigned char byte = static_cast<unsigned char>(object.memory[object.site->bytes + i]);
      if (byte != kGuardByte) overrun = object.site->name;
    }
    object.is_of_this_block = false;
    // Dynamic memory has another size in the next launch.
    const bool is_kept = !kAddressSanitizer && !kThreadSanitizer && object.site != &dynamic_site_;
    if (is_kept) continue;
    if (!kThreadSanitizer) std::free(object.memory);
    object.memory = nullptr;
  }
  return overrun;
}

void* SharedMemory::sync_word() { return kThreadSanitizer ? allocate(8, 8) : nullptr; }

bool SharedMemory::is_exhausted() const { return arena_used_ + kBlockReserve > kArenaBytes; }

void SharedMemory::begin_epoch() { arena_used_ = 0; }

}  // namespace sinter_emulated
