// The speed of emitted groups beside the machine's memory bandwidth.
//   fused_bench [threads] [--json]
// For each group: the time to emit it; GB/s and elements a nanosecond at the sizes that train;
// beside them the bandwidth of a non-temporal copy of as many bytes with as many threads, and the
// bound by instructions: what the body would reach if nothing but arithmetic took time, at the
// rates that this processor is measured to have. The last column is the group's speed as a share of
// the lower of the two.
#include <asmjit/x86.h>
#include <emmintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/cpu/groups/cache.h"
#include "backend/cpu/groups/emitted_kernel.h"
#include "backend/cpu/groups/lowered_body.h"
#include "base/parallel.h"
#include "ir/pointwise.h"
#include "ir/symbolic.h"

namespace sinter {
namespace {

using backend::cpu::GroupKernel;
using backend::cpu::Isa;
using ir::BodyBuilder;
using ir::GroupKind;
using ir::ScalarOp;
using F = ir::Sym<float>;
using Clock = std::chrono::steady_clock;

double seconds_of(const std::function<void()>& run) {
  run();
  double best = 1e9;
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < 200; ++i) {
    const Clock::time_point before = Clock::now();
    run();
    const std::chrono::duration<double> took = Clock::now() - before;
    best = std::min(best, took.count());
    if (i >= 5 && std::chrono::duration<double>(Clock::now() - start).count() > 1.0) break;
  }
  return best;
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<float, Free>;

Memory allocate(std::size_t floats) {
  Memory memory(static_cast<float*>(std::aligned_alloc(4096, (floats * 4 + 4096) / 4096 * 4096)));
  for (std::size_t i = 0; i < floats; ++i) {
    memory.get()[i] = static_cast<float>(i % 97) * 0.01F + 0.01F;
  }
  return memory;
}

// Numbers between 0.5 and 1 as bf16, 0.5 and 0.6 as f16.
Memory allocate_halves(std::size_t count, Dtype type) {
  Memory memory = allocate(count / 2 + 1);
  const std::uint16_t first = type == Dtype::bf16 ? 0x3F00 : 0x3800;
  for (std::size_t i = 0; i < count; ++i) {
    const auto half = static_cast<std::uint16_t>(first + i % 97);
    std::memcpy(reinterpret_cast<char*>(memory.get()) + 2 * i, &half, sizeof(half));
  }
  return memory;
}

// A copy that goes around the caches. REQUIRES: both 16-byte aligned, `count` a multiple of 16.
void copy_stream(const float* from, float* to, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 16) {
    const __m128 a = _mm_load_ps(from + i), b = _mm_load_ps(from + i + 4);
    const __m128 c = _mm_load_ps(from + i + 8), d = _mm_load_ps(from + i + 12);
    _mm_stream_ps(to + i, a);
    _mm_stream_ps(to + i + 4, b);
    _mm_stream_ps(to + i + 8, c);
    _mm_stream_ps(to + i + 12, d);
  }
  _mm_sfence();
}

// Bytes a second, read and written.
double copy_bandwidth(std::size_t bytes) {
  const auto floats = static_cast<std::int64_t>(bytes / 8 / 16 * 16);
  const Memory from = allocate(static_cast<std::size_t>(floats));
  const Memory to = allocate(static_cast<std::size_t>(floats));
  const double seconds = seconds_of([&] {
    parallel_for(floats / 16, 4096, [&](std::int64_t begin, std::int64_t end) {
      copy_stream(from.get() + begin * 16, to.get() + begin * 16, (end - begin) * 16);
    });
  });
  return static_cast<double>(floats) * 8 / seconds;
}

// In place, three arrays of four as AdamW has them, by plain loads and stores.
void update_stream(float* p, const float* g, float* m, float* v, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 4) {
    const __m128 x = _mm_load_ps(g + i);
    _mm_store_ps(p + i, _mm_add_ps(_mm_load_ps(p + i), x));
    _mm_store_ps(m + i, _mm_add_ps(_mm_load_ps(m + i), x));
    _mm_store_ps(v + i, _mm_add_ps(_mm_load_ps(v + i), x));
  }
}

double update_bandwidth(std::int64_t count) {
  const auto size = static_cast<std::size_t>(count);
  const Memory p = allocate(size), g = allocate(size), m = allocate(size), v = allocate(size);
  const double seconds = seconds_of([&] {
    parallel_for(count / 16, 4096, [&](std::int64_t begin, std::int64_t end) {
      update_stream(p.get() + begin * 16, g.get() + begin * 16, m.get() + begin * 16,
                    v.get() + begin * 16, (end - begin) * 16);
    });
  });
  return static_cast<double>(count) * 28 / seconds;
}

