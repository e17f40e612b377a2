// Graph and fusion to Program: the order of the units, where every value lives, and the steps.
#include <algorithm>
#include <functional>
#include <map>
#include <queue>

#include "compile/axes.h"
#include "compile/group_builder.h"
#include "compile/memory.h"
#include "compile/pass.h"
#include "ir/cost.h"
#include "ir/in_place.h"
#include "ir/internal_error.h"
#include "ir/scan.h"

namespace sinter::compile_detail {

namespace {

constexpr std::int64_t kBufferAlignment = 64;

// Where a root value lives.
struct Place {
  ir::BufferKind kind = ir::BufferKind::arena;
  std::int32_t index = -1;  // input, output, state; for the arena: the blob
  std::int64_t offset = 0;  // bytes into it
};

// A unit with everything that does not depend on addresses.
struct PlannedUnit {
  const Fusion::Unit* unit = nullptr;
  BuiltGroup built;                 // groups only
  std::vector<ir::ValueId> reads;   // roots
  std::vector<ir::ValueId> writes;  // roots
};

class Planner {
 public:
  Planner(const ir::Graph& graph, const Fusion& fusion, ir::OpList ops, backend::Backend& backend,
          const std::set<std::uint64_t>& parameters, const BodyPlanner& plan_body, bool is_body)
      : graph_(graph),
        fusion_(fusion),
        ops_(ops),
        backend_(backend),
        parameters_(parameters),
        plan_body_(plan_body),
        is_body_(is_body),
        uniform_(uniform_values(graph, ops)),
        places_(graph.values.size()),
        first_(graph.values.size(), -1),
        last_(graph.values.size(), -1) {}

  ir::Program run() {
    order_units();
    build_units();
    find_lifetimes();
    describe_externals();
    place_outputs();
    place_states();
    place_joined();
    place_rest();
    make_steps();
    copy_outputs_and_states();
    finish_memory();
    return std::move(program_);
  }

 private:
  const ir::Node& node_at(std::int32_t node) const {
    return graph_.nodes[static_cast<std::size_t>(node)];
  }
  std::int32_t producer(ir::ValueId value) const {
    return graph_.values[static_cast<std::size_t>(value)].node;
  }
  Place& place(ir::ValueId root) { return places_[static_cast<std::size_t>(root)]; }
  bool is_placed(ir::ValueId root) { return place(root).index >= 0; }
  ir::ValueId root_of(ir::ValueId value) const {
    return compile_detail::root_of(graph_, ops_, value);
  }
  std::int32_t step_count() const { return static_cast<std::int32_t>(units_.size()); }

  // The layout of a value on its root's memory.
  ir::Layout layout_of(ir::ValueId value) const {
    return layout_through(graph_, ops_, resolve_views(graph_, ops_, value));
  }
  // Whether a value is all of its root, in order.
  bool is_whole(ir::ValueId value) const {
    const ir::Layout layout = layout_of(value);
    return ir::is_dense(layout) && layout.offset == 0 &&
           layout.shape.elements() == graph_.type_of(root_of(value)).elements();
  }

  // The unit that makes a root; -1: none.
  std::int32_t maker(ir::ValueId root) const {
    const std::int32_t node = producer(root);
    return node < 0 ? -1 : fusion_.unit_of[static_cast<std::size_t>(node)];
  }

  // For each unit those that must come after it.
  using Followers = std::vector<std::set<std::size_t>>;

  Followers find_followers() const {
    Followers followers(fusion_.units.size());
    std::map<ir::ValueId, std::set<std::size_t>> readers;  // of States' old values
    for (const ir::StateUse& use : graph_.state_in) readers[use.value];
    std::set<std::size_t> throwing;
    for (std::size_t i = 0; i < fusion_.units.size(); ++i) {
      for (const std::int32_t node : fusion_.units[i].nodes) {
        if (ir::find(ops_, node_at(node).op).may_throw) throwing.insert(i);
        for (const ir::ValueId input : node_at(node).inputs) {
          const ir::ValueId root = root_of(input);
          const std::int32_t unit = maker(root);
          if (unit >= 0 && static_cast<std::size_t>(unit) != i) {
            followers[static_cast<std::size_t>(unit)].insert(i);
          }
          const auto old = readers.find(root);
          if (old != readers.end()) old->second.insert(i);
        }
      }
    }
    std::map<std::uint64_t, ir::ValueId> old_values;
    for (const ir::StateUse& use : graph_.state_in) old_values[use.state] = use.value;
    for (const ir::StateUse& use : graph_.state_out) {
      std::set<std::size_t> before = throwing;
      const auto old = old_values.find(use.state);
      if (old != old_values.end()) {
        before.insert(readers[old->second].begin(), readers[old->second].end());
      }
      write_late(maker(root_of(use.value)), before, followers);
    }
    return followers;
  }

