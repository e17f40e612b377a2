#include "backend/cpu/groups/emit_rows.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "backend/cpu/groups/emit_body.h"
#include "backend/cpu/groups/rows_schedule.h"
#include "ir/reduction.h"

namespace sinter::backend::cpu {

namespace x86 = asmjit::x86;
using ir::ScalarOp;

namespace {

// Instructions that one block copy may have before it is emitted more than a few times.
constexpr std::size_t kUnrolledInstructions = 256;
// Blocks of no more instructions than this go over a row several times, with some of the
// accumulators in registers each time, rather than once with all of them in memory.
constexpr std::size_t kSweptInstructions = 8;

// Rows of several passes are taken together as long as they fit into three quarters of a nearest
// cache of 32 KiB.
constexpr std::int64_t kTogetherBytes = 24 << 10;
constexpr int kMostTogether = 4;

// The estimate of a block's registers is on the safe side by about this.
constexpr int kSlack = 1;

// The block of a pass, for one vector and for `vectors` at once.
struct PassPlan {
  BlockPlan one;
  BlockPlan wide;
  int vectors = 1;

  bool empty() const { return one.order.empty(); }
  std::size_t size() const { return one.order.size(); }
  int pressure() const { return vectors > 1 ? wide.pressure : one.pressure; }
};

// Where a pass has its accumulators.
struct Folding {
  enum Kind {
    registers,  // all of them, for the whole row
    sweeps,     // `width` of them for a part of the row's columns, then the next ones
    rotating,   // in the frame
  };
  Kind kind = rotating;
  int width = 0;
};

// Elements from one row's saved values to the next one's: whole cache lines of any type.
std::int64_t saved_stride(std::int64_t inner) { return (inner + 63) / 64 * 64; }

// How many rows go through their passes together: a pass over one row hides what the next pass over
// another has to wait for, such as the end of a reduction.
int rows_together(const RowsSpec& spec, const RowsSchedule& schedule) {
  if (schedule.pass_count == 1) return 1;
  std::int64_t bytes = 0;
  std::int64_t furthest = 0;  // from one row to the next
  for (const OperandAccess& access : schedule.body.operands) {
    const auto size = static_cast<std::int64_t>(size_of(access.dtype));
    if (access.inner != 0) bytes += spec.inner * size;
    furthest = std::max(furthest, std::abs(access.row) * size);
  }
  // Rows after the first are addressed by offsets within instructions.
  constexpr std::int64_t kFarthestOffset = std::numeric_limits<std::int32_t>::max() / 2;
  int rows = kMostTogether;
  while (rows > 1 && (rows > spec.rows || rows * bytes > kTogetherBytes ||
                      (rows - 1) * furthest > kFarthestOffset)) {
    rows /= 2;
  }
  return rows;
}

// Emits the loops around the schedule's blocks.
class RowsEmitter {
 public:
  RowsEmitter(const RowsSpec& spec, const RowsSchedule& schedule)
      : spec_(spec),
        schedule_(schedule),
        together_(rows_together(spec, schedule)),
        emitter_(schedule.body, schedule.levels, static_cast<int>(spec.inner % schedule.body.lanes),
                 together_),
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
  void emit_map_row(const PassPlan& plan);
  void emit_rows(int count);
  void advance(int rows);
  PassPlan plan_pass(int at);
  void emit_pass(int at, const PassPlan& plan);
  void emit_cut_pass(const PassPlan& plan);
  void emit_static_pass(const PassPlan& plan);
  Folding choose_folding(int at, const PassPlan& plan, int vectors) const;
  void emit_register_pass(int at, PassPlan plan, int vectors);
  void emit_swept_pass(int at, const PassPlan& plan, int vectors, int width);
  void emit_sweep(const PassPlan& plan, int first, int count);
  void emit_rotating_pass(int at, const PassPlan& plan, int vectors);
  const std::vector<std::int32_t>& reductions_of(int at) const {
    return schedule_.reductions[static_cast<std::size_t>(at)];
  }
  void take_accumulators(int at, int vectors);
  void release_accumulators();
  void finish_reductions(int at, int vectors);
  void copies(const PassPlan& plan, int count, std::int64_t from, bool accumulators);
  void tail(const PassPlan& plan, std::int64_t column, int accumulator);
  int unroll_of(const PassPlan& plan) const {
    if (plan.vectors > 1) return plan.vectors;
    return plan.size() <= 8 ? 4 : plan.size() <= 24 ? 2 : 1;
  }
  int vectors_of_tree() const { return static_cast<int>(ir::kInnerLanes) / lanes_; }

