// A program of a compiled function, and its runs.
#ifndef SINTER_COMPILE_COMPILED_PROGRAM_H_
#define SINTER_COMPILE_COMPILED_PROGRAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/cache_limits.h"
#include "base/free_list.h"
#include "compile/program_cache.h"
#include "compile/trace_watch.h"
#include "compile/traced_function.h"

namespace sinter::compile_detail {

struct CompiledProgram;

// One memory of a program, with all that a run needs: used by one call at a time.
class ProgramRun {
 public:
  explicit ProgramRun(const CompiledProgram& program);

  // Binds what a run works on. Throws Error as BoundProgram::bind().
  void bind(std::span<const InputRef> arguments, const std::vector<Tensor>& captured,
            const std::vector<Payload>& outputs);
  backend::Bindings bindings() const { return bound_.bindings(); }
  backend::Session& session() { return *session_; }
  // Memory for the results of runs that copy them elsewhere, made once.
  const std::vector<Payload>& own_outputs();

 private:
  const CompiledProgram& program_;
  std::unique_ptr<backend::Session> session_;
  BoundProgram bound_;
  std::vector<void*> addresses_;  // of the outputs
  std::vector<Payload> own_outputs_;
};

struct CompiledProgram {
  explicit CompiledProgram(Signature of) : signature(std::move(of)) {}

  // For runs: constant once made.
  const Signature signature;
  std::shared_ptr<const ir::Program> program;
  std::shared_ptr<const backend::Code> code;
  StateList states;  // in the program's order
  bool writes_states = false;
  double compile_ms = 0;
  FreeList<ProgramRun> idle{limits::kIdleSessions};

  // What the trace left, for the next one. Guarded by the function's mutex.
  Recording recording;
  std::shared_ptr<const std::vector<Tensor>> captured;
  TraceWatch watch;
  std::int64_t calls = 0;
};

// Traces and compiles. Prints what SINTER_DEBUG asks for.
std::shared_ptr<CompiledProgram> compile_program(const TracedFunction& function,
                                                 Signature signature);

// A ProgramRun for the time that this lives, idle before or new. Throws Error when there is no
// memory for another one.
class TakenRun {
 public:
  explicit TakenRun(CompiledProgram& program) : program_(program), run_(program.idle.take()) {
    if (run_ == nullptr) run_ = std::make_unique<ProgramRun>(program);
  }
  ~TakenRun() { program_.idle.give(std::move(run_)); }
  TakenRun(const TakenRun&) = delete;
  TakenRun& operator=(const TakenRun&) = delete;

  ProgramRun& operator*() const { return *run_; }
  ProgramRun* operator->() const { return run_.get(); }

 private:
  CompiledProgram& program_;
  std::unique_ptr<ProgramRun> run_;
};

// Runs what is bound, holding the States. `is_second`: of this program, the one that SINTER_DEBUG
// and SINTER_DUMP show. Throws Error when another running step has a State.
void run_program(const std::string& name, const CompiledProgram& program, ProgramRun& run,
                 bool is_second);

// Runs what is bound `repeats` times in parts. Leaves every State as it was.
StepTimes measure_program(const std::string& name, const CompiledProgram& program, ProgramRun& run,
                          int repeats);

// CompiledFunction::find_first_nonfinite().
std::string nonfinite_step(const CompiledProgram& program, ProgramRun& run);

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_COMPILED_PROGRAM_H_