  // The unit that makes a new State comes after those that read the old one, and after those that
  // may end in an Error, so that it writes in place. Unless one of them needs what it makes: then
  // the State is copied at the end.
  static void write_late(std::int32_t writer, std::set<std::size_t> before, Followers& followers) {
    if (writer < 0) return;
    const auto last = static_cast<std::size_t>(writer);
    before.erase(last);
    if (before.empty()) return;
    std::vector<std::uint8_t> reached(followers.size());
    std::vector<std::size_t> stack = {last};
    while (!stack.empty()) {
      const std::size_t unit = stack.back();
      stack.pop_back();
      if (before.count(unit) != 0) return;
      for (const std::size_t follower : followers[unit]) {
        if (reached[follower] != 0) continue;
        reached[follower] = 1;
        stack.push_back(follower);
      }
    }
    for (const std::size_t unit : before) followers[unit].insert(last);
  }

  // Units in an order that respects their dependencies, as close to the recorded order as possible.
  void order_units() {
    const std::size_t count = fusion_.units.size();
    const Followers readers = find_followers();
    std::vector<int> waiting(count);
    for (const auto& followers : readers) {
      for (const std::size_t each : followers) ++waiting[each];
    }
    const auto later = [&](std::size_t a, std::size_t b) {
      return fusion_.units[a].nodes.front() > fusion_.units[b].nodes.front();
    };
    std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> ready(later);
    for (std::size_t i = 0; i < count; ++i) {
      if (waiting[i] == 0) ready.push(i);
    }
    while (!ready.empty()) {
      const std::size_t unit = ready.top();
      ready.pop();
      units_.push_back({&fusion_.units[unit], {}, {}, {}});
      for (const std::size_t reader : readers[unit]) {
        if (--waiting[reader] == 0) ready.push(reader);
      }
    }
    if (units_.size() != count) throw ir::InternalError("fusion made a cycle");
  }

  void build_units() {
    const std::vector<std::uint8_t> stored = stored_values(graph_, ops_, fusion_);
    for (PlannedUnit& planned : units_) {
      if (planned.unit->is_group) {
        planned.built = build_group(graph_, ops_, *planned.unit, uniform_, stored);
        std::size_t first = 0;
        if (planned.unit->contraction >= 0) {
          const ir::Node& node = node_at(planned.unit->contraction);
          for (const ir::ValueId input : node.inputs) planned.reads.push_back(root_of(input));
          first = 1;  // its result has no memory
        }
        for (std::size_t i = first; i < planned.built.loads.size(); ++i) {
          planned.reads.push_back(planned.built.loads[i].root);
        }
        planned.writes = planned.built.stores;
      } else {
        const ir::Node& node = node_at(planned.unit->nodes.front());
        for (const ir::ValueId input : node.inputs) planned.reads.push_back(root_of(input));
        planned.writes = node.results;
      }
    }
  }

  void find_lifetimes() {
    for (std::int32_t i = 0; i < step_count(); ++i) {
      for (const ir::ValueId root : units_[static_cast<std::size_t>(i)].writes) {
        first_[static_cast<std::size_t>(root)] = last_[static_cast<std::size_t>(root)] = i;
      }
      for (const ir::ValueId root : units_[static_cast<std::size_t>(i)].reads) {
        last_[static_cast<std::size_t>(root)] = i;
      }
    }
    last_read_ = last_;
    const auto keep_to_end = [&](ir::ValueId value) {
      last_[static_cast<std::size_t>(root_of(value))] = step_count();
    };
    for (const ir::ValueId output : graph_.outputs) keep_to_end(output);
    for (const ir::StateUse& use : graph_.state_out) keep_to_end(use.value);
  }

