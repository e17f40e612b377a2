// The places of values: registers, homes, spills, constants. See emit_body.h.
#include "backend/cpu/groups/emit_body.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "backend/cpu/groups/emitted_kernel.h"
#include "ir/internal_error.h"

namespace sinter::backend::cpu {

namespace x86 = asmjit::x86;
using asmjit::Operand;
using ir::ScalarOp;

namespace {

constexpr std::int32_t kFree = -1;
constexpr std::int32_t kTaken = -2;
// What prologue() subtracts from the stack pointer until finish() knows the size of the frame.
constexpr std::uint32_t kFramePlaceholder = 0x11111111;

const x86::Gp kAddressRegisters[] = {x86::rbx, x86::r8,  x86::r9,  x86::r10, x86::r11,
                                     x86::r12, x86::r13, x86::r14, x86::r15};
constexpr int kAddressRegisterCount = 9;
const x86::Gp kSavedRegisters[] = {x86::rbx, x86::r12, x86::r13, x86::r14, x86::r15};

class ThrowingHandler : public asmjit::ErrorHandler {
 public:
  void handleError(asmjit::Error, const char* message, asmjit::BaseEmitter*) override {
    throw ir::InternalError(std::string("emitter: ") + message);
  }
};

ThrowingHandler& throwing_handler() {
  static ThrowingHandler handler;
  return handler;
}

int size_of_operand(const OperandAccess& access) { return static_cast<int>(size_of(access.dtype)); }

}  // namespace

BodyEmitter::BodyEmitter(const LoweredBody& body, std::vector<std::uint8_t> levels, int tail,
                         int tiles)
    : body_(body), levels_(std::move(levels)), tail_(tail), tiles_(tiles) {
  code_.init(code_environment());
  code_.setErrorHandler(&throwing_handler());
  code_.attach(&a_);
  const std::size_t values = body_.code.size();
  redirect_.resize(values);
  for (std::size_t i = 0; i < values; ++i) redirect_[i] = static_cast<std::int32_t>(i);
  home_.assign(values, -1);
  spill_.assign(values, -1);
  spilled_.assign(values, false);
  location_.assign(values, -1);
  cursor_.assign(values, 0);
  owner_.assign(static_cast<std::size_t>(usable_registers()), kFree);
  k_owner_.assign(6, kFree);
  k_owner_[0] = kTaken;  // k0 means "no mask" where a mask is expected
  // Operands that move along the inner axis first: they are addressed most often.
  address_register_.assign(body_.operands.size(), -1);
  int next = 0;
  for (const std::int64_t inner : {1, 0}) {
    for (std::size_t i = 0; i < body_.operands.size() && next < kAddressRegisterCount; ++i) {
      if (body_.operands[i].inner == inner) address_register_[i] = next++;
    }
  }
}

BodyEmitter::~BodyEmitter() = default;

void BodyEmitter::keep_listing() {
  logger_ = std::make_unique<asmjit::StringLogger>();
  code_.setLogger(logger_.get());
}

x86::Mem BodyEmitter::arg(int index) const { return x86::ptr(x86::rdi, 8 * index, 8); }

void BodyEmitter::prologue() {
  pool_label_ = a_.newLabel();
  a_.push(x86::rbp);
  for (const x86::Gp& saved : kSavedRegisters) a_.push(saved);
  a_.mov(x86::rbp, x86::rsp);
  a_.sub(x86::rsp, kFramePlaceholder);
  frame_patch_ = a_.offset() - sizeof(std::uint32_t);
  a_.and_(x86::rsp, -64);
  if (tail_ > 0 && is_avx512()) {
    a_.mov(x86::eax, (1U << tail_) - 1U);
    a_.kmovw(x86::k7, x86::eax);
  }
}

void BodyEmitter::load_addresses() {
  for (int i = 0; i < operand_count(); ++i) {
    const int id = address_register_[static_cast<std::size_t>(i)];
    if (id >= 0) {
      a_.mov(kAddressRegisters[id], arg(i));
    } else {
      a_.mov(x86::rax, arg(i));
      a_.mov(arg(operand_count() + i), x86::rax);
    }
  }
}

std::shared_ptr<CodeMemory> BodyEmitter::finish() {
  a_.vzeroupper();
  a_.mov(x86::rsp, x86::rbp);
  for (int i = 4; i >= 0; --i) a_.pop(kSavedRegisters[i]);
  a_.pop(x86::rbp);
  a_.ret();
  if (logger_ != nullptr) {
    listing_ = std::string(logger_->data(), logger_->dataSize());
    code_.setLogger(nullptr);
  }
  a_.align(asmjit::AlignMode::kData, 64);
  a_.bind(pool_label_);
  if (!pool_bytes_.empty()) a_.embed(pool_bytes_.data(), pool_bytes_.size());
  const auto bytes = static_cast<std::uint32_t>(frame_bytes_);
  std::memcpy(code_.textSection()->buffer().data() + frame_patch_, &bytes, sizeof(bytes));
  return std::make_shared<CodeMemory>(&code_);
}

// ---- Addresses.

x86::Mem BodyEmitter::address(int operand, const BlockPlace& place) {
  const OperandAccess& access = body_.operands[static_cast<std::size_t>(operand)];
  const int size = size_of_operand(access);
  const auto offset = static_cast<std::int32_t>(
      (access.inner * place.column + access.row * (place.row + row_)) * size);
  const int id = address_register_[static_cast<std::size_t>(operand)];
  x86::Gp base = x86::rax;
  if (id >= 0) {
    base = kAddressRegisters[id];
  } else {
    a_.mov(x86::rax, arg(operand_count() + operand));
  }
  if (access.inner == 0) return x86::ptr(base, offset);
  const std::uint32_t shift = size == 8 ? 3 : size == 4 ? 2 : size == 2 ? 1 : 0;
  return x86::ptr(base, x86::rcx, shift, offset);
}

void BodyEmitter::advance_row(int operand, std::int64_t rows) {
  const OperandAccess& access = body_.operands[static_cast<std::size_t>(operand)];
  const std::int64_t bytes = access.row * rows * size_of_operand(access);
  if (bytes == 0) return;
  const int id = address_register_[static_cast<std::size_t>(operand)];
  const bool fits_imm = bytes >= std::numeric_limits<std::int32_t>::min() &&
                        bytes <= std::numeric_limits<std::int32_t>::max();
  if (!fits_imm) a_.mov(x86::rax, bytes);
  const Operand step = fits_imm ? Operand(asmjit::Imm(bytes)) : Operand(x86::rax);
  const Operand to =
      id >= 0 ? Operand(kAddressRegisters[id]) : Operand(arg(operand_count() + operand));
  a_.emit(x86::Inst::kIdAdd, to, step);
}

// ---- Constants and the frame.

x86::Vec BodyEmitter::vec_of_bytes(int id, int bytes) {
  const auto number = static_cast<std::uint32_t>(id);
  if (bytes == 64) return x86::Zmm(number);
  if (bytes == 32) return x86::Ymm(number);
  return x86::Xmm(number);
}

x86::Mem BodyEmitter::pool_lanes(const std::vector<std::uint64_t>& values, bool wide) {
  const auto offset = static_cast<std::int32_t>(pool_bytes_.size());
  const std::size_t size = wide ? 8 : 4;
  // Whole cache lines, so that no constant straddles two.
  pool_bytes_.resize(pool_bytes_.size() + std::max<std::size_t>(64, values.size() * size));
  std::uint8_t* to = pool_bytes_.data() + offset;
  for (const std::uint64_t value : values) {
    std::memcpy(to, &value, size);
    to += size;
  }
  return x86::ptr(pool_label_, offset);
}

x86::Mem BodyEmitter::pool(std::uint64_t bits, bool wide) {
  const std::pair<std::uint64_t, bool> key{wide ? bits : bits & 0xffffffffU, wide};
  const auto found = pool_index_.find(key);
  if (found != pool_index_.end()) return x86::ptr(pool_label_, found->second);
  pool_index_[key] = static_cast<int>(pool_bytes_.size());
  return pool_lanes(std::vector<std::uint64_t>(static_cast<std::size_t>(lanes()), bits), wide);
}

x86::Mem BodyEmitter::tail_mask(bool wide) {
  int& offset = tail_mask_[wide ? 1 : 0];
  if (offset < 0) {
    offset = static_cast<int>(pool_bytes_.size());
    std::vector<std::uint64_t> values(static_cast<std::size_t>(lanes()), 0);
    std::fill(values.begin(), values.begin() + tail_, ~std::uint64_t{0});
    pool_lanes(values, wide);
  }
  return x86::ptr(pool_label_, offset);
}

x86::Mem BodyEmitter::constant(std::int32_t value) {
  const LoweredInst& it = inst(value);
  if (it.lane == Lane::mask) return pool(it.imm != 0 ? ~std::uint64_t{0} : 0, false);
  return pool(static_cast<std::uint64_t>(it.imm), is_wide(it.lane));
}

int BodyEmitter::take_frame(int bytes) {
  const int offset = frame_bytes_;
  frame_bytes_ += (bytes + 63) / 64 * 64;
  return offset;
}

void BodyEmitter::give_home(std::int32_t value) {
  int& home = home_[static_cast<std::size_t>(value)];
  if (home < 0) home = take_frame(64 * tiles_);
}

x86::Mem BodyEmitter::home(std::int32_t value) const {
  const int tile = level(value) == 1 ? place_.tile + row_ : 0;
  return frame(home_[static_cast<std::size_t>(value)] + 64 * tile);
}

// ---- Blocks.

BlockPlan BodyEmitter::plan_block(int block_level, std::vector<std::int32_t> order) const {
  BlockPlan plan;
  plan.level = block_level;
  plan.order = std::move(order);
  const std::size_t values = body_.code.size();
  std::vector<std::pair<std::int32_t, std::int32_t>> uses;  // value, position
  for (std::size_t at = 0; at < plan.order.size(); ++at) {
    const LoweredInst& it = inst(plan.order[at]);
    const std::int32_t sources[] = {it.a, it.b, it.c};
    for (int i = 0; i < source_count(it); ++i) {
      uses.emplace_back(resolve(sources[i]), static_cast<std::int32_t>(at));
    }
  }
  plan.use_begin.assign(values + 1, 0);
  for (const auto& use : uses) ++plan.use_begin[static_cast<std::size_t>(use.first) + 1];
  for (std::size_t i = 0; i < values; ++i) plan.use_begin[i + 1] += plan.use_begin[i];
  plan.uses.resize(uses.size());
  std::vector<std::int32_t> fill_at(plan.use_begin.begin(), plan.use_begin.end() - 1);
  for (const auto& [value, at] : uses) {
    plan.uses[static_cast<std::size_t>(fill_at[static_cast<std::size_t>(value)]++)] = at;
  }
  // The most values of the block's own that are alive at once.
  std::vector<int> change(plan.order.size() + 2, 0);
  const auto lives = [&](std::int32_t value, std::size_t from) {
    const auto index = static_cast<std::size_t>(value);
    const std::int32_t end = plan.use_begin[index + 1];
    if (end == plan.use_begin[index] || in_k(value)) return;
    ++change[from];
    --change[static_cast<std::size_t>(plan.uses[static_cast<std::size_t>(end) - 1])];
  };
  for (std::size_t at = 0; at < plan.order.size(); ++at) lives(plan.order[at], at);
  for (std::size_t i = 0; i < values; ++i) {
    const auto value = static_cast<std::int32_t>(i);
    if (inst(value).op == ScalarOp::load && level(value) == block_level &&
        plan.use_begin[i + 1] > plan.use_begin[i]) {
      const auto first =
          static_cast<std::size_t>(plan.uses[static_cast<std::size_t>(plan.use_begin[i])]);
      lives(value, first == 0 ? 0 : first - 1);
    }
  }
  int alive = 0;
  for (const int step : change) plan.pressure = std::max(plan.pressure, alive += step);
  plan.pressure += 2;  // an operand read from memory, a result beside its operands
  return plan;
}

void BodyEmitter::emit_block(const BlockPlan& plan, const BlockPlace& place) {
  plan_ = &plan;
  place_ = place;
  std::copy(plan.use_begin.begin(), plan.use_begin.end() - 1, cursor_.begin());
  std::fill(spilled_.begin(), spilled_.end(), false);
  for (const std::int32_t value : plan.order) {
    emit_inst(value);
    locked_ = 0;
    k_locked_ = 0;
  }
  for (std::int32_t& owner : owner_) {
    if (owner >= 0) {
      location_[static_cast<std::size_t>(owner)] = -1;
      owner = kFree;
    }
  }
  for (std::int32_t& owner : k_owner_) {
    if (owner >= 0) {
      location_[static_cast<std::size_t>(owner)] = -1;
      owner = kFree;
    }
  }
  plan_ = nullptr;
}

std::int32_t BodyEmitter::next_use(std::int32_t value) const {
  const auto index = static_cast<std::size_t>(value);
  const std::int32_t at = cursor_[index];
  return at < plan_->use_begin[index + 1] ? plan_->uses[static_cast<std::size_t>(at)] : -1;
}

int BodyEmitter::take(bool mask) {
  std::vector<std::int32_t>& owners = mask ? k_owner_ : owner_;
  std::uint32_t& locked = mask ? k_locked_ : locked_;
  int id = -1;
  for (std::size_t i = 0; i < owners.size() && id < 0; ++i) {
    if (owners[i] == kFree && (locked >> i & 1U) == 0) id = static_cast<int>(i);
  }
  if (id < 0) id = evict(mask);
  locked |= 1U << id;
  return id;
}

// Frees the register whose value is needed last, having saved the value.
int BodyEmitter::evict(bool mask) {
  std::vector<std::int32_t>& owners = mask ? k_owner_ : owner_;
  const std::uint32_t locked = mask ? k_locked_ : locked_;
  int best = -1;
  std::int32_t best_use = -1;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (owners[i] < 0 || (locked >> i & 1U) != 0) continue;
    const std::int32_t use = next_use(owners[i]);
    if (use > best_use) {
      best = static_cast<int>(i);
      best_use = use;
    }
  }
  if (best < 0) throw OutOfRegisters();
  const std::int32_t value = owners[static_cast<std::size_t>(best)];
  const auto index = static_cast<std::size_t>(value);
  if (!is_memory_home(value)) {
    if (spill_[index] < 0) spill_[index] = take_frame(64);
    spilled_[index] = true;
    if (mask) {
      a_.kmovw(x86::word_ptr(x86::rsp, spill_[index]), k(best));
    } else {
      a_.emit(x86::Inst::kIdVmovups, frame(spill_[index]), vec(best, inst(value).lane));
    }
  }
  location_[index] = -1;
  owners[static_cast<std::size_t>(best)] = kFree;
  return best;
}