  const RowsSpec& spec_;
  const RowsSchedule& schedule_;
  const int together_;  // rows that go through their passes together
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
  PassPlan plan;
  std::vector<std::int32_t> pinned;
  if (is_map_) {
    // Values of the row come second: they are pinned anew for each.
    for (const auto& values : schedule_.row_values) {
      for (const std::int32_t value : values) emitter_.give_home(value);
    }
    plan = plan_pass(0);
    pinned = emitter_.pin(plan.one, plan.pressure() + 6, 0);
  }
  a_.mov(x86::rsi, emitter_.arg(own_arg(RowsCode::rows)));
  const asmjit::Label single = a_.newLabel();
  const asmjit::Label done = a_.newLabel();
  if (together_ > 1) {
    const asmjit::Label several = a_.newLabel();
    a_.cmp(x86::rsi, together_);
    a_.jl(single);
    a_.bind(several);
    emit_rows(together_);
    advance(together_);
    a_.cmp(x86::rsi, together_);
    a_.jge(several);
    a_.test(x86::rsi, x86::rsi);
    a_.jz(done);
  }
  a_.bind(single);
  if (is_map_) {
    emit_map_row(plan);
  } else {
    emit_rows(1);
  }
  advance(1);
  a_.jnz(single);
  a_.bind(done);
  emitter_.unpin(pinned);
  RowsCode result;
  result.code = emitter_.finish();
  result.listing = emitter_.listing();
  result.lanes = lanes_;
  result.step = step_;
  for (const Saved& it : schedule_.saved) {
    const Dtype type = stored_type(schedule_.body.code[static_cast<std::size_t>(it.value)].lane);
    result.saved_bytes.push_back(static_cast<std::size_t>(together_ * saved_stride(spec_.inner)) *
                                 size_of(type));
  }
  return result;
}

// To the next rows; the flags are zero when there are none.
void RowsEmitter::advance(int rows) {
  const auto own = static_cast<int>(spec_.body.operands.size());  // saved values stay
  for (int i = 0; i < own; ++i) emitter_.advance_row(i, rows);
  if (uses_row_index()) a_.add(emitter_.arg(own_arg(RowsCode::row_start)), rows);
  a_.sub(x86::rsi, rows);
}

PassPlan RowsEmitter::plan_pass(int at) {
  const auto slot = static_cast<std::size_t>(at);
  PassPlan plan;
  plan.one = emitter_.plan_block(2, schedule_.order[slot]);
  for (const WideBlock& block : schedule_.wide_blocks[slot]) {
    BlockPlan wide = emitter_.plan_block(2, block.order);
    if (wide.pressure > emitter_.usable_registers() + kSlack) continue;
    plan.wide = std::move(wide);
    plan.vectors = block.vectors;
    break;
  }
  return plan;
}

void RowsEmitter::tail(const PassPlan& plan, std::int64_t column, int accumulator) {
  emitter_.emit_block(plan.one, {.column = column, .accumulator = accumulator, .masked = true});
}

void RowsEmitter::copies(const PassPlan& plan, int count, std::int64_t from, bool accumulators) {
  for (int i = 0; i < count;) {
    const bool wide = plan.vectors > 1 && i + plan.vectors <= count;
    emitter_.emit_block(wide ? plan.wide : plan.one,
                        {.column = from + i * lanes_, .accumulator = accumulators ? i : 0});
    i += wide ? plan.vectors : 1;
  }
}

// A piece of a map's row: how many elements is up to the caller.
void RowsEmitter::emit_cut_pass(const PassPlan& plan) {
  if (plan.empty()) return;
  const std::vector<std::int32_t> pinned = emitter_.pin(plan.one, plan.pressure(), 1);
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

void RowsEmitter::emit_map_row(const PassPlan& plan) {
  emit_values(1, schedule_.row_values[0]);
  if (spec_.cuts_rows) {
    emit_cut_pass(plan);
  } else if (!plan.empty()) {
    a_.xor_(x86::ecx, x86::ecx);
    emit_static_pass(plan);
  }
  emit_values(1, schedule_.row_stores);
}

// `count` rows, pass by pass.
void RowsEmitter::emit_rows(int count) {
  const auto each = [&](const auto& emit) {
    for (int row = 0; row < count; ++row) {
      emitter_.at_row(row);
      emit();
    }
    emitter_.at_row(0);
  };
  for (int at = 0; at < schedule_.pass_count; ++at) {
    for (const Saved& it : schedule_.saved) {
      emitter_.redirect(it.value, it.pass < at ? it.load : it.value);
    }
    for (const std::int32_t reduction : reductions_of(at)) emitter_.give_home(reduction);
    const PassPlan plan = plan_pass(at);
    each([&] {
      emit_values(1, schedule_.row_values[static_cast<std::size_t>(at)]);
      emit_pass(at, plan);
    });
  }
  each([&] {
    emit_values(1, schedule_.row_values.back());
    emit_values(1, schedule_.row_stores);
  });
}

// One pass over a row of known length.
void RowsEmitter::emit_pass(int at, const PassPlan& plan) {
  if (plan.empty()) return;
  a_.xor_(x86::ecx, x86::ecx);
  if (reductions_of(at).empty()) {
    emit_static_pass(plan);
    return;
  }
  const auto present =
      static_cast<int>(std::min<std::int64_t>(vectors_of_tree(), full_ + (has_tail_ ? 1 : 0)));
  const Folding folding = choose_folding(at, plan, present);
  switch (folding.kind) {
    case Folding::registers:
      emit_register_pass(at, plan, present);
      break;
    case Folding::sweeps:
      emit_swept_pass(at, plan, present, folding.width);
      break;
    case Folding::rotating:
      emit_rotating_pass(at, plan, present);
      break;
  }
}

Folding RowsEmitter::choose_folding(int at, const PassPlan& plan, int vectors) const {
  const auto count = static_cast<int>(reductions_of(at).size());
  const auto fits = [&](int each) {
    return count * each + plan.one.pressure <= emitter_.usable_registers();
  };
  const bool loops = full_ > vectors;
  const auto emitted =
      static_cast<std::size_t>(loops ? vectors + full_ % vectors + (has_tail_ ? 1 : 0) : vectors);
  if (fits(vectors) && emitted * plan.size() <= kUnrolledInstructions) {
    return {Folding::registers, vectors};
  }
  if (plan.size() <= kSweptInstructions) {
    for (int width = vectors_of_tree() / 2; width >= 2; width /= 2) {
      if (fits(width)) return {Folding::sweeps, width};
    }
  }
  return {Folding::rotating, 0};
}

void RowsEmitter::take_accumulators(int at, int vectors) {
  for (const std::int32_t reduction : reductions_of(at)) {
    Accumulators accumulators;
    for (int i = 0; i < vectors; ++i) {
      accumulators.registers.push_back(emitter_.take_register());
      taken_.push_back(accumulators.registers.back());
    }
    emitter_.set_accumulators(reduction, std::move(accumulators));
    emitter_.start_accumulators(reduction, vectors);
  }
}

void RowsEmitter::release_accumulators() {
  for (const int id : taken_) emitter_.release_register(id);
  taken_.clear();
}

void RowsEmitter::finish_reductions(int at, int vectors) {
  const std::int64_t active = std::min(spec_.inner, ir::kInnerLanes);
  for (const std::int32_t reduction : reductions_of(at)) {
    emitter_.fold_lanes(reduction, vectors, static_cast<int>(ir::kInnerLanes), active);
  }
}

// All accumulators in one turn of the loop.
void RowsEmitter::emit_register_pass(int at, PassPlan plan, int vectors) {
  take_accumulators(at, vectors);
  if (static_cast<int>(taken_.size()) + plan.pressure() > emitter_.usable_registers()) {
    plan.vectors = 1;
  }
  const int all = vectors_of_tree();
  const std::int64_t turns = full_ / all;
  const int rest = static_cast<int>(full_ % all);
  std::int64_t column = 0;
  if (turns == 1) {
    copies(plan, all, 0, true);
    column = ir::kInnerLanes;
  } else if (turns > 1) {
    const auto pinned = emitter_.pin(plan.one, plan.pressure(), 1);
    const asmjit::Label loop = a_.newLabel();
    a_.align(asmjit::AlignMode::kCode, 32);
    a_.bind(loop);
    copies(plan, all, 0, true);
    a_.add(x86::rcx, all * lanes_);
    a_.cmp(x86::rcx, turns * all * lanes_);
    a_.jl(loop);
    emitter_.unpin(pinned);
  }
  copies(plan, rest, column, true);
  if (has_tail_) tail(plan, column + rest * lanes_, rest);
  finish_reductions(at, vectors);
  release_accumulators();
}

void RowsEmitter::emit_swept_pass(int at, const PassPlan& plan, int vectors, int width) {
  std::vector<int> frames;
  const auto bytes_of = [&](std::int32_t reduction) {
    return emitter_.bytes_of(schedule_.body.code[static_cast<std::size_t>(reduction)].lane);
  };
  for (const std::int32_t reduction : reductions_of(at)) {
    frames.push_back(emitter_.take_frame(vectors * bytes_of(reduction)));
  }
  for (int first = 0; first < vectors; first += width) {
    const int count = std::min(width, vectors - first);
    take_accumulators(at, count);
    emit_sweep(plan, first, count);
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const std::int32_t reduction = reductions_of(at)[i];
      emitter_.store_accumulators(reduction, frames[i] + first * bytes_of(reduction));
    }
    release_accumulators();
  }
  for (std::size_t i = 0; i < frames.size(); ++i) {
    emitter_.set_accumulators(reductions_of(at)[i], {.registers = {}, .frame = frames[i]});
  }
  finish_reductions(at, vectors);
}

// The row's vectors whose accumulators are the `count` ones from `first` on.
void RowsEmitter::emit_sweep(const PassPlan& plan, int first, int count) {
  const auto block = [&](int i, bool masked) {
    emitter_.emit_block(plan.one,
                        {.column = (first + i) * lanes_, .accumulator = i, .masked = masked});
  };
  const std::int64_t turns = full_ / vectors_of_tree();
  const int rest = static_cast<int>(full_ % vectors_of_tree()) - first;
  a_.xor_(x86::ecx, x86::ecx);
  if (turns > 0) {
    const auto pinned = emitter_.pin(plan.one, plan.one.pressure, 1);
    const asmjit::Label loop = a_.newLabel();
    a_.align(asmjit::AlignMode::kCode, 32);
    a_.bind(loop);
    for (int i = 0; i < count; ++i) block(i, false);
    a_.add(x86::rcx, static_cast<int>(ir::kInnerLanes));
    a_.cmp(x86::rcx, turns * ir::kInnerLanes);
    a_.jl(loop);
    emitter_.unpin(pinned);
  }
  for (int i = 0; i < std::min(rest, count); ++i) block(i, false);
  if (has_tail_ && rest >= 0 && rest < count) block(rest, true);
}

// Any vector of the row finds its accumulators in the frame.
void RowsEmitter::emit_rotating_pass(int at, const PassPlan& plan, int vectors) {
  for (const std::int32_t reduction : reductions_of(at)) {
    const Lane lane = schedule_.body.code[static_cast<std::size_t>(reduction)].lane;
    Accumulators accumulators;
    accumulators.frame = emitter_.take_frame(vectors * emitter_.bytes_of(lane));
    accumulators.rotating = true;
    emitter_.set_accumulators(reduction, accumulators);
    emitter_.start_accumulators(reduction, vectors);
  }
  const auto rotate = [&] {
    a_.mov(x86::edx, x86::ecx);
    a_.and_(x86::edx, static_cast<int>(ir::kInnerLanes) - 1);
  };
  const int step = plan.vectors;
  if (full_ >= step) {
    const auto pinned = emitter_.pin(plan.one, plan.pressure(), 1);
    const asmjit::Label loop = a_.newLabel();
    a_.align(asmjit::AlignMode::kCode, 32);
    a_.bind(loop);
    rotate();
    copies(plan, step, 0, true);
    a_.add(x86::rcx, step * lanes_);
    a_.cmp(x86::rcx, full_ / step * step * lanes_);
    a_.jl(loop);
    emitter_.unpin(pinned);
  }
  for (std::int64_t i = 0; i < full_ % step; ++i) {
    rotate();
    copies(plan, 1, 0, true);
    a_.add(x86::rcx, lanes_);
  }
  if (has_tail_) {
    rotate();
    tail(plan, 0, 0);
  }
  finish_reductions(at, vectors);
}

// A pass that only stores.
void RowsEmitter::emit_static_pass(const PassPlan& plan) {
  // A short row is straight code.
  const bool straight =
      full_ <= 8 && static_cast<std::size_t>(full_) * plan.size() <= kUnrolledInstructions / 2;
  const int unroll =
      straight ? static_cast<int>(std::max<std::int64_t>(full_, 1)) : unroll_of(plan);
  const std::int64_t turns = full_ / unroll;
  const int rest = static_cast<int>(full_ % unroll);
  std::int64_t column = 0;
  if (turns == 1) {
    copies(plan, unroll, 0, false);
    column = unroll * lanes_;
  } else if (turns > 1) {
    const auto pinned = emitter_.pin(plan.one, plan.pressure(), 1);
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
  RowsSchedule schedule(spec);
  for (const Saved& it : schedule.saved) {
    const auto operand =
        static_cast<std::size_t>(schedule.body.code[static_cast<std::size_t>(it.store)].imm);
    schedule.body.operands[operand].row = saved_stride(spec.inner);
  }
  return RowsEmitter(spec, schedule).emit();
}

}  // namespace sinter::backend::cpu
