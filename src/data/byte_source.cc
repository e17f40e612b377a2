#include "data/byte_source.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "data/unpacker.h"

namespace sinter::data {
namespace {

std::uint64_t memory_of_machine() {
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

ByteSource::ByteSource(const std::string& path) : file_(path), compression_(compression_of(file_)) {
  if (compression_ != nullptr) unpacker_ = compression_->open(file_);
}

ByteSource::~ByteSource() = default;

std::size_t ByteSource::read(void* to, std::size_t bytes) {
  auto* const first = static_cast<std::byte*>(to);
  std::size_t filled = 0;
  if (unpacker_ != nullptr) {
    while (filled < bytes) {
      const std::size_t got = unpacker_->read(first + filled, bytes - filled);
      if (got == 0) break;
      filled += got;
    }
  } else {
    filled = std::min(bytes, file_.size() - static_cast<std::size_t>(offset_));
    if (filled != 0) std::memcpy(first, file_.data() + offset_, filled);
  }
  offset_ += filled;
  return filled;
}

std::uint64_t ByteSource::most_bytes() const {
  if (!compressed()) return file_.size();
  return std::min(file_.size() * compression_->best_ratio, memory_of_machine());
}

}  // namespace sinter::data
