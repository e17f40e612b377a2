#include "ir/memory_map.h"

#include <algorithm>
#include <iterator>

namespace sinter::ir {

void MemoryMap::clear(const ByteRange& range) {
  if (range.empty()) return;
  auto at = ranges_.lower_bound(range.begin);
  if (at != ranges_.begin()) {
    const auto before = std::prev(at);
    const Marked whole = before->second;
    if (whole.end > range.begin) {
      before->second.end = range.begin;
      if (whole.end > range.end) ranges_[range.end] = whole;
    }
  }
  while (at != ranges_.end() && at->first < range.end) {
    const Marked whole = at->second;
    at = ranges_.erase(at);
    if (whole.end > range.end) ranges_[range.end] = whole;
  }
}

void MemoryMap::paint(const ByteRange& range, int mark) {
  if (range.empty()) return;
  clear(range);
  ranges_[range.begin] = {range.end, mark};
}

std::vector<int> MemoryMap::marks(const ByteRange& range) const {
  std::vector<int> marks;
  std::int64_t position = range.begin;
  auto at = ranges_.upper_bound(range.begin);
  if (at != ranges_.begin() && std::prev(at)->second.end > range.begin) --at;
  for (; at != ranges_.end() && at->first < range.end; ++at) {
    if (at->first > position) marks.push_back(kNoMark);
    marks.push_back(at->second.mark);
    position = at->second.end;
  }
  if (position < range.end) marks.push_back(kNoMark);
  return marks;
}

std::optional<int> MemoryMap::single_mark(const ByteRange& range) const {
  const std::vector<int> all = marks(range);
  if (!std::all_of(all.begin(), all.end(), [&](int mark) { return mark == all[0]; })) {
    return std::nullopt;
  }
  return all[0];
}

}  // namespace sinter::ir
