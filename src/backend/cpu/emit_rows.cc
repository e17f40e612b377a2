#include "backend/cpu/emit_rows.h"

#include <algorithm>

#include "backend/cpu/emit_body.h"
#include "ir/reduction.h"

namespace sinter::backend::cpu {

namespace x86 = asmjit::x86;
using ir::ScalarOp;

namespace {

// Instructions that one block copy may have before it is emitted more than a few times.
constexpr std::size_t kUnrolledInstructions = 256;
// A value that takes more instructions than this is kept for a later pass, not computed again.
constexpr int kCheapInstructions = 4;

Dtype stored_type(Lane lane) {
  switch (lane) {
    case Lane::f64:
      return Dtype::f64;
    case Lane::i32:
      return Dtype::i32;
    case Lane::i64:
      return Dtype::i64;
    default:
      return Dtype::f32;
  }
}

// A value of an earlier pass that is kept in memory.
struct Saved {
  std::int32_t value = -1;
  std::int32_t store = -1;
  std::int32_t load = -1;
  int pass = 0;  // in which it is stored
};

// What happens in which pass: the analysis of a body, before any code.
class Schedule {
 public:
  explicit Schedule(const RowsSpec& spec) : body(spec.body), inner_(spec.inner), rank_(spec.rank) {
    classify();
    find_needed();
    if (pass_count > 1) save_expensive();
    plan_passes();
  }

  LoweredBody body;
  std::vector<std::uint8_t> levels;
  std::vector<int> pass;  // in which a value is first available
  int pass_count = 1;
  std::vector<Saved> saved;
  std::vector<std::vector<std::int32_t>> order;       // per pass: the innermost loop's block
  std::vector<std::vector<std::int32_t>> reductions;  // per pass: that fold in it
  std::vector<std::int32_t> invariant;                // level 0, in order
  std::vector<std::vector<std::int32_t>> row_values;  // per pass: level 1, available before it
  std::vector<std::int32_t> row_stores;

  // Whether `value` in pass `at` is read back from memory.
  const Saved* saved_before(std::int32_t value, int at) const {
    for (const Saved& it : saved) {
      if (it.value == value && it.pass < at) return &it;
    }
    return nullptr;
  }

 private:
  LoweredInst& inst(std::int32_t value) { return body.code[static_cast<std::size_t>(value)]; }
  std::uint8_t level(std::int32_t value) const { return levels[static_cast<std::size_t>(value)]; }

  void classify();
  void find_needed();
  void collect(std::int32_t value, int at, std::vector<bool>* marks);
  std::vector<std::int32_t> roots_of(int at);
  int cost(std::int32_t value, std::vector<bool>* seen);
  void save_expensive();
  void plan_passes();

