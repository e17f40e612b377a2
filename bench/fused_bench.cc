// The speed of emitted groups beside the machine's memory bandwidth.
//   fused_bench [threads]
// For each group: the time to emit it; GB/s and elements a nanosecond at the sizes that train;
// beside them the bandwidth of a non-temporal copy of as many bytes with as many threads, and the
// bound by instructions: what the body would reach if nothing but arithmetic took time.
#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/fused.h"
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

// Bytes a second, read and written, of a copy that goes around the caches.
__attribute__((target("avx512f"))) void copy_stream(const float* from, float* to,
                                                    std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 16) {
    _mm512_stream_ps(to + i, _mm512_load_ps(from + i));
  }
  _mm_sfence();
}

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

// In place, three arrays of four as AdamW has them, by the compiler's plain loads and stores.
__attribute__((target("avx512f"))) void update_stream(float* p, const float* g, float* m, float* v,
                                                      std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 16) {
    const __m512 x = _mm512_load_ps(g + i);
    _mm512_store_ps(p + i, _mm512_add_ps(_mm512_load_ps(p + i), x));
    _mm512_store_ps(m + i, _mm512_add_ps(_mm512_load_ps(m + i), x));
    _mm512_store_ps(v + i, _mm512_add_ps(_mm512_load_ps(v + i), x));
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

struct Case {
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
  F load(std::vector<std::int64_t> strides) {
    group_.operands.push_back({Dtype::f32, false, std::move(strides)});
    in_place_.push_back(-1);
    return body_.value<float>(body_.load(Dtype::f32, static_cast<int>(group_.operands.size()) - 1));
  }
  void store(const F& value, std::vector<std::int64_t> strides, int in_place = -1) {
    group_.operands.push_back({Dtype::f32, true, std::move(strides)});
    in_place_.push_back(in_place);
    body_.append({ScalarOp::store, Dtype::f32, body_.position(value), -1, -1,
                  static_cast<std::int64_t>(group_.operands.size()) - 1});
  }
  F reduce(ScalarOp op, const F& value) {
    return body_.value<float>(body_.append({op, Dtype::f32, body_.position(value), -1, -1, 0}));
  }
  Case take(std::string name, double bytes) {
    group_.body = body_.body();
    return {std::move(name), group_, in_place_, bytes};
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

Case relu(std::int64_t rows, std::int64_t columns) {
  Builder b(GroupKind::map, Shape{rows, columns}, 0);
  const F x = b.load({columns, 1}) + b.load({0, 1});
  b.store(select(x < F(0.0F), F(0.0F), x), {columns, 1});
  return b.take("bias+relu " + std::to_string(rows) + "x" + std::to_string(columns),
                static_cast<double>(rows * columns) * 8);
}

Case gelu(std::int64_t count) {
  Builder b(GroupKind::map, Shape{count}, 0);
  b.store(ir::pointwise::Gelu::forward(b.load({1})), {1});
  return b.take("gelu " + std::to_string(count), static_cast<double>(count) * 8);
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

// Elements a nanosecond and thread, from what a Zen 4 core was measured to do with 512 bits: a
// cycle (0.278 ns) each for a multiplication, multiply-add, addition or maximum, where one of the
// first two and one of the others go together; a division takes 6 and a square root 10 cycles of
// their own unit, and 1.5 of the multipliers'. Passes over a row are counted once.
double instruction_bound(const ir::Group& group) {
  double multiplies = 0, others = 0, long_ones = 0;
  for (const ir::ScalarInst& inst : group.body) {
    switch (inst.op) {
      case ScalarOp::load:
      case ScalarOp::store:
      case ScalarOp::constant:
      case ScalarOp::bitcast:
        break;
      case ScalarOp::fma:
      case ScalarOp::mul:
        multiplies += 1;
        break;
      case ScalarOp::div:
        long_ones += 6;
        multiplies += 1.5;
        break;
      case ScalarOp::sqrt:
        long_ones += 10;
        multiplies += 1.5;
        break;
      case ScalarOp::reduce_max:
      case ScalarOp::reduce_min:
        others += 3;
        break;
      default:
        others += 1;
    }
  }
  const double cycles = std::max({multiplies, (multiplies + others) / 2, long_ones, 0.25});
  return 16 / (cycles * 0.278);
}

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
    if (it.in_place[i] < 0) memory[i] = allocate(static_cast<std::size_t>(floats));
    addresses[i] =
        it.in_place[i] < 0 ? memory[i].get() : addresses[static_cast<std::size_t>(it.in_place[i])];
  }
  const Memory scratch = allocate(kernel->scratch_bytes() / 4 + 16);
  const double seconds = seconds_of([&] { kernel->run(addresses.data(), scratch.get()); });
  const double copy = copy_bandwidth(static_cast<std::size_t>(it.bytes));
  std::printf(
      "%-32s %-6s emitted in %5.0f us  %9.1f us  %6.1f GB/s  copy %6.1f GB/s  %5.2f el/ns of "
      "%5.2f\n",
      it.name.c_str(), isa == Isa::avx512 ? "avx512" : "avx2", emission, seconds * 1e6,
      it.bytes / seconds * 1e-9, copy * 1e-9,
      static_cast<double>(it.group.space.elements()) / seconds * 1e-9,
      instruction_bound(it.group) * thread_count());
}

}  // namespace
}  // namespace sinter

int main(int argc, char** argv) {
  using namespace sinter;
  set_thread_count(argc > 1 ? std::atoi(argv[1]) : thread_count());
  std::printf("%d threads; in-place update of 4 arrays: 16 M %.1f GB/s, 256 K %.1f GB/s\n",
              thread_count(), update_bandwidth(1 << 24) * 1e-9, update_bandwidth(1 << 18) * 1e-9);
  const std::vector<Case> cases = {adamw(1 << 24),
                                   adamw(1 << 18),
                                   adamw(8192),
                                   gelu(1 << 24),
                                   gelu(1 << 18),
                                   gelu(8192),
                                   relu(100352, 32),
                                   relu(128, 512),
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
  for (const Case& it : cases) measure(it, backend::cpu::Isa::avx512);
  for (const Case& it : cases) measure(it, backend::cpu::Isa::avx2);
  return 0;
}