// True when the value can be read from memory of ours: the pool, its home, its spill.
bool BodyEmitter::is_memory_home(std::int32_t value) const {
  const auto index = static_cast<std::size_t>(value);
  if (is_constant(value) || spilled_[index]) return true;
  return home_[index] >= 0 && (level(value) < plan_->level || inst(value).op != ScalarOp::load);
}

x86::Mem BodyEmitter::memory_home(std::int32_t value) {
  if (is_constant(value)) return constant(value);
  const auto index = static_cast<std::size_t>(value);
  return spilled_[index] ? frame(spill_[index]) : home(value);
}

void BodyEmitter::fill(int id, std::int32_t value) {
  const LoweredInst& it = inst(value);
  if (!is_memory_home(value)) {
    if (it.op != ScalarOp::load)
      throw ir::InternalError(std::string("emitter: a value has no place: ") +
                              std::to_string(value));
    emit_load(id, value);
    return;
  }
  if (!in_k(value)) {
    move(vec(id, it.lane), memory_home(value));
  } else if (!is_constant(value)) {
    Mem from = memory_home(value);
    from.setSize(2);
    a_.kmovw(k(id), from);
  } else if (it.imm != 0) {
    a_.kxnorw(k(id), k(id), k(id));
  } else {
    a_.kxorw(k(id), k(id), k(id));
  }
}

