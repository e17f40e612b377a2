// Machine code for the straight-line bodies of fused groups.
//
// A kernel (emit_rows.cc, emit_outer.cc) lays out loops; a BodyEmitter fills them with blocks. A
// value has a level: 0 when it is the same in all of the kernel, 1 when it is the same in all of
// the innermost loop (for a row, or a tile of columns), 2 when it changes in it. Values that leave
// the block that computes them live in the stack frame (their home) and constants in a pool after
// the code; a loop may pin some of them to registers while it runs. Inside a block registers are
// given out as the block is emitted, and the value that is needed last is spilled when they run
// out; the code is straight, so this is optimal up to stores.
//
// Registers: rdi args, rcx position along the inner axis, rsi rows left, rdx position modulo the
// accumulators, rax scratch, rbp caller's stack; the others hold operand addresses. k7 is the mask
// of the tail, k6 scratch; the three highest vector registers are scratch.
#ifndef SINTER_BACKEND_CPU_GROUPS_EMIT_BODY_H_
#define SINTER_BACKEND_CPU_GROUPS_EMIT_BODY_H_

#include <asmjit/x86.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/cpu/code_memory.h"
#include "backend/cpu/groups/lowered_body.h"

namespace sinter::backend::cpu {

// Where in its loops a copy of a block stands.
struct BlockPlace {
  std::int64_t column = 0;  // elements after the position register, along the inner axis
  std::int64_t row = 0;     // rows after the current one
  int tile = 0;             // which copy of the level 1 homes
  int accumulator = 0;      // which vector of the accumulators
  bool masked = false;      // the tail: only the first `tail` lanes exist
};

// A block ready to be emitted any number of times.
struct BlockPlan {
  int level = 2;
  std::vector<std::int32_t> order;      // what to emit; loads are emitted where first used
  std::vector<std::int32_t> use_begin;  // per value, into `uses`; one more than values
  std::vector<std::int32_t> uses;       // positions in `order`, ascending
  int pressure = 0;                     // vector registers that the block's own values need at most
};

// The accumulators of one reduction: a register or a place in the frame for each vector.
struct Accumulators {
  std::vector<int> registers;  // empty: in the frame
  int frame = -1;              // offset of the first
  bool rotating = false;       // in the frame, with rdx added
};

class BodyEmitter {
 public:
  // `tail` is the number of lanes in masked places. `tiles` is how many copies of level 1 homes
  // there are.
  BodyEmitter(const LoweredBody& body, std::vector<std::uint8_t> levels, int tail, int tiles = 1);
  ~BodyEmitter();

  asmjit::x86::Assembler& assembler() { return a_; }
  const LoweredBody& body() const { return body_; }
  int level(std::int32_t value) const { return levels_[static_cast<std::size_t>(value)]; }
  int lanes() const { return body_.lanes; }
  bool is_avx512() const { return body_.isa == Isa::avx512; }
  int usable_registers() const { return is_avx512() ? 29 : 13; }
  int bytes_of(Lane lane) const { return lanes() * static_cast<int>(bytes_in(lane)); }

  // The layout of args: an address per operand, as much space for working copies, then what the
  // kernel adds, from first_own_arg() on.
  asmjit::x86::Mem arg(int index) const;
  int operand_count() const { return static_cast<int>(body_.operands.size()); }
  int first_own_arg() const { return 2 * operand_count(); }
  // Where args has the position of the first element along the inner axis and along the row axis
  // (kept up to date by the kernel), and of the other axes; for `index`. index_args[axis] is the
  // place in args; or kInnerAxis, whose start is in args at `inner_start`; or kUnitAxis, whose only
  // position is 0.
  static constexpr int kInnerAxis = -1;
  static constexpr int kUnitAxis = -2;
  void set_index_args(std::vector<int> index_args, int inner_start) {
    index_args_ = std::move(index_args);
    inner_start_ = inner_start;
  }

  // From here on, everything is for the row `row` places after the current one; it has level 1
  // homes of its own. REQUIRES: row + a place's tile is less than `tiles`.
  void at_row(int row) { row_ = row; }

  // From here on, `value` in blocks means `other` (until redirected again).
  void redirect(std::int32_t value, std::int32_t other) {
    redirect_[static_cast<std::size_t>(value)] = other;
  }

