// Whether nodes can share a loop on a device, and how: the rules of a fused unit.
#ifndef SINTER_COMPILE_UNIT_LAYOUT_H_
#define SINTER_COMPILE_UNIT_LAYOUT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "compile/pass.h"

namespace sinter::compile_detail {

// A unit of fusable nodes with the memory that it touches.
struct FittedUnit {
  Fusion::Unit unit;
  std::vector<ir::ValueId> reads;   // values of other units as they are read, ascending, each once
  std::vector<ir::ValueId> stores;  // values that something else reads
};

// What the rules look up about a graph, gathered once.
class UnitLayout {
 public:
  UnitLayout(const ir::Graph& graph, ir::OpList ops, const backend::FusionLimits& limits,
             const std::vector<std::uint8_t>& uniform);

  // The unit of these nodes (ascending, pointwise ops and reductions): nothing where their values
  // do not line up in one space, or the device would not run it well. One node always fits.
  std::optional<FittedUnit> fit(const std::vector<std::int32_t>& nodes);

  const std::vector<ViewChain>& inputs(std::int32_t node) const { return facts(node).inputs; }
  // The nodes that read a root, through views or not, each once.
  const std::vector<std::int32_t>& readers(ir::ValueId root) const {
    return readers_[static_cast<std::size_t>(root)];
  }
  // Whether a root is a result, or a new value of a State.
  bool is_kept(ir::ValueId root) const { return kept_[static_cast<std::size_t>(root)] != 0; }
  bool is_uniform(ir::ValueId value) const {
    return uniform_[static_cast<std::size_t>(value)] != 0;
  }
  // The largest shape that a node loops over.
  Shape space_of(std::int32_t node) const;

 private:
  struct Facts {
    std::vector<ViewChain> inputs;
    int instructions = 0;
    bool is_reduction = false;
    bool uses_index = false;
    bool is_wide = false;  // computes in a type of eight bytes
  };
  // What one attempt knows of a value of its unit.
  struct Mark {
    std::uint32_t attempt = 0;
    bool has_map = false;
    bool is_behind = false;  // a reduction of the unit
    bool is_kept = false;    // from one pass over a row to a later one
    int pass = 0;            // the pass over a row that computes it
    AxisMap map;
  };

  const ir::Node& node_at(std::int32_t node) const {
    return graph_.nodes[static_cast<std::size_t>(node)];
  }
  const Facts& facts(std::int32_t node) const { return facts_[static_cast<std::size_t>(node)]; }
  const Shape& shape_of(ir::ValueId value) const { return graph_.type_of(value).shape; }
  ir::ValueId result_of(std::int32_t node) const { return node_at(node).results[0]; }
  Mark& mark(ir::ValueId value) { return marks_[static_cast<std::size_t>(value)]; }
  bool is_member(ir::ValueId root) const {
    return marks_[static_cast<std::size_t>(root)].attempt == attempt_;
  }
  bool is_whole(ir::ValueId value, const Fusion::Unit& unit) const {
    return shape_of(value).elements() == unit.space.elements();
  }

  void gather(std::int32_t node);
  void count_instructions(std::int32_t node, Facts& facts) const;
  bool choose_space(Fusion::Unit& unit) const;
  bool choose_kind(Fusion::Unit& unit) const;
  bool place_values(const Fusion::Unit& unit);
  bool place_small(const Fusion::Unit& unit, const std::vector<std::int32_t>& small);
  void set_map(ir::ValueId value, AxisMap map);
  std::optional<AxisMap> map_of_equal_input(std::int32_t node, const Fusion::Unit& unit);
  std::optional<AxisMap> map_wanted(std::int32_t node, const Fusion::Unit& unit);
  bool check_node(std::int32_t node, const Fusion::Unit& unit);
  bool check_small(std::int32_t node, const Fusion::Unit& unit);
  bool may_loop_again(const Fusion::Unit& unit) const;
  double extra_instructions(std::int32_t node, const Fusion::Unit& unit);
  int set_pass(std::int32_t node);
  bool widens_loop(const Fusion::Unit& unit);
  bool collect_memory(FittedUnit& fitted);
  bool store_rows_of_map(FittedUnit& fitted);
  bool folds_one_axis(const Fusion::Unit& unit);

  const ir::Graph& graph_;
  ir::OpList ops_;
  const backend::FusionLimits limits_;
  const std::vector<std::uint8_t>& uniform_;
  std::vector<Facts> facts_;                        // by node
  std::vector<std::vector<std::int32_t>> readers_;  // by root
  std::vector<std::uint8_t> kept_;                  // by root
  std::vector<Mark> marks_;                         // by value
  std::uint32_t attempt_ = 0;
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_UNIT_LAYOUT_H_