  void describe_externals() {
    for (std::size_t i = 0; i < graph_.inputs.size(); ++i) {
      program_.inputs.push_back(graph_.type_of(graph_.inputs[i]));
      place(graph_.inputs[i]) = {ir::BufferKind::input, static_cast<std::int32_t>(i), 0};
    }
    for (const ir::ValueId output : graph_.outputs) {
      program_.outputs.push_back(graph_.type_of(output));
    }
    for (const ir::StateUse& use : graph_.state_in) {
      place(use.value) = {ir::BufferKind::state, state_slot(use.state, use.value), 0};
    }
    for (const ir::StateUse& use : graph_.state_out) {
      const std::int32_t slot = state_slot(use.state, use.value);
      program_.states[static_cast<std::size_t>(slot)].written = true;
    }
  }

  std::int32_t state_slot(std::uint64_t state, ir::ValueId value) {
    const auto [entry, is_new] = state_slots_.emplace(state, program_.states.size());
    if (is_new) program_.states.push_back({state, graph_.type_of(value), false});
    return static_cast<std::int32_t>(entry->second);
  }

  // Outputs that a unit can write straight into the caller's memory.
  void place_outputs() {
    direct_output_.resize(graph_.outputs.size());
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      const ir::ValueId root = root_of(graph_.outputs[i]);
      if (producer(root) < 0 || is_placed(root) || !is_whole(graph_.outputs[i])) continue;
      place(root) = {ir::BufferKind::output, static_cast<std::int32_t>(i), 0};
      direct_output_[i] = 1;
    }
  }

  // The last unit whose run may end in an Error, which must find every State as it was; -1: none.
  std::int32_t last_that_may_throw() const {
    for (std::int32_t i = step_count(); i-- > 0;) {
      const PlannedUnit& planned = units_[static_cast<std::size_t>(i)];
      const ir::Node& node = node_at(planned.unit->nodes.front());
      if (!planned.unit->is_group && ir::find(ops_, node.op).may_throw) return i;
    }
    return -1;
  }

  // States whose new value can be written over the old one: nothing reads the old one any more, or
  // only the same point of the same loop.
  void place_states() {
    direct_state_.resize(graph_.state_out.size());
    for (std::size_t i = 0; i < graph_.state_out.size(); ++i) {
      const ir::StateUse& use = graph_.state_out[i];
      const ir::ValueId root = root_of(use.value);
      if (producer(root) < 0 || is_placed(root) || !is_whole(use.value)) continue;
      if (uses_at_end(root) > 1) continue;
      if (last_read_[static_cast<std::size_t>(root)] > first_[static_cast<std::size_t>(root)])
        continue;
      if (first_[static_cast<std::size_t>(root)] < last_that_may_throw()) continue;
      if (!may_overwrite(use.state, root)) continue;
      place(root) = {ir::BufferKind::state, state_slot(use.state, use.value), 0};
      direct_state_[i] = 1;
    }
  }

  // How many results and new states are made of the root: all but one copy it at the end.
  int uses_at_end(ir::ValueId root) const {
    int uses = 0;
    for (const ir::ValueId output : graph_.outputs) uses += root_of(output) == root ? 1 : 0;
    for (const ir::StateUse& use : graph_.state_out) uses += root_of(use.value) == root ? 1 : 0;
    return uses;
  }

  bool may_overwrite(std::uint64_t state, ir::ValueId root) const {
    ir::ValueId old = -1;
    for (const ir::StateUse& use : graph_.state_in) {
      if (use.state == state) old = use.value;
    }
    if (old < 0) return true;
    const std::int32_t writer = first_[static_cast<std::size_t>(root)];
    const std::int32_t last_reader = last_[static_cast<std::size_t>(old)];
    if (last_reader < writer) return true;
    return last_reader == writer && may_run_in_place(writer, old, root);
  }

