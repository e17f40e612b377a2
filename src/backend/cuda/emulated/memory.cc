#include "backend/cuda/emulated/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "backend/cuda/emulated/runtime.h"
#include "backend/cuda/emulated/sanitizer.h"
#include "backend/cuda/emulated/stream.h"

namespace sinter_emulated {
namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kPage = 4096;
constexpr unsigned char kGuardByte = 0xA5;
// Freed blocks of which the addresses are not given out again: at most so many, and so many bytes.
constexpr std::size_t kMostFreedBlocks = 4096;
constexpr std::size_t kMostFreedBytes = std::size_t{1} << 36;
// Sanitizers know the blocks of malloc; others are mapped, each between unreadable pages.
constexpr bool kIsMapped = !kAddressSanitizer && !kThreadSanitizer;

enum class Kind { kPageable, kPinned, kDevice };

struct Block {
  Kind kind;
  std::size_t bytes;
  char* mapping = nullptr;
  std::size_t mapping_bytes = 0;
};

struct Freed {
  char* mapping;
  std::size_t bytes;
};

struct Memory {
  std::map<char*, Block> blocks;  // by their first byte
  std::deque<Freed> freed;
  std::size_t freed_bytes = 0;
  std::size_t in_use = 0;
  std::uint64_t allocations = 0;
  int access_depth = 0;
};

Memory& memory() {
  static Memory& the_memory = *new Memory;
  return the_memory;
}

std::size_t total_bytes() {
  static const std::size_t total = [] {
    const char* text = std::getenv("SINTER_EMULATED_MEMORY");
    const unsigned long long bytes = text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
    return bytes == 0 ? std::size_t{4} << 30 : static_cast<std::size_t>(bytes);
  }();
  return total;
}

bool is_protected() {
  static const bool value = [] {
    const char* text = std::getenv("SINTER_EMULATED_PROTECT");
    return text != nullptr && text[0] != 0 && text[0] != '0';
  }();
  return value;
}

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

void set_access(char* address, const Block& block, bool is_open) {
  if (kAddressSanitizer) {
    is_open ? unpoison(address, block.bytes) : poison(address, block.bytes);
  } else if (kIsMapped && is_protected()) {
    const std::size_t bytes = block.mapping_bytes - 2 * kPage;
    mprotect(block.mapping + kPage, bytes, is_open ? PROT_READ | PROT_WRITE : PROT_NONE);
  }
}

void set_access_to_all(bool is_open) {
  if (!kAddressSanitizer && !(kIsMapped && is_protected())) return;
  for (const auto& [address, block] : memory().blocks) {
    if (block.kind == Kind::kDevice) set_access(address, block, is_open);
  }
}

// The block that holds the address, or null.
std::map<char*, Block>::iterator find_block(const void* address) {
  auto& blocks = memory().blocks;
  auto found = blocks.upper_bound(static_cast<char*>(const_cast<void*>(address)));
  if (found == blocks.begin()) return blocks.end();
  --found;
  const bool is_inside = static_cast<const char*>(address) < found->first + found->second.bytes;
  return is_inside ? found : blocks.end();
}

// What lies at [address, address + bytes), or false when a block ends in between.
bool classify(const void* address, std::size_t bytes, Kind& kind) {
  const auto found = find_block(address);
  kind = found == memory().blocks.end() ? Kind::kPageable : found->second.kind;
  if (kind == Kind::kPageable) return true;
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(address) - found->first);
  return bytes <= found->second.bytes - offset;
}

