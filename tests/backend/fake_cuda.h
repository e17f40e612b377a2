// A CUDA library for tests (api.h) that keeps "device" memory on the host, does what a test tells
// it to, and counts. It computes nothing itself: kernels run by a test's functions, or not at all.
// Linked into a test, or built as a shared library of its own, which tests load as they would the
// real one and reach into by fake_cuda_state().
#ifndef SINTER_TESTS_BACKEND_FAKE_CUDA_H_
#define SINTER_TESTS_BACKEND_FAKE_CUDA_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "backend/cuda/api.h"

namespace sinter::backend::cuda {

struct FakeCuda {
  // What it claims to be.
  std::int32_t abi = kSinterCudaAbi;
  std::int32_t table_bytes = static_cast<std::int32_t>(sizeof(SinterCudaApi));
  std::int32_t device_count = 2;
  std::uint64_t memory_total = std::uint64_t{1} << 30;

  // Statuses to fail with, and what is said then.
  std::int32_t count_status = kSinterCudaOk;
  std::int32_t context_status = kSinterCudaOk;
  std::int32_t compile_status = kSinterCudaOk;
  std::int32_t launch_status = kSinterCudaOk;  // once launches_left launches have gone well;
  std::int32_t launches_left = 0;              // a graph is one launch
  std::string text;

  // What candidates() gives for every call, and whether kernels take any epilogue or none.
  std::vector<const char*> kernels = {""};
  bool takes_epilogues = false;
  const char* substituted_because = nullptr;
  // What kernels do; empty: nothing.
  std::function<void(const SinterCudaCall& call, void* const* inputs, void* const* outputs,
                     void* workspace)>
      run_kernel;
  // `arguments`: the workspace and the operands.
  std::function<void(const std::string& kernel, void* const* arguments)> run_module;
  // Reported by the next take_kernel_error, when something was launched.
  SinterCudaKernelError kernel_error = {
      .step = -1, .reserved = 0, .position = 0, .value = 0, .limit = 0};

  // What happened.
  int copies_in = 0;
  int copies_out = 0;
  int copies = 0;
  int kernel_launches = 0;  // enqueued; those of a graph are not counted
  int module_launches = 0;
  int graph_launches = 0;
  int captures = 0;
  int waits = 0;
  std::int32_t last_step = -1;  // that was launched or recorded
  std::string source;           // that was compiled last
  std::uint64_t memory_used = 0;
  bool lost = false;

  // Forgets all of the above but the memory that is in use.
  void reset() {
    const std::uint64_t used = memory_used;
    *this = FakeCuda();
    memory_used = used;
  }
};

FakeCuda& fake_cuda();

}  // namespace sinter::backend::cuda

// The same, for dlsym. The environment variable FAKE_CUDA sets numbers by name when the library is
// loaded: "launch_status=10,launches_left=30".
extern "C" sinter::backend::cuda::FakeCuda* fake_cuda_state();

#endif  // SINTER_TESTS_BACKEND_FAKE_CUDA_H_
