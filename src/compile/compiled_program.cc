#include "compile/compiled_program.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/switches.h"
#include "compile/program_maker.h"
#include "compile/step_report.h"
#include "compile/watch.h"
#include "ops/list.h"
#include "sinter/state_scope.h"

namespace sinter::compile_detail {

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

void print_made(const std::string& name, const CompiledProgram& made) {
  const backend::GroupReport report = made.code->group_report();
  std::fprintf(stderr, "sinter: %s: %zu steps, arena %lld bytes, made in %.2f ms\n", name.c_str(),
               made.program->steps.size(), static_cast<long long>(made.program->arena_bytes),
               made.compile_ms);
  std::fprintf(stderr, "sinter: %s: %d groups, %zu of them interpreted\n", name.c_str(),
               report.groups, report.interpreted.size());
  for (const std::string& group : report.interpreted) {
    std::fprintf(stderr, "sinter: %s: interpreted: %s\n", name.c_str(), group.c_str());
  }
  for (const std::string& step : report.substituted) {
    std::fprintf(stderr, "sinter: %s: substituted: %s\n", name.c_str(), step.c_str());
  }
}

// The second run, when code and memory are warm, is the one that is shown.
void run_reported(const std::string& name, const ir::Program& program, ProgramRun& run) {
  const auto times = run_timed(run.session(), run.bindings(), program.steps.size());
  if (switches().debug >= 1) {
    std::fprintf(stderr, "sinter: %s: one step\n%s", name.c_str(),
                 time_table(program, times, machine_peaks()).c_str());
  }
  if (!switches().dump.empty()) {
    write_file(switches().dump + "/" + name + "-trace.json", chrome_trace(program, times));
  }
}

}  // namespace

ProgramRun::ProgramRun(const CompiledProgram& program)
    : program_(program), session_(program.code->new_session()), bound_(*program.signature.device) {}

void ProgramRun::bind(std::span<const InputRef> arguments, const std::vector<Tensor>& captured,
                      const std::vector<Payload>& outputs) {
  addresses_.clear();
  for (const Payload& output : outputs) addresses_.push_back(output.memory());
  bound_.bind(arguments, captured, addresses_, program_.states);
}

const std::vector<Payload>& ProgramRun::own_outputs() {
  if (own_outputs_.empty()) {
    for (const ir::TensorType& type : program_.program->outputs) {
      own_outputs_.push_back(allocate_payload(type, program_.signature.device));
    }
  }
  return own_outputs_;
}

std::shared_ptr<CompiledProgram> compile_program(const TracedFunction& function,
                                                 Signature signature, Dtype precision) {
  const auto start = Clock::now();
  auto made = std::make_shared<CompiledProgram>(std::move(signature));
  const std::uint64_t configuration = configuration_version();
  Trace traced = function.trace(made->signature);
  made->watch.traced(milliseconds_since(start), traced.captured, configuration);
  std::set<std::uint64_t> parameters;
  for (const auto& [id, state] : traced.states) {
    if (state->is_parameter) parameters.insert(id);
  }
  backend::Backend& backend = *made->signature.device;
  const auto copy_of = [&](std::uint64_t id) {
    const std::uint64_t copy = made->low_copies.add(traced.states.at(id), precision);
    if (parameters.count(id) != 0) parameters.insert(copy);
    return copy;
  };
  made->program =
      std::make_shared<ir::Program>(make_program(traced.graph, backend, function.name(), parameters,
                                                 {.precision = precision, .low_copy_of = copy_of}));
  traced.states.insert(made->low_copies.states().begin(), made->low_copies.states().end());
  // Blocks of values that are gone, most of them from making and moving parameters: the arena can
  // have their memory.
  release_pool();
  made->code = backend.prepare(made->program);
  for (const ir::Program::StateSlot& slot : made->program->states) {
    made->states.push_back(traced.states.at(slot.state));
    made->writes_states = made->writes_states || slot.written;
  }
  made->idle.give(std::make_unique<ProgramRun>(*made));
  made->captured = std::make_shared<const std::vector<Tensor>>(std::move(traced.captured));
  made->recording.graph = std::move(traced.graph);
  made->recording.room.values.reserve(made->recording.graph.values.size());
  made->recording.room.nodes.reserve(made->recording.graph.nodes.size());
  made->compile_ms = milliseconds_since(start);
  if (switches().debug >= 1) print_made(function.name(), *made);
  return made;
}

std::string nonfinite_step(const CompiledProgram& program, ProgramRun& run) {
  program.low_copies.refresh();
  const SavedStates saved(program.states, *program.program);
  return first_nonfinite_step(*program.program, *program.signature.device, run.session(),
                              run.bindings());
}

void run_program(const std::string& name, const CompiledProgram& program, ProgramRun& run,
                 bool is_second) {
  const RunningStates running(program.states, *program.program, name);
  program.low_copies.refresh();
  if (switches().check >= 3) {
    const std::string found = nonfinite_step(program, run);
    if (!found.empty()) {
      raise({.where = name,
             .what = "a value is not finite",
             .got = found,
             .expected = {},
             .hint = "SINTER_CHECK=3 stops here"});
    }
  }
  if (is_second && (switches().debug >= 1 || !switches().dump.empty())) {
    run_reported(name, *program.program, run);
  } else {
    run.session().run(run.bindings());
  }
  for (std::size_t i = 0; i < program.states.size(); ++i) {
    if (program.program->states[i].written) program.states[i]->count_write();
  }
  program.low_copies.note_run();
}

StepTimes measure_program(const std::string& name, const CompiledProgram& compiled, ProgramRun& run,
                          int repeats) {
  constexpr int kLaunches = 10;  // between two looks at a device's own clock
  const ir::Program& program = *compiled.program;
  const backend::Bindings bindings = run.bindings();
  backend::Session& session = run.session();
  const RunningStates running(compiled.states, program, name);
  compiled.low_copies.refresh();
  const SavedStates saved(compiled.states, program);
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
    session.run(bindings);
    compiled.signature.device->synchronize();
    whole_times.push_back(milliseconds_since(last));
    last = Clock::now();
    session.run_some(bindings, contractions);
    contraction_times.push_back(milliseconds_since(last));
    const std::vector<double> timed = session.time_steps(bindings, kLaunches);
    for (std::size_t step = 0; step < timed.size(); ++step) step_times[step].push_back(timed[step]);
    if (!timed.empty()) continue;
    last = Clock::now();
    session.run_watched(bindings, [&](int step, std::span<void* const>) {
      step_times[static_cast<std::size_t>(step)].push_back(milliseconds_since(last));
      last = Clock::now();
    });
  }
  StepTimes times;
  times.whole_ms = median(std::move(whole_times));
  times.contraction_ms = median(std::move(contraction_times));
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const ir::Step& step = program.steps[i];
    if (step.is_in_place) continue;
    times.steps.push_back({step.label, step.scope, kind_of(step), median(std::move(step_times[i])),
                           step.cost.flops, step.cost.bytes, step.cost});
  }
  return times;
}

}  // namespace sinter::compile_detail
