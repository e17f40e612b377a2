// Fused groups on the emulated CUDA device against the CPU's interpreter, bit for bit.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "backend/cpu/groups/group_kernel.h"
#include "backend/cuda/groups/fused.h"
#include "base/half.h"
#include "cuda_groups.h"
#include "sinter_emulated/compiler.h"
#include "sinter_emulated/control.h"

namespace sinter::backend::cuda {
namespace {

using ir::Group;
using ir::GroupKind;
using ir::ScalarOp;
using testing::BodyBuilder;
using testing::GroupGenerator;
using testing::GroupMemory;

std::string compile(const std::string& source) {
  const sinter_emulated::NvrtcFunctions& nvrtc = *sinter_emulated::nvrtc_functions();
  std::vector<const char*> options(kFusedCompilerOptions.begin(), kFusedCompilerOptions.end());
  options.push_back("--gpu-architecture=sm_90");
  nvrtcProgram program = nullptr;
  EXPECT_EQ(nvrtc.nvrtcCreateProgram(&program, source.c_str(), "fused.cu", 0, nullptr, nullptr),
            NVRTC_SUCCESS);
  const nvrtcResult result =
      nvrtc.nvrtcCompileProgram(program, static_cast<int>(options.size()), options.data());
  std::size_t bytes = 0;
  nvrtc.nvrtcGetProgramLogSize(program, &bytes);
  std::string log(bytes, ' ');
  nvrtc.nvrtcGetProgramLog(program, log.data());
  EXPECT_EQ(result, NVRTC_SUCCESS) << log;
  nvrtc.nvrtcGetCUBINSize(program, &bytes);
  std::string image(bytes, ' ');
  nvrtc.nvrtcGetCUBIN(program, image.data());
  nvrtc.nvrtcDestroyProgram(&program);
  return image;
}

// Memory of exactly so many bytes, so that AddressSanitizer sees what runs past them.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes, int fill = 0)
      : memory_(allocate(std::max<std::size_t>(bytes, 1)), std::free) {
    std::memset(memory_.get(), fill, bytes);
  }
  void* get() const { return memory_.get(); }

 private:
  static void* allocate(std::size_t bytes) {
    void* memory = nullptr;
    EXPECT_EQ(posix_memalign(&memory, 64, bytes), 0);
    return memory;
  }

  std::unique_ptr<void, void (*)(void*)> memory_;
};

// Groups that are compiled together and then run one by one.
class Module {
 public:
  explicit Module(const std::vector<Group>& groups) : groups_(groups) {
    for (const Group& group : groups) {
      ir::verify(group);
      sources_.push_back(group_source(group));
    }
    image_ = compile(program_source(sources_));
    EXPECT_EQ(
        cudaLibraryLoadData(&library_, image_.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
        cudaSuccess);
  }
  ~Module() { cudaLibraryUnload(library_); }
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  void run(std::size_t group, const std::vector<void*>& operands) const {
    const GroupSource& source = sources_[group];
    // Full of NaNs: a chunk's value that nobody wrote must not go unseen.
    const Scratch workspace(static_cast<std::size_t>(source.workspace_bytes), 0xff);
    std::vector<void*> arguments = {workspace.get()};
    arguments.insert(arguments.end(), operands.begin(), operands.end());
    void* parameters[] = {arguments.data()};
    for (const GroupLaunch& launch : source.launches) {
      cudaKernel_t kernel = nullptr;
      ASSERT_EQ(cudaLibraryGetKernel(&kernel, library_, launch.kernel.c_str()), cudaSuccess);
      ASSERT_EQ(cudaLaunchKernel(reinterpret_cast<const void*>(kernel), dim3(launch.grid),
                                 dim3(launch.block), parameters, 0, nullptr),
                cudaSuccess);
    }
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess) << sinter_emulated::last_fault();
  }