  // Whether `unit` may write `result` over `operand`.
  bool may_run_in_place(std::int32_t unit, ir::ValueId operand, ir::ValueId result) const {
    const PlannedUnit& planned = units_[static_cast<std::size_t>(unit)];
    if (!planned.unit->is_group) return false;
    if (graph_.type_of(operand).bytes() != graph_.type_of(result).bytes()) return false;
    if (planned.unit->contraction >= 0) {  // which reads its inputs until its last block is done
      const std::vector<ir::ValueId>& inputs = node_at(planned.unit->contraction).inputs;
      if (std::any_of(inputs.begin(), inputs.end(),
                      [&](ir::ValueId input) { return root_of(input) == operand; })) {
        return false;
      }
    }
    const BuiltGroup& built = planned.built;
    const auto store = std::find(built.stores.begin(), built.stores.end(), result);
    if (store == built.stores.end()) return false;
    const auto output =
        static_cast<int>(built.loads.size()) + static_cast<int>(store - built.stores.begin());
    for (std::size_t i = 0; i < built.loads.size(); ++i) {
      if (built.loads[i].root != operand) continue;
      if (built.loads[i].layout.offset != 0) return false;
      if (!ir::may_run_in_place(built.group, static_cast<int>(i), output)) return false;
    }
    return true;
  }

  std::int32_t new_blob(std::int64_t bytes, std::int32_t first, std::int32_t last) {
    blobs_.push_back({bytes, first, last, -1});
    return static_cast<std::int32_t>(blobs_.size()) - 1;
  }

  // Inputs of an op that joins them are produced in their places in its result.
  void place_joined() {
    for (const PlannedUnit& planned : units_) {
      if (planned.unit->is_group) continue;
      const ir::Node& node = node_at(planned.unit->nodes.front());
      const ir::Op& op = ir::find(ops_, node.op);
      if (op.joins == nullptr || is_placed(node.results[0])) continue;
      const ir::ValueId packed = node.results[0];
      const auto size = static_cast<std::int64_t>(size_of(graph_.type_of(packed).dtype));
      const std::vector<std::int64_t>& offsets = op.joins(node.attributes);
      std::int32_t first = first_[static_cast<std::size_t>(packed)];
      std::int32_t last = last_[static_cast<std::size_t>(packed)];
      const std::int32_t blob = new_blob(graph_.type_of(packed).bytes(), first, last);
      place(packed) = {ir::BufferKind::arena, blob, 0};
      if (node.attributes.integer("joined") == 0) gradient_blobs_.insert(blob);
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const ir::ValueId root = root_of(node.inputs[i]);
        if (producer(root) < 0 || is_placed(root) || !is_whole(node.inputs[i])) continue;
        if (offsets[i] * size % kBufferAlignment != 0) continue;
        place(root) = {ir::BufferKind::arena, blob, offsets[i] * size};
        first = std::min(first, first_[static_cast<std::size_t>(root)]);
        last = std::max(last, last_[static_cast<std::size_t>(root)]);
      }
      blobs_[static_cast<std::size_t>(blob)].first = first;
      blobs_[static_cast<std::size_t>(blob)].last = last;
      keep_zeros(node, offsets, blob);
    }
  }

