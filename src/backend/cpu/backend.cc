#include "backend/cpu/backend.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "backend/cpu/code.h"
#include "backend/cpu/groups/cache.h"
#include "backend/cpu/groups/lowered_body.h"
#include "backend/cpu/groups/space_walk.h"
#include "backend/cpu/kernels/kernel.h"
#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {

namespace {

constexpr std::size_t kAlignment = 64;

const Kernel& kernel_of(const KernelCall& call) {
  const Kernel* const kernel = find_kernel(call.op);
  if (kernel == nullptr) throw ir::InternalError("an op without a kernel was planned as a step");
  return *kernel;
}

// Blocks of ever new sizes leave gaps that malloc keeps; what is released here is meant for the
// system. Rarely enough not to be noticed beside the faults of as many new pages.
void return_free_pages(std::size_t bytes) {
#ifdef __GLIBC__
  constexpr std::size_t kBytesBetween = std::size_t{8} << 20;
  static std::atomic<std::size_t> released{0};
  if (released.fetch_add(bytes) + bytes < kBytesBetween) return;
  released = 0;
  malloc_trim(0);
#else
  static_cast<void>(bytes);
#endif
}

}  // namespace

void* CpuBackend::allocate(std::size_t bytes) {
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* const memory = std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded);
  if (memory == nullptr) {
    raise({.where = "cpu",
           .what = "out of memory",
           .got = "a request for " + std::to_string(bytes) + " bytes",
           .expected = {},
           .hint = "a smaller batch needs less; --plan prints what a job needs"});
  }
  return memory;
}

void CpuBackend::release(void* memory, std::size_t bytes) {
  std::free(memory);
  return_free_pages(bytes);
}

void CpuBackend::copy_to_device(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

void CpuBackend::copy_to_host(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

void CpuBackend::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memmove(to, from, bytes);
}

bool CpuBackend::accepts(const KernelCall& call, int input) {
  if (ir::is_dense(call.inputs[static_cast<std::size_t>(input)])) return true;
  const Kernel& kernel = kernel_of(call);
  return kernel.accepts != nullptr && kernel.accepts(call, input);
}

// Emitted code moves along the innermost axis by whole vectors or not at all.
bool CpuBackend::group_accepts(const ir::Layout& layout) {
  for (int axis = layout.shape.rank() - 1; axis >= 0; --axis) {
    if (layout.shape[axis] == 1) continue;
    const std::int64_t stride = layout.strides[static_cast<std::size_t>(axis)];
    return stride == 0 || stride == 1;
  }
  return true;
}

// kMaxArgs places of a kernel's arguments hold two addresses for each operand and each value that
// is kept, and some numbers.
FusionLimits CpuBackend::fusion_limits() const { return {.operands = kMaxArgs * 3 / 8}; }

std::vector<std::string> CpuBackend::candidates(const KernelCall& call) {
  std::vector<std::string> names;
  for (const Provider* const each : providers_of(kernel_of(call), call)) {
    names.emplace_back(each->name);
  }
  if (names.empty()) names.emplace_back();
  return names;
}

std::optional<PreparedCall> CpuBackend::prepare(const KernelCall& call,
                                                const std::string& candidate,
                                                const ir::Group* epilogue) {
  std::shared_ptr<const PreparedKernel> kernel =
      prepare_kernel(kernel_of(call), call, candidate, epilogue);
  if (kernel == nullptr) return std::nullopt;
  const std::int64_t bytes = kernel->workspace_bytes();
  return PreparedCall{bytes, std::move(kernel)};
}

std::int64_t CpuBackend::workspace_bytes(const ir::Group& group) {
  return static_cast<std::int64_t>(group_kernel(group)->scratch_bytes());
}

std::shared_ptr<const Code> CpuBackend::prepare(std::shared_ptr<const ir::Program> program) {
  return std::make_shared<const CpuCode>(*this, std::move(program));
}

}  // namespace sinter::backend::cpu