  const std::vector<Group>& groups() const { return groups_; }
  const GroupSource& source(std::size_t group) const { return sources_[group]; }

 private:
  const std::vector<Group> groups_;
  std::vector<GroupSource> sources_;
  std::string image_;
  cudaLibrary_t library_ = nullptr;
};

void interpret(const Group& group, const std::vector<void*>& operands) {
  const auto kernel = cpu::interpret_group(group);
  const Scratch scratch(kernel->scratch_bytes());
  kernel->run(operands.data(), scratch.get());
}

enum class Values { special, finite };

// Runs each group both ways on the same random memory.
void must_match(const std::vector<Group>& groups, Values values = Values::special,
                std::uint64_t seed = 1) {
  const Module module(groups);
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    sinter_emulated::set_reversed(i % 2 != 0);
    GroupMemory expected(groups[i], random, values == Values::special);
    GroupMemory got = expected;
    interpret(groups[i], expected.addresses());
    module.run(i, got.addresses());
    const std::string difference = GroupMemory::difference(expected, got);
    EXPECT_EQ(difference, "") << ir::to_text(groups[i]) << module.source(i).launches[0].text;
    if (::testing::Test::HasFailure()) break;
  }
  sinter_emulated::set_reversed(false);
}

// How many groups to try: SINTER_TEST_GROUPS, or a part of it, else enough for every day.
std::uint64_t groups_to_try(std::uint64_t usual) {
  const char* const chosen = std::getenv("SINTER_TEST_GROUPS");
  return chosen == nullptr ? usual : std::strtoull(chosen, nullptr, 10) * usual / 300;
}

TEST(FusedOnTheDevice, RandomGroupsEqualTheInterpreter) {
  const std::uint64_t count = groups_to_try(300);
  for (std::uint64_t first = 0; first < count && !HasFailure(); first += 150) {
    std::vector<Group> groups;
    for (std::uint64_t seed = first; seed < std::min(count, first + 150); ++seed) {
      groups.push_back(GroupGenerator(seed).make(4000));
    }
    must_match(groups, first == 0 ? Values::special : Values::finite, first);
  }
}

TEST(FusedOnTheDevice, LargeRandomGroupsEqualTheInterpreter) {
  std::vector<Group> groups;
  for (std::uint64_t seed = 0; seed < groups_to_try(30); ++seed) {
    groups.push_back(GroupGenerator(100000 + seed).make(100000));
  }
  must_match(groups, Values::finite);
}

TEST(FusedOnTheDevice, GroupsOfTrainingStepsEqualTheInterpreter) {
  must_match(testing::step_groups(), Values::special);
  must_match(testing::step_groups(), Values::finite);
}

TEST(FusedOnTheDevice, RowsOfEveryLengthEqualTheInterpreter) {
  std::vector<Group> groups;
  for (const std::int64_t columns :
       {0,  1,  2,   3,   4,   5,   8,   9,   10,  16,   17,   31,    33,   63,
        64, 65, 100, 127, 128, 129, 255, 256, 300, 1024, 5000, 16383, 16384}) {
    groups.push_back(testing::softmax(columns % 2 == 0 ? 7 : 33, columns));
  }
  must_match(groups, Values::special);
  must_match(groups, Values::finite);
}

// A block a row; blocks that share a row out; rows that are folded in two ways.
TEST(FusedOnTheDevice, RowsOfSeveralChunksEqualTheInterpreter) {
  std::vector<Group> groups;
  for (const std::int64_t columns : {16385, 32768, 50000, 16384 * 5 + 1, 16384 * 33 + 7}) {
    groups.push_back(testing::softmax(1, columns));
    groups.push_back(testing::softmax(3, columns));
  }
  groups.push_back(testing::softmax(64, 16385));
  groups.push_back(testing::softmax(64, 16384 * 9 + 5));
  must_match(groups, Values::finite);
}

