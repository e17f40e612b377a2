#include "bandwidth.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/parallel.h"

namespace sinter::cli {
namespace {

constexpr std::int64_t kBytes = std::int64_t{64} << 20;
constexpr std::int64_t kLine = 64;

void copy_lines(std::byte* to, const std::byte* from, std::int64_t lines) {
#if defined(__SSE2__)
  const auto* source = reinterpret_cast<const __m128i*>(from);
  auto* target = reinterpret_cast<__m128i*>(to);
  for (std::int64_t i = 0; i < lines * 4; i += 4) {
    const __m128i a = _mm_load_si128(source + i);
    const __m128i b = _mm_load_si128(source + i + 1);
    const __m128i c = _mm_load_si128(source + i + 2);
    const __m128i d = _mm_load_si128(source + i + 3);
    _mm_stream_si128(target + i, a);
    _mm_stream_si128(target + i + 1, b);
    _mm_stream_si128(target + i + 2, c);
    _mm_stream_si128(target + i + 3, d);
  }
  _mm_sfence();
#else
  std::memcpy(to, from, static_cast<std::size_t>(lines * kLine));
#endif
}

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte, Free>;

Memory make_memory() {
  Memory memory(static_cast<std::byte*>(std::aligned_alloc(kLine, kBytes)));
  if (memory) std::memset(memory.get(), 1, kBytes);
  return memory;
}

}  // namespace

double measure_bandwidth() {
  const Memory from = make_memory();
  const Memory to = make_memory();
  if (!from || !to) return 0;
  double best = 0;
  for (int i = 0; i < 8; ++i) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(kBytes / kLine, 1024, [&](std::int64_t begin, std::int64_t end) {
      copy_lines(to.get() + begin * kLine, from.get() + begin * kLine, end - begin);
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * static_cast<double>(kBytes) / seconds.count());
  }
  return best;
}

}  // namespace sinter::cli
