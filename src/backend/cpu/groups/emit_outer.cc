#include "backend/cpu/groups/emit_outer.h"

#include <algorithm>

#include "backend/cpu/groups/emit_body.h"
#include "ir/reduction.h"

namespace sinter::backend::cpu {

namespace x86 = asmjit::x86;
using ir::ScalarOp;

namespace {

constexpr int kLanes = static_cast<int>(ir::kOuterLanes);
// Instructions that the copies for all rows and columns of one tile may have together.
constexpr std::size_t kTileInstructions = 192;

// What is computed where: level 0 once, level 1 for a tile of columns, level 2 at every point.
struct Schedule {
  LoweredBody body;
  std::vector<std::uint8_t> levels;
  std::vector<std::int32_t> invariant;
  std::vector<std::int32_t> column_values;
  std::vector<std::int32_t> order;
  std::vector<std::int32_t> reductions;
  int first_result = 0;  // the operand with the first reduction's results

  explicit Schedule(const OuterSpec& spec);
};

Schedule::Schedule(const OuterSpec& spec) : body(spec.body) {
  for (const LoweredInst& it : body.code) {
    int level = 0;
    const std::int32_t sources[] = {it.a, it.b, it.c};
    for (int i = 0; i < source_count(it); ++i) {
      level = std::max<int>(level, levels[static_cast<std::size_t>(sources[i])]);
    }
    if (it.op == ScalarOp::load || it.op == ScalarOp::store) {
      const OperandAccess& access = body.operands[static_cast<std::size_t>(it.imm)];
      level = access.row != 0 ? 2 : access.inner != 0 ? 1 : 0;
    } else if (it.op == ScalarOp::index) {
      level = it.imm == 0 ? 2 : it.imm == spec.rank - 1 ? 1 : 0;
    } else if (ir::is_reduction(it.op)) {
      level = 1;
    }
    levels.push_back(static_cast<std::uint8_t>(level));
  }
  // Stores of what does not vary along the rows, and what only they need, come after the fold.
  std::vector<bool> needed(body.code.size(), false);
  for (std::size_t i = needed.size(); i-- > 0;) {
    const LoweredInst& it = body.code[i];
    if (ir::is_reduction(it.op) || (it.op == ScalarOp::store && levels[i] == 2)) needed[i] = true;
    if (!needed[i]) continue;
    const std::int32_t sources[] = {it.a, it.b, it.c};
    for (int s = 0; s < source_count(it); ++s) needed[static_cast<std::size_t>(sources[s])] = true;
  }
  std::vector<std::int32_t> stores;
  for (std::size_t i = 0; i < needed.size(); ++i) {
    const LoweredInst& it = body.code[i];
    const auto value = static_cast<std::int32_t>(i);
    if (!needed[i] || it.op == ScalarOp::constant || it.op == ScalarOp::bitcast) continue;
    if (ir::is_reduction(it.op)) {
      reductions.push_back(value);
      order.push_back(value);
    } else if (it.op == ScalarOp::store) {
      stores.push_back(value);
    } else if (levels[i] < 2) {
      (levels[i] == 0 ? invariant : column_values).push_back(value);
    } else if (it.op != ScalarOp::load) {
      order.push_back(value);
    }
  }
  order.insert(order.end(), stores.begin(), stores.end());
  first_result = static_cast<int>(body.operands.size());
  for (const std::int32_t reduction : reductions) {
    const LoweredInst& it = body.code[static_cast<std::size_t>(reduction)];
    body.operands.push_back({.dtype = it.type, .output = true, .inner = 1, .row = 0});
  }
}

class OuterEmitter {
 public:
  OuterEmitter(const OuterSpec& spec, const Schedule& schedule)
      : spec_(spec),
        schedule_(schedule),
        emitter_(schedule.body, schedule.levels,
                 static_cast<int>(spec.columns % schedule.body.lanes), kLanes),
        a_(emitter_.assembler()),
        lanes_(schedule.body.lanes),
        uses_row_index_(std::any_of(
            schedule.body.code.begin(), schedule.body.code.end(),
            [](const LoweredInst& it) { return it.op == ScalarOp::index && it.imm == 0; })) {}