Group sum_of(ScalarOp op, Dtype type, GroupKind kind, std::int64_t reduced, std::int64_t kept) {
  Group group;
  group.kind = kind;
  group.reduced_axes = 1;
  const bool inner = kind == GroupKind::inner;
  group.space = inner ? Shape{kept, reduced} : Shape{reduced, kept};
  BodyBuilder body(group);
  const std::int32_t x = body.load(type, {group.space[1], 1});
  body.store(body.emit(op, type, x), {inner ? 1 : 0, inner ? 0 : 1});
  return group;
}

TEST(FusedOnTheDevice, ReductionsOfEveryOperationAndTypeEqualTheInterpreter) {
  std::vector<Group> groups;
  for (const GroupKind kind : {GroupKind::inner, GroupKind::outer}) {
    for (const ScalarOp op : {ScalarOp::reduce_sum, ScalarOp::reduce_product, ScalarOp::reduce_max,
                              ScalarOp::reduce_min}) {
      for (const Dtype type : {Dtype::f32, Dtype::f64, Dtype::i32, Dtype::i64}) {
        for (const std::int64_t reduced : {0, 1, 6, 127, 1027}) {
          groups.push_back(sum_of(op, type, kind, reduced, 3));
        }
      }
    }
  }
  must_match(groups);
}

// More chunks than one thread folds unrolled.
TEST(FusedOnTheDevice, TreesOfThousandsOfChunksEqualTheInterpreter) {
  must_match({sum_of(ScalarOp::reduce_sum, Dtype::f32, GroupKind::outer, 256 * 1500 + 3, 2),
              sum_of(ScalarOp::reduce_sum, Dtype::f64, GroupKind::outer, 256 * 2049, 1),
              sum_of(ScalarOp::reduce_sum, Dtype::f32, GroupKind::inner, 16384 * 2100 + 9, 1)},
             Values::finite);
}

TEST(FusedOnTheDevice, ColumnsOfEveryShapeEqualTheInterpreter) {
  std::vector<Group> groups;
  for (const std::int64_t rows : {0, 1, 3, 4, 5, 255, 256, 257, 513, 1031, 5000}) {
    for (const std::int64_t columns : {1, 5, 31, 32, 33, 64, 100}) {
      groups.push_back(testing::bias_gradient(rows, columns));
    }
  }
  must_match(groups, Values::finite);
}

