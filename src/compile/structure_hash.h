// What nodes compute, as numbers: equal for equal computations, whatever the order of recording.
#ifndef SINTER_COMPILE_STRUCTURE_HASH_H_
#define SINTER_COMPILE_STRUCTURE_HASH_H_

#include <cstdint>
#include <vector>

#include "ir/graph.h"

namespace sinter::compile_detail {

// Of a node: its op, attributes and types, and the same of all that it is made from. Inputs count by
// position, States by their order of creation.
class StructureHash {
 public:
  StructureHash(const ir::Graph& graph, ir::OpList ops);

  std::uint64_t of(std::int32_t node) const { return nodes_[static_cast<std::size_t>(node)]; }

 private:
  std::vector<std::uint64_t> nodes_;
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_STRUCTURE_HASH_H_
