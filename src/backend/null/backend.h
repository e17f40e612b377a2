// The back end that does everything but run: it checks programs and bindings, and counts what a run
// would have done. For tests of plans, and for memory plans of networks larger than the machine.
#ifndef SINTER_BACKEND_NULL_BACKEND_H_
#define SINTER_BACKEND_NULL_BACKEND_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "backend/backend.h"

namespace sinter::backend::null {

// What the steps of some runs amount to. A scan counts as one kernel, with the cost that its step
// has.
struct NullCounts {
  std::int64_t runs = 0;
  std::int64_t steps = 0;
  std::int64_t groups = 0;                           // fused groups
  std::int64_t group_instructions = 0;               // in their bodies
  std::array<std::int64_t, ir::kOpCount> kernels{};  // steps with a kernel of their own, by OpId
  double flops = 0;
  double bytes = 0;

  friend bool operator==(const NullCounts&, const NullCounts&) = default;
};

// Adds a step, as run() does for each that it would have run.
void count(const ir::Step& step, NullCounts& counts);

class NullBackend : public Backend {
 public:
  // `ops` is the list that programs are verified with. Questions about layouts and workspaces go to
  // `like`, so that plans come out as for that device; without one they are answered like a CPU's.
  // `like` outlives this.
  explicit NullBackend(ir::OpList ops, Backend* like = nullptr) : ops_(ops), like_(like) {}

  const char* name() const override { return "null"; }
  bool is_host() const override { return true; }
  // Memory of the host, zeroed: what a program "writes" reads as zeros.
  void* allocate(std::size_t bytes) override;
  void release(void* memory, std::size_t bytes) override;
  void copy_to_device(void* to, const void* from, std::size_t bytes) override;
  void copy_to_host(void* to, const void* from, std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void synchronize() override {}

  bool accepts(const KernelCall& call, int input) override;
  bool group_accepts(const ir::Layout& layout) override;
  FusionLimits fusion_limits() const override;
  std::vector<std::string> candidates(const KernelCall& call) override;
  std::optional<PreparedCall> prepare(const KernelCall& call, const std::string& candidate,
                                      const ir::Group* epilogue) override;
  std::int64_t workspace_bytes(const ir::Group& group) override;

  // Verifies the program (InternalError when it breaks a rule). Its Sessions allocate no arena;
  // their runs throw InternalError when the bindings do not fit. All use this back end, which
  // outlives them. One run at a time: they count.
  std::shared_ptr<const Code> prepare(std::shared_ptr<const ir::Program> program) override;

  const NullCounts& counts() const { return counts_; }
  void reset_counts() { counts_ = {}; }

 private:
  friend class NullSession;

  ir::OpList ops_;
  Backend* like_;
  NullCounts counts_;
};

}  // namespace sinter::backend::null

#endif  // SINTER_BACKEND_NULL_BACKEND_H_