  OuterCode emit();

 private:
  int own_arg(int which) const { return emitter_.first_own_arg() + which; }
  asmjit::x86::Mem number(int which) const { return emitter_.arg(own_arg(which)); }
  void set_index_args();
  int choose_tile(const BlockPlan& plan) const;
  void emit_columns(const BlockPlan& plan, int vectors, bool masked);
  void emit_chunk_rows(const BlockPlan& plan, int vectors, bool masked);
  void emit_one_row(const BlockPlan& plan, int row, int lane, int vectors, bool masked);
  void start_reductions(const BlockPlan& plan, int vectors);
  void finish_reductions(int vectors, bool masked);
  void emit_column_values(int vectors, bool masked);

  const OuterSpec& spec_;
  const Schedule& schedule_;
  BodyEmitter emitter_;
  x86::Assembler& a_;
  const int lanes_;
  const bool uses_row_index_;
  std::vector<int> taken_;
};

void OuterEmitter::set_index_args() {
  std::vector<int> args;
  for (int axis = 0; axis < spec_.rank; ++axis) {
    if (axis == 0) {
      args.push_back(own_arg(OuterCode::row_now));
    } else if (axis == spec_.rank - 1) {
      args.push_back(spec_.columns > 1 ? BodyEmitter::kInnerAxis : BodyEmitter::kUnitAxis);
    } else {
      args.push_back(own_arg(OuterCode::axis_start) + axis);
    }
  }
  emitter_.set_index_args(std::move(args), own_arg(OuterCode::zero));
}

// How many vectors of columns a tile has: as many as registers and the size of the code allow, but
// no more than there are.
int OuterEmitter::choose_tile(const BlockPlan& plan) const {
  const auto reductions = static_cast<int>(schedule_.reductions.size());
  int tile = kLanes;
  while (tile > 1 &&
         (tile * lanes_ > spec_.columns ||
          reductions * kLanes * tile + plan.pressure > emitter_.usable_registers() ||
          plan.order.size() * static_cast<std::size_t>(tile * kLanes) > kTileInstructions)) {
    tile /= 2;
  }
  return tile;
}

OuterCode OuterEmitter::emit() {
  if (spec_.listing) emitter_.keep_listing();
  set_index_args();
  emitter_.prologue();
  emitter_.load_addresses();
  for (const std::int32_t value : schedule_.invariant) emitter_.give_home(value);
  for (const std::int32_t value : schedule_.column_values) emitter_.give_home(value);
  emitter_.emit_block(emitter_.plan_block(0, schedule_.invariant), BlockPlace{});
  const BlockPlan plan = emitter_.plan_block(2, schedule_.order);
  const int tile = choose_tile(plan);
  a_.mov(x86::rcx, number(OuterCode::column_begin));
  const auto loop = [&](int vectors, int limit) {
    const asmjit::Label body = a_.newLabel();
    const asmjit::Label done = a_.newLabel();
    a_.cmp(x86::rcx, number(limit));
    a_.jge(done);
    a_.bind(body);
    emit_columns(plan, vectors, false);
    a_.add(x86::rcx, vectors * lanes_);
    a_.cmp(x86::rcx, number(limit));
    a_.jl(body);
    a_.bind(done);
  };
  if (tile > 1) loop(tile, OuterCode::tiles_end);
  if (tile == 1 || spec_.columns % (tile * lanes_) >= lanes_) loop(1, OuterCode::vectors_end);
  if (spec_.columns % lanes_ != 0) {
    const asmjit::Label done = a_.newLabel();
    a_.cmp(number(OuterCode::tail), 0);
    a_.je(done);
    emit_columns(plan, 1, true);
    a_.bind(done);
  }
  OuterCode result;
  result.code = emitter_.finish();
  result.listing = emitter_.listing();
  result.lanes = lanes_;
  result.tile = tile * lanes_;
  result.reductions = schedule_.reductions;
  return result;
}

void OuterEmitter::emit_column_values(int vectors, bool masked) {
  if (schedule_.column_values.empty()) return;
  const BlockPlan plan = emitter_.plan_block(1, schedule_.column_values);
  for (int t = 0; t < vectors; ++t) {
    emitter_.emit_block(plan, {.column = t * lanes_, .tile = t, .masked = masked});
  }
}

void OuterEmitter::emit_columns(const BlockPlan& plan, int vectors, bool masked) {
  emitter_.load_addresses();
  if (uses_row_index_) {
    a_.mov(x86::rax, number(OuterCode::row_start));
    a_.mov(number(OuterCode::row_now), x86::rax);
  }
  emit_column_values(vectors, masked);
  start_reductions(plan, vectors);
  const std::vector<std::int32_t> pinned = emitter_.pin(plan, plan.pressure, vectors == 1 ? 1 : 0);
  emit_chunk_rows(plan, vectors, masked);
  emitter_.unpin(pinned);
  finish_reductions(vectors, masked);
}

void OuterEmitter::emit_one_row(const BlockPlan& plan, int row, int lane, int vectors,
                                bool masked) {
  for (int t = 0; t < vectors; ++t) {
    emitter_.emit_block(plan, {.column = t * lanes_,
                               .row = row,
                               .tile = t,
                               .accumulator = lane * vectors + t,
                               .masked = masked});
  }
}

void OuterEmitter::emit_chunk_rows(const BlockPlan& plan, int vectors, bool masked) {
  const asmjit::Label loop = a_.newLabel();
  const asmjit::Label rest = a_.newLabel();
  const asmjit::Label done = a_.newLabel();
  const auto advance = [&](int rows) {
    for (int i = 0; i < schedule_.first_result; ++i) emitter_.advance_row(i, rows);
    if (uses_row_index_) a_.add(number(OuterCode::row_now), rows);
  };
  a_.mov(x86::rsi, number(OuterCode::rows));
  a_.sub(x86::rsi, kLanes);
  a_.jl(rest);
  a_.align(asmjit::AlignMode::kCode, 32);
  a_.bind(loop);
  for (int lane = 0; lane < kLanes; ++lane) emit_one_row(plan, lane, lane, vectors, masked);
  advance(kLanes);
  a_.sub(x86::rsi, kLanes);
  a_.jge(loop);
  a_.bind(rest);
  a_.add(x86::rsi, kLanes);
  for (int lane = 0; lane < kLanes - 1; ++lane) {
    a_.jz(done);
    emit_one_row(plan, 0, lane, vectors, masked);
    advance(1);
    a_.dec(x86::rsi);
  }
  a_.bind(done);
}

void OuterEmitter::start_reductions(const BlockPlan& plan, int vectors) {
  const int each = kLanes * vectors;
  const bool in_registers = static_cast<int>(schedule_.reductions.size()) * each + plan.pressure <=
                            emitter_.usable_registers();
  for (const std::int32_t reduction : schedule_.reductions) {
    Accumulators accumulators;
    for (int i = 0; in_registers && i < each; ++i) {
      accumulators.registers.push_back(emitter_.take_register());
      taken_.push_back(accumulators.registers.back());
    }
    if (!in_registers) {
      const Lane lane = schedule_.body.code[static_cast<std::size_t>(reduction)].lane;
      accumulators.frame = emitter_.take_frame(each * emitter_.bytes_of(lane));
    }
    emitter_.set_accumulators(reduction, accumulators);
    emitter_.start_accumulators(reduction, each);
  }
}

void OuterEmitter::finish_reductions(int vectors, bool masked) {
  int operand = schedule_.first_result;
  for (const std::int32_t reduction : schedule_.reductions) {
    for (int t = 0; t < vectors; ++t) {
      const int id = emitter_.fold_four(reduction, t, vectors);
      emitter_.store_vector(id, reduction, emitter_.address(operand, {.column = t * lanes_}),
                            masked);
    }
    ++operand;
  }
  for (const int id : taken_) emitter_.release_register(id);
  taken_.clear();
}

}  // namespace

OuterCode emit_outer(const OuterSpec& spec) {
  const Schedule schedule(spec);
  return OuterEmitter(spec, schedule).emit();
}

}  // namespace sinter::backend::cpu