  // Where all inputs are in their places and the only gap is at the end, shorter than what blobs
  // are aligned to, the step would only clear that: the gap holds zeros from the start instead,
  // which nobody else may write. (Other gaps would cut up the memory of others.)
  void keep_zeros(const ir::Node& node, const std::vector<std::int64_t>& offsets,
                  std::int32_t blob) {
    if (is_body_) return;
    const auto size = static_cast<std::int64_t>(size_of(graph_.type_of(node.results[0]).dtype));
    std::int64_t end = 0;  // of what the inputs fill without a gap
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Place& input = place(root_of(node.inputs[i]));
      const bool is_there = input.kind == ir::BufferKind::arena && input.index == blob &&
                            input.offset == offsets[i] * size;
      if (!is_there || offsets[i] * size != end) return;
      end += graph_.type_of(node.inputs[i]).bytes();
    }
    Blob& packed = blobs_[static_cast<std::size_t>(blob)];
    if (packed.bytes - end >= kBufferAlignment) return;
    in_place_.insert(node.results[0]);
    if (end == packed.bytes) return;
    const std::int64_t up_to = (packed.bytes + kBufferAlignment - 1) / kBufferAlignment;
    packed.kept_bytes = up_to * kBufferAlignment - end / kBufferAlignment * kBufferAlignment;
    zeros_.emplace_back(blob, ir::Program::Span{end, packed.bytes - end});
  }

  // Everything else, in the memory of an operand that dies in the unit where possible.
  void place_rest() {
    for (std::int32_t i = 0; i < step_count(); ++i) {
      const PlannedUnit& planned = units_[static_cast<std::size_t>(i)];
      for (const ir::ValueId root : planned.writes) {
        if (is_placed(root)) continue;
        const std::int32_t last = last_[static_cast<std::size_t>(root)];
        const std::int32_t reused = dying_operand(i, root);
        if (reused >= 0) {
          place(root) = {ir::BufferKind::arena, reused, 0};
          blobs_[static_cast<std::size_t>(reused)].last = last;
          blob_last_root_[reused] = root;
          continue;
        }
        const std::int32_t blob = new_blob(graph_.type_of(root).bytes(), i, last);
        place(root) = {ir::BufferKind::arena, blob, 0};
        blob_last_root_[blob] = root;
      }
    }
  }

  std::int32_t dying_operand(std::int32_t unit, ir::ValueId result) {
    for (const ir::ValueId root : units_[static_cast<std::size_t>(unit)].reads) {
      const Place& candidate = place(root);
      if (candidate.kind != ir::BufferKind::arena || last_[static_cast<std::size_t>(root)] != unit)
        continue;
      // Only the blob's current holder can hand it on; packed blobs have no single holder.
      const auto holder = blob_last_root_.find(candidate.index);
      if (holder == blob_last_root_.end() || holder->second != root) continue;
      if (may_run_in_place(unit, root, result)) return candidate.index;
    }
    return -1;
  }

  ir::BufferRef buffer(ir::ValueId root) {
    const Place& where = place(root);
    // An arena index names a blob until blobs are placed: see finish_memory().
    return {where.kind, where.index, where.offset};
  }

  ir::Argument argument(ir::ValueId root, const ir::Layout& layout) {
    return {buffer(root), graph_.type_of(root).dtype, layout, root};
  }

  void make_steps() {
    for (std::int32_t i = 0; i < step_count(); ++i) {
      const PlannedUnit& planned = units_[static_cast<std::size_t>(i)];
      const bool has_epilogue = planned.unit->contraction >= 0;
      ir::Step step = has_epilogue             ? contraction_step(planned)
                      : planned.unit->is_group ? group_step(planned)
                                               : kernel_step(planned);
      const ir::Node& node =
          node_at(has_epilogue ? planned.unit->contraction : planned.unit->nodes.front());
      step.location = node.location;
      step.scope = node.scope;
      if (step.workspace_bytes > 0) {
        step.workspace.index = new_blob(step.workspace_bytes, i, i);
        workspace_blobs_.insert(step.workspace.index);
      }
      program_.steps.push_back(std::move(step));
    }
  }

  ir::Step group_step(const PlannedUnit& planned) {
    ir::Step step;
    step.group = std::make_shared<ir::Group>(planned.built.group);
    step.workspace_bytes = backend_.workspace_bytes(planned.built.group);
    for (const GroupLoad& load : planned.built.loads) {
      step.inputs.push_back(argument(load.root, load.layout));
    }
    for (const ir::ValueId root : planned.built.stores) {
      step.outputs.push_back(argument(root, ir::dense_layout(graph_.type_of(root).shape)));
    }
    step.label = "fused:";
    describe_nodes(planned, step);
    ir::add_group_work(*step.group, step.cost);
    count_kernel(step);
    return step;
  }

  // Adds the names of a unit's nodes, but its contraction's, and what all of them cost.
  void describe_nodes(const PlannedUnit& planned, ir::Step& step) const {
    for (const std::int32_t node : planned.unit->nodes) {
      step.cost.add(cost_of(graph_, ops_, node_at(node)));
      if (node == planned.unit->contraction) continue;
      step.label += std::string(" ") + ir::find(ops_, node_at(node).op).name;
    }
  }

  void place_arguments(ir::Step& step) {
    for (std::vector<ir::Argument>* const arguments : {&step.inputs, &step.outputs}) {
      for (ir::Argument& each : *arguments) {
        each = argument(static_cast<ir::ValueId>(each.value), each.layout);
      }
    }
  }

  static void add_kernel(ir::Step& step, std::string name, backend::PreparedCall prepared) {
    step.kernel = std::move(name);
    step.prepared = std::move(prepared.kernel);
    step.workspace_bytes = prepared.workspace_bytes;
  }

  ir::Step contraction_step(const PlannedUnit& planned) {
    const ir::Node& node = node_at(planned.unit->contraction);
    ir::Step step = unplaced_step(graph_, ops_, node);
    step.epilogue = std::make_shared<ir::Group>(planned.built.group);
    step.result = graph_.type_of(node.results[0]);
    step.outputs.clear();
    place_arguments(step);
    for (std::size_t i = 1; i < planned.built.loads.size(); ++i) {
      step.inputs.push_back(argument(planned.built.loads[i].root, planned.built.loads[i].layout));
    }
    for (const ir::ValueId root : planned.built.stores) {
      step.outputs.push_back(argument(root, ir::dense_layout(graph_.type_of(root).shape)));
    }
    add_kernel(step, planned.unit->kernel, planned.unit->prepared);
    step.label += ", fused:";
    describe_nodes(planned, step);
    ir::add_group_work(*step.epilogue, step.cost);
    count_kernel(step);
    return step;
  }

  ir::Step kernel_step(const PlannedUnit& planned) {
    const ir::Node& node = node_at(planned.unit->nodes.front());
    ir::Step step = unplaced_step(graph_, ops_, node);
    place_arguments(step);
    if (!node.bodies.empty()) {
      add_body(node, step);
      return step;
    }
    if (in_place_.count(node.results[0]) != 0) {
      step.is_in_place = true;
      return step;
    }
    const backend::OwnedCall call(step);
    const std::string kernel = backend_.candidates(call.get()).front();
    add_kernel(step, kernel, *backend_.prepare(call.get(), kernel, nullptr));
    step.cost = cost_of(graph_, ops_, node);
    const double most_bytes = step.cost.bytes - bytes_in_place(step, node);
    count_kernel(step);
    // Operands that are broadcast hold less than they show, a gathered table is not read whole, and
    // what an op joins may lie in its place already.
    step.cost.bytes = std::min(step.cost.bytes, most_bytes);
    return step;
  }

  // A scan costs what the steps of its body cost, as often as they run.
  void add_body(const ir::Node& node, ir::Step& step) const {
    step.body = plan_body_(*node.bodies.front());
    const ir::ScanAttributes scan = ir::scan_attributes(node.attributes);
    step.workspace_bytes = ir::scan_workspace(*step.body, scan.carries).bytes;
    for (const ir::Step& inner : step.body->steps) {
      step.cost.add(inner.cost, static_cast<double>(scan.length));
    }
  }

  // Of the inputs of an op that joins them, those that are written in their places in its result.
  double bytes_in_place(const ir::Step& step, const ir::Node& node) const {
    const ir::Op& op = ir::find(ops_, node.op);
    if (op.joins == nullptr) return 0;
    const std::vector<std::int64_t>& offsets = op.joins(node.attributes);
    double bytes = 0;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      const ir::TensorType type{step.inputs[i].dtype, step.inputs[i].layout.shape};
      ir::BufferRef there = step.outputs[0].buffer;
      there.offset += offsets[i] * static_cast<std::int64_t>(size_of(type.dtype));
      if (step.inputs[i].buffer == there) bytes += 2 * static_cast<double>(type.bytes());
    }
    return bytes;
  }

  // One kernel, with each argument once; broadcast ones count what memory holds.
  static void count_kernel(ir::Step& step) {
    step.cost.kernels = 1;
    step.cost.bytes = 0;
    const auto count = [&](const std::vector<ir::Argument>& arguments) {
      for (const ir::Argument& argument : arguments) {
        std::int64_t elements = 1;
        for (int axis = 0; axis < argument.layout.shape.rank(); ++axis) {
          if (argument.layout.strides[static_cast<std::size_t>(axis)] != 0) {
            elements *= argument.layout.shape[axis];
          }
        }
        step.cost.bytes +=
            static_cast<double>(elements) * static_cast<double>(size_of(argument.dtype));
      }
    };
    count(step.inputs);
    count(step.outputs);
  }

  // A number for a copy that is no value of the graph.
  std::int64_t copied_value() {
    return static_cast<std::int64_t>(graph_.values.size()) + copied_values_++;
  }

  void add_copy(const ir::Argument& from, const ir::Argument& to, const char* label) {
    ir::Step step;
    step.op = ir::OpId::copy;
    step.inputs = {from};
    step.outputs = {to};
    step.label = label;
    count_kernel(step);
    program_.steps.push_back(std::move(step));
  }

  // Outputs and new states that could not be written in place are copied at the end: outputs first,
  // while the old states are there; then states, through temporaries where one state's new value is
  // another's old one.
  void copy_outputs_and_states() {
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      if (direct_output_[i] != 0) continue;
      const ir::ValueId value = graph_.outputs[i];
      const ir::TensorType& type = graph_.type_of(value);
      add_copy(argument(root_of(value), layout_of(value)),
               {{ir::BufferKind::output, static_cast<std::int32_t>(i), 0},
                type.dtype,
                ir::dense_layout(type.shape),
                copied_value()},
               "copy to output");
    }
    std::vector<std::pair<ir::Argument, ir::Argument>> final_copies;
    for (std::size_t i = 0; i < graph_.state_out.size(); ++i) {
      if (direct_state_[i] != 0) continue;
      const ir::StateUse& use = graph_.state_out[i];
      const ir::ValueId root = root_of(use.value);
      const std::int32_t slot = state_slot(use.state, use.value);
      if (place(root).kind == ir::BufferKind::state && place(root).index == slot &&
          is_whole(use.value)) {
        program_.states[static_cast<std::size_t>(slot)].written = false;  // its own old value
        continue;
      }
      const ir::TensorType& type = graph_.type_of(use.value);
      const ir::Layout dense = ir::dense_layout(type.shape);
      const ir::Argument to{{ir::BufferKind::state, slot, 0}, type.dtype, dense, copied_value()};
      ir::Argument from = argument(root, layout_of(use.value));
      if (place(root).kind == ir::BufferKind::state) {
        const auto step = static_cast<std::int32_t>(program_.steps.size());
        const std::int32_t blob = new_blob(
            type.bytes(), step, step + static_cast<std::int32_t>(2 * graph_.state_out.size()));
        const ir::Argument temporary{
            {ir::BufferKind::arena, blob, 0}, type.dtype, dense, copied_value()};
        add_copy(from, temporary, "copy of a state");
        from = temporary;
      }
      final_copies.emplace_back(from, to);
    }
    for (const auto& [from, to] : final_copies) add_copy(from, to, "copy to state");
    // What the copies read lives to the last of them.
    for (Blob& blob : blobs_) {
      if (blob.last >= step_count()) blob.last = static_cast<std::int32_t>(program_.steps.size());
    }
  }

  void finish_memory() {
    program_.arena_bytes = place_blobs(blobs_);
    const auto resolve = [&](ir::BufferRef& buffer) {
      if (buffer.kind != ir::BufferKind::arena || buffer.index < 0) return;
      buffer.offset += blobs_[static_cast<std::size_t>(buffer.index)].offset;
      buffer.index = 0;
    };
    for (auto [blob, span] : zeros_) {
      span.offset += blobs_[static_cast<std::size_t>(blob)].offset;
      program_.zeros.push_back(span);
    }
    for (ir::Step& step : program_.steps) {
      for (ir::Argument& argument : step.inputs) resolve(argument.buffer);
      for (ir::Argument& argument : step.outputs) resolve(argument.buffer);
      if (step.workspace_bytes > 0) resolve(step.workspace);
    }
    ir::MemoryPlan& memory = program_.memory;
    for (const ir::Program::StateSlot& slot : program_.states) {
      (parameters_.count(slot.state) != 0 ? memory.parameters : memory.optimizer) +=
          slot.type.bytes();
    }
    for (const ir::TensorType& type : program_.inputs) memory.inputs += type.bytes();
    for (const ir::TensorType& type : program_.outputs) memory.outputs += type.bytes();
    for (const std::int32_t blob : gradient_blobs_) {
      memory.gradients += blobs_[static_cast<std::size_t>(blob)].bytes;
    }
    for (const std::int32_t blob : workspace_blobs_) {
      memory.workspace = std::max(memory.workspace, blobs_[static_cast<std::size_t>(blob)].bytes);
    }
    // Blobs of different kinds share memory at different times, so that the rest may come out
    // smaller than its own sum.
    memory.workspace = std::min(memory.workspace, program_.arena_bytes);
    memory.gradients = std::min(memory.gradients, program_.arena_bytes - memory.workspace);
    memory.activations = program_.arena_bytes - memory.workspace - memory.gradients;
  }

  const ir::Graph& graph_;
  const Fusion& fusion_;
  ir::OpList ops_;
  backend::Backend& backend_;
  const std::set<std::uint64_t>& parameters_;
  const BodyPlanner& plan_body_;
  bool is_body_;
  std::vector<std::uint8_t> uniform_;
  std::vector<PlannedUnit> units_;
  std::vector<Place> places_;        // by root value
  std::vector<std::int32_t> first_;  // by root value: the unit that writes it
  std::vector<std::int32_t> last_;   // by root value: the last unit that reads it; outputs: the end
  std::vector<std::int32_t> last_read_;  // by root value: the last unit that reads it
  std::vector<Blob> blobs_;
  std::map<std::int32_t, ir::ValueId> blob_last_root_;
  std::set<std::int32_t> gradient_blobs_;
  std::set<std::int32_t> workspace_blobs_;
  std::set<ir::ValueId> in_place_;  // packed values that lie as they are made
  std::vector<std::pair<std::int32_t, ir::Program::Span>> zeros_;  // of a blob, from its start on
  std::map<std::uint64_t, std::size_t> state_slots_;
  std::vector<std::uint8_t> direct_output_;
  std::vector<std::uint8_t> direct_state_;
  std::int64_t copied_values_ = 0;
  ir::Program program_;
};

}  // namespace