char* allocate_mapped(std::size_t bytes, Block& block) {
  const std::size_t rounded = round_up(bytes, kAlignment);
  const std::size_t body = round_up(rounded, kPage);
  block.mapping_bytes = body + 2 * kPage;
  void* mapping = mmap(nullptr, block.mapping_bytes, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  block.mapping = static_cast<char*>(mapping);
  if (mprotect(block.mapping + kPage, body, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapping, block.mapping_bytes);
    return nullptr;
  }
  // At the end of its pages, so that what runs past the alignment hits the unreadable page.
  char* address = block.mapping + kPage + body - rounded;
  std::memset(block.mapping + kPage, kGuardByte, body - rounded);
  std::memset(address + bytes, kGuardByte, rounded - bytes);
  return address;
}

cudaError_t allocate(void** result, std::size_t bytes, Kind kind) {
  if (result == nullptr) return cudaErrorInvalidValue;
  *result = nullptr;
  if (bytes == 0) return cudaSuccess;
  Memory& all = memory();
  const bool is_device = kind == Kind::kDevice;
  const std::size_t charged = round_up(bytes, kAlignment);
  if (is_device && (bytes > total_bytes() || charged > total_bytes() - all.in_use)) {
    return cudaErrorMemoryAllocation;
  }
  Block block{kind, bytes};
  char* address = nullptr;
  if (kIsMapped && is_device) {
    address = allocate_mapped(bytes, block);
  } else {
    void* aligned = nullptr;
    if (posix_memalign(&aligned, kAlignment, bytes) == 0) address = static_cast<char*>(aligned);
  }
  if (address == nullptr) return cudaErrorMemoryAllocation;
  std::memset(address, 0xFF, bytes);
  all.blocks.emplace(address, block);
  if (is_device) {
    all.in_use += charged;
    ++all.allocations;
    if (all.access_depth == 0) set_access(address, block, false);
  }
  *result = address;
  return cudaSuccess;
}

// Whether the bytes around a mapped block are as they were made.
bool guards_are_whole(const char* address, const Block& block) {
  const auto is_guard = [](const char* from, const char* to) {
    for (; from < to; ++from) {
      if (static_cast<unsigned char>(*from) != kGuardByte) return false;
    }
    return true;
  };
  return is_guard(block.mapping + kPage, address) &&
         is_guard(address + block.bytes, block.mapping + block.mapping_bytes - kPage);
}

void release_mapped(const char* address, const Block& block) {
  Memory& all = memory();
  if (!guards_are_whole(address, block)) {
    set_sticky_error(
        cudaErrorIllegalAddress,
        ("written outside of an allocation of " + std::to_string(block.bytes) + " bytes").c_str());
  }
  madvise(block.mapping, block.mapping_bytes, MADV_DONTNEED);
  mprotect(block.mapping, block.mapping_bytes, PROT_NONE);
  all.freed.push_back({block.mapping, block.mapping_bytes});
  all.freed_bytes += block.mapping_bytes;
  while (all.freed.size() > kMostFreedBlocks || all.freed_bytes > kMostFreedBytes) {
    munmap(all.freed.front().mapping, all.freed.front().bytes);
    all.freed_bytes -= all.freed.front().bytes;
    all.freed.pop_front();
  }
}

cudaError_t release_block(void* address, Kind kind) {
  if (address == nullptr) return cudaSuccess;
  Memory& all = memory();
  const auto found = all.blocks.find(static_cast<char*>(address));
  if (found == all.blocks.end() || found->second.kind != kind) return cudaErrorInvalidValue;
  drain_all();  // as in CUDA, nothing that uses it is left
  const DeviceAccess access;
  const Block block = found->second;
  all.blocks.erase(found);
  if (kind == Kind::kDevice) all.in_use -= round_up(block.bytes, kAlignment);
  if (block.mapping != nullptr) {
    release_mapped(static_cast<char*>(address), block);
  } else {
    std::free(address);
  }
  return cudaSuccess;
}

bool is_capturing(cudaStream_t handle) {
  const std::shared_ptr<Stream> stream = find_stream(handle);
  return stream != nullptr && stream->capture != nullptr;
}

cudaError_t copy_async(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                       cudaStream_t stream) {
  if (find_stream(stream) == nullptr) return cudaErrorInvalidResourceHandle;
  if (bytes == 0) return cudaSuccess;
  if (to == nullptr || from == nullptr) return cudaErrorInvalidValue;
  Kind to_kind;
  Kind from_kind;
  if (!classify(to, bytes, to_kind) || !classify(from, bytes, from_kind))
    return cudaErrorInvalidValue;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault &&
      (to_device != (to_kind == Kind::kDevice) || from_device != (from_kind == Kind::kDevice))) {
    return cudaErrorInvalidValue;
  }
  const char* to_bytes = static_cast<const char*>(to);
  const char* from_bytes = static_cast<const char*>(from);
  if (to_bytes < from_bytes + bytes && from_bytes < to_bytes + bytes) return cudaErrorInvalidValue;
  const bool has_pageable = to_kind == Kind::kPageable || from_kind == Kind::kPageable;
  if (has_pageable && is_capturing(stream)) {
    find_stream(stream)->capture->is_invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  if (from_kind == Kind::kPageable) {
    const std::shared_ptr<char[]> staged(new char[bytes]);
    std::memcpy(staged.get(), from, bytes);
    const cudaError_t error =
        submit(stream, [to, staged, bytes] { std::memcpy(to, staged.get(), bytes); });
    if (error != cudaSuccess || to_kind != Kind::kPageable) return error;
  } else {
    const cudaError_t error = submit(stream, [to, from, bytes] { std::memcpy(to, from, bytes); });
    if (error != cudaSuccess || to_kind != Kind::kPageable) return error;
  }
  drain_for_host(*find_stream(stream));
  return cudaSuccess;
}

cudaError_t set_async(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  if (find_stream(stream) == nullptr) return cudaErrorInvalidResourceHandle;
  if (bytes == 0) return cudaSuccess;
  Kind kind;
  if (!classify(to, bytes, kind) || kind != Kind::kDevice) return cudaErrorInvalidValue;
  return submit(stream, [to, value, bytes] { std::memset(to, value, bytes); });
}

}  // namespace