// One instruction of each kind and type, over values that include the special ones.
TEST(FusedOnTheDevice, EveryInstructionEqualsTheInterpreter) {
  std::vector<Group> groups;
  const auto add = [&](ScalarOp op, Dtype type, Dtype source, std::int64_t imm = 0) {
    Group group;
    group.space = Shape{3001};
    BodyBuilder body(group);
    std::int32_t sources[3] = {-1, -1, -1};
    for (int i = 0; i < ir::operand_count(op); ++i) {
      const bool condition = op == ScalarOp::select && i == 0;
      sources[i] = body.load(condition ? Dtype::boolean : source, {1});
    }
    body.store(body.emit(op, type, sources[0], sources[1], sources[2], imm), {1});
    groups.push_back(group);
  };
  for (const Dtype type : {Dtype::f32, Dtype::f64}) {
    for (const ScalarOp op :
         {ScalarOp::add, ScalarOp::sub, ScalarOp::mul, ScalarOp::div, ScalarOp::fma, ScalarOp::neg,
          ScalarOp::abs, ScalarOp::sqrt, ScalarOp::round_even, ScalarOp::floor, ScalarOp::ceil,
          ScalarOp::trunc}) {
      add(op, type, type);
    }
    for (const int quarters : {0, 1}) add(ScalarOp::wrap_angle, type, type, quarters);
    const Dtype bits = type == Dtype::f32 ? Dtype::i32 : Dtype::i64;
    add(ScalarOp::bitcast, type, bits);
    add(ScalarOp::bitcast, bits, type);
  }
  for (const Dtype type : {Dtype::i32, Dtype::i64}) {
    for (const ScalarOp op : {ScalarOp::add, ScalarOp::sub, ScalarOp::mul, ScalarOp::neg}) {
      add(op, type, type);
    }
    for (const ScalarOp op :
         {ScalarOp::shift_left, ScalarOp::shift_right, ScalarOp::shift_right_logical}) {
      for (const int distance : {0, 1, 7, 31}) add(op, type, type, distance);
    }
  }
  for (const Dtype type : {Dtype::i32, Dtype::i64, Dtype::boolean}) {
    for (const ScalarOp op :
         {ScalarOp::bit_and, ScalarOp::bit_or, ScalarOp::bit_xor, ScalarOp::bit_not}) {
      add(op, type, type);
    }
  }
  for (const Dtype type : {Dtype::f32, Dtype::f64, Dtype::i32, Dtype::i64, Dtype::boolean}) {
    for (const ScalarOp op : {ScalarOp::eq, ScalarOp::ne, ScalarOp::lt, ScalarOp::le}) {
      add(op, Dtype::boolean, type);
    }
    add(ScalarOp::select, type, type);
    for (const Dtype from :
         {Dtype::f32, Dtype::f64, Dtype::i32, Dtype::i64, Dtype::boolean, Dtype::u8}) {
      const bool to_integer = type == Dtype::i32 || type == Dtype::i64;
      if (!is_floating(from) || !to_integer) add(ScalarOp::convert, type, from);
    }
  }
  for (const Dtype from : {Dtype::i32, Dtype::i64, Dtype::boolean}) {
    add(ScalarOp::convert, Dtype::u8, from);
  }
  must_match(groups);
}

// All 65536 of them, and floats around each; NaNs with their payloads.
TEST(FusedOnTheDevice, HalvesConvertWithTheBitsOfHalfH) {
  for (const Dtype half : {Dtype::bf16, Dtype::f16}) {
    const bool is_bf16 = half == Dtype::bf16;
    Group widen;
    widen.space = Shape{65536};
    BodyBuilder widen_body(widen);
    const std::int32_t loaded = widen_body.load(half, {1});
    widen_body.store(widen_body.emit(ScalarOp::convert, Dtype::f32, loaded), {1});
    Group narrow;
    narrow.space = Shape{65536 * 8};
    BodyBuilder narrow_body(narrow);
    const std::int32_t x = narrow_body.load(Dtype::f32, {1});
    narrow_body.store(narrow_body.emit(ScalarOp::convert, half, x), {1});
    const Module module({widen, narrow});
    std::vector<std::uint16_t> halves(65536);
    for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
    std::vector<float> wide(65536);
    module.run(0, {halves.data(), wide.data()});
    std::vector<float> floats;
    for (std::size_t i = 0; i < 65536; ++i) {
      const float expected = is_bf16 ? f32_from_bf16(halves[i]) : f32_from_f16(halves[i]);
      const auto bits = std::bit_cast<std::uint32_t>(expected);
      ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]), bits) << i;
      // Ties, and their neighbours on both sides, between this half and the next.
      const std::uint32_t tie = is_bf16 ? 0x8000u : 0x1000u;
      for (const std::uint32_t more :
           {0u, 1u, tie - 1, tie, tie + 1, 2 * tie - 1, tie / 2, tie / 4}) {
        floats.push_back(std::bit_cast<float>(bits + more));
      }
    }
    std::vector<std::uint16_t> narrowed(floats.size());
    module.run(1, {floats.data(), narrowed.data()});
    for (std::size_t i = 0; i < floats.size(); ++i) {
      ASSERT_EQ(narrowed[i], is_bf16 ? bf16_from_f32(floats[i]) : f16_from_f32(floats[i]))
          << std::hex << std::bit_cast<std::uint32_t>(floats[i]);
    }
  }
}

