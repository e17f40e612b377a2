// Fused groups as CUDA C++ text: what NVRTC compiles, and on the emulated device the system's
// compiler. The text of a group depends on nothing but the group, and the names of its kernels on
// nothing but the text, so that compiled code can be found again by content. Lengths and strides
// that only count are arguments: the text holds those that choose a kernel's form (which axes
// there are, whether four neighbours lie together, how many threads and places a fold has), and all
// of a group whose positions need 64 bits.
//
// The bits are the interpreter's (cpu/groups/interpreter.cc): each instruction is one operation,
// reductions follow the canonical trees of ir/reduction.h. The text must be compiled with
// kFusedCompilerOptions: no contraction to fma, denormals kept, division and roots rounded right.
#ifndef SINTER_BACKEND_CUDA_GROUPS_FUSED_H_
#define SINTER_BACKEND_CUDA_GROUPS_FUSED_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/group.h"

namespace sinter::backend::cuda {

inline constexpr std::array<const char*, 5> kFusedCompilerOptions = {
    "--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true"};

// One launch of a one-dimensional grid of one-dimensional blocks; no dynamic shared memory.
struct GroupLaunch {
  std::string kernel;
  std::uint32_t grid = 1;
  std::uint32_t block = 1;
  std::string text;                         // the kernel, to stand after fused_prelude()
  std::vector<std::uint64_t> numbers = {};  // the arguments after the operands
};

struct GroupSource {
  // To be launched one after the other; none for an empty space.
  std::vector<GroupLaunch> launches;
  // 64-byte aligned device memory that the launches share; its contents do not matter before.
  std::int64_t workspace_bytes = 0;
};

// All kernels take one parameter by value, of 8 bytes each: the address of the workspace, those of
// the group's operands, each of its element at the origin of the space, and the launch's numbers.
// Operands need no alignment beyond their element's. REQUIRES: verify(group) passes.
GroupSource group_source(const ir::Group& group);

// Bytes of that parameter.
constexpr std::size_t argument_bytes(std::size_t operands, std::size_t numbers) {
  return (1 + operands + numbers) * 8;
}

// What all texts need first: helpers, no kernels.
std::string_view fused_prelude();
// Behind it, for kernels that call sinter_wrap_angle.
std::string_view angle_prelude();

// One text with the kernels of many groups, equal ones once: compiled together they cost a fraction
// of what they cost apart.
std::string program_source(std::span<const GroupSource> groups);

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_GROUPS_FUSED_H_