// Bytes a second of reading alone: four streams of sums, with the next lines asked for early.
float sum_stream(const float* from, std::int64_t count) {
  __m128 sums[8] = {};
  for (std::int64_t i = 0; i < count; i += 32) {
    _mm_prefetch(reinterpret_cast<const char*>(from + i) + 2048, _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(from + i) + 2112, _MM_HINT_T0);
    for (int k = 0; k < 8; ++k) sums[k] = _mm_add_ps(sums[k], _mm_load_ps(from + i + 4 * k));
  }
  for (int k = 1; k < 8; ++k) sums[0] = _mm_add_ps(sums[0], sums[k]);
  return _mm_cvtss_f32(sums[0]);
}

double read_bandwidth(std::size_t bytes) {
  const auto floats = static_cast<std::int64_t>(bytes / 4 / 32 * 32);
  const Memory from = allocate(static_cast<std::size_t>(floats));
  std::vector<float> sums(static_cast<std::size_t>(floats / 32 / 4096 + 1) * 16);
  const double seconds = seconds_of([&] {
    parallel_for(floats / 32, 4096, [&](std::int64_t begin, std::int64_t end) {
      sums[static_cast<std::size_t>(begin / 4096 * 16)] =
          sum_stream(from.get() + begin * 32, (end - begin) * 32);
    });
  });
  return static_cast<double>(floats) * 4 / seconds;
}

struct Case {
  bool only_reads = false;
  std::string name;
  ir::Group group;
  std::vector<int> in_place;  // per operand: the operand whose memory it shares, or -1
  double bytes = 0;
};

class Builder {
 public:
  Builder(GroupKind kind, Shape space, int reduced) {
    group_.kind = kind;
    group_.space = space;
    group_.reduced_axes = reduced;
  }
  F load(std::vector<std::int64_t> strides, Dtype stored = Dtype::f32) {
    group_.operands.push_back({stored, false, std::move(strides)});
    in_place_.push_back(-1);
    const std::int32_t value = body_.load(stored, static_cast<int>(group_.operands.size()) - 1);
    return body_.value<float>(stored == Dtype::f32 ? value : body_.convert(value, Dtype::f32));
  }
  void store(const F& value, std::vector<std::int64_t> strides, int in_place = -1,
             Dtype stored = Dtype::f32) {
    group_.operands.push_back({stored, true, std::move(strides)});
    in_place_.push_back(in_place);
    std::int32_t position = body_.position(value);
    if (stored != Dtype::f32) position = body_.convert(position, stored);
    body_.append({ScalarOp::store, stored, position, -1, -1,
                  static_cast<std::int64_t>(group_.operands.size()) - 1});
  }
  F reduce(ScalarOp op, const F& value) {
    return body_.value<float>(body_.append({op, Dtype::f32, body_.position(value), -1, -1, 0}));
  }
  Case take(std::string name, double bytes) {
    group_.body = body_.body();
    std::int64_t stored = 0;
    for (const ir::GroupOperand& operand : group_.operands) {
      const bool moves = std::all_of(operand.strides.begin(), operand.strides.end(),
                                     [](std::int64_t stride) { return stride != 0; });
      if (operand.output && moves) ++stored;
    }
    return {stored == 0, std::move(name), group_, in_place_, bytes};
  }

 private:
  ir::Group group_;
  BodyBuilder body_;
  std::vector<int> in_place_;
};

Case adamw(std::int64_t count) {
  Builder b(GroupKind::map, Shape{count}, 0);
  const F p = b.load({1}), g = b.load({1}), m = b.load({1}), v = b.load({1});
  const F rate = b.load({0}), decay = b.load({0}), correction1 = b.load({0}),
          correction2 = b.load({0});
  const F m1 = fma(m, F(0.9F), g * F(0.1F));
  const F v1 = fma(v, F(0.999F), g * g * F(0.001F));
  const F denominator = sqrt(v1 * correction2) + F(1e-8F);
  const F p1 = p - p * decay - rate * (m1 * correction1) / denominator;
  b.store(p1, {1}, 0);
  b.store(m1, {1}, 2);
  b.store(v1, {1}, 3);
  return b.take("adamw " + std::to_string(count), static_cast<double>(count) * 28);
}

