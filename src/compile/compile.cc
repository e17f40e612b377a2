#include "sinter/compile.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <list>
#include <mutex>
#include <optional>

#include "backend/registry.h"
#include "base/cache_limits.h"
#include "base/file.h"
#include "base/switches.h"
#include "compile/low_copies.h"
#include "compile/program_maker.h"
#include "compile/state_use.h"
#include "compile/step_report.h"
#include "compile/trace.h"
#include "compile/trace_watch.h"
#include "compile/watch.h"
#include "ops/list.h"
#include "sinter/autograd.h"
#include "sinter/state_scope.h"
#include "tensor/apply.h"
#include "tensor/storage.h"

namespace sinter {

using compile_detail::RunningStates;
using compile_detail::SavedStates;
using compile_detail::Trace;
using compile_detail::Tracer;
using compile_detail::TraceWatch;

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// What a program was made for.
struct Signature {
  backend::Backend* device = nullptr;
  std::vector<ir::TensorType> arguments;
  bool training = true;
  bool tracking = true;

  friend bool operator==(const Signature&, const Signature&) = default;
};

struct Entry {
  Signature signature;
  ir::Graph graph;
  ir::Graph room;  // empty, with the capacity of `graph`: for the next trace
  std::vector<Tensor> captured;
  std::vector<std::shared_ptr<StateImpl>> states;  // in the program's order
  compile_detail::LowCopies low_copies;
  std::shared_ptr<const ir::Program> program;
  std::unique_ptr<backend::Executable> executable;
  TraceWatch watch;
  double compile_ms = 0;
  std::int64_t calls = 0;
};

// No values and nodes, but their memory.
ir::Graph emptied(ir::Graph graph) {
  graph.values.clear();
  graph.nodes.clear();
  graph.inputs.clear();
  graph.outputs.clear();
  graph.state_in.clear();
  graph.state_out.clear();
  return graph;
}

StepKind kind_of(const ir::Step& step) {
  if (step.group != nullptr) return StepKind::fused;
  return ir::find(op_list(), step.op).kind == ir::OpKind::contraction ? StepKind::contraction
                                                                      : StepKind::other;
}

// The same memory, or equal elements: a constant that the function makes anew at every trace.
bool same_captured(const Tensor& a, const Tensor& b) {
  const Payload& x = a.impl()->payload;
  const Payload& y = b.impl()->payload;
  if (x.storage == y.storage && x.offset == y.offset) return true;
  const auto bytes = static_cast<std::size_t>(x.type.bytes());
  return x.type == y.type &&
         (bytes == 0 || std::memcmp(HostBytes(x).data(), HostBytes(y).data(), bytes) == 0);
}

// Whether a State was moved into an arena after the trace, which read it on its own.
bool has_moved_states(const Entry& entry) {
  return std::any_of(entry.states.begin(), entry.states.end(),
                     [](const auto& state) { return state->arena != nullptr; });
}

}  // namespace

struct CompiledFunction::Impl {
  Function function;
  std::string name;
  CompileOptions options;
  std::mutex mutex;          // calls from several threads take turns: a program has one arena
  std::list<Entry> entries;  // most recently used first

