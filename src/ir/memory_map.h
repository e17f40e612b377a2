// Which value each byte of a memory holds while the steps of a program are followed.
#ifndef SINTER_IR_MEMORY_MAP_H_
#define SINTER_IR_MEMORY_MAP_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace sinter::ir {

// Bytes [begin, end) of one memory.
struct ByteRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  bool empty() const { return begin >= end; }
  bool overlaps(const ByteRange& other) const {
    return !empty() && !other.empty() && begin < other.end && other.begin < end;
  }
  bool contains(const ByteRange& other) const {
    return other.empty() || (begin <= other.begin && other.end <= end);
  }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// Marks of ranges; a byte has the mark painted last, or none. Painting and asking take logarithmic
// time and a step for each range met.
class MemoryMap {
 public:
  static constexpr int kNoMark = -1;

  void paint(const ByteRange& range, int mark);
  void erase(const ByteRange& range) { clear(range); }

  // The mark of the range's bytes when they all have the same one; kNoMark when none has one;
  // nothing when they differ. REQUIRES: the range is not empty.
  std::optional<int> single_mark(const ByteRange& range) const;
  // Every mark met in the range, from the lowest address on; kNoMark where there is none.
  std::vector<int> marks(const ByteRange& range) const;

 private:
  struct Marked {
    std::int64_t end = 0;
    int mark = kNoMark;
  };

  void clear(const ByteRange& range);

  std::map<std::int64_t, Marked> ranges_;  // by their first byte; they do not overlap
};

}  // namespace sinter::ir

#endif  // SINTER_IR_MEMORY_MAP_H_