std::string suffix(Dtype stored) {
  return stored == Dtype::f32 ? "" : " " + std::string(name_of(stored));
}

Case relu(std::int64_t rows, std::int64_t columns, Dtype stored = Dtype::f32) {
  Builder b(GroupKind::map, Shape{rows, columns}, 0);
  const F x = b.load({columns, 1}, stored) + b.load({0, 1});
  b.store(select(x < F(0.0F), F(0.0F), x), {columns, 1}, -1, stored);
  return b.take(
      "bias+relu " + std::to_string(rows) + "x" + std::to_string(columns) + suffix(stored),
      static_cast<double>(rows * columns) * 2 * static_cast<double>(size_of(stored)));
}

Case gelu(std::int64_t count, Dtype stored = Dtype::f32) {
  Builder b(GroupKind::map, Shape{count}, 0);
  b.store(ir::pointwise::Gelu::forward(b.load({1}, stored)), {1}, -1, stored);
  return b.take("gelu " + std::to_string(count) + suffix(stored),
                static_cast<double>(count) * 2 * static_cast<double>(size_of(stored)));
}

Case sine(std::int64_t count) {
  Builder b(GroupKind::map, Shape{count}, 0);
  b.store(ir::pointwise::Sin::forward(b.load({1})), {1});
  return b.take("sin " + std::to_string(count), static_cast<double>(count) * 8);
}

Case softmax(std::int64_t rows, std::int64_t columns) {
  Builder b(GroupKind::inner, Shape{rows, columns}, 1);
  const F x = b.load({columns, 1});
  const F e = ir::pointwise::Exp::forward(x - b.reduce(ScalarOp::reduce_max, x));
  b.store(e / b.reduce(ScalarOp::reduce_sum, e), {columns, 1});
  return b.take("softmax " + std::to_string(rows) + "x" + std::to_string(columns),
                static_cast<double>(rows * columns) * 8);
}

Case total(std::int64_t count) {
  Builder b(GroupKind::inner, Shape{count}, 1);
  const F x = b.load({1});
  b.store(b.reduce(ScalarOp::reduce_sum, x * x), {0});
  return b.take("sum of squares " + std::to_string(count), static_cast<double>(count) * 4);
}

Case bias_gradient(std::int64_t rows, std::int64_t columns) {
  Builder b(GroupKind::outer, Shape{rows, columns}, 1);
  b.store(b.reduce(ScalarOp::reduce_sum, b.load({columns, 1})), {0, 1});
  return b.take("bias gradient " + std::to_string(rows) + "x" + std::to_string(columns),
                static_cast<double>(rows * columns) * 4);
}

Case norm_gradient(std::int64_t rows, std::int64_t columns) {
  Builder b(GroupKind::outer, Shape{rows, columns}, 1);
  const F dy = b.load({columns, 1});
  const F centered = b.load({columns, 1}) - b.load({0, 1});
  b.store(b.reduce(ScalarOp::reduce_sum, dy), {0, 1});
  b.store(b.reduce(ScalarOp::reduce_sum, dy * centered) * b.load({0, 1}), {0, 1});
  return b.take("norm gradient " + std::to_string(rows) + "x" + std::to_string(columns),
                static_cast<double>(rows * columns) * 8);
}

using EmitOne = std::function<void(asmjit::x86::Assembler&, int)>;

// Nanoseconds that a row of instructions takes when none waits for another: emit(n) appends one
// that writes register n % 12 and reads constants.
double time_instructions(Isa isa, const std::vector<EmitOne>& row) {
  namespace x86 = asmjit::x86;
  constexpr int kAtLeast = 240, kRounds = 5000;
  asmjit::JitRuntime runtime;
  asmjit::CodeHolder code;
  code.init(runtime.environment());
  x86::Assembler a(&code);
  a.mov(x86::ecx, kRounds);
  // Ones, so that no operation meets a denormal or a trap.
  a.mov(x86::eax, 0x3F800000);
  a.vmovd(x86::xmm0, x86::eax);
  for (std::uint32_t i = 0; i < 16; ++i) {
    if (isa == Isa::avx512) {
      a.vbroadcastss(x86::Zmm(i), x86::xmm0);
    } else {
      a.vbroadcastss(x86::Ymm(i), x86::xmm0);
    }
  }
  if (isa == Isa::avx512) a.kxnorw(x86::k1, x86::k1, x86::k1);
  const asmjit::Label loop = a.newLabel();
  a.bind(loop);
  int position = 0, repeats = 0;
  for (; position < kAtLeast; ++repeats) {
    for (const EmitOne& emit : row) emit(a, position++);
  }
  a.dec(x86::ecx);
  a.jnz(loop);
  a.vzeroupper();
  a.ret();
  void (*function)() = nullptr;
  if (runtime.add(&function, &code) != asmjit::kErrorOk) std::abort();
  const double seconds = seconds_of(function);
  runtime.release(function);
  return seconds * 1e9 / (static_cast<double>(repeats) * kRounds);
}