ir::Step unplaced_step(const ir::Graph& graph, ir::OpList ops, const ir::Node& node) {
  ir::Step step;
  step.op = node.op;
  step.attributes = node.attributes;
  step.label = ir::find(ops, node.op).name;
  for (const ir::ValueId input : node.inputs) {
    const ViewChain chain = resolve_views(graph, ops, input);
    step.inputs.push_back(
        {{}, graph.type_of(input).dtype, layout_through(graph, ops, chain), chain.root});
  }
  for (const ir::ValueId result : node.results) {
    const ir::TensorType& type = graph.type_of(result);
    step.outputs.push_back({{}, type.dtype, ir::dense_layout(type.shape), result});
  }
  return step;
}

std::vector<std::uint8_t> stored_values(const ir::Graph& graph, ir::OpList ops,
                                        const Fusion& fusion) {
  std::vector<std::uint8_t> stored(graph.values.size());
  const auto need = [&](ir::ValueId root) { stored[static_cast<std::size_t>(root)] = 1; };
  for (const ir::ValueId output : graph.outputs) need(root_of(graph, ops, output));
  for (const ir::StateUse& use : graph.state_out) need(root_of(graph, ops, use.value));
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const std::int32_t reader = fusion.unit_of[i];
    if (reader < 0) continue;
    for (const ir::ValueId input : graph.nodes[i].inputs) {
      const ir::ValueId root = root_of(graph, ops, input);
      const std::int32_t source = graph.values[static_cast<std::size_t>(root)].node;
      if (source >= 0 && fusion.unit_of[static_cast<std::size_t>(source)] != reader) need(root);
    }
  }
  return stored;
}

ir::Cost cost_of(const ir::Graph& graph, ir::OpList ops, const ir::Node& node) {
  std::vector<ir::TensorType> inputs;
  std::vector<ir::TensorType> results;
  for (const ir::ValueId input : node.inputs) inputs.push_back(graph.type_of(input));
  for (const ir::ValueId result : node.results) results.push_back(graph.type_of(result));
  const ir::Op& op = ir::find(ops, node.op);
  return ir::cost_of(op, {inputs, node.attributes}, results);
}

ir::Program plan(const ir::Graph& graph, const Fusion& fusion, ir::OpList ops,
                 backend::Backend& backend, const std::set<std::uint64_t>& parameters,
                 const BodyPlanner& plan_body, bool is_body) {
  return Planner(graph, fusion, ops, backend, parameters, plan_body, is_body).run();
}

}  // namespace sinter::compile_detail