  Signature signature_of(const std::vector<Tensor>& arguments) const {
    Signature signature;
    signature.device = &backend::default_backend();
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      if (!arguments[i].defined()) {
        raise({.where = name,
               .what = "argument " + std::to_string(i) + " is an empty Tensor handle",
               .got = {},
               .expected = {},
               .hint = {}});
      }
      signature.arguments.push_back(arguments[i].impl()->payload.type);
    }
    signature.training = is_training();
    signature.tracking = is_tracking();
    return signature;
  }

  Trace trace(const Signature& signature, ir::Graph room = {}) {
    Tracer tracer(std::move(room));
    std::vector<Tensor> arguments;
    for (const ir::TensorType& type : signature.arguments) {
      arguments.push_back(tracer.add_argument(type));
    }
    std::vector<Tensor> results;
    {
      const RecorderScope scope(&tracer);
      const AssignmentScope::Pause not_the_callers;
      results = function(arguments);
    }
    return tracer.finish(results);
  }

  Entry make_entry(Signature signature) {
    const auto start = Clock::now();
    Entry entry;
    entry.signature = std::move(signature);
    const std::uint64_t configuration = configuration_version();
    Trace traced = trace(entry.signature);
    entry.watch.traced(milliseconds_since(start), traced.captured, configuration);
    std::set<std::uint64_t> parameters;
    for (const auto& [id, state] : traced.states) {
      if (state->is_parameter) parameters.insert(id);
    }
    backend::Backend& backend = *entry.signature.device;
    compile_detail::ProgramOptions how{.precision = options.precision, .low_copy_of = {}};
    how.low_copy_of = [&](std::uint64_t id) {
      const std::uint64_t copy = entry.low_copies.add(traced.states.at(id), options.precision);
      if (parameters.count(id) != 0) parameters.insert(copy);
      return copy;
    };
    entry.program = std::make_shared<ir::Program>(
        compile_detail::make_program(traced.graph, backend, name, parameters, how));
    traced.states.insert(entry.low_copies.states().begin(), entry.low_copies.states().end());
    // Blocks of values that are gone, most of them from making and moving parameters: the arena can
    // have their memory.
    release_pool();
    entry.executable = backend.prepare(entry.program);
    for (const ir::Program::StateSlot& slot : entry.program->states) {
      entry.states.push_back(traced.states.at(slot.state));
    }
    entry.captured = std::move(traced.captured);
    entry.graph = std::move(traced.graph);
    entry.room.values.reserve(entry.graph.values.size());
    entry.room.nodes.reserve(entry.graph.nodes.size());
    entry.compile_ms = milliseconds_since(start);
    if (switches().debug >= 1) {
      std::fprintf(stderr, "sinter: %s: %zu steps, arena %lld bytes, made in %.2f ms\n",
                   name.c_str(), entry.program->steps.size(),
                   static_cast<long long>(entry.program->arena_bytes), entry.compile_ms);
      print_groups(entry.executable->group_report());
    }
    return entry;
  }

  void print_groups(const backend::GroupReport& report) const {
    std::fprintf(stderr, "sinter: %s: %d groups, %zu of them interpreted\n", name.c_str(),
                 report.groups, report.interpreted.size());
    for (const std::string& group : report.interpreted) {
      std::fprintf(stderr, "sinter: %s: interpreted: %s\n", name.c_str(), group.c_str());
    }
    for (const std::string& step : report.substituted) {
      std::fprintf(stderr, "sinter: %s: substituted: %s\n", name.c_str(), step.c_str());
    }
  }

  Entry& find_or_make(const std::vector<Tensor>& arguments) {
    Signature signature = signature_of(arguments);
    entries.remove_if(has_moved_states);
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
      return entry.signature == signature;
    });
    if (found != entries.end()) {
      entries.splice(entries.begin(), entries, found);
      if (entries.front().watch.is_reconfigured()) check_unchanged(entries.front());
    } else {
      entries.push_front(make_entry(std::move(signature)));
      if (entries.size() > limits::kProgramsOfAFunction) entries.pop_back();
    }
    return entries.front();
  }

  // Traces again and compares: what the function computes must not depend on C++ values that
  // change. Under another configuration it may, and is then compiled anew.
  void check_unchanged(Entry& entry) {
    const bool may_differ = entry.watch.is_reconfigured();
    const std::uint64_t configuration = configuration_version();
    const auto start = Clock::now();
    Trace again = trace(entry.signature, std::move(entry.room));
    const double milliseconds = milliseconds_since(start);
    const std::int32_t node = ir::first_difference(entry.graph, again.graph);
    if (node >= 0 && !may_differ) {
      raise_changed(entry.graph, again.graph, static_cast<std::size_t>(node));
    }
    const std::size_t other = node < 0 ? first_other_captured(entry, again.captured) : 0;
    const bool same = node < 0 && other == entry.captured.size();
    if (!same && !may_differ) {
      raise({.where = name,
             .what = "a Tensor that the function captures is another one than when it was traced",
             .got = again.captured[other].to_string(),
             .expected = {},
             .hint = "pass it as an argument, or keep it in a State"});
    }
    if (!same) {
      entry = make_entry(entry.signature);
      return;
    }
    entry.captured = std::move(again.captured);
    entry.watch.traced(milliseconds, entry.captured, configuration);
    entry.watch.checked(entry.calls + 1);
    entry.room = emptied(std::move(again.graph));
  }

  static std::size_t first_other_captured(const Entry& entry, const std::vector<Tensor>& again) {
    std::size_t i = 0;
    while (i < entry.captured.size() && same_captured(entry.captured[i], again[i])) ++i;
    return i;
  }

  [[noreturn]] void raise_changed(const ir::Graph& before, const ir::Graph& after,
                                  std::size_t node) const {
    const auto describe = [&](const ir::Graph& graph) {
      if (node >= graph.nodes.size()) return std::string("nothing");
      const ir::Node& found = graph.nodes[node];
      std::string text = ir::find(op_list(), found.op).name;
      for (const auto& [key, value] : found.attributes.entries()) {
        if (const auto* real = std::get_if<double>(&value)) text += " " + std::to_string(*real);
        if (const auto* integer = std::get_if<std::int64_t>(&value)) {
          text += " " + key + "=" + std::to_string(*integer);
        }
      }
      return text + " at " + found.location.to_string();
    };
    raise({.where = name,
           .what = "the function does something else than when it was traced",
           .got = describe(after),
           .expected = describe(before),
           .hint = "a C++ value that changes between calls must be an argument or a State"});
  }

  // The second run, when code and memory are warm, is the one that is shown.
  void run_reported(const Entry& entry, const backend::Bindings& bindings) const {
    const ir::Program& program = *entry.program;
    const auto times = compile_detail::run_timed(*entry.executable, bindings, program.steps.size());
    if (switches().debug >= 1) {
      std::fprintf(stderr, "sinter: %s: one step\n%s", name.c_str(),
                   compile_detail::time_table(program, times).c_str());
    }
    if (!switches().dump.empty()) {
      write_file(switches().dump + "/" + name + "-trace.json",
                 compile_detail::chrome_trace(program, times));
    }
  }

  static std::string nonfinite_step(const Entry& entry, const backend::Bindings& bindings) {
    const SavedStates saved(entry.states, *entry.program);
    return compile_detail::first_nonfinite_step(*entry.program, *entry.signature.device,
                                                *entry.executable, bindings);
  }

  void run(Entry& entry, const std::vector<Tensor>& arguments,
           const std::vector<Payload>& outputs) {
    const compile_detail::BoundProgram bound(*entry.signature.device, arguments, entry.captured,
                                             outputs, entry.states);
    const RunningStates running(entry.states, *entry.program, name);
    entry.low_copies.refresh();
    if (switches().check >= 3) {
      const std::string found = nonfinite_step(entry, bound.bindings());
      if (!found.empty()) {
        raise({.where = name,
               .what = "a value is not finite",
               .got = found,
               .expected = {},
               .hint = "SINTER_CHECK=3 stops here"});
      }
    }
    if (entry.calls == 1 && (switches().debug >= 1 || !switches().dump.empty())) {
      run_reported(entry, bound.bindings());
    } else {
      entry.executable->run(bound.bindings());
    }
    for (std::size_t i = 0; i < entry.states.size(); ++i) {
      if (entry.program->states[i].written) entry.states[i]->count_write();
    }
    entry.low_copies.note_run();
    ++entry.calls;
  }

  std::vector<Payload> allocate_outputs(const Entry& entry) const {
    std::vector<Payload> outputs;
    for (const ir::TensorType& type : entry.program->outputs) {
      outputs.push_back(allocate_payload(type));
    }
    return outputs;
  }
};

