#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "backend/cpu/group_kernel.h"
#include "base/parallel.h"
#include "random_group.h"

namespace sinter::backend::cpu {
namespace {

using testing::BodyBuilder;
using testing::GroupGenerator;
using testing::GroupMemory;

std::string describe(const ir::Group& group) {
  std::string text = "kind " + std::to_string(static_cast<int>(group.kind)) + " space " +
                     group.space.to_string() + " reduced " + std::to_string(group.reduced_axes);
  for (const ir::GroupOperand& operand : group.operands) {
    text +=
        "\n  " + std::string(sinter::name_of(operand.dtype)) + (operand.output ? " out" : " in");
    for (const std::int64_t stride : operand.strides) text += " " + std::to_string(stride);
  }
  int position = 0;
  for (const ir::ScalarInst& inst : group.body) {
    text += "\n  %" + std::to_string(position++) + " " + std::string(name_of(inst.op)) + " " +
            std::string(sinter::name_of(inst.type)) + " " + std::to_string(inst.a) + " " +
            std::to_string(inst.b) + " " + std::to_string(inst.c) + " imm " +
            std::to_string(inst.imm);
  }
  return text;
}

struct Scratch {
  explicit Scratch(std::size_t bytes)
      : memory(static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 127) / 64 * 64)),
               std::free) {}
  std::unique_ptr<std::byte, void (*)(void*)> memory;
};

void run(const GroupKernel& kernel, GroupMemory& memory) {
  const Scratch scratch(kernel.scratch_bytes());
  kernel.run(memory.addresses().data(), scratch.memory.get());
}

class EmitterTest : public ::testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(Isas, EmitterTest, ::testing::Values(Isa::avx512, Isa::avx2));

TEST_P(EmitterTest, RandomGroups) {
  int emitted = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    GroupGenerator generator(seed);
    const ir::Group group = generator.make(4000);
    ir::verify(group);
    if (std::getenv("TRACE") != nullptr) std::puts(describe(group).c_str()), std::fflush(stdout);
    const std::unique_ptr<GroupKernel> kernel = emit_group(group, GetParam());
    if (kernel == nullptr) continue;
    ++emitted;
    GroupMemory expected(group, generator.random());
    GroupMemory got = expected;
    run(*interpret_group(group), expected);
    run(*kernel, got);
    ASSERT_EQ(GroupMemory::difference(expected, got), "") << "seed " << seed << "\n"
                                                          << describe(group);
  }
  std::printf("%d emitted\n", emitted);
}

}  // namespace
}  // namespace sinter::backend::cpu