  void prologue();
  // Starts all operands at their addresses in args.
  void load_addresses();
  // Restores the caller's registers and returns; then the constants; then makes the code. `text`,
  // when given, receives the listing.
  std::shared_ptr<CodeMemory> finish();
  // Call before prologue().
  void keep_listing();
  const std::string& listing() const { return listing_; }

  // A block that computes `order` (no loads or constants of lower level than the block's among it).
  BlockPlan plan_block(int level, std::vector<std::int32_t> order) const;
  void emit_block(const BlockPlan& plan, const BlockPlace& place);

  // Gives `value` a home; blocks that compute it store it there.
  void give_home(std::int32_t value);
  bool has_home(std::int32_t value) const { return home_[static_cast<std::size_t>(value)] >= 0; }
  // Pins values that `plan` reads and does not compute, those most used first, as long as more than
  // `left_free` registers are free; to be undone by unpin. Values of level above `max_level` are
  // left alone.
  std::vector<std::int32_t> pin(const BlockPlan& plan, int left_free, int max_level);
  void unpin(const std::vector<std::int32_t>& values);

  // Reductions. An accumulating block's `order` has the reduce instruction.
  int take_register();
  void release_register(int id);
  int take_frame(int bytes);
  void set_accumulators(std::int32_t reduction, Accumulators accumulators);
  void start_accumulators(std::int32_t reduction, int vectors);
  // Stores accumulators in registers in the frame from `frame` on.
  void store_accumulators(std::int32_t reduction, int frame);
  // Folds `vectors` vectors, `active` lanes of which are not identities, by halves from `width`
  // lanes down to one, and stores it, in all lanes, in the reduction's home.
  void fold_lanes(std::int32_t reduction, int vectors, int width, std::int64_t active);
  // Folds four vectors (0 o 2) o (1 o 3), `step` apart, into the one at `first` and returns its
  // register (a scratch one when they are in the frame).
  int fold_four(std::int32_t reduction, int first, int step);
  void store_vector(int id, std::int32_t reduction, const asmjit::x86::Mem& to, bool masked);

  // The address of the element of `operand` at `place`. May use rax.
  asmjit::x86::Mem address(int operand, const BlockPlace& place);
  void advance_row(int operand, std::int64_t rows);

 private:
  using Vec = asmjit::x86::Vec;
  using Mem = asmjit::x86::Mem;
  using InstId = asmjit::InstId;
  struct InstTable;

  const LoweredInst& inst(std::int32_t value) const {
    return body_.code[static_cast<std::size_t>(value)];
  }
  // Where the vector stands that `it` computes.
  BlockPlace place_of(const LoweredInst& it) const {
    BlockPlace place = place_;
    place.column += it.vector * lanes();
    place.accumulator += it.vector;
    return place;
  }
  std::int32_t resolve(std::int32_t value) const {
    return value < 0 ? value : redirect_[static_cast<std::size_t>(value)];
  }

  // emit_body.cc: places of values.
  bool is_constant(std::int32_t value) const { return inst(value).op == ir::ScalarOp::constant; }
  bool in_k(std::int32_t value) const { return is_avx512() && inst(value).lane == Lane::mask; }
  Vec vec(int id, Lane lane) const { return vec_of_bytes(id, bytes_of(lane)); }
  static Vec vec_of_bytes(int id, int bytes);
  asmjit::x86::KReg k(int id) const { return asmjit::x86::KReg(static_cast<std::uint32_t>(id)); }
  int scratch(int index) const { return (is_avx512() ? 31 : 15) - index; }
  Mem frame(int offset) const { return asmjit::x86::ptr(asmjit::x86::rsp, offset); }
  Mem pool(std::uint64_t bits, bool wide);
  Mem pool_lanes(const std::vector<std::uint64_t>& values, bool wide);
  Mem ones_mask(bool wide) { return pool(~std::uint64_t{0}, wide); }
  Mem tail_mask(bool wide);
  Mem constant(std::int32_t value);
  Mem home(std::int32_t value) const;

  std::int32_t next_use(std::int32_t value) const;
  bool has_more_uses(std::int32_t value) const { return next_use(value) >= 0; }
  int take(bool mask);
  int evict(bool mask);
  int in_register(std::int32_t value);
  asmjit::Operand register_or_memory(std::int32_t value);
  bool is_foldable(std::int32_t value) const;
  bool is_memory_home(std::int32_t value) const;
  Mem memory_home(std::int32_t value);
  void fill(int id, std::int32_t value);
  void consume(std::int32_t value);
  int define(std::int32_t value);
  void settle(std::int32_t value);
  Vec reg(std::int32_t value) { return vec(in_register(value), inst(value).lane); }

