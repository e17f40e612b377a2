#include "compile/memory.h"

#include <algorithm>
#include <numeric>

namespace sinter::compile_detail {

namespace {

constexpr std::int64_t kAlignment = 64;

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

bool overlap_in_time(const Blob& a, const Blob& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

std::int64_t place_blobs(std::vector<Blob>& blobs) {
  std::vector<std::size_t> order(blobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return blobs[a].bytes > blobs[b].bytes; });
  std::int64_t total = 0;
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t index : order) {
    Blob& blob = blobs[index];
    std::int64_t offset = 0;
    for (const std::size_t other : placed) {
      const Blob& taken = blobs[other];
      if (!overlap_in_time(blob, taken)) continue;
      if (offset + aligned(blob.bytes) <= taken.offset) break;
      offset = std::max(offset, taken.offset + aligned(taken.bytes));
    }
    blob.offset = offset;
    total = std::max(total, offset + aligned(blob.bytes));
    const auto place = std::upper_bound(
        placed.begin(), placed.end(), offset,
        [&](std::int64_t value, std::size_t other) { return value < blobs[other].offset; });
    placed.insert(place, index);
  }
  return total;
}

}  // namespace sinter::compile_detail
