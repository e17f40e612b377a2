// One memory of a CudaCode: launched step by step at the first run, so that what goes wrong has a
// step's name, and replayed as one graph from then on.
#ifndef SINTER_BACKEND_CUDA_SESSION_H_
#define SINTER_BACKEND_CUDA_SESSION_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/cuda/steps.h"

namespace sinter::backend::cuda {

// A graph holds addresses, so inputs and outputs have slots of their own beside the arena, which
// run() copies into and out of; States have fixed addresses, and another one makes another graph. A
// program of a few launches (an op called directly) has no graph: it works on the addresses that it
// is given.
class CudaSession : public Session {
 public:
  // `arena`: see Code::new_session().
  CudaSession(std::shared_ptr<const CudaCode> code, std::byte* arena);
  ~CudaSession() override;

  void run(const Bindings& bindings) override;
  void run_watched(const Bindings& bindings,
                   const std::function<void(int, std::span<void* const>)>& after) override;
  void run_some(const Bindings& bindings, std::span<const std::uint8_t> chosen) override;
  std::vector<double> time_steps(const Bindings& bindings, int repeats) override;

  // How many graphs were captured so far.
  int capture_count() const { return capture_count_; }

 private:
  // Device memory that goes back with its owner.
  struct MemoryDeleter {
    CudaBackend* backend;
    void operator()(std::byte* memory) const { backend->release(memory, 0); }
  };
  using Memory = std::unique_ptr<std::byte, MemoryDeleter>;
  struct GraphDeleter {
    const SinterCudaApi* api;
    void operator()(SinterCudaGraph* graph) const { api->destroy_graph(graph); }
  };

  void allocate_memory(std::byte* arena);
  // Copies inputs to where the steps read them, and gives the addresses that the steps work on.
  Bindings stage(const Bindings& bindings);
  void* staged_input(std::size_t input, const Bindings& bindings);
  void copy_results(const Bindings& bindings);
  void capture(const Bindings& staged);

  std::shared_ptr<const CudaCode> code_;
  CudaBackend& backend_;
  const ir::Program& program_;
  bool uses_graph_;
  Memory memory_;                    // the arena unless it is another's, then the slots
  std::vector<void*> input_slots_;   // null: none (yet)
  std::vector<void*> output_slots_;  // with a graph only
  std::vector<Memory> late_slots_;   // of inputs in host memory, without a graph
  std::vector<void*> inputs_;        // what the steps read in this run
  std::unique_ptr<Steps> steps_;
  bool has_run_ = false;
  std::unique_ptr<SinterCudaGraph, GraphDeleter> graph_;
  std::vector<void*> captured_states_;
  int capture_count_ = 0;
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_SESSION_H_