  std::int64_t inner_ = 1;
  int rank_ = 0;
  std::vector<bool> needed_;
};

void Schedule::classify() {
  for (const LoweredInst& it : body.code) {
    int deepest = 0;
    int available = 0;
    const std::int32_t sources[] = {it.a, it.b, it.c};
    for (int i = 0; i < source_count(it); ++i) {
      const auto index = static_cast<std::size_t>(sources[i]);
      deepest = std::max<int>(deepest, levels[index]);
      available =
          std::max(available, pass[index] + (ir::is_reduction(body.code[index].op) ? 1 : 0));
    }
    if (it.op == ScalarOp::load || it.op == ScalarOp::store) {
      const OperandAccess& access = body.operands[static_cast<std::size_t>(it.imm)];
      deepest = access.inner != 0 ? 2 : (access.row != 0 || it.op == ScalarOp::store) ? 1 : 0;
    } else if (it.op == ScalarOp::index) {
      deepest = it.imm == rank_ - 1 ? (inner_ > 1 ? 2 : 0) : it.imm == rank_ - 2 ? 1 : 0;
    } else if (ir::is_reduction(it.op)) {
      deepest = 1;
    }
    levels.push_back(static_cast<std::uint8_t>(deepest));
    pass.push_back(available);
    if (ir::is_reduction(it.op) || (it.op == ScalarOp::store && deepest == 2)) {
      pass_count = std::max(pass_count, available + 1);
    }
  }
}

void Schedule::find_needed() {
  needed_.assign(body.code.size(), false);
  for (std::size_t i = body.code.size(); i-- > 0;) {
    const LoweredInst& it = body.code[i];
    if (it.op == ScalarOp::store) needed_[i] = true;
    if (!needed_[i]) continue;
    const std::int32_t sources[] = {it.a, it.b, it.c};
    for (int s = 0; s < source_count(it); ++s) needed_[static_cast<std::size_t>(sources[s])] = true;
  }
}

// The reductions and stores that pass `at` is for.
std::vector<std::int32_t> Schedule::roots_of(int at) {
  std::vector<std::int32_t> roots;
  for (std::size_t i = 0; i < needed_.size(); ++i) {
    const LoweredInst& it = body.code[i];
    if (!needed_[i] || pass[i] != at) continue;
    if (ir::is_reduction(it.op) || (it.op == ScalarOp::store && levels[i] == 2)) {
      roots.push_back(static_cast<std::int32_t>(i));
    }
  }
  return roots;
}

// Marks what pass `at` computes in its loop for `value`.
void Schedule::collect(std::int32_t value, int at, std::vector<bool>* marks) {
  const auto index = static_cast<std::size_t>(value);
  if ((*marks)[index]) return;
  if (const Saved* kept = saved_before(value, at)) {
    (*marks)[static_cast<std::size_t>(kept->load)] = true;
    return;
  }
  (*marks)[index] = true;
  const LoweredInst& it = inst(value);
  const std::int32_t sources[] = {it.a, it.b, it.c};
  for (int i = 0; i < source_count(it); ++i) {
    if (level(sources[i]) == 2) collect(sources[i], at, marks);
  }
}

int Schedule::cost(std::int32_t value, std::vector<bool>* seen) {
  const auto index = static_cast<std::size_t>(value);
  if (level(value) < 2 || (*seen)[index]) return 0;
  (*seen)[index] = true;
  const LoweredInst it = inst(value);
  int total = it.op == ScalarOp::load || it.op == ScalarOp::constant ? 0 : 1;
  if (it.op == ScalarOp::div || it.op == ScalarOp::sqrt) total = kCheapInstructions + 1;
  const std::int32_t sources[] = {it.a, it.b, it.c};
  for (int i = 0; i < source_count(it); ++i) total += cost(sources[i], seen);
  return total;
}

// Values of an earlier pass that a later one reads, and that are expensive, go through memory.
void Schedule::save_expensive() {
  for (int at = 1; at < pass_count; ++at) {
    std::vector<bool> marks(body.code.size(), false);
    for (const std::int32_t root : roots_of(at)) collect(root, at, &marks);
    const std::size_t values = marks.size();
    for (std::size_t user = 0; user < values; ++user) {
      if (!marks[user] || pass[user] != at) continue;
      const LoweredInst reader = body.code[user];
      const std::int32_t sources[] = {reader.a, reader.b, reader.c};
      for (int i = 0; i < source_count(reader); ++i) {
        const std::int32_t value = sources[i];
        const auto index = static_cast<std::size_t>(value);
        if (level(value) < 2 || pass[index] >= at || inst(value).lane == Lane::mask) continue;
        if (saved_before(value, at) != nullptr) continue;
        std::vector<bool> seen(body.code.size(), false);
        if (cost(value, &seen) <= kCheapInstructions) continue;
        // Only what an earlier pass computes anyway.
        int computed_in = -1;
        for (int earlier = pass[index]; earlier < at && computed_in < 0; ++earlier) {
          std::vector<bool> theirs(body.code.size(), false);
          for (const std::int32_t root : roots_of(earlier)) collect(root, earlier, &theirs);
          if (theirs[index]) computed_in = earlier;
        }
        if (computed_in < 0) continue;
        const Lane lane = inst(value).lane;
        const auto operand = static_cast<std::int64_t>(body.operands.size());
        body.operands.push_back({.dtype = stored_type(lane), .output = true, .inner = 1, .row = 0});
        const auto store = static_cast<std::int32_t>(body.code.size());
        LoweredInst added{.op = ScalarOp::store,
                          .lane = lane,
                          .from = lane,
                          .type = stored_type(lane),
                          .a = value,
                          .imm = operand};
        body.code.push_back(added);
        added.op = ScalarOp::load;
        added.a = -1;
        body.code.push_back(added);
        levels.insert(levels.end(), 2, 2);
        // The store is planned with the pass that computes the value, the load where it is read.
        pass.insert(pass.end(), {computed_in, computed_in});
        needed_.insert(needed_.end(), 2, false);
        saved.push_back({value, store, store + 1, computed_in});
        marks.resize(body.code.size(), false);
      }
    }
  }
}

void Schedule::plan_passes() {
  order.resize(static_cast<std::size_t>(pass_count));
  reductions.resize(static_cast<std::size_t>(pass_count));
  row_values.resize(static_cast<std::size_t>(pass_count) + 1);
  for (int at = 0; at < pass_count; ++at) {
    const auto slot = static_cast<std::size_t>(at);
    std::vector<bool> marks(body.code.size(), false);
    for (const std::int32_t root : roots_of(at)) {
      collect(root, at, &marks);
      if (ir::is_reduction(inst(root).op)) reductions[slot].push_back(root);
    }
    // In the order of the body, loads where they are first used, and stores last: an output may be
    // the same memory as an input.
    std::vector<std::int32_t> stores;
    for (std::size_t i = 0; i < marks.size(); ++i) {
      const ScalarOp op = body.code[i].op;
      if (!marks[i] || op == ScalarOp::load || op == ScalarOp::constant) continue;
      (op == ScalarOp::store ? stores : order[slot]).push_back(static_cast<std::int32_t>(i));
    }
    for (const Saved& it : saved) {
      if (it.pass == at) stores.push_back(it.store);
    }
    order[slot].insert(order[slot].end(), stores.begin(), stores.end());
  }
  for (std::size_t i = 0; i < needed_.size(); ++i) {
    const LoweredInst& it = body.code[i];
    const auto value = static_cast<std::int32_t>(i);
    if (!needed_[i] || levels[i] == 2 || it.op == ScalarOp::constant || ir::is_reduction(it.op) ||
        it.op == ScalarOp::bitcast) {
      continue;
    }
    if (it.op == ScalarOp::store) {
      row_stores.push_back(value);
    } else if (levels[i] == 0) {
      invariant.push_back(value);
    } else {
      row_values[static_cast<std::size_t>(std::min(pass[i], pass_count))].push_back(value);
    }
  }
}

// Emits the loops around the schedule's blocks.
class RowsEmitter {
 public:
  RowsEmitter(const RowsSpec& spec, const Schedule& schedule)
      : spec_(spec),
        schedule_(schedule),
        emitter_(schedule.body, schedule.levels,
                 static_cast<int>(spec.inner % schedule.body.lanes)),
        a_(emitter_.assembler()),
        lanes_(schedule.body.lanes),
        full_(spec.inner / schedule.body.lanes),
        has_tail_(spec.inner % schedule.body.lanes != 0),
        is_map_(schedule.pass_count == 1 && schedule.reductions[0].empty()) {}

