#include "backend/machine.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

#include "backend/cpu/copy_rate.h"
#include "backend/registry.h"
#include "base/half.h"
#include "base/parallel.h"
#include "ir/cost.h"
#include "sinter/error.h"
#include "sinter/system.h"

namespace sinter::backend {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A second; 0 where a clock stands still.
double rate_of(double amount, double seconds) { return seconds > 0 ? amount / seconds : 0; }

// Memory of a device, filled with small numbers: what a processor takes of power, and so its clock,
// depends on the bits.
class Buffer {
 public:
  Buffer(Backend& backend, Dtype dtype, std::int64_t elements)
      : backend_(backend), bytes_(static_cast<std::size_t>(elements) * size_of(dtype)) {
    std::vector<std::byte> values(bytes_);
    std::uint32_t state = 1;
    for (std::size_t at = 0; at < bytes_; at += size_of(dtype)) {
      state = state * 1664525U + 1013904223U;
      const float value = static_cast<float>(state >> 8) / 16777216.0F - 0.5F;
      put(dtype, value, values.data() + at);
    }
    memory_ = backend_.allocate(bytes_);
    backend_.copy_to_device(memory_, values.data(), bytes_);
  }
  ~Buffer() { backend_.release(memory_, bytes_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* get() const { return memory_; }

 private:
  template <class T>
  static void store(T value, std::byte* to) {
    std::copy_n(reinterpret_cast<const std::byte*>(&value), sizeof(T), to);
  }
  static void put(Dtype dtype, float value, std::byte* to) {
    if (dtype == Dtype::f64) return store(static_cast<double>(value), to);
    if (dtype == Dtype::bf16) return store(bf16_from_f32(value), to);
    if (dtype == Dtype::f16) return store(f16_from_f32(value), to);
    store(value, to);
  }

  Backend& backend_;
  std::size_t bytes_;
  void* memory_ = nullptr;
};

// A program made ready, on memory of its own.
class Measured {
 public:
  // `program` lacks nothing but the arena for its steps' workspaces.
  Measured(Backend& backend, ir::Program program) : backend_(backend) {
    for (ir::Step& step : program.steps) {
      if (step.group != nullptr) {
        step.workspace_bytes = backend.workspace_bytes(*step.group);
      } else {
        const OwnedCall call(step);
        step.kernel = backend.candidates(call.get()).front();
        PreparedCall prepared = *backend.prepare(call.get(), step.kernel, nullptr);
        step.workspace_bytes = prepared.workspace_bytes;
        step.prepared = std::move(prepared.kernel);
      }
      program.arena_bytes = std::max(program.arena_bytes, step.workspace_bytes);
    }
    allocate(program.inputs, inputs_, input_addresses_);
    allocate(program.outputs, outputs_, output_addresses_);
    steps_ = program.steps.size();
    code_ = backend.prepare(std::make_shared<const ir::Program>(std::move(program)));
    session_ = code_->new_session();
    run();
  }

  // The shortest time of each step.
  std::vector<double> step_seconds() {
    constexpr int kTurns = 20;
    constexpr int kLeastTurns = 3;
    constexpr double kEnoughSeconds = 0.02;
    constexpr int kLaunches = 10;
    const auto begin = Clock::now();
    std::vector<double> best(steps_, std::numeric_limits<double>::infinity());
    const auto note = [&](std::size_t step, double seconds) {
      best[step] = std::min(best[step], seconds);
    };
    for (int turn = 0; turn < kTurns; ++turn) {
      if (turn >= kLeastTurns && seconds_since(begin) > kEnoughSeconds) break;
      const std::vector<double> times = session_->time_steps(bindings(), kLaunches);
      for (std::size_t step = 0; step < times.size(); ++step) note(step, 1e-3 * times[step]);
      if (!times.empty()) continue;
      auto last = Clock::now();
      session_->run_watched(bindings(), [&](int step, std::span<void* const>) {
        note(static_cast<std::size_t>(step), seconds_since(last));
        last = Clock::now();
      });
    }
    return best;
  }

  // The shortest time of the whole.
  double seconds() {
    constexpr int kTurns = 100;
    double best = std::numeric_limits<double>::infinity();
    for (int turn = 0; turn < kTurns; ++turn) {
      const auto start = Clock::now();
      run();
      best = std::min(best, seconds_since(start));
    }
    return best;
  }

 private:
  void allocate(const std::vector<ir::TensorType>& types,
                std::vector<std::unique_ptr<Buffer>>& buffers, std::vector<void*>& addresses) {
    for (const ir::TensorType& type : types) {
      buffers.push_back(std::make_unique<Buffer>(backend_, type.dtype, type.elements()));
      addresses.push_back(buffers.back()->get());
    }
  }
  Bindings bindings() const { return {input_addresses_, output_addresses_, {}}; }
  void run() {
    session_->run(bindings());
    backend_.synchronize();
  }

  Backend& backend_;
  std::size_t steps_ = 0;
  std::vector<std::unique_ptr<Buffer>> inputs_, outputs_;
  std::vector<void*> input_addresses_, output_addresses_;
  std::shared_ptr<const Code> code_;
  std::unique_ptr<Session> session_;
};

// Adds an input or an output to a program.
ir::Argument add(ir::Program& program, ir::BufferKind kind, const ir::TensorType& type) {
  auto& types = kind == ir::BufferKind::input ? program.inputs : program.outputs;
  types.push_back(type);
  const auto index = static_cast<std::int32_t>(types.size() - 1);
  return {{kind, index, 0}, type.dtype, ir::dense_layout(type.shape)};
}

std::int64_t bits_of(Dtype dtype, double value) {
  if (dtype == Dtype::f64) return std::bit_cast<std::int64_t>(value);
  return std::bit_cast<std::int32_t>(static_cast<float>(value));
}

// A loop that stays in registers: chains that do not wait for each other, and differ so that no
// compiler makes them one. Ten hide the latency of most units, and find a place in the registers of
// AVX2 with the constants.
constexpr std::size_t kChains = 10;
constexpr int kChainLength = 40;

// Either a multiplication and an addition rounded once, or the two by turns, which some processors
// have units of their own for.
ir::Group register_loop(Dtype dtype, std::int64_t elements, bool fused, int length) {
  using ir::ScalarOp;
  ir::Group group;
  group.space = Shape{elements};
  group.operands = {{dtype, false, {1}}, {dtype, true, {1}}};
  const auto append = [&](ScalarOp op, std::int32_t a, std::int32_t b, std::int32_t c,
                          std::int64_t imm) {
    group.body.push_back({op, dtype, a, b, c, imm});
    return static_cast<std::int32_t>(group.body.size() - 1);
  };
  const auto constant = [&](double value) {
    return append(ScalarOp::constant, -1, -1, -1, bits_of(dtype, value));
  };
  const std::int32_t x = append(ScalarOp::load, -1, -1, -1, 0);
  const std::int32_t factor = constant(0.999);
  const std::int32_t step = constant(0.001);
  std::vector<std::int32_t> chains = {x};
  while (chains.size() < kChains) {
    chains.push_back(append(ScalarOp::mul, chains.back(), factor, -1, 0));
  }
  for (int i = 0; i < length; ++i) {
    for (std::int32_t& value : chains) {
      if (fused) {
        value = append(ScalarOp::fma, value, factor, step, 0);
      } else if (i % 2 == 0) {
        value = append(ScalarOp::mul, value, factor, -1, 0);
      } else {
        value = append(ScalarOp::add, value, step, -1, 0);
      }
    }
  }
  std::int32_t sum = chains.front();
  for (std::size_t i = 1; i < kChains; ++i) {
    sum = append(ScalarOp::add, sum, chains[i], -1, 0);
  }
  append(ScalarOp::store, sum, -1, -1, 1);
  return group;
}

ir::Step loop_step(ir::Program& program, const ir::Group& group) {
  ir::Step step;
  step.group = std::make_shared<const ir::Group>(group);
  const ir::TensorType type{group.operands[0].dtype, group.space};
  step.inputs = {add(program, ir::BufferKind::input, type)};
  step.outputs = {add(program, ir::BufferKind::output, type)};
  ir::add_group_work(group, step.cost);
  step.label = "registers";
  return step;
}

void measure_vectors(Backend& backend, std::int64_t elements, MachinePeaks& peaks) {
  struct Loop {
    Dtype dtype;
    bool fused;
  };
  // One program, so that a compiler is called once.
  constexpr Loop kLoops[] = {
      {Dtype::f32, true}, {Dtype::f32, false}, {Dtype::f64, true}, {Dtype::f64, false}};
  ir::Program program;
  for (const Loop& loop : kLoops) {
    program.steps.push_back(
        loop_step(program, register_loop(loop.dtype, elements, loop.fused, kChainLength)));
  }
  const std::vector<ir::Step> steps = program.steps;
  const std::vector<double> seconds = Measured(backend, std::move(program)).step_seconds();
  const auto at_least = [&](Unit unit, double rate) {
    double& known = peaks.rates[static_cast<std::size_t>(unit)];
    known = std::max(known, rate);
  };
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Unit unit = ir::vector_unit(kLoops[i].dtype);
    at_least(unit, rate_of(steps[i].cost.on(unit), seconds[i]));
    if (!kLoops[i].fused) continue;
    const double flops = 2.0 * kChains * kChainLength * static_cast<double>(elements);
    at_least(ir::contraction_unit(kLoops[i].dtype), rate_of(flops, seconds[i]));
  }
}

ir::Program product(Dtype dtype, std::int64_t rows) {
  ir::Program program;
  ir::Step step;
  step.op = ir::OpId::matmul;
  const ir::TensorType type{dtype, Shape{rows, rows}};
  step.inputs = {add(program, ir::BufferKind::input, type),
                 add(program, ir::BufferKind::input, type)};
  step.outputs = {add(program, ir::BufferKind::output, type)};
  step.label = "matmul";
  program.steps.push_back(std::move(step));
  return program;
}

void measure_products(Backend& backend, const MeasuredSizes& sizes, MachinePeaks& peaks) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64, Dtype::bf16, Dtype::f16}) {
    double& rate = peaks.rates[static_cast<std::size_t>(ir::contraction_unit(dtype))];
    double expected = 0;
    for (std::int64_t rows = sizes.first_product;
         rows <= sizes.last_product && expected <= sizes.most_seconds; rows *= 2) {
      const double seconds = Measured(backend, product(dtype, rows)).step_seconds().front();
      const auto length = static_cast<double>(rows);
      rate = std::max(rate, rate_of(2 * length * length * length, seconds));
      expected = 8 * seconds;
    }
  }
  // 16-bit operands are widened where no unit multiplies them.
  for (const Unit unit : {Unit::contraction_bf16, Unit::contraction_f16}) {
    double& rate = peaks.rates[static_cast<std::size_t>(unit)];
    if (rate > 0) rate = std::max(rate, peaks.rate(Unit::contraction_f32));
  }
}