DeviceAccess::DeviceAccess() {
  if (memory().access_depth++ == 0) set_access_to_all(true);
}
DeviceAccess::~DeviceAccess() {
  if (--memory().access_depth == 0) set_access_to_all(false);
}

std::uint64_t allocations_made() { return memory().allocations; }
std::uint64_t device_bytes_in_use() { return memory().in_use; }
std::uint64_t live_device_blocks() {
  std::uint64_t count = 0;
  for (const auto& [address, block] : memory().blocks) count += block.kind == Kind::kDevice;
  return count;
}

}  // namespace sinter_emulated

using namespace sinter_emulated;

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* all_bytes) {
  return call("cudaMemGetInfo", InCapture::kAllowed, [&] {
    if (free_bytes == nullptr || all_bytes == nullptr) return cudaErrorInvalidValue;
    *all_bytes = total_bytes();
    *free_bytes = total_bytes() - memory().in_use;
    return cudaSuccess;
  });
}

cudaError_t cudaMalloc(void** address, size_t bytes) {
  return call("cudaMalloc", InCapture::kUnsafe,
              [&] { return allocate(address, bytes, Kind::kDevice); });
}

cudaError_t cudaFree(void* address) {
  return call("cudaFree", InCapture::kUnsafe,
              [&] { return release_block(address, Kind::kDevice); });
}

cudaError_t cudaMallocHost(void** address, size_t bytes) {
  return call("cudaMallocHost", InCapture::kUnsafe,
              [&] { return allocate(address, bytes, Kind::kPinned); });
}

cudaError_t cudaHostAlloc(void** address, size_t bytes, unsigned flags) {
  return call("cudaHostAlloc", InCapture::kUnsafe, [&] {
    if (flags != cudaHostAllocDefault) return cudaErrorNotSupported;
    return allocate(address, bytes, Kind::kPinned);
  });
}

cudaError_t cudaFreeHost(void* address) {
  return call("cudaFreeHost", InCapture::kUnsafe,
              [&] { return release_block(address, Kind::kPinned); });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  return call("cudaPointerGetAttributes", InCapture::kAllowed, [&] {
    if (attributes == nullptr) return cudaErrorInvalidValue;
    Kind kind;
    classify(address, 1, kind);
    void* const pointer = const_cast<void*>(address);
    *attributes = {cudaMemoryTypeUnregistered, 0, nullptr, pointer};
    if (kind == Kind::kPinned) *attributes = {cudaMemoryTypeHost, 0, pointer, pointer};
    if (kind == Kind::kDevice) *attributes = {cudaMemoryTypeDevice, 0, pointer, nullptr};
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return call("cudaMemcpy", InCapture::kForbidden, [&] {
    const cudaError_t error = copy_async(to, from, bytes, kind, nullptr);
    if (error == cudaSuccess) drain_for_host(*find_stream(nullptr));
    return error;
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return call("cudaMemcpyAsync", InCapture::kAllowed,
              [&] { return copy_async(to, from, bytes, kind, stream); });
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return call("cudaMemset", InCapture::kForbidden,
              [&] { return set_async(to, value, bytes, nullptr); });
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return call("cudaMemsetAsync", InCapture::kAllowed,
              [&] { return set_async(to, value, bytes, stream); });
}