  RowsCode emit();

 private:
  int own_arg(int which) const { return emitter_.first_own_arg() + which; }
  void set_index_args();
  bool uses_row_index() const {
    return std::any_of(schedule_.body.code.begin(), schedule_.body.code.end(),
                       [&](const LoweredInst& it) {
                         return it.op == ScalarOp::index && it.imm == spec_.rank - 2;
                       });
  }
  void emit_values(int level, const std::vector<std::int32_t>& values);
  void emit_row();
  void emit_pass(int at);
  void emit_cut_pass(const BlockPlan& plan);
  void emit_static_pass(const BlockPlan& plan);
  void emit_register_pass(const BlockPlan& plan, int vectors);
  void emit_rotating_pass(const BlockPlan& plan);
  bool start_reductions(int at, const BlockPlan& plan, int vectors);
  void finish_reductions(int at, int vectors);
  void copies(const BlockPlan& plan, int count, std::int64_t from, bool accumulators);
  void tail(const BlockPlan& plan, std::int64_t column, int accumulator);
  int unroll_of(const BlockPlan& plan) const {
    return plan.order.size() <= 8 ? 4 : plan.order.size() <= 24 ? 2 : 1;
  }

  const RowsSpec& spec_;
  const Schedule& schedule_;
  BodyEmitter emitter_;
  x86::Assembler& a_;
  const int lanes_;
  const std::int64_t full_;  // whole vectors in a row
  const bool has_tail_;
  const bool is_map_;
  std::vector<int> taken_;
  std::int64_t step_ = 1;
};

void RowsEmitter::set_index_args() {
  std::vector<int> args;
  for (int axis = 0; axis < spec_.rank; ++axis) {
    if (axis == spec_.rank - 1) {
      args.push_back(spec_.inner > 1 ? BodyEmitter::kInnerAxis : BodyEmitter::kUnitAxis);
    } else if (axis == spec_.rank - 2) {
      args.push_back(own_arg(RowsCode::row_start));
    } else {
      args.push_back(own_arg(RowsCode::axis_start) + axis);
    }
  }
  emitter_.set_index_args(std::move(args), own_arg(RowsCode::inner_start));
}

void RowsEmitter::emit_values(int level, const std::vector<std::int32_t>& values) {
  if (values.empty()) return;
  for (const std::int32_t value : values) {
    if (schedule_.body.code[static_cast<std::size_t>(value)].op != ScalarOp::store) {
      emitter_.give_home(value);
    }
  }
  emitter_.emit_block(emitter_.plan_block(level, values), BlockPlace{});
}

RowsCode RowsEmitter::emit() {
  if (spec_.listing) emitter_.keep_listing();
  set_index_args();
  emitter_.prologue();
  emitter_.load_addresses();
  emit_values(0, schedule_.invariant);
  BlockPlan plan;
  std::vector<std::int32_t> pinned;
  if (is_map_) {
    // Values of the row come second: they are pinned anew for each.
    for (const auto& values : schedule_.row_values) {
      for (const std::int32_t value : values) emitter_.give_home(value);
    }
    plan = emitter_.plan_block(2, schedule_.order[0]);
    pinned = emitter_.pin(plan, plan.pressure + 6, 0);
  }
  a_.mov(x86::rsi, emitter_.arg(own_arg(RowsCode::rows)));
  const asmjit::Label next_row = a_.newLabel();
  a_.bind(next_row);
  if (is_map_) {
    emit_values(1, schedule_.row_values[0]);
    if (spec_.cuts_rows) {
      emit_cut_pass(plan);
    } else if (!plan.order.empty()) {
      a_.xor_(x86::ecx, x86::ecx);
      emit_static_pass(plan);
    }
    emit_values(1, schedule_.row_stores);
  } else {
    emit_row();
  }
  for (int i = 0; i < emitter_.operand_count(); ++i) emitter_.advance_row(i, 1);
  if (uses_row_index()) a_.inc(emitter_.arg(own_arg(RowsCode::row_start)));
  a_.dec(x86::rsi);
  a_.jnz(next_row);
  emitter_.unpin(pinned);
  RowsCode result;
  result.code = emitter_.finish();
  result.listing = emitter_.listing();
  result.lanes = lanes_;
  result.step = step_;
  for (const Saved& it : schedule_.saved) {
    result.saved.push_back(
        stored_type(schedule_.body.code[static_cast<std::size_t>(it.value)].lane));
  }
  return result;
}

void RowsEmitter::tail(const BlockPlan& plan, std::int64_t column, int accumulator) {
  emitter_.emit_block(plan, {.column = column, .accumulator = accumulator, .masked = true});
}

void RowsEmitter::copies(const BlockPlan& plan, int count, std::int64_t from, bool accumulators) {
  for (int i = 0; i < count; ++i) {
    emitter_.emit_block(plan, {.column = from + i * lanes_, .accumulator = accumulators ? i : 0});
  }
}

// A piece of a map's row: how many elements is up to the caller.
void RowsEmitter::emit_cut_pass(const BlockPlan& plan) {
  if (plan.order.empty()) return;
  const std::vector<std::int32_t> pinned = emitter_.pin(plan, plan.pressure, 1);
  a_.xor_(x86::ecx, x86::ecx);
  const int unroll = std::min<std::int64_t>(unroll_of(plan), std::max<std::int64_t>(full_, 1)) > 1
                         ? unroll_of(plan)
                         : 1;
  step_ = unroll * lanes_;
  const auto loop = [&](int count, int limit) {
    const asmjit::Label body = a_.newLabel();
    const asmjit::Label done = a_.newLabel();
    a_.cmp(x86::rcx, emitter_.arg(own_arg(limit)));
    a_.jge(done);
    a_.align(asmjit::AlignMode::kCode, 32);
    a_.bind(body);
    copies(plan, count, 0, false);
    a_.add(x86::rcx, count * lanes_);
    a_.cmp(x86::rcx, emitter_.arg(own_arg(limit)));
    a_.jl(body);
    a_.bind(done);
  };
  if (full_ > 0 && unroll > 1) loop(unroll, RowsCode::unrolled);
  if (full_ > 0) loop(1, RowsCode::vectors);
  if (has_tail_) {
    const asmjit::Label done = a_.newLabel();
    a_.cmp(emitter_.arg(own_arg(RowsCode::tail)), 0);
    a_.je(done);
    tail(plan, 0, 0);
    a_.bind(done);
  }
  emitter_.unpin(pinned);
}

void RowsEmitter::emit_row() {
  for (int at = 0; at < schedule_.pass_count; ++at) {
    emit_values(1, schedule_.row_values[static_cast<std::size_t>(at)]);
    emit_pass(at);
  }
  emit_values(1, schedule_.row_values.back());
  emit_values(1, schedule_.row_stores);
}

// One pass over a row of known length.
void RowsEmitter::emit_pass(int at) {
  for (const Saved& it : schedule_.saved) {
    emitter_.redirect(it.value, it.pass < at ? it.load : it.value);
  }
  const auto slot = static_cast<std::size_t>(at);
  const BlockPlan plan = emitter_.plan_block(2, schedule_.order[slot]);
  if (plan.order.empty()) return;
  const int all = static_cast<int>(ir::kInnerLanes) / lanes_;
  const auto present = static_cast<int>(std::min<std::int64_t>(all, full_ + (has_tail_ ? 1 : 0)));
  a_.xor_(x86::ecx, x86::ecx);
  if (schedule_.reductions[slot].empty()) {
    emit_static_pass(plan);
    return;
  }
  if (start_reductions(at, plan, present)) {
    emit_register_pass(plan, all);
  } else {
    emit_rotating_pass(plan);
  }
  finish_reductions(at, present);
}

// Gives the accumulators their places; true when these are registers.
bool RowsEmitter::start_reductions(int at, const BlockPlan& plan, int vectors) {
  const auto& reductions = schedule_.reductions[static_cast<std::size_t>(at)];
  const int count = static_cast<int>(reductions.size()) * vectors;
  const bool loops = full_ > vectors;
  const std::size_t emitted =
      static_cast<std::size_t>(loops ? vectors + full_ % vectors + (has_tail_ ? 1 : 0) : vectors);
  const bool in_registers = count + plan.pressure <= emitter_.usable_registers() &&
                            emitted * plan.order.size() <= kUnrolledInstructions;
  for (const std::int32_t reduction : reductions) {
    emitter_.give_home(reduction);
    Accumulators accumulators;
    if (in_registers) {
      for (int i = 0; i < vectors; ++i) {
        accumulators.registers.push_back(emitter_.take_register());
        taken_.push_back(accumulators.registers.back());
      }
    } else {
      const Lane lane = schedule_.body.code[static_cast<std::size_t>(reduction)].lane;
      accumulators.frame = emitter_.take_frame(vectors * emitter_.bytes_of(lane));
      accumulators.rotating = true;
    }
    emitter_.set_accumulators(reduction, accumulators);
    emitter_.start_accumulators(reduction, vectors);
  }
  return in_registers;
}

void RowsEmitter::finish_reductions(int at, int vectors) {
  const std::int64_t active = std::min(spec_.inner, ir::kInnerLanes);
  for (const std::int32_t reduction : schedule_.reductions[static_cast<std::size_t>(at)]) {
    emitter_.fold_lanes(reduction, vectors, static_cast<int>(ir::kInnerLanes), active);
  }
  for (const int id : taken_) emitter_.release_register(id);
  taken_.clear();
}

// Accumulators in registers: all of them in one turn of the loop.
void RowsEmitter::emit_register_pass(const BlockPlan& plan, int vectors) {
  const std::int64_t turns = full_ / vectors;
  const int rest = static_cast<int>(full_ % vectors);
  std::int64_t column = 0;
  if (turns == 1) {
    copies(plan, vectors, 0, true);
    column = ir::kInnerLanes;
  } else if (turns > 1) {
    const auto pinned = emitter_.pin(plan, plan.pressure, 1);
    const asmjit::Label loop = a_.newLabel();
    a_.align(asmjit::AlignMode::kCode, 32);
    a_.bind(loop);
    copies(plan, vectors, 0, true);
    a_.add(x86::rcx, vectors * lanes_);
    a_.cmp(x86::rcx, turns * vectors * lanes_);
    a_.jl(loop);
    emitter_.unpin(pinned);
  }
  copies(plan, rest, column, true);
  if (has_tail_) tail(plan, column + rest * lanes_, rest);
}

// Accumulators in the frame: any vector of the row finds its own.
void RowsEmitter::emit_rotating_pass(const BlockPlan& plan) {
  const auto rotate = [&] {
    a_.mov(x86::edx, x86::ecx);
    a_.and_(x86::edx, static_cast<int>(ir::kInnerLanes) - 1);
  };
  if (full_ > 0) {
    const auto pinned = emitter_.pin(plan, plan.pressure, 1);
    const asmjit::Label loop = a_.newLabel();
    a_.align(asmjit::AlignMode::kCode, 32);
    a_.bind(loop);
    rotate();
    copies(plan, 1, 0, true);
    a_.add(x86::rcx, lanes_);
    a_.cmp(x86::rcx, full_ * lanes_);
    a_.jl(loop);
    emitter_.unpin(pinned);
  }
  if (has_tail_) {
    rotate();
    tail(plan, 0, 0);
  }
}

// A pass that only stores.
void RowsEmitter::emit_static_pass(const BlockPlan& plan) {
  // A short row is straight code.
  const bool straight = full_ <= 8 && static_cast<std::size_t>(full_) * plan.order.size() <=
                                          kUnrolledInstructions / 2;
  const int unroll =
      straight ? static_cast<int>(std::max<std::int64_t>(full_, 1)) : unroll_of(plan);
  const std::int64_t turns = full_ / unroll;
  const int rest = static_cast<int>(full_ % unroll);
  std::int64_t column = 0;
  if (turns == 1) {
    copies(plan, unroll, 0, false);
    column = unroll * lanes_;
  } else if (turns > 1) {
    const auto pinned = emitter_.pin(plan, plan.pressure, 1);
    const asmjit::Label loop = a_.newLabel();
    a_.align(asmjit::AlignMode::kCode, 32);
    a_.bind(loop);
    copies(plan, unroll, 0, false);
    a_.add(x86::rcx, unroll * lanes_);
    a_.cmp(x86::rcx, turns * unroll * lanes_);
    a_.jl(loop);
    emitter_.unpin(pinned);
  }
  copies(plan, rest, column, false);
  if (has_tail_) tail(plan, column + rest * lanes_, 0);
}

}  // namespace

RowsCode emit_rows(const RowsSpec& spec) {
  const Schedule schedule(spec);
  return RowsEmitter(spec, schedule).emit();
}

}  // namespace sinter::backend::cpu