ir::Program copy_of(std::int64_t elements) {
  ir::Program program;
  const ir::TensorType type{Dtype::f32, Shape{elements}};
  ir::Step step;
  step.op = ir::OpId::copy;
  step.inputs = {add(program, ir::BufferKind::input, type)};
  step.outputs = {add(program, ir::BufferKind::output, type)};
  step.label = "copy";
  program.steps.push_back(std::move(step));
  return program;
}

void measure_bandwidth(Backend& backend, const std::vector<std::int64_t>& sizes,
                       MachinePeaks& peaks) {
  for (const std::int64_t bytes : sizes) {
    double rate = 0;
    if (backend.is_host()) {
      rate = cpu::measure_copies(bytes);
    } else {
      const std::int64_t elements = bytes / 2 / static_cast<std::int64_t>(sizeof(float));
      const double seconds = Measured(backend, copy_of(elements)).step_seconds().front();
      rate = rate_of(static_cast<double>(bytes), seconds);
    }
    if (rate > 0) peaks.copies.push_back({bytes, rate});
  }
  // What little of a large copy manages, a small one does too: it only has its start on top.
  for (std::size_t i = peaks.copies.size(); i-- > 1;) {
    double& smaller = peaks.copies[i - 1].bytes_per_second;
    smaller = std::max(smaller, peaks.copies[i].bytes_per_second);
  }
}