// The f32 instructions that stand for one of the body's, on independent registers.
class InstructionRow {
 public:
  explicit InstructionRow(Isa isa) : isa_(isa) {}

  void add(const backend::cpu::LoweredInst& inst) {
    namespace Inst = asmjit::x86::Inst;
    const bool wide = isa_ == Isa::avx512;
    if (inst.extreme != backend::cpu::Extreme::none) return add(Inst::kIdVmaxps);
    switch (inst.op) {
      case ScalarOp::load:
      case ScalarOp::store:
        if (inst.type == Dtype::bf16) add_shift();
        if (inst.type == Dtype::bf16 && inst.op == ScalarOp::store) add(Inst::kIdVpackusdw);
        return;
      case ScalarOp::constant:
      case ScalarOp::bitcast:
        return;
      case ScalarOp::fma:
        return add(Inst::kIdVfmadd213ps);
      case ScalarOp::mul:
        return add(Inst::kIdVmulps);
      case ScalarOp::div:
        return add(Inst::kIdVdivps);
      case ScalarOp::sqrt:
        return add_unary(Inst::kIdVsqrtps);
      case ScalarOp::select:
        return add_choice();
      case ScalarOp::reduce_max:
      case ScalarOp::reduce_min:  // which pass on NaN
        add_comparison();
        add(Inst::kIdVmaxps);
        return add_choice();
      case ScalarOp::eq:
      case ScalarOp::ne:
      case ScalarOp::lt:
      case ScalarOp::le:
        return add_comparison();
      case ScalarOp::wrap_angle:  // the test alone
        add(wide ? Inst::kIdVpandd : Inst::kIdVpand);
        return add_comparison();
      case ScalarOp::convert:
        return add_conversion(inst.half);
      case ScalarOp::shift_left:
      case ScalarOp::shift_right:
      case ScalarOp::shift_right_logical:
        return add_shift();
      case ScalarOp::abs:
      case ScalarOp::neg:
      case ScalarOp::bit_and:
      case ScalarOp::bit_or:
      case ScalarOp::bit_xor:
      case ScalarOp::bit_not:
        return add(wide ? Inst::kIdVpandd : Inst::kIdVpand);
      default:
        return add(inst.lane == backend::cpu::Lane::i32 ? Inst::kIdVpaddd : Inst::kIdVaddps);
    }
  }
  double nanoseconds() const { return row_.empty() ? 0 : time_instructions(isa_, row_); }