CompiledFunction::CompiledFunction(Function function, std::string name,
                                   const CompileOptions& options)
    : impl_(std::make_unique<Impl>()) {
  const Dtype precision = options.precision;
  if (precision != Dtype::f32 && precision != Dtype::bf16 && precision != Dtype::f16) {
    raise({.where = name,
           .what = "a function is not compiled in this precision",
           .got = std::string(name_of(precision)),
           .expected = "f32, bf16 or f16",
           .hint = {}});
  }
  impl_->options = options;
  impl_->function = std::move(function);
  impl_->name = std::move(name);
}
CompiledFunction::~CompiledFunction() = default;
CompiledFunction::CompiledFunction(CompiledFunction&&) noexcept = default;
CompiledFunction& CompiledFunction::operator=(CompiledFunction&&) noexcept = default;

std::vector<Tensor> CompiledFunction::call(const std::vector<Tensor>& arguments) {
  // Inside another trace a compiled function is just a function.
  if (is_tracing()) return impl_->function(arguments);
  const std::lock_guard lock(impl_->mutex);
  Entry& entry = impl_->find_or_make(arguments);
  if (entry.watch.is_due(entry.calls + 1, entry.captured)) impl_->check_unchanged(entry);
  // Op by op nothing is rounded to 16 bits.
  const bool compares = switches().check >= 2 && impl_->options.precision == Dtype::f32;
  const auto start = Clock::now();
  std::optional<compile_detail::EagerResult> expected;
  if (compares) expected = compile_detail::run_eagerly(impl_->function, arguments, entry.states);
  const std::vector<Payload> outputs = impl_->allocate_outputs(entry);
  impl_->run(entry, arguments, outputs);
  std::vector<Tensor> results;
  for (const Payload& output : outputs) results.push_back(make_tensor(output));
  if (expected) compile_detail::check_against_eager(impl_->name, *expected, results, entry.states);
  entry.watch.called(milliseconds_since(start));
  return results;
}

