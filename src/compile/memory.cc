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

using Interval = std::pair<std::int64_t, std::int64_t>;

// What `blob` must leave of the memory of one that has its place; empty: nothing.
Interval taken_by(const Blob& placed, const Blob& blob) {
  const std::int64_t end = placed.offset + aligned(placed.bytes);
  const bool both_keep = placed.kept_bytes > 0 && blob.kept_bytes > 0;
  if (overlap_in_time(placed, blob) || both_keep) return {placed.offset, end};
  return {end - placed.kept_bytes, end};
}

}  // namespace

std::int64_t place_blobs(std::vector<Blob>& blobs) {
  std::vector<std::size_t> order(blobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const bool a_keeps = blobs[a].kept_bytes > 0, b_keeps = blobs[b].kept_bytes > 0;
    return a_keeps != b_keeps ? a_keeps : blobs[a].bytes > blobs[b].bytes;
  });
  std::int64_t total = 0;
  std::vector<Interval> taken;
  for (std::size_t i = 0; i < order.size(); ++i) {
    Blob& blob = blobs[order[i]];
    taken.clear();
    for (std::size_t j = 0; j < i; ++j) {
      const Interval interval = taken_by(blobs[order[j]], blob);
      if (interval.first < interval.second) taken.push_back(interval);
    }
    std::sort(taken.begin(), taken.end());
    std::int64_t offset = 0;
    for (const Interval& interval : taken) {
      if (offset + aligned(blob.bytes) <= interval.first) break;
      offset = std::max(offset, interval.second);
    }
    blob.offset = offset;
    total = std::max(total, offset + aligned(blob.bytes));
  }
  return total;
}

}  // namespace sinter::compile_detail
