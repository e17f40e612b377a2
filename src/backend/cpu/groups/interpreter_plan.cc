#include "backend/cpu/groups/interpreter_plan.h"

#include <algorithm>

#include "ir/reduction.h"

namespace sinter::backend::cpu {

namespace {

using ir::Group;
using ir::GroupKind;
using ir::ScalarInst;
using ir::ScalarOp;

// Chunk values of one block of an outer group are kept until all are there; blocks of many chunks
// are made narrow, so that these stay in the cache.
constexpr std::int64_t kMaxOuterChunkValues = 65536;
constexpr std::int64_t kMinOuterWidth = 16;
constexpr std::size_t kAlignment = 64;

class Planner {
 public:
  explicit Planner(const Group& group)
      : group_(ir::collapse(group)),
        varies_(ir::varies_along_reduced(group_)),
        pass_of_(ir::passes(group_)) {}

  InterpreterPlan run() {
    set_sizes();
    const std::size_t count = group_.body.size();
    row_place_.resize(count);
    full_place_.resize(count);
    int last_pass = 0;
    for (const int pass : pass_of_) last_pass = std::max(last_pass, pass);
    plan_.passes.resize(static_cast<std::size_t>(last_pass) + 1);
    for (std::size_t i = 0; i < count; ++i) place_row_value(i);
    for (int pass = 0; pass <= last_pass; ++pass) plan_tiles(pass);
    for (int pass = 0; pass <= last_pass; ++pass) plan_rows(pass);
    return std::move(plan_);
  }

 private:
  std::size_t reserve(std::size_t& total, std::size_t bytes) {
    const std::size_t offset = total;
    total += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return offset;
  }
  Place block_place(Dtype type) {
    const std::size_t bytes = static_cast<std::size_t>(kTile) * size_of(type);
    return {Place::Where::block, reserve(plan_.block_bytes, bytes)};
  }
  const ScalarInst& inst(std::size_t i) const { return group_.body[i]; }
  bool full(std::size_t i) const { return varies_[i] != 0; }
  Pass& pass(int number) { return plan_.passes[static_cast<std::size_t>(number)]; }

  void set_sizes();
  void place_row_value(std::size_t i);
  std::vector<std::uint8_t> needed_in(int number) const;
  Place full_source(std::int32_t source);
  void plan_tiles(int number);
  void plan_rows(int number);
  std::size_t add_access(std::vector<std::int64_t> strides, std::size_t operand, std::size_t bytes,
                         bool full);
  std::size_t operand_access(const ScalarInst& inst, bool full);
  Step make_step(std::size_t i, bool full);