ProgramReport CompiledFunction::report(const std::vector<Tensor>& arguments) {
  const std::lock_guard lock(impl_->mutex);
  const Entry& entry = impl_->find_or_make(arguments);
  const ir::Program& program = *entry.program;
  ProgramReport report;
  report.memory.parameters = program.memory.parameters;
  report.memory.gradients = program.memory.gradients;
  report.memory.optimizer = program.memory.optimizer;
  report.memory.activations = program.memory.activations;
  report.memory.workspace = program.memory.workspace;
  report.memory.data = program.memory.inputs + program.memory.outputs;
  report.memory.total = program.memory.total();
  report.kernels = static_cast<int>(program.steps.size());
  for (const ir::Step& step : program.steps) {
    report.flops += step.cost.flops;
    report.bytes += step.cost.bytes;
  }
  report.compile_ms = entry.compile_ms;
  backend::GroupReport groups = entry.executable->group_report();
  report.groups = groups.groups;
  report.interpreted = std::move(groups.interpreted);
  report.substituted = std::move(groups.substituted);
  report.text = ir::to_text(program, op_list());
  return report;
}

StepTimes CompiledFunction::measure(const std::vector<Tensor>& arguments, int repeats) {
  constexpr int kLaunches = 10;  // between two looks at a device's own clock
  const std::lock_guard lock(impl_->mutex);
  Entry& entry = impl_->find_or_make(arguments);
  const ir::Program& program = *entry.program;
  const std::vector<Payload> outputs = impl_->allocate_outputs(entry);
  const compile_detail::BoundProgram bound(*entry.signature.device, arguments, entry.captured,
                                           outputs, entry.states);
  const RunningStates running(entry.states, program, impl_->name);
  entry.low_copies.refresh();
  const SavedStates saved(entry.states, program);
  std::vector<std::uint8_t> contractions;
  for (const ir::Step& step : program.steps) {
    contractions.push_back(kind_of(step) == StepKind::contraction ? 1 : 0);
  }
  // All three in turn, so that each sees the machine at the same moments.
  std::vector<double> whole_times;
  std::vector<double> contraction_times;
  std::vector<std::vector<double>> step_times(program.steps.size());
  for (int i = 0; i < repeats; ++i) {
    auto last = Clock::now();
    entry.executable->run(bound.bindings());
    entry.signature.device->synchronize();
    whole_times.push_back(milliseconds_since(last));
    last = Clock::now();
    entry.executable->run_some(bound.bindings(), contractions);
    contraction_times.push_back(milliseconds_since(last));
    const std::vector<double> timed = entry.executable->time_steps(bound.bindings(), kLaunches);
    for (std::size_t step = 0; step < timed.size(); ++step) step_times[step].push_back(timed[step]);
    if (!timed.empty()) continue;
    last = Clock::now();
    entry.executable->run_watched(bound.bindings(), [&](int step, std::span<void* const>) {
      step_times[static_cast<std::size_t>(step)].push_back(milliseconds_since(last));
      last = Clock::now();
    });
  }
  StepTimes times;
  times.whole_ms = median(std::move(whole_times));
  times.contraction_ms = median(std::move(contraction_times));
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const ir::Step& step = program.steps[i];
    times.steps.push_back({step.label, step.scope, kind_of(step), median(std::move(step_times[i])),
                           step.cost.flops, step.cost.bytes});
  }
  return times;
}

std::string CompiledFunction::find_first_nonfinite(const std::vector<Tensor>& arguments) {
  const std::lock_guard lock(impl_->mutex);
  Entry& entry = impl_->find_or_make(arguments);
  const std::vector<Payload> outputs = impl_->allocate_outputs(entry);
  const compile_detail::BoundProgram bound(*entry.signature.device, arguments, entry.captured,
                                           outputs, entry.states);
  const RunningStates running(entry.states, *entry.program, impl_->name);
  entry.low_copies.refresh();
  return Impl::nonfinite_step(entry, bound.bindings());
}

}  // namespace sinter
