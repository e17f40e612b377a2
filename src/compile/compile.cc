#include "sinter/compile.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "backend/registry.h"
#include "base/switches.h"
#include "compile/compiled_program.h"
#include "compile/step_report.h"
#include "compile/watch.h"
#include "ops/list.h"
#include "sinter/state_scope.h"
#include "tensor/apply.h"

namespace sinter {

using compile_detail::CompiledProgram;
using compile_detail::InputRef;
using compile_detail::ProgramCache;
using compile_detail::ProgramRun;
using compile_detail::Request;
using compile_detail::Signature;
using compile_detail::TakenRun;
using compile_detail::TracedFunction;

namespace {

using Clock = std::chrono::steady_clock;
using Captured = std::shared_ptr<const std::vector<Tensor>>;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// The arguments of a call; a few of them without the heap.
class ArgumentList {
 public:
  explicit ArgumentList(std::size_t count) : count_(count) {
    if (count > few_.size()) many_.resize(count);
  }
  InputRef& operator[](std::size_t i) { return many_.empty() ? few_[i] : many_[i]; }
  std::span<const InputRef> span() const {
    return {many_.empty() ? few_.data() : many_.data(), count_};
  }

 private:
  std::size_t count_;
  std::array<InputRef, 8> few_;
  std::vector<InputRef> many_;
};

ArgumentList arguments_of(const std::vector<Tensor>& tensors, const std::string& name) {
  ArgumentList list(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].defined()) {
      raise({.where = name,
             .what = "argument " + std::to_string(i) + " is an empty Tensor handle",
             .got = {},
             .expected = {},
             .hint = {}});
    }
    list[i] = compile_detail::input_ref(tensors[i]);
  }
  return list;
}

std::vector<Payload> allocate_outputs(const ir::Program& program) {
  std::vector<Payload> outputs;
  for (const ir::TensorType& type : program.outputs) outputs.push_back(allocate_payload(type));
  return outputs;
}

// Whether this call runs alone: where the program writes States, and where all of them are saved
// and put back.
class Turn {
 public:
  Turn(std::shared_mutex& mutex, bool alone) : mutex_(mutex), alone_(alone) {
    if (alone_) {
      mutex_.lock();
    } else {
      mutex_.lock_shared();
    }
  }
  ~Turn() {
    if (alone_) {
      mutex_.unlock();
    } else {
      mutex_.unlock_shared();
    }
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::shared_mutex& mutex_;
  bool alone_;
};

Dtype checked_precision(const CompileOptions& options) {
  const Dtype precision = options.precision;
  if (precision == Dtype::f32 || precision == Dtype::bf16 || precision == Dtype::f16) {
    return precision;
  }
  raise({.where = "compile",
         .what = "a function is not compiled in this precision",
         .got = std::string(name_of(precision)),
         .expected = "f32, bf16 or f16",
         .hint = {}});
}

void count_kernels(const ir::Program& program, std::vector<std::pair<std::string, int>>* counts) {
  for (const ir::Step& step : program.steps) {
    if (step.body != nullptr) count_kernels(*step.body, counts);
    if (step.kernel.empty()) continue;
    const std::string name = std::string(ir::find(op_list(), step.op).name) + " by " + step.kernel;
    const auto known = std::find_if(counts->begin(), counts->end(),
                                    [&](const auto& each) { return each.first == name; });
    if (known != counts->end()) {
      ++known->second;
    } else {
      counts->emplace_back(name, 1);
    }
  }
}

std::vector<std::string> chosen_kernels(const ir::Program& program) {
  std::vector<std::pair<std::string, int>> counts;
  count_kernels(program, &counts);
  std::vector<std::string> lines;
  for (const auto& [name, count] : counts) lines.push_back(name + ": " + std::to_string(count));
  return lines;
}

int checked_programs(const CompileOptions& options) {
  if (options.programs >= 1) return options.programs;
  raise({.where = "compile",
         .what = "a compiled function keeps at least one program",
         .got = std::to_string(options.programs),
         .expected = {},
         .hint = {}});
}

}  // namespace

struct CompiledFunction::Impl {
  // A program to be run, and what its trace captured.
  struct Found {
    std::shared_ptr<CompiledProgram> program;
    Captured captured;
    bool is_second_call = false;
  };

