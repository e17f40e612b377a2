// The passes of the compiler, and the one runner that they go through.
#ifndef SINTER_COMPILE_PASS_H_
#define SINTER_COMPILE_PASS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "compile/axes.h"
#include "ir/graph.h"
#include "ir/program.h"

namespace sinter::compile_detail {

// Which nodes share a loop. An annotation of a Graph: unit_of[node] is the node's unit; -1 for a
// view, which is resolved into its readers' strides, and for a uniform value, which every group
// that reads it computes for itself. Nodes of a unit have ascending positions.
struct Fusion {
  struct Unit {
    std::vector<std::int32_t> nodes;
    ir::GroupKind kind = ir::GroupKind::map;
    Shape space;
    int reduced_axes = 0;
    bool is_group = false;  // false: one node with a kernel of its own
    // One of the nodes, a contraction on whose result the group of the others follows as its
    // epilogue (ir::Step::epilogue), with the kernel that takes it; -1: none.
    std::int32_t contraction = -1;
    std::string kernel;
    backend::PreparedCall prepared;
    // Along which axes of the space each value of the unit runs.
    std::map<ir::ValueId, AxisMap> maps;
  };
  std::vector<Unit> units;
  std::vector<std::int32_t> unit_of;
};

// Composites are replaced by their compositions.
ir::Graph expand(const ir::Graph& graph, ir::OpList ops);
// Scans lose the results that nothing reads and the inputs that no step needs then.
ir::Graph trim_scans(const ir::Graph& graph, ir::OpList ops);
// Equal nodes become one, and what nothing reads goes.
ir::Graph simplify(const ir::Graph& graph, ir::OpList ops);
// Contractions in f32 (Op::precision low) take operands rounded to `low`, bf16 or f16, and add up
// in f32. What they read is stored in that type alone, and so are their results where they lead on
// to another contraction; everything else computes in f32. `copy_of` gives the State that holds a
// State's value in `low` and that the program shall keep up to date; null: States are rounded at
// every run.
using LowCopyOf = std::function<std::uint64_t(std::uint64_t state)>;
ir::Graph lower_precision(const ir::Graph& graph, ir::OpList ops, Dtype low,
                          const LowCopyOf& copy_of);
// Values are copied where a reader does not accept the strides that views give them.
ir::Graph materialize(const ir::Graph& graph, ir::OpList ops, backend::Backend& backend);
// Pointwise ops and reductions over one space join, within the device's limits. With `enabled`
// false every node is its own unit.
Fusion fuse(const ir::Graph& graph, ir::OpList ops, const backend::FusionLimits& limits,
            bool enabled);
// Groups follow as epilogues on contractions whose results they alone read, where the kernel that
// was chosen for the contraction takes them.
void give_epilogues(const ir::Graph& graph, ir::OpList ops, backend::Backend& backend,
                    Fusion& fusion);
// Makes the program of a scan's body.
using BodyPlanner = std::function<std::shared_ptr<const ir::Program>(const ir::Graph& body)>;
// Order, memory, steps. `parameters`: the States that the memory plan counts as such. `is_body`: of
// a scan, whose memory is another's between runs.
ir::Program plan(const ir::Graph& graph, const Fusion& fusion, ir::OpList ops,
                 backend::Backend& backend, const std::set<std::uint64_t>& parameters,
                 const BodyPlanner& plan_body, bool is_body = false);

// A node with a kernel of its own as a step whose arguments have no places yet, and no workspace.
ir::Step unplaced_step(const ir::Graph& graph, ir::OpList ops, const ir::Node& node);
// Values that something outside of the unit that makes them reads.
std::vector<std::uint8_t> stored_values(const ir::Graph& graph, ir::OpList ops,
                                        const Fusion& fusion);
// What running a node once costs: its op's estimate.
ir::Cost cost_of(const ir::Graph& graph, ir::OpList ops, const ir::Node& node);

// True for a value that is the same everywhere: a constant, or pointwise ops and views of
// constants.
std::vector<std::uint8_t> uniform_values(const ir::Graph& graph, ir::OpList ops);

// Runs passes by name: times them, verifies what they made, prints times with SINTER_DEBUG >= 2,
// and with SINTER_DUMP writes every graph and the program to files, numbered in order. Throws Error
// when SINTER_DISABLE names what is no pass.
class PassRunner {
 public:
  explicit PassRunner(std::string program_name);

  void begin(const ir::Graph& traced, ir::OpList ops);
  ir::Graph run(const char* name, const ir::Graph& graph,
                const std::function<ir::Graph(const ir::Graph&)>& pass);
  // A pass whose result is no Graph.
  void time(const char* name, const std::function<void()>& pass);
  void finish(const ir::Program& program, ir::OpList ops);

  // Whether SINTER_DISABLE leaves the pass on. Passes that programs cannot be made without ignore
  // it.
  bool is_enabled(const char* name) const;

 private:
  void dump(const char* name, const char* extension, const std::string& text);

  std::string program_name_;
  ir::OpList ops_;
  int index_ = 0;
  int program_number_ = 0;
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_PASS_H_