  Group group_;
  std::vector<std::uint8_t> varies_;
  std::vector<int> pass_of_;
  InterpreterPlan plan_;
  std::vector<Place> row_place_;   // of row values, one element a row
  std::vector<Place> full_place_;  // of full values during one pass; of row values once expanded
};

void Planner::set_sizes() {
  plan_.inner = group_.kind == GroupKind::inner;
  plan_.reduced = group_.reduced_elements();
  plan_.kept = group_.kept_elements();
  plan_.chunk = plan_.inner ? ir::kInnerChunk : ir::kOuterChunk;
  plan_.chunk_count = (plan_.reduced + plan_.chunk - 1) / plan_.chunk;
  if (plan_.inner) {
    plan_.width = std::max<std::int64_t>(1, kTile / std::max<std::int64_t>(1, plan_.reduced));
  } else {
    plan_.width = std::clamp(kMaxOuterChunkValues / std::max<std::int64_t>(1, plan_.chunk_count),
                             kMinOuterWidth, kTile);
  }
  plan_.width = std::max<std::int64_t>(1, std::min(plan_.width, plan_.kept));
}

// Row values, reductions' results and constants have a place for as long as a block lasts.
void Planner::place_row_value(std::size_t i) {
  const ScalarInst& now = inst(i);
  if (full(i) || now.op == ScalarOp::store) return;
  row_place_[i] = block_place(now.type);
  if (now.op == ScalarOp::constant) {
    plan_.constants.push_back({now.type, now.imm, row_place_[i].offset});
    full_place_[i] = row_place_[i];
  }
  if (!is_reduction(now.op)) return;
  Reduction reduction;
  reduction.functions = reduce_functions(now.op, now.type);
  reduction.type = now.type;
  reduction.pass = pass_of_[i];
  reduction.result = row_place_[i];
  const std::size_t bytes = size_of(now.type);
  const std::int64_t lanes = plan_.inner ? ir::kInnerLanes : ir::kOuterLanes * plan_.width;
  reduction.lanes = reserve(plan_.tile_bytes, static_cast<std::size_t>(lanes) * bytes);
  const std::int64_t values = std::max<std::int64_t>(1, plan_.chunk_count) * plan_.width;
  reduction.chunks = reserve(plan_.block_bytes, static_cast<std::size_t>(values) * bytes);
  pass(reduction.pass).reductions.push_back(plan_.reductions.size());
  plan_.reductions.push_back(reduction);
}

// Which instructions the tiles of a pass compute: its reductions and full stores, and the full
// values that they need, which are computed anew in each pass.
std::vector<std::uint8_t> Planner::needed_in(int number) const {
  std::vector<std::uint8_t> needed(group_.body.size(), 0);
  for (std::size_t i = group_.body.size(); i-- > 0;) {
    const bool root = is_reduction(inst(i).op) || (inst(i).op == ScalarOp::store && full(i));
    if (root && pass_of_[i] == number) needed[i] = 1;
    if (needed[i] == 0) continue;
    for (const std::int32_t source : {inst(i).a, inst(i).b, inst(i).c}) {
      if (source >= 0 && full(static_cast<std::size_t>(source))) {
        needed[static_cast<std::size_t>(source)] = 1;
      }
    }
  }
  return needed;
}

// Where a full instruction finds its operand: a row value must be expanded to a value per element.
Place Planner::full_source(std::int32_t source) {
  if (source < 0) return {};
  const auto i = static_cast<std::size_t>(source);
  if (!full(i) && full_place_[i].where == Place::Where::none) {
    full_place_[i] = block_place(inst(i).type);
  }
  return full_place_[i];
}

std::size_t Planner::add_access(std::vector<std::int64_t> strides, std::size_t operand,
                                std::size_t bytes, bool full) {
  Access access;
  access.operand = operand;
  access.element_bytes = bytes;
  const int rank = group_.space.rank();
  int first = 0;
  int last = rank;
  if (!full && plan_.inner) last = rank - group_.reduced_axes;
  if (!full && !plan_.inner) first = group_.reduced_axes;
  for (int axis = first; axis < last; ++axis) {
    const std::int64_t length = group_.space[axis];
    const std::int64_t stride = strides[static_cast<std::size_t>(axis)];
    if (length == 1) continue;
    if (!access.lengths.empty() && access.strides.back() == stride * length) {
      access.lengths.back() *= length;
      access.strides.back() = stride;
    } else {
      access.lengths.push_back(length);
      access.strides.push_back(stride);
    }
  }
  if (access.lengths.empty()) {
    access.lengths.push_back(1);
    access.strides.push_back(0);
  }
  plan_.accesses.push_back(std::move(access));
  return plan_.accesses.size() - 1;
}

std::size_t Planner::operand_access(const ScalarInst& now, bool full) {
  if (now.op == ScalarOp::index) {
    std::vector<std::int64_t> strides(static_cast<std::size_t>(group_.space.rank()), 0);
    strides[static_cast<std::size_t>(now.imm)] = 1;
    return add_access(std::move(strides), 0, 0, full);
  }
  const auto operand = static_cast<std::size_t>(now.imm);
  return add_access(group_.operands[operand].strides, operand, size_of(now.type), full);
}

// The step of an instruction, without places.
Step Planner::make_step(std::size_t i, bool full) {
  const ScalarInst& now = inst(i);
  Step step;
  step.type = now.type;
  step.imm = now.imm;
  switch (now.op) {
    case ScalarOp::load:
      step.kind = Step::Kind::load;
      step.access = operand_access(now, full);
      break;
    case ScalarOp::index:
      step.kind = Step::Kind::index;
      step.access = operand_access(now, full);
      break;
    case ScalarOp::store:
      step.kind = Step::Kind::store;
      step.access = operand_access(now, full);
      break;
    default:
      step.kind = Step::Kind::compute;
      step.function = tile_function(now, inst(static_cast<std::size_t>(now.a)).type);
  }
  return step;
}

void Planner::plan_tiles(int number) {
  const std::vector<std::uint8_t> needed = needed_in(number);
  const std::size_t count = group_.body.size();
  std::vector<std::size_t> last_use(count, 0);
  for (std::size_t i = 0; i < count; ++i) {
    if (needed[i] == 0) continue;
    for (const std::int32_t source : {inst(i).a, inst(i).b, inst(i).c}) {
      // Stores come after everything else, see below.
      if (source >= 0) {
        std::size_t& last = last_use[static_cast<std::size_t>(source)];
        last = inst(i).op == ScalarOp::store ? count : std::max(last, i);
      }
    }
  }
  std::vector<std::size_t> free_slots;  // offsets of slots that no live value holds
  std::vector<Step> stores;
  std::size_t next_reduction = 0;
  Pass& now = pass(number);
  for (std::size_t i = 0; i < count; ++i) {
    if (needed[i] == 0) continue;
    Step step;
    if (is_reduction(inst(i).op)) {
      step.kind = Step::Kind::reduce;
      step.reduction = now.reductions[next_reduction++];
    } else {
      step = make_step(i, true);
    }
    step.a = full_source(inst(i).a);
    step.b = full_source(inst(i).b);
    step.c = full_source(inst(i).c);
    if (step.kind == Step::Kind::store) {
      // A point's loads come before its stores, whatever their order in the body.
      stores.push_back(step);
      continue;
    }
    if (step.kind != Step::Kind::reduce) {
      if (free_slots.empty()) {
        free_slots.push_back(reserve(plan_.tile_bytes, static_cast<std::size_t>(kTile) * 8));
      }
      step.out = {Place::Where::tile, free_slots.back()};
      full_place_[i] = step.out;
      free_slots.pop_back();
    }
    now.tile_steps.push_back(step);
    // Only now may the operands' slots be used again: loops do not allow a result over an operand.
    for (const std::int32_t operand : {inst(i).a, inst(i).b, inst(i).c}) {
      if (operand < 0) continue;
      const auto source = static_cast<std::size_t>(operand);
      if (!full(source) || last_use[source] != i) continue;
      free_slots.push_back(full_place_[source].offset);
      last_use[source] = count + 1;  // once, should it be an operand twice
    }
  }
  now.tile_steps.insert(now.tile_steps.end(), stores.begin(), stores.end());
}

void Planner::plan_rows(int number) {
  Pass& now = pass(number);
  std::vector<Step> expansions;
  std::vector<Step> stores;
  for (std::size_t i = 0; i < group_.body.size(); ++i) {
    if (full(i) || inst(i).op == ScalarOp::constant) continue;
    const bool reduction = is_reduction(inst(i).op);
    // A reduction's result is there from the pass after the one that folds it.
    if (pass_of_[i] + (reduction ? 1 : 0) != number) continue;
    if (full_place_[i].where != Place::Where::none) {
      Step expand;
      expand.kind = Step::Kind::expand;
      expand.type = inst(i).type;
      expand.a = row_place_[i];
      expand.out = full_place_[i];
      expansions.push_back(expand);
    }
    if (reduction) continue;
    Step step = make_step(i, false);
    if (inst(i).a >= 0) step.a = row_place_[static_cast<std::size_t>(inst(i).a)];
    if (inst(i).b >= 0) step.b = row_place_[static_cast<std::size_t>(inst(i).b)];
    if (inst(i).c >= 0) step.c = row_place_[static_cast<std::size_t>(inst(i).c)];
    step.out = row_place_[i];
    (step.kind == Step::Kind::store ? stores : now.row_steps).push_back(step);
  }
  now.row_steps.insert(now.row_steps.end(), expansions.begin(), expansions.end());
  now.row_steps.insert(now.row_steps.end(), stores.begin(), stores.end());
}

}  // namespace

bool InterpreterPlan::short_rows() const { return inner && reduced <= ir::kInnerLanes; }

InterpreterPlan plan_interpreter(const ir::Group& group) { return Planner(group).run(); }

}  // namespace sinter::backend::cpu
