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
  for (std::size_t i = 0; i < order.size(); ++i) {
    Blob& blob = blobs[order[i]];
    forbidden.clear();
    for (std::size_t j = 0; j < i; ++j) {
      const Interval interval = forbidden_by(blobs[order[j]], blob);
      if (interval.first + 1 < interval.second) forbidden.push_back(interval);
    }
    std::sort(forbidden.begin(), forbidden.end());
    std::int64_t offset = 0;
    for (const Interval& interval : forbidden) {
      if (offset <= interval.first) break;
      offset = std::max(offset, interval.second);
    }
    blob.offset = aligned(offset);
    total = std::max(total, blob.offset + aligned(blob.bytes));
  }
  return total;
}

}  // namespace sinter::compile_detail
