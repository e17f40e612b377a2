// How programs run on one kind of device. The layers above know only this interface.
#ifndef SINTER_BACKEND_BACKEND_H_
#define SINTER_BACKEND_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/kernel_call.h"
#include "ir/program.h"

namespace sinter::backend {

// The addresses that one run uses, in the order of the program's inputs, outputs and states.
struct Bindings {
  std::span<void* const> inputs;
  std::span<void* const> outputs;
  std::span<void* const> states;
  // For each input, whether it lies in host memory instead of the device's; empty: none does. Such
  // an input may change as soon as run() has returned.
  std::span<const std::uint8_t> host_inputs = {};
};

// How the fused groups and kernels of a program run, those in bodies of scans included.
struct GroupReport {
  int groups = 0;
  // Of these the ones that have no code of their own on this device and run some slower way: the
  // label of the step and the reason.
  std::vector<std::string> interpreted;
  // Steps that do not run the kernel that was chosen for them, as this machine or library does not
  // have it: the label of the step, what runs and why.
  std::vector<std::string> substituted;
};

// The memory of a run, and what is bound to it: arena, addresses, a device's graph. One run at a
// time; Sessions of one Code run at the same time.
class Session {
 public:
  virtual ~Session() = default;

  // Runs all steps. Allocates nothing large. A device other than the CPU may still be working when
  // this returns: what went wrong there is thrown by whatever waits for it.
  virtual void run(const Bindings& bindings) = 0;

  // Runs all steps, calling `after` after each (for timing and for the search for the first NaN).
  // `after` gets the step's index and the addresses of its outputs on the device, which has
  // finished the step, and may throw to stop.
  virtual void run_watched(const Bindings& bindings,
                           const std::function<void(int, std::span<void* const>)>& after) = 0;

  // Runs the steps for which `chosen` is true, on whatever the buffers hold, and waits for them:
  // for measuring parts.
  virtual void run_some(const Bindings& bindings, std::span<const std::uint8_t> chosen) = 0;

  // Runs all steps, each of them followed by `repeats` more runs in a row that the device's own
  // clock times: milliseconds of one run of each. Without the host's part of a launch, which would
  // hide a short kernel. Empty: the device has no clock of its own, time run_watched() instead.
  virtual std::vector<double> time_steps(const Bindings& bindings, int repeats);
};

inline std::vector<double> Session::time_steps(const Bindings& /*bindings*/, int /*repeats*/) {
  return {};
}

// A program made ready for a device: kernels prepared, machine code, modules. Immutable, and any
// number of threads may use it at once. The back end outlives it.
class Code {
 public:
  virtual ~Code() = default;

  // Bytes that a run needs beside what is bound to it: the program's arena.
  virtual std::int64_t arena_bytes() const = 0;
  // `arena`: arena_bytes() of 64-byte aligned memory of the device that outlive the Session; null:
  // it allocates its own. Throws Error when there is no memory.
  virtual std::unique_ptr<Session> new_session(std::byte* arena = nullptr) const = 0;
  // One run without a Session, on an arena as above that is the run's alone until it ends (on a
  // device that works on its own time: until what is enqueued afterwards). For ops called directly,
  // which have few steps. REQUIRES: no input lies in host memory.
  virtual void run_once(const Bindings& bindings, std::byte* arena) const = 0;

  virtual GroupReport group_report() const { return {}; }
};

// What a fused group may be here without running some slower way, and what makes one worth while.
// The fuser asks once, so that no group is made that the device refuses.
struct FusionLimits {
  // Memory operands of one group, and values that it keeps: reductions, and what a pass over a row
  // leaves for a later one.
  int operands = 64;
  // Below so many rows, passes over long rows that follow a reduction leave the device idle.
  std::int64_t min_rows = 8;
  // Instructions on one element that take as long as starting one more kernel.
  std::int64_t kernel_instructions = 1 << 15;
  // Whether a value that is the same in all of a loop is computed once, not at each point.
  bool hoists = true;
  // Whether a loop without a reduction may also store values that are the same along its axes.
  bool stores_rows_of_maps = true;
  // Whether an operand must run along all reduced axes, as along one, or along none.
  bool folds_one_axis = true;
};

// A kernel of a call made ready, and the 64-byte aligned memory that it needs while it runs.
struct PreparedCall {
  std::int64_t workspace_bytes = 0;
  std::shared_ptr<const ir::Prepared> kernel;  // null: the program's Code makes it
};

class Backend {
 public:
  virtual ~Backend() = default;

  // "cpu", "cuda:0"
  virtual const char* name() const = 0;
  // Whether the host reads and writes this memory like its own.
  virtual bool is_host() const = 0;
  // 64-byte aligned memory on the device; throws Error when there is none. Contents are undefined.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory, std::size_t bytes) = 0;
  // `from` may change when it returns.
  virtual void copy_to_device(void* to, const void* from, std::size_t bytes) = 0;
  // Waits for what was submitted before.
  virtual void copy_to_host(void* to, const void* from, std::size_t bytes) = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  // Waits until everything submitted has finished.
  virtual void synchronize() = 0;

  // Whether the kernel of `call.op` takes input `input` with the layout it has in `call`. Every
  // kernel takes dense inputs; the planner copies what is refused.
  virtual bool accepts(const KernelCall& call, int input) = 0;
  // Whether a fused group may read an operand with this layout over its space (innermost axis
  // last).
  virtual bool group_accepts(const ir::Layout& layout) = 0;
  // The same at every call.
  virtual FusionLimits fusion_limits() const { return {}; }
  // The kernels that can run the call here, by name, the one to take first; one of no name where
  // there is nothing to choose. By shapes, machine and switches alone, so that the choice is the
  // same at every call.
  virtual std::vector<std::string> candidates(const KernelCall& /*call*/) { return {{}}; }
  // One of the candidates made ready, with what follows on its result (ir::Step::epilogue; null:
  // nothing). Nothing where the kernel does not take this epilogue; one that takes it gives the
  // bits that it gives without, followed by the group.
  virtual std::optional<PreparedCall> prepare(const KernelCall& call, const std::string& candidate,
                                              const ir::Group* epilogue) = 0;
  // Bytes of 64-byte aligned memory that a fused group needs while it runs.
  virtual std::int64_t workspace_bytes(const ir::Group& group) = 0;

  virtual std::shared_ptr<const Code> prepare(std::shared_ptr<const ir::Program> program) = 0;
};

}  // namespace sinter::backend

#endif  // SINTER_BACKEND_BACKEND_H_