// Of groups, which are what the fuser weighs.
void measure_starts(Backend& backend, MachinePeaks& peaks) {
  constexpr int kStarts = 64;
  constexpr std::int64_t kElements = 16;
  ir::Program program;
  program.steps.assign(kStarts, loop_step(program, register_loop(Dtype::f32, kElements, true, 0)));
  Measured starts(backend, std::move(program));
  if (!backend.is_host()) {
    const std::vector<double> seconds = starts.step_seconds();
    peaks.start_ms = 1e3 * *std::min_element(seconds.begin(), seconds.end());
    return;
  }
  peaks.start_ms = 1e3 * starts.seconds() / kStarts;
  double team = std::numeric_limits<double>::infinity();
  for (int turn = 0; turn < 100; ++turn) {
    const auto start = Clock::now();
    parallel_for(thread_count(), 1, [](std::int64_t, std::int64_t) {});
    team = std::min(team, seconds_since(start));
  }
  peaks.team_ms = 1e3 * team;
}

}  // namespace

MeasuredSizes sizes_for(const Backend& backend) {
  if (!backend.is_host()) {
    return {.vector_elements = std::int64_t{1} << 22,
            .first_product = 1024,
            .last_product = 4096,
            .copies = {std::int64_t{1} << 21, std::int64_t{1} << 24, std::int64_t{1} << 29},
            .most_seconds = 0.02};
  }
  // A thread's first and second cache, the shared one, and memory.
  const std::int64_t threads = thread_count();
  constexpr std::int64_t kShared = std::int64_t{1} << 24;
  constexpr std::int64_t kMemory = std::int64_t{1} << 27;
  std::vector<std::int64_t> sizes;
  for (const std::int64_t bytes : {threads << 15, threads << 19, kShared}) {
    if (bytes < kMemory) sizes.push_back(bytes);
  }
  sizes.push_back(kMemory);
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return {.vector_elements = threads << 15,
          .first_product = 256,
          .last_product = 2048,
          .copies = std::move(sizes),
          .most_seconds = 0.015};
}