 private:
  asmjit::x86::Vec vec(int id) const {
    const auto number = static_cast<std::uint32_t>(id);
    if (isa_ == Isa::avx512) return asmjit::x86::Zmm(number);
    return asmjit::x86::Ymm(number);
  }
  asmjit::x86::Vec to(int position) const { return vec(position % 12); }
  void add(asmjit::InstId id) {
    row_.push_back(
        [this, id](asmjit::x86::Assembler& a, int i) { a.emit(id, to(i), vec(14), vec(15)); });
  }
  void add_unary(asmjit::InstId id) {
    row_.push_back([this, id](asmjit::x86::Assembler& a, int i) { a.emit(id, to(i), vec(15)); });
  }
  void add_shift() {
    row_.push_back([this](asmjit::x86::Assembler& a, int i) {
      a.emit(asmjit::x86::Inst::kIdVpslld, to(i), vec(15), asmjit::Imm(1));
    });
  }
  void add_conversion(backend::cpu::HalfStep step) {
    namespace Inst = asmjit::x86::Inst;
    using backend::cpu::HalfStep;
    const auto half = [this](int id) {
      const auto number = static_cast<std::uint32_t>(id);
      if (isa_ == Isa::avx512) return asmjit::x86::Vec(asmjit::x86::Ymm(number));
      return asmjit::x86::Vec(asmjit::x86::Xmm(number));
    };
    switch (step) {
      case HalfStep::none:
        return add_unary(Inst::kIdVcvtps2dq);
      case HalfStep::quiet_bf16:
        return add(Inst::kIdVmulps);
      case HalfStep::widen_bf16:
        return add(Inst::kIdVandps);
      case HalfStep::round_bf16:
        add_comparison();
        for (int k = 0; k < (isa_ == Isa::avx512 ? 2 : 3); ++k) add(Inst::kIdVpaddd);
        add_comparison();
        return isa_ == Isa::avx512 ? add(Inst::kIdVorps) : add_choice();
      case HalfStep::widen_f16:
        row_.push_back([this, half](asmjit::x86::Assembler& a, int i) {
          a.emit(Inst::kIdVcvtph2ps, to(i), half(15));
        });
        return;
      case HalfStep::round_f16:
        row_.push_back([this, half](asmjit::x86::Assembler& a, int i) {
          a.emit(Inst::kIdVcvtps2ph, half(i % 12), vec(15), asmjit::Imm(0));
        });
        return;
    }
  }
  void add_comparison() {
    row_.push_back([this](asmjit::x86::Assembler& a, int i) {
      if (isa_ == Isa::avx512) {
        a.emit(asmjit::x86::Inst::kIdVcmpps, asmjit::x86::k2, vec(14), vec(15), asmjit::Imm(1));
      } else {
        a.emit(asmjit::x86::Inst::kIdVcmpps, to(i), vec(14), vec(15), asmjit::Imm(1));
      }
    });
  }
  void add_choice() {
    row_.push_back([this](asmjit::x86::Assembler& a, int i) {
      if (isa_ == Isa::avx512) {
        a.k(asmjit::x86::k1).emit(asmjit::x86::Inst::kIdVblendmps, to(i), vec(14), vec(15));
      } else {
        a.emit(asmjit::x86::Inst::kIdVblendvps, to(i), vec(14), vec(15), vec(13));
      }
    });
  }

  Isa isa_;
  std::vector<EmitOne> row_;
};

// Elements a nanosecond and thread that the instructions of the body allow: each pass over a row as
// fast as the processor issues its instructions when none waits for another or for memory.
double instruction_bound(const ir::Group& group, Isa isa) {
  const std::optional<backend::cpu::LoweredBody> body = backend::cpu::lower_body(group, isa);
  if (!body) return 0;
  std::vector<std::uint8_t> needed(body->code.size());
  for (std::size_t i = needed.size(); i-- > 0;) {
    const backend::cpu::LoweredInst& inst = body->code[i];
    if (inst.op == ScalarOp::store || ir::is_reduction(inst.op)) needed[i] = 1;
    const std::int32_t sources[] = {inst.a, inst.b, inst.c};
    for (int k = 0; needed[i] != 0 && k < source_count(inst); ++k) {
      needed[static_cast<std::size_t>(sources[k])] = 1;
    }
  }
  const bool several = group.kind == GroupKind::inner;
  const std::vector<int> passes = several ? ir::passes(group) : std::vector<int>(body->code.size());
  const std::vector<std::uint8_t> varies = ir::varies_along_reduced(group);
  double nanoseconds = 0;
  for (int pass = 0; pass <= *std::max_element(passes.begin(), passes.end()); ++pass) {
    InstructionRow row(isa);
    for (std::size_t i = 0; i < passes.size(); ++i) {
      const bool at_every_point = varies[i] != 0 || ir::is_reduction(group.body[i].op);
      if (passes[i] == pass && needed[i] != 0 && at_every_point) row.add(body->code[i]);
    }
    nanoseconds += row.nanoseconds();
  }
  const double vector = nanoseconds > 0 ? nanoseconds : 0.1;
  return body->lanes / vector;
}

bool json = false;
int json_count = 0;