TEST(FusedOnTheDevice, OutputsMayBeTheMemoryOfInputsAtAnyAlignment) {
  constexpr std::int64_t kLength = 1001;
  const Group group = testing::adamw(kLength);
  const Module module({group});
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::vector<std::vector<float>> memory(5, std::vector<float>(kLength + 16, 12345.0F));
    for (std::size_t k = 0; k < memory.size(); ++k) {
      for (std::size_t i = 0; i < kLength; ++i) {
        memory[k][shift + i] = static_cast<float>(i * 7 % 31 + k) * 0.25F;
      }
    }
    std::vector<std::vector<float>> expected = memory;
    const auto addresses = [&](std::vector<std::vector<float>>& arrays) {
      float* const p = arrays[0].data() + shift;
      float* const m = arrays[2].data() + shift;
      float* const v = arrays[3].data() + shift;
      return std::vector<void*>{p, arrays[1].data() + shift, m, v, arrays[4].data() + shift, p, m,
                                v};
    };
    interpret(group, addresses(expected));
    module.run(0, addresses(memory));
    EXPECT_EQ(memory, expected) << "shift " << shift;
  }
}

// A row's value in the place of one that every thread of the row reads, in every kind of kernel.
TEST(FusedOnTheDevice, RowValuesMayBeStoredOverRowValues) {
  std::vector<Group> groups;
  for (const std::int64_t columns : {10, 300, 40000, 16384 * 9 + 5}) {
    for (const std::int64_t rows : {3, 4, 65, 68}) {
      if (rows * columns > 3000000) continue;
      Group group;
      group.kind = GroupKind::inner;
      group.space = Shape{rows, columns};
      group.reduced_axes = 1;
      BodyBuilder body(group);
      const std::int32_t x = body.load(Dtype::f32, {columns, 1});
      const std::int32_t scale = body.load(Dtype::f32, {1, 0});
      const std::int32_t y = body.emit(ScalarOp::mul, Dtype::f32, x, scale);
      // Without a reduction nothing but the barrier stands between the loads and the store.
      const bool reduces = rows % 4 != 0;
      const std::int32_t sum = reduces ? body.emit(ScalarOp::reduce_sum, Dtype::f32, y) : scale;
      const std::int32_t z = body.emit(ScalarOp::fma, Dtype::f32, y, scale, sum);
      body.store(z, {columns, 1});
      body.store(body.emit(ScalarOp::fma, Dtype::f32, sum, sum, scale), {1, 0});
      groups.push_back(group);
    }
  }
  for (const std::int64_t rows : {5, 700}) {
    Group group = testing::bias_gradient(rows, 40);
    group.operands.push_back({Dtype::f32, false, {0, 1}});
    group.operands.push_back({Dtype::f32, true, {0, 1}});
    const auto last = static_cast<std::int32_t>(group.body.size());
    group.body.push_back({ScalarOp::load, Dtype::f32, -1, -1, -1, 4});
    group.body.push_back({ScalarOp::add, Dtype::f32, last, last, -1, 0});
    group.body.push_back({ScalarOp::store, Dtype::f32, last + 1, -1, -1, 5});
    groups.push_back(group);
  }
  const Module module(groups);
  std::mt19937_64 random(5);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    GroupMemory expected(groups[i], random, false);
    GroupMemory got = expected;
    const auto in_place = [&](GroupMemory& memory) {
      std::vector<void*> addresses = memory.addresses();
      if (groups[i].kind == GroupKind::inner) {
        addresses[2] = addresses[0];
        addresses[3] = addresses[1];
      } else {
        addresses[5] = addresses[4];
      }
      return addresses;
    };
    interpret(groups[i], in_place(expected));
    module.run(i, in_place(got));
    EXPECT_EQ(GroupMemory::difference(expected, got), "") << ir::to_text(groups[i]);
  }
}

}  // namespace
}  // namespace sinter::backend::cuda