  Impl(Function traced, std::string name, const CompileOptions& options)
      : function(std::move(traced), std::move(name)),
        programs(static_cast<std::size_t>(checked_programs(options))),
        retraces(options.retraces),
        precision(checked_precision(options)) {}

  // With `for_call`, the function is traced again where that is due.
  Found find_or_make(std::span<const InputRef> arguments, bool for_call) {
    const Request request = compile_detail::request_for(arguments);
    const std::lock_guard lock(mutex);
    std::shared_ptr<CompiledProgram> program = programs.find(request);
    if (program == nullptr) {
      program = compile_detail::compile_program(function, Signature(request), precision);
      programs.add(program);
    } else if (program->watch.is_reconfigured() ||
               (for_call && retraces &&
                program->watch.is_due(program->calls + 1, *program->captured))) {
      program = check_unchanged(std::move(program));
    }
    return {program, program->captured, program->calls == 1};
  }

  // Under another configuration the function may record something else, and is compiled anew.
  std::shared_ptr<CompiledProgram> check_unchanged(std::shared_ptr<CompiledProgram> program) {
    const bool may_differ = program->watch.is_reconfigured();
    const std::uint64_t configuration = configuration_version();
    const auto start = Clock::now();
    std::vector<Tensor> captured = *program->captured;
    if (function.is_unchanged(program->signature, may_differ, &program->recording, &captured)) {
      // Owners of captured Tensors are counted with one handle of ours.
      program->captured = std::make_shared<const std::vector<Tensor>>(std::move(captured));
      program->watch.traced(milliseconds_since(start), *program->captured, configuration);
      program->watch.checked(program->calls + 1);
      return program;
    }
    program = compile_detail::compile_program(function, program->signature, precision);
    programs.add(program);
    return program;
  }

  void note_call(CompiledProgram& program, Clock::time_point start) {
    const std::lock_guard lock(mutex);
    ++program.calls;
    program.watch.called(milliseconds_since(start));
  }

  TracedFunction function;
  std::mutex mutex;  // of the programs, and of what their traces left
  ProgramCache programs;
  const bool retraces;
  const Dtype precision;
  std::shared_mutex running;  // a program that writes States has it alone
};

CompiledFunction::CompiledFunction(Function function, std::string name,
                                   const CompileOptions& options)
    : impl_(std::make_unique<Impl>(std::move(function), std::move(name), options)) {}
CompiledFunction::~CompiledFunction() = default;
CompiledFunction::CompiledFunction(CompiledFunction&&) noexcept = default;
CompiledFunction& CompiledFunction::operator=(CompiledFunction&&) noexcept = default;

std::vector<Tensor> CompiledFunction::call(const std::vector<Tensor>& arguments) {
  // Inside another trace a compiled function is just a function.
  if (is_tracing()) return impl_->function.function()(arguments);
  const std::string& name = impl_->function.name();
  const ArgumentList list = arguments_of(arguments, name);
  const Impl::Found found = impl_->find_or_make(list.span(), true);
  CompiledProgram& program = *found.program;
  // Op by op nothing is rounded to 16 bits.
  const bool compares = switches().check >= 2 && impl_->precision == Dtype::f32;
  const Turn turn(impl_->running, program.writes_states || compares);
  const auto start = Clock::now();
  std::optional<compile_detail::EagerResult> expected;
  if (compares) {
    expected = compile_detail::run_eagerly(impl_->function.function(), arguments, program.states);
  }
  const std::vector<Payload> outputs = allocate_outputs(*program.program);
  {
    const TakenRun run(program);
    run->bind(list.span(), *found.captured, outputs);
    compile_detail::run_program(name, program, *run, found.is_second_call);
  }
  std::vector<Tensor> results;
  for (const Payload& output : outputs) results.push_back(make_tensor(output));
  if (expected) compile_detail::check_against_eager(name, *expected, results, program.states);
  impl_->note_call(program, start);
  return results;
}

