// Units and what they need of each other while they merge: an acyclic graph in topological order.
#ifndef SINTER_COMPILE_UNIT_GRAPH_H_
#define SINTER_COMPILE_UNIT_GRAPH_H_

#include <cstdint>
#include <set>
#include <vector>

namespace sinter::compile_detail {

// Units are numbers below `count`; at first they stand in the order of their numbers, which must
// respect the edges that are added.
class UnitGraph {
 public:
  explicit UnitGraph(std::size_t count);

  void add_edge(std::int32_t producer, std::int32_t reader);

  // Merges two units unless a path leads from one through others to the other. Returns the number
  // that stays (the other one has no edges any more), or -1. Looks only at units that stand between
  // the two.
  std::int32_t merge(std::int32_t a, std::int32_t b);

  const std::set<std::int32_t>& producers(std::int32_t unit) const { return at(unit).producers; }
  const std::set<std::int32_t>& readers(std::int32_t unit) const { return at(unit).readers; }

 private:
  struct Links {
    std::set<std::int32_t> producers;
    std::set<std::int32_t> readers;
    std::int32_t position = 0;
    std::uint32_t seen = 0;
  };

  Links& at(std::int32_t unit) { return links_[static_cast<std::size_t>(unit)]; }
  const Links& at(std::int32_t unit) const { return links_[static_cast<std::size_t>(unit)]; }
  bool reaches(std::int32_t first, std::int32_t last);
  void close_ranks(std::int32_t first, std::int32_t last, std::int32_t kept);

  std::vector<Links> links_;
  std::vector<std::int32_t> order_;  // units by position; -1 where one has gone
  std::uint32_t search_ = 0;
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_UNIT_GRAPH_H_