int BodyEmitter::in_register(std::int32_t value) {
  const bool mask = in_k(value);
  int& location = location_[static_cast<std::size_t>(value)];
  if (location < 0) {
    const int id = take(mask);
    fill(id, value);
    (mask ? k_owner_ : owner_)[static_cast<std::size_t>(id)] = value;
    location = id;
  }
  (mask ? k_locked_ : locked_) |= 1U << location;
  return location;
}

// A load that its only use may read from memory itself.
bool BodyEmitter::is_foldable(std::int32_t value) const {
  const LoweredInst& it = inst(value);
  const bool as_held = size_of(it.type) == bytes_in(it.lane);
  if (it.op != ScalarOp::load || place_.masked || !as_held) return false;
  const auto index = static_cast<std::size_t>(value);
  return level(value) == plan_->level && home_[index] < 0 &&
         plan_->use_begin[index + 1] - plan_->use_begin[index] == 1 &&
         body_.operands[static_cast<std::size_t>(it.imm)].inner == 1;
}

// REQUIRES: no register is taken between this and the use: the address may need rax.
Operand BodyEmitter::register_or_memory(std::int32_t value) {
  if (location_[static_cast<std::size_t>(value)] < 0 && !in_k(value)) {
    if (is_foldable(value)) {
      return address(static_cast<int>(inst(value).imm), place_of(inst(value)));
    }
    if (is_memory_home(value)) {
      const auto index = static_cast<std::size_t>(value);
      const bool last = cursor_[index] + 1 >= plan_->use_begin[index + 1];
      const bool room = std::count(owner_.begin(), owner_.end(), kFree) > 2;
      if (last || !room) return memory_home(value);
    }
  }
  return reg(value);
}