  // emit_inst.cc: instruction selection.
  void emit_inst(std::int32_t value);
  void emit_arithmetic(std::int32_t value);
  void emit_binary(std::int32_t value, InstId id, bool commutes);
  void emit_unary(std::int32_t value, InstId id);
  void emit_fma(std::int32_t value);
  void emit_sign(std::int32_t value);
  void emit_round(std::int32_t value, int mode);
  void emit_multiply_i64(std::int32_t value);
  // emit_call.cc
  void emit_wrap_angle(std::int32_t value);
  void emit_call(const void* function, const Vec& values, int argument);
  void emit_compare(std::int32_t value);
  void emit_compare_avx2(std::int32_t value);
  void emit_mask_logic(std::int32_t value);
  void emit_bits(std::int32_t value);
  void emit_shift(std::int32_t value);
  void emit_extreme(std::int32_t value);
  void emit_select(std::int32_t value);
  void emit_index(std::int32_t value);
  // emit_convert.cc
  void emit_convert(std::int32_t value);
  void emit_convert_by_lane(const Vec& from, Lane from_lane, const Vec& to, Lane to_lane);
  void emit_to_mask(std::int32_t value);
  void emit_from_mask(std::int32_t value);
  // emit_half.cc
  void emit_load_half(int id, std::int32_t value);
  void emit_store_half(std::int32_t value, const Mem& to);
  void emit_store_half_avx2(std::int32_t value, const Mem& to);
  void emit_convert_half(std::int32_t value);
  void emit_round_bf16(std::int32_t value);
  // emit_memory.cc
  void emit_load(int id, std::int32_t value);
  void emit_load_byte(int id, std::int32_t value);
  void emit_load_byte_avx2(int id, std::int32_t value);
  void emit_store(std::int32_t value);
  void emit_store_byte(std::int32_t value, const Mem& to);
  void emit_store_byte_avx2(std::int32_t value, const Mem& to);
  // emit_reduce.cc
  void emit_accumulate(std::int32_t value);
  void combine(std::int32_t reduction, int to, int a, int x, int bytes);
  std::uint64_t identity_bits(std::int32_t reduction) const;
  Mem accumulator_memory(const Accumulators& accumulators, Lane lane, int vector) const;

  void move(const Vec& to, const asmjit::Operand& from);
  void narrow_mask(int to, int from);  // AVX2: four 64-bit lanes to four 32-bit ones
  void widen_mask(int to, int from);

  const LoweredBody& body_;
  std::vector<std::uint8_t> levels_;
  int tail_ = 0;
  int tiles_ = 1;
  asmjit::CodeHolder code_;
  std::unique_ptr<asmjit::StringLogger> logger_;
  std::string listing_;
  asmjit::x86::Assembler a_;

  std::vector<int> index_args_;
  int inner_start_ = -1;
  std::vector<std::int32_t> redirect_;

  // The frame and the pool.
  int frame_bytes_ = 0;
  std::size_t frame_patch_ = 0;
  asmjit::Label pool_label_;
  std::vector<std::uint8_t> pool_bytes_;
  std::map<std::pair<std::uint64_t, bool>, int> pool_index_;
  int tail_mask_[2] = {-1, -1};
  std::map<std::pair<int, std::int64_t>, int> iota_;
  int call_frame_ = -1;     // where calls keep the registers
  int convert_frame_ = -1;  // what is converted one element at a time

  std::vector<int> home_;              // frame offset or -1
  std::vector<int> spill_;             // frame offset or -1
  std::vector<bool> spilled_;          // the spill place holds the value, in this block
  std::vector<int> location_;          // register or -1
  std::vector<std::int32_t> owner_;    // per vector register
  std::vector<std::int32_t> k_owner_;  // per mask register
  std::uint32_t locked_ = 0;
  std::uint32_t k_locked_ = 0;
  std::map<std::int32_t, Accumulators> accumulators_;
  std::vector<int> address_register_;  // per operand; -1: in args

  const BlockPlan* plan_ = nullptr;
  BlockPlace place_;
  int row_ = 0;
  std::vector<std::int32_t> cursor_;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_EMIT_BODY_H_