void CompiledFunction::call_into(std::span<const View> arguments,
                                 std::span<const std::span<std::byte>> results) {
  const std::string& name = impl_->function.name();
  if (is_tracing()) {
    raise({.where = name,
           .what = "call_into() inside a trace",
           .got = {},
           .expected = {},
           .hint = "call() is recorded"});
  }
  ArgumentList list(arguments.size());
  const backend::Backend& host = backend::find_backend("cpu");
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    list[i] = {{arguments[i].dtype(), arguments[i].shape()},
               const_cast<std::byte*>(arguments[i].data()),
               &host};
  }
  const Impl::Found found = impl_->find_or_make(list.span(), true);
  CompiledProgram& program = *found.program;
  const std::vector<ir::TensorType>& types = program.program->outputs;
  for (std::size_t i = 0; i < std::max(types.size(), results.size()); ++i) {
    const std::size_t bytes = i < types.size() ? static_cast<std::size_t>(types[i].bytes()) : 0;
    const std::size_t given = i < results.size() ? results[i].size() : 0;
    if (bytes == given) continue;
    raise({.where = name,
           .what = "the memory for result " + std::to_string(i) + " has another size",
           .got = std::to_string(given) + " bytes",
           .expected = std::to_string(bytes) + " bytes" +
                       (i < types.size() ? " for " + types[i].to_string() : ""),
           .hint = {}});
  }
  const Turn turn(impl_->running, program.writes_states);
  const auto start = Clock::now();
  const TakenRun run(program);
  const std::vector<Payload>& outputs = run->own_outputs();
  run->bind(list.span(), *found.captured, outputs);
  compile_detail::run_program(name, program, *run, found.is_second_call);
  for (std::size_t i = 0; i < results.size(); ++i) {
    program.signature.device->copy_to_host(results[i].data(), outputs[i].memory(),
                                           results[i].size());
  }
  impl_->note_call(program, start);
}

ProgramReport CompiledFunction::report(const std::vector<Tensor>& arguments) {
  const ArgumentList list = arguments_of(arguments, impl_->function.name());
  const Impl::Found found = impl_->find_or_make(list.span(), false);
  const ir::Program& program = *found.program->program;
  ProgramReport report;
  report.memory.parameters = program.memory.parameters;
  report.memory.gradients = program.memory.gradients;
  report.memory.optimizer = program.memory.optimizer;
  report.memory.activations = program.memory.activations;
  report.memory.workspace = program.memory.workspace;
  report.memory.data = program.memory.inputs + program.memory.outputs;
  report.memory.total = program.memory.total();
  report.kernels = ir::kernel_count(program);
  for (const ir::Step& step : program.steps) {
    report.flops += step.cost.flops;
    report.bytes += step.cost.bytes;
    if (step.is_in_place) continue;
    report.steps.push_back({step.label, step.scope, compile_detail::kind_of(step), step.cost});
  }
  report.compile_ms = found.program->compile_ms;
  backend::GroupReport groups = found.program->code->group_report();
  report.groups = groups.groups;
  report.interpreted = std::move(groups.interpreted);
  report.substituted = std::move(groups.substituted);
  report.chosen = chosen_kernels(program);
  report.text = ir::to_text(program, op_list());
  return report;
}

StepTimes CompiledFunction::measure(const std::vector<Tensor>& arguments, int repeats) {
  const ArgumentList list = arguments_of(arguments, impl_->function.name());
  const Impl::Found found = impl_->find_or_make(list.span(), false);
  const std::vector<Payload> outputs = allocate_outputs(*found.program->program);
  const Turn alone(impl_->running, true);
  const TakenRun run(*found.program);
  run->bind(list.span(), *found.captured, outputs);
  return compile_detail::measure_program(impl_->function.name(), *found.program, *run, repeats);
}

std::string CompiledFunction::find_first_nonfinite(const std::vector<Tensor>& arguments) {
  const ArgumentList list = arguments_of(arguments, impl_->function.name());
  const Impl::Found found = impl_->find_or_make(list.span(), false);
  const std::vector<Payload> outputs = allocate_outputs(*found.program->program);
  const Turn alone(impl_->running, true);
  const TakenRun run(*found.program);
  run->bind(list.span(), *found.captured, outputs);
  const compile_detail::RunningStates running(found.program->states, *found.program->program,
                                              impl_->function.name());
  return compile_detail::nonfinite_step(*found.program, *run);
}

}  // namespace sinter
