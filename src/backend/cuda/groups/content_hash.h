// A hash of text that is the same on every machine, for names that stand for content.
#ifndef SINTER_BACKEND_CUDA_GROUPS_CONTENT_HASH_H_
#define SINTER_BACKEND_CUDA_GROUPS_CONTENT_HASH_H_

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sinter::backend::cuda {

// FNV-1a, 64 bits, as 16 hexadecimal digits. Two texts among a million share one with a chance of
// 1 to 37 million.
inline std::string content_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ull;
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_GROUPS_CONTENT_HASH_H_
