// Fused groups made ready to run on this machine's processor.
#ifndef SINTER_BACKEND_CPU_GROUPS_GROUP_KERNEL_H_
#define SINTER_BACKEND_CPU_GROUPS_GROUP_KERNEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ir/group.h"

namespace sinter::backend::cpu {

// A group made ready to run on this machine. Immutable: may be run any number of times, by several
// threads at once when each brings its own operands and scratch.
class GroupKernel {
 public:
  GroupKernel() = default;
  GroupKernel(const GroupKernel&) = delete;
  GroupKernel& operator=(const GroupKernel&) = delete;
  virtual ~GroupKernel() = default;

  // Runs the group once. operands[i] is the address of group operand i's element at the origin of
  // the space. `scratch` is scratch_bytes() bytes, 64-byte aligned (may be null when that is 0);
  // its contents do not matter before and are garbage after.
  virtual void run(void* const* operands, void* scratch) const = 0;
  virtual std::size_t scratch_bytes() const { return 0; }

  // Why the group has no machine code and is interpreted; null where it has.
  const char* interpreted_because() const { return interpreted_because_; }
  void set_interpreted_because(const char* why) { interpreted_because_ = why; }

 private:
  const char* interpreted_because_ = nullptr;
};

// Interprets the group: any strides, any body. The portable fallback, and the reference that the
// emitter must equal bit for bit (NaNs compare equal whatever their sign and payload).
// REQUIRES: verify(group) passes.
std::unique_ptr<GroupKernel> interpret_group(const ir::Group& group);

enum class Isa : std::uint8_t { avx2, avx512 };

// Machine code for the group. Returns null when the emitter does not support it (the caller then
// interprets). The processor must support `isa` to run the kernel, not to emit it.
// REQUIRES: verify(group) passes.
std::unique_ptr<GroupKernel> emit_group(const ir::Group& group, Isa isa);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_GROUP_KERNEL_H_