// One use is done: the register is free after the last.
void BodyEmitter::consume(std::int32_t value) {
  const auto index = static_cast<std::size_t>(value);
  ++cursor_[index];
  if (location_[index] < 0 || has_more_uses(value)) return;
  std::vector<std::int32_t>& owners = in_k(value) ? k_owner_ : owner_;
  std::int32_t& owner = owners[static_cast<std::size_t>(location_[index])];
  if (owner != value) return;  // pinned
  owner = kFree;
  location_[index] = -1;
}

int BodyEmitter::define(std::int32_t value) {
  const bool mask = in_k(value);
  const int id = take(mask);
  (mask ? k_owner_ : owner_)[static_cast<std::size_t>(id)] = value;
  location_[static_cast<std::size_t>(value)] = id;
  return id;
}

// The value is complete: to its home, if it has one.
void BodyEmitter::settle(std::int32_t value) {
  const auto index = static_cast<std::size_t>(value);
  const int id = location_[index];
  if (id < 0) return;
  if (home_[index] >= 0) {
    if (in_k(value)) {
      Mem to = home(value);
      to.setSize(2);
      a_.kmovw(to, k(id));
    } else {
      a_.emit(x86::Inst::kIdVmovups, home(value), vec(id, inst(value).lane));
    }
  }
  if (!has_more_uses(value)) {
    (in_k(value) ? k_owner_ : owner_)[static_cast<std::size_t>(id)] = kFree;
    location_[index] = -1;
  }
}