void measure(const Case& it, Isa isa) {
  std::unique_ptr<GroupKernel> kernel;
  double emission = 1e9;
  for (int i = 0; i < 50; ++i) {
    const Clock::time_point before = Clock::now();
    kernel = backend::cpu::emit_group(it.group, isa);
    const std::chrono::duration<double, std::micro> took = Clock::now() - before;
    emission = std::min(emission, took.count());
  }
  if (kernel == nullptr) {
    std::printf("%-32s not emitted\n", it.name.c_str());
    return;
  }
  std::vector<Memory> memory(it.group.operands.size());
  std::vector<void*> addresses(memory.size());
  for (std::size_t i = 0; i < memory.size(); ++i) {
    std::int64_t floats = 1;
    for (int axis = 0; axis < it.group.space.rank(); ++axis) {
      floats +=
          it.group.operands[i].strides[static_cast<std::size_t>(axis)] * (it.group.space[axis] - 1);
    }
    const auto count = static_cast<std::size_t>(floats);
    const Dtype type = it.group.operands[i].dtype;
    if (it.in_place[i] < 0) {
      memory[i] = size_of(type) == 2 ? allocate_halves(count, type) : allocate(count);
    }
    addresses[i] =
        it.in_place[i] < 0 ? memory[i].get() : addresses[static_cast<std::size_t>(it.in_place[i])];
  }
  const Memory scratch = allocate(kernel->scratch_bytes() / 4 + 16);
  const double seconds = seconds_of([&] { kernel->run(addresses.data(), scratch.get()); });
  const auto bytes = static_cast<std::size_t>(it.bytes);
  const double limit = it.only_reads ? read_bandwidth(bytes) : copy_bandwidth(bytes);
  const double elements = static_cast<double>(it.group.space.elements()) / seconds * 1e-9;
  const double bound = instruction_bound(it.group, isa) * thread_count();
  const double share = std::max(it.bytes / seconds / limit, elements / bound);
  const char* const name = isa == Isa::avx512 ? "avx512" : "avx2";
  const char* const stream = it.only_reads ? "read" : "copy";
  if (json) {
    std::printf(
        "%s\n {\"group\":\"%s\",\"isa\":\"%s\",\"threads\":%d,\"emission_us\":%.0f,\"us\":%.2f,"
        "\"gb_per_s\":%.2f,\"%s_gb_per_s\":%.2f,\"elements_per_ns\":%.3f,"
        "\"instruction_bound_elements_per_ns\":%.3f,\"percent_of_the_lower\":%.0f}",
        json_count++ > 0 ? "," : "", it.name.c_str(), name, thread_count(), emission, seconds * 1e6,
        it.bytes / seconds * 1e-9, stream, limit * 1e-9, elements, bound, 100 * share);
    return;
  }
  std::printf(
      "%-32s %-6s emitted in %5.0f us  %9.1f us  %6.1f GB/s  %s %6.1f GB/s  %5.2f el/ns of "
      "%5.2f  %4.0f %%\n",
      it.name.c_str(), name, emission, seconds * 1e6, it.bytes / seconds * 1e-9, stream,
      limit * 1e-9, elements, bound, 100 * share);
}

}  // namespace
}  // namespace sinter

int main(int argc, char** argv) {
  using namespace sinter;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--json") {
      json = true;
    } else {
      set_thread_count(std::atoi(argv[i]));
    }
  }
  if (json) {
    std::printf("[");
  } else {
    std::printf("%d threads; in-place update of 4 arrays: 16 M %.1f GB/s, 256 K %.1f GB/s\n",
                thread_count(), update_bandwidth(1 << 24) * 1e-9, update_bandwidth(1 << 18) * 1e-9);
  }
  const std::vector<Case> cases = {adamw(1 << 24),
                                   adamw(1 << 18),
                                   adamw(8192),
                                   gelu(1 << 24),
                                   gelu(1 << 18),
                                   gelu(8192),
                                   gelu(1 << 24, Dtype::bf16),
                                   gelu(8192, Dtype::bf16),
                                   gelu(8192, Dtype::f16),
                                   sine(1 << 24),
                                   sine(8192),
                                   relu(100352, 32),
                                   relu(128, 512),
                                   relu(100352, 32, Dtype::bf16),
                                   relu(128, 512, Dtype::bf16),
                                   relu(128, 512, Dtype::f16),
                                   softmax(1024, 1024),
                                   softmax(8, 1024),
                                   softmax(128, 10),
                                   total(1 << 24),
                                   total(8192),
                                   bias_gradient(100352, 32),
                                   bias_gradient(128, 512),
                                   bias_gradient(128, 10),
                                   norm_gradient(100352, 32),
                                   norm_gradient(1024, 64)};
  for (const Isa isa : {Isa::avx512, Isa::avx2}) {
    if (!backend::cpu::supports(isa)) continue;
    for (const Case& it : cases) measure(it, isa);
  }
  if (json) std::printf("\n]\n");
  return 0;
}
