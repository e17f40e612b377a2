#include "backend/cpu/copy_rate.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/parallel.h"

namespace sinter::backend::cpu {
namespace {

constexpr std::int64_t kLine = 64;
// A thread copies at least so much between two looks at the clock; and all of that so often.
constexpr std::int64_t kLeastBytes = std::int64_t{1} << 23;
constexpr int kTurns = 8;
// Smaller ones lie in a cache, which stores that go past it only slow down.
constexpr std::int64_t kLeastPastCaches = std::int64_t{1} << 24;

void copy_past_caches(std::byte* to, const std::byte* from, std::int64_t lines) {
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

void copy_plainly(std::byte* to, const std::byte* from, std::int64_t lines) {
  std::memcpy(to, from, static_cast<std::size_t>(lines * kLine));
}

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Bytes read and written.
double copied(std::int64_t lines) { return 2.0 * static_cast<double>(lines * kLine); }

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte, Free>;

Memory make_memory(std::int64_t lines) {
  const auto bytes = static_cast<std::size_t>(lines * kLine);
  Memory memory(static_cast<std::byte*>(std::aligned_alloc(kLine, bytes)));
  if (memory) std::memset(memory.get(), 1, bytes);
  return memory;
}

}  // namespace

double measure_copies(std::int64_t bytes) {
  const std::int64_t lines = std::max<std::int64_t>(bytes / (2 * kLine), thread_count());
  const Memory from = make_memory(lines);
  const Memory to = make_memory(lines);
  if (!from || !to) return 0;
  const std::int64_t grain = (lines + thread_count() - 1) / thread_count();
  const std::int64_t repeats = std::max<std::int64_t>(1, kLeastBytes / (2 * kLine * grain));
  const bool fits_own_caches = bytes < kLeastPastCaches;
  double best = 0;
  for (int turn = 0; turn < 2 * kTurns; ++turn) {
    const auto copy = turn % 2 == 0 || fits_own_caches ? copy_plainly : copy_past_caches;
    std::vector<double> rates(static_cast<std::size_t>(thread_count()));
    std::atomic<std::size_t> pieces = 0;
    const auto start = Clock::now();
    parallel_for(lines, grain, [&](std::int64_t begin, std::int64_t end) {
      const auto own_start = Clock::now();
      for (std::int64_t i = 0; i < repeats; ++i) {
        copy(to.get() + begin * kLine, from.get() + begin * kLine, end - begin);
      }
      rates[pieces++] = copied(repeats * (end - begin)) / seconds_since(own_start);
    });
    const double together = copied(repeats * lines) / seconds_since(start);
    // Threads do not share their own caches, and need not copy at the same moments.
    const double apart = std::accumulate(rates.begin(), rates.end(), 0.0);
    best = std::max(best, fits_own_caches ? apart : together);
  }
  return best;
}

}  // namespace sinter::backend::cpu