// ---- Pinning.

std::vector<std::int32_t> BodyEmitter::pin(const BlockPlan& plan, int left_free, int max_level) {
  std::vector<std::pair<int, std::int32_t>> candidates;  // uses, value
  for (std::size_t i = 0; i < body_.code.size(); ++i) {
    const auto value = static_cast<std::int32_t>(i);
    const int uses = plan.use_begin[i + 1] - plan.use_begin[i];
    const bool outside = is_constant(value) || (level(value) < plan.level && home_[i] >= 0);
    if (uses > 0 && outside && !in_k(value) && location_[i] < 0 && level(value) <= max_level) {
      candidates.emplace_back(uses, value);
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::int32_t> pinned;
  plan_ = &plan;
  place_ = BlockPlace{};
  for (const auto& candidate : candidates) {
    if (std::count(owner_.begin(), owner_.end(), kFree) <= left_free) break;
    const std::int32_t value = candidate.second;
    const int id = take_register();
    move(vec(id, inst(value).lane), memory_home(value));
    location_[static_cast<std::size_t>(value)] = id;
    pinned.push_back(value);
  }
  plan_ = nullptr;
  return pinned;
}

void BodyEmitter::unpin(const std::vector<std::int32_t>& values) {
  for (const std::int32_t value : values) {
    int& location = location_[static_cast<std::size_t>(value)];
    release_register(location);
    location = -1;
  }
}

int BodyEmitter::take_register() {
  for (std::size_t i = owner_.size(); i-- > 0;) {
    if (owner_[i] == kFree) {
      owner_[i] = kTaken;
      return static_cast<int>(i);
    }
  }
  throw OutOfRegisters();
}

void BodyEmitter::release_register(int id) { owner_[static_cast<std::size_t>(id)] = kFree; }

void BodyEmitter::move(const Vec& to, const Operand& from) {
  a_.emit(from.isReg() ? x86::Inst::kIdVmovaps : x86::Inst::kIdVmovups, to, from);
}

}  // namespace sinter::backend::cpu
