#include "compile/memory.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace sinter::compile_detail {

namespace {

constexpr std::int64_t kAlignment = 64;

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

bool overlap_in_time(const Blob& a, const Blob& b) {
  return a.first <= b.last && b.first <= a.last;
}

// Offsets between the two, both left out.
using Interval = std::pair<std::int64_t, std::int64_t>;

// Where `blob` must not begin for the sake of one that has its place; empty: anywhere.
Interval forbidden_by(const Blob& placed, const Blob& blob) {
  const std::int64_t bytes = aligned(blob.bytes);
  const std::int64_t end = placed.offset + aligned(placed.bytes);
  if (overlap_in_time(placed, blob)) return {placed.offset - bytes, end};
  // Else only for what the one keeps of the other's memory.
  Interval forbidden{end, end};
  if (placed.kept_bytes > 0) forbidden.first = end - placed.kept_bytes - bytes;
  if (blob.kept_bytes > 0) {
    const Interval of_kept{placed.offset - bytes, end - (bytes - blob.kept_bytes)};
    if (placed.kept_bytes == 0) return of_kept;
    forbidden = {std::min(forbidden.first, of_kept.first), end};
  }
  return forbidden;
}

}  // namespace

std::int64_t place_blobs(std::vector<Blob>& blobs) {
  std::vector<std::size_t> order(blobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return blobs[a].bytes > blobs[b].bytes; });
  std::int64_t total = 0;
  std::vector<Interval> forbidden;
  // By offset, so that what they forbid is sorted, or nearly.
  std::vector<std::pair<std::int64_t, std::size_t>> placed;
  placed.reserve(blobs.size());
  for (const std::size_t next : order) {
    Blob& blob = blobs[next];
    forbidden.clear();
    for (const auto& [offset, other] : placed) {
      const Interval interval = forbidden_by(blobs[other], blob);
      if (interval.first + 1 < interval.second) forbidden.push_back(interval);
    }
    if (!std::is_sorted(forbidden.begin(), forbidden.end())) {
      std::sort(forbidden.begin(), forbidden.end());
    }
    std::int64_t free = 0;
    for (const Interval& interval : forbidden) {
      if (free <= interval.first) break;
      free = std::max(free, interval.second);
    }
    blob.offset = aligned(free);
    total = std::max(total, blob.offset + aligned(blob.bytes));
    const std::pair place(blob.offset, next);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), place), place);
  }
  return total;
}

}  // namespace sinter::compile_detail