MachinePeaks measure_peaks(Backend& backend, const MeasuredSizes& sizes) {
  MachinePeaks peaks;
  peaks.device = backend.name();
  peaks.threads = thread_count();
  peaks.assumed_start_operations = static_cast<double>(backend.fusion_limits().kernel_instructions);
  const auto attempt = [](const auto& measure) {
    try {
      measure();
    } catch (const Error&) {
      // Stays unknown. A device that is lost says so at the next call.
    }
  };
  attempt([&] { measure_vectors(backend, sizes.vector_elements, peaks); });
  attempt([&] { measure_products(backend, sizes, peaks); });
  attempt([&] { measure_bandwidth(backend, sizes.copies, peaks); });
  attempt([&] { measure_starts(backend, peaks); });
  return peaks;
}

MachinePeaks better_of(const MachinePeaks& a, const MachinePeaks& b) {
  MachinePeaks best = a;
  for (std::size_t i = 0; i < kUnitCount; ++i) best.rates[i] = std::max(a.rates[i], b.rates[i]);
  if (a.copies.size() < b.copies.size()) best.copies = b.copies;
  for (std::size_t i = 0; i < std::min(a.copies.size(), b.copies.size()); ++i) {
    best.copies[i].bytes_per_second =
        std::max(a.copies[i].bytes_per_second, b.copies[i].bytes_per_second);
  }
  const auto shorter = [](double x, double y) { return x > 0 && y > 0 ? std::min(x, y) : x + y; };
  best.start_ms = shorter(a.start_ms, b.start_ms);
  best.team_ms = shorter(a.team_ms, b.team_ms);
  return best;
}

namespace {

// Of each device and number of threads.
class KnownPeaks {
 public:
  MachinePeaks get(bool again) {
    Backend& backend = default_backend();
    const std::lock_guard lock(mutex_);
    const std::pair<std::string, int> key{backend.name(), thread_count()};
    const auto found = known_.find(key);
    if (found != known_.end() && !again) return found->second;
    const MachinePeaks now = measure(backend);
    return known_[key] = found == known_.end() ? now : better_of(found->second, now);
  }

 private:
  static MachinePeaks measure(Backend& backend) {
    if (!describe_device(backend.name()).emulated) {
      return measure_peaks(backend, sizes_for(backend));
    }
    MachinePeaks peaks;
    peaks.device = backend.name();
    peaks.threads = thread_count();
    return peaks;
  }

  std::mutex mutex_;
  std::map<std::pair<std::string, int>, MachinePeaks> known_;
};

MachinePeaks known_peaks(bool again) {
  static KnownPeaks* const known = new KnownPeaks;
  return known->get(again);
}

}  // namespace
}  // namespace sinter::backend

namespace sinter {

double MachinePeaks::bandwidth(double bytes) const {
  double rate = copies.empty() ? 0 : copies.front().bytes_per_second;
  for (const Copy& copy : copies) {
    if (static_cast<double>(copy.bytes) <= bytes) rate = copy.bytes_per_second;
  }
  return rate;
}

MachinePeaks machine_peaks() { return backend::known_peaks(false); }
MachinePeaks measure_machine() { return backend::known_peaks(true); }

std::optional<double> bound_ms(const Cost& cost, const MachinePeaks& peaks) {
  double arithmetic = 0;
  for (std::size_t i = 0; i < kUnitCount; ++i) {
    if (cost.work[i] == 0) continue;
    if (peaks.rates[i] == 0) return std::nullopt;
    arithmetic += cost.work[i] / peaks.rates[i];
  }
  double transfer = 0;
  if (cost.bytes > 0) {
    // Of a scan: what one of its kernels moves decides which memory holds it.
    const double rate = peaks.bandwidth(cost.bytes / std::max(cost.kernels, 1.0));
    if (rate == 0) return std::nullopt;
    transfer = cost.bytes / rate;
  }
  return std::max({1e3 * arithmetic, 1e3 * transfer, cost.kernels * peaks.start_ms});
}

}  // namespace sinter
