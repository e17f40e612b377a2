#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "ir/in_place.h"
#include "ir/internal_error.h"
#include "ir/memory_map.h"
#include "ir/program.h"
#include "test_ops.h"
#include "test_programs.h"

namespace sinter::ir {
namespace {

using testing::arena;
using testing::argument;
using testing::external;
using testing::kernel_step;
using testing::small_program;
using testing::sum_group;
using testing::sum_step;
using testing::test_ops;

const Shape kFlat{64};

// Damages a program that is in order, and looks for `part` in what verify() says.
void expect_refused(const std::string& part, const std::function<void(Program&)>& damage,
                    Program program = small_program()) {
  verify(program, test_ops());
  damage(program);
  try {
    verify(program, test_ops());
  } catch (const InternalError& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    return;
  }
  ADD_FAILURE() << "verify() took a program that should be refused for: " << part;
}

TEST(ProgramVerify, AcceptsAProgramInOrder) {
  EXPECT_NO_THROW(verify(small_program(), test_ops()));
  EXPECT_NO_THROW(verify(Program{}, test_ops()));
}

TEST(ProgramVerify, NamesStepLabelLineAndArgument) {
  expect_refused("program: step 1 (fused: add) at mlp.cc:14, input 0: ",
                 [](Program& p) { p.steps[1].inputs[0].buffer.offset = 960; });
}

TEST(ProgramVerify, RefusesBuffersThatLeaveTheirMemory) {
  expect_refused("bytes 960 to 1216 leave the 1024 bytes of arena",
                 [](Program& p) { p.steps[0].outputs[0].buffer.offset = 960; });
  expect_refused("leave the 256 bytes of input 0",
                 [](Program& p) { p.steps[0].inputs[0].layout.offset = 1; });
  expect_refused("leave the 256 bytes of input 0", [](Program& p) {
    p.steps[2].inputs[1].layout.strides = {1, 9};
  });
  expect_refused("reaches out of every memory", [](Program& p) {
    p.steps[2].inputs[1].layout.strides = {1, std::int64_t{1} << 62};
  });
  expect_refused("an offset is negative",
                 [](Program& p) { p.steps[0].inputs[0].layout.offset = -1; });
  expect_refused("an offset is negative",
                 [](Program& p) { p.steps[0].outputs[0].buffer.offset = -64; });
  expect_refused("a stride is negative", [](Program& p) {
    p.steps[2].inputs[1].layout.strides = {1, -8};
  });
  expect_refused("as many strides as axes",
                 [](Program& p) { p.steps[2].inputs[1].layout.strides = {1}; });
  expect_refused("the arena has a negative size", [](Program& p) { p.arena_bytes = -1; });
}

TEST(ProgramVerify, RefusesMemoriesThatAreNotThere) {
  expect_refused("there is no input 1", [](Program& p) { p.steps[0].inputs[0].buffer.index = 1; });
  expect_refused("there is no state -1",
                 [](Program& p) { p.steps[0].inputs[1].buffer.index = -1; });
  expect_refused("there is no output 3",
                 [](Program& p) { p.steps[3].outputs[0].buffer.index = 3; });
  expect_refused("there is one arena", [](Program& p) { p.steps[1].inputs[0].buffer.index = 1; });
}

TEST(ProgramVerify, RefusesUnalignedBuffers) {
  expect_refused("the buffer is not aligned",
                 [](Program& p) { p.steps[0].outputs[0].buffer.offset = 32; });
}

TEST(ProgramVerify, RefusesAMemoryReadAsAnotherType) {
  expect_refused("input 0 is f32(64,), not i32",
                 [](Program& p) { p.steps[2].inputs[1].dtype = Dtype::i32; });
  expect_refused("it reads arena as i32, but step 1 wrote f32",
                 [](Program& p) { p.steps[2].inputs[0].dtype = Dtype::i32; });
}

TEST(ProgramVerify, RefusesBytesThatNoStepHasWritten) {
  expect_refused("bytes 768 to 1024 of arena hold nothing",
                 [](Program& p) { p.steps[1].inputs[0].buffer.offset = 768; });
  expect_refused("bytes 64 to 320 of arena hold nothing",
                 [](Program& p) { p.steps[1].inputs[0].buffer.offset = 64; });
  expect_refused("hold nothing", [](Program& p) { std::swap(p.steps[2], p.steps[3]); });
}

TEST(ProgramVerify, RefusesAValueThatALaterStepReadsAndAnotherHasOverwritten) {
  // Step 2 writes over the second half of what step 3 still reads.
  expect_refused("hold in part a result of step 1, in part a result of step 2", [](Program& p) {
    p.steps[2].inputs[0] = argument(external(BufferKind::input), Shape{8, 8});
    p.steps[2].outputs[0].buffer.offset = 128;
    p.steps[3].inputs[0] = p.steps[3].inputs[1];
  });
  // A workspace leaves nothing behind.
  expect_refused("step 3 (fused: add) at mlp.cc:14, input 1: bytes 0 to 256 of arena hold nothing",
                 [](Program& p) {
                   p.steps[2].inputs[0] = argument(external(BufferKind::input), Shape{8, 8});
                   p.steps[2].workspace = arena(192);
                   p.steps[2].workspace_bytes = 64;
                 });
}

TEST(ProgramVerify, RefusesAnOutputOverAnInputOfTheSameStep) {
  expect_refused("output 0: it overlaps input 0, which the step still reads",
                 [](Program& p) { p.steps[2].outputs[0].buffer.offset = 0; });
  expect_refused("it overlaps input 0", [](Program& p) {
    p.steps[1].outputs[0].buffer.offset = 64;  // in place, but shifted
  });
}

TEST(ProgramVerify, RefusesTwoOutputsInOnePlace) {
  expect_refused("it overlaps output 1",
                 [](Program& p) { p.steps[2].outputs.push_back(p.steps[2].outputs[0]); });
}

TEST(ProgramVerify, RefusesOutputsWithGaps) {
  expect_refused("has gaps or meets itself", [](Program& p) {
    p.steps[2].outputs[0].layout.strides = {16, 1};
  });
  expect_refused("has gaps or meets itself", [](Program& p) {
    p.steps[2].outputs[0].layout.shape = Shape{3, 3};  // 0, 2, 4, 2, 4, 6, 4, 6, 8: 9 elements long
    p.steps[2].outputs[0].layout.strides = {2, 2};
  });
}

TEST(ProgramVerify, AcceptsAPermutedOutput) {
  Program program = small_program();
  program.steps[2].outputs[0].layout.strides = {1, 8};
  EXPECT_NO_THROW(verify(program, test_ops()));
}

TEST(ProgramVerify, RefusesWritingAnInput) {
  expect_refused("it writes an input",
                 [](Program& p) { p.steps[1].outputs[0].buffer = external(BufferKind::input); });
}

TEST(ProgramVerify, RefusesWorkspacesThatDoNotFit) {
  expect_refused("workspace: it overlaps output 0",
                 [](Program& p) { p.steps[2].workspace.offset = 448; });
  expect_refused("workspace: it overlaps input 0",
                 [](Program& p) { p.steps[2].workspace.offset = 0; });
  expect_refused("leave the 1024 bytes of the arena",
                 [](Program& p) { p.steps[2].workspace_bytes = 513; });
  expect_refused("workspace: it is not aligned",
                 [](Program& p) { p.steps[2].workspace.offset = 520; });
  expect_refused("workspace: it is not in the arena",
                 [](Program& p) { p.steps[2].workspace = external(BufferKind::output); });
  expect_refused("its size is negative", [](Program& p) { p.steps[2].workspace_bytes = -1; });
}

TEST(ProgramVerify, RefusesAStateThatIsReadAfterItWasWritten) {
  expect_refused("step 4 (fused: add) at mlp.cc:14, input 0: it reads state 0, which step 3 has",
                 [](Program& p) {
                   std::swap(p.steps[3], p.steps[4]);
                   p.steps[4] = p.steps[3];
                 });
  // The other half of a State may still be read: States of parameters share one.
  Program program = small_program();
  Step& update = program.steps[4];
  update =
      sum_step(argument(external(BufferKind::state), Shape{32}), argument(arena(256), Shape{32}),
               argument(external(BufferKind::state), Shape{32}));
  Argument rest = argument(external(BufferKind::state), Shape{32});
  rest.layout.offset = 32;
  program.steps.push_back(sum_step(rest, argument(arena(256), Shape{32}), rest));
  EXPECT_NO_THROW(verify(program, test_ops()));
}

TEST(ProgramVerify, RefusesStatesWrittenAgainstTheirSlot) {
  expect_refused("it writes state 0, which is only read",
                 [](Program& p) { p.states[0].written = false; });
  expect_refused("no step writes state 0 (#7)", [](Program& p) { p.steps.pop_back(); });
  expect_refused("it writes state 0, which step 4 has written", [](Program& p) {
    p.steps.push_back(p.steps[4]);
    p.steps[5].inputs[0] = p.steps[5].inputs[1];
  });
  expect_refused("State #7 has two slots", [](Program& p) { p.states.push_back(p.states[0]); });
}

TEST(ProgramVerify, RefusesAnOutputThatIsNotWritten) {
  expect_refused("output 0 is not written as a whole",
                 [](Program& p) { p.steps.erase(p.steps.begin() + 3); });
  expect_refused("output 0 is not written as a whole", [](Program& p) {
    p.steps[3] = sum_step(argument(arena(0), Shape{63}), argument(arena(256), Shape{63}),
                          argument(external(BufferKind::output), Shape{63}));
  });
}

// Numbers for the values of small_program(): every step writes a new one.
Program numbered_program() {
  Program program = small_program();
  const auto number = [&](std::size_t step, std::vector<std::int64_t> inputs, std::int64_t output) {
    for (std::size_t i = 0; i < inputs.size(); ++i) program.steps[step].inputs[i].value = inputs[i];
    program.steps[step].outputs[0].value = output;
  };
  number(0, {0, 1}, 2);  // 0: the input, 1: the State's old value
  number(1, {2, 0}, 3);
  number(2, {3, 0}, 4);
  number(3, {4, 3}, 5);
  number(4, {1, 4}, 6);
  return program;
}

TEST(ProgramVerify, FollowsWhichValueLiesWhere) {
  EXPECT_NO_THROW(verify(numbered_program(), test_ops()));
  // The product lies exactly where the sum lay that step 3 still reads: the same bytes and type.
  const auto overwrite = [](Program& p) {
    p.steps[2].inputs[0] = argument(external(BufferKind::input), Shape{8, 8});
    p.steps[2].outputs[0].buffer = arena(0);
    p.steps[3].inputs[0].buffer = arena(0);
    p.steps[4].inputs[1].buffer = arena(0);
  };
  expect_refused(
      "step 3 (fused: add) at mlp.cc:14, input 1: it reads value 3, but bytes 0 to 256 "
      "of arena hold value 4, a result of step 2",
      overwrite, numbered_program());
  Program unnumbered = small_program();  // nothing tells the two values from each other
  overwrite(unnumbered);
  EXPECT_NO_THROW(verify(unnumbered, test_ops()));
}

TEST(ProgramVerify, RefusesValuesThatAreElsewhere) {
  expect_refused(
      "value 0 is not in state 0", [](Program& p) { p.steps[4].inputs[0].value = 0; },
      [] {
        Program program = numbered_program();
        program.steps[0].inputs[1].value = -1;
        return program;
      }());
  expect_refused(
      "it reads value 1, but bytes 0 to 256 of input 0 hold value 0, the value on entry",
      [](Program& p) { p.steps[1].inputs[1].value = 1; }, numbered_program());
  expect_refused(
      "it writes value 3, which step 1 has written",
      [](Program& p) { p.steps[2].outputs[0].value = 3; }, numbered_program());
  expect_refused(
      "it writes value 0, which was there on entry",
      [](Program& p) { p.steps[2].outputs[0].value = 0; }, numbered_program());
  expect_refused(
      "value 4 starts at byte 256 of arena, not at 320",
      [](Program& p) {
        p.steps[3] = sum_step(argument(arena(320), Shape{48}), argument(arena(0), Shape{48}),
                              argument(external(BufferKind::output), Shape{48}));
        p.steps[3].inputs[0].value = 4;
        p.outputs = {{Dtype::f32, Shape{48}}};
      },
      numbered_program());
}

// Sums in a chain with long and short lives: every value in a buffer of its own. Then each pair of
// values is given one buffer, the way a planner would that is wrong about their lives. verify()
// must find every pair that lives at the same time, and take every other one.
class ReusePlan {
 public:
  explicit ReusePlan(unsigned seed, int count) {
    std::mt19937 random(seed);
    const Argument x = argument(external(BufferKind::input), kFlat);
    program_.inputs = {{Dtype::f32, kFlat}};
    program_.outputs = {{Dtype::f32, kFlat}};
    program_.arena_bytes = 256 * (count + 1);
    for (int i = 0; i < count; ++i) {
      const bool last = i + 1 == count;
      const auto pick = [&] { return i == 0 ? -1 : static_cast<int>(random() % unsigned(i)); };
      const int a = i == 0 ? -1 : (random() % 2 == 0 ? i - 1 : pick());
      const int b = pick();
      Step step = sum_step(a < 0 ? x : value(a), b < 0 ? x : value(b),
                           last ? argument(external(BufferKind::output), kFlat) : value(i));
      step.inputs[0].value = a + 1;  // 0: the input
      step.inputs[1].value = b + 1;
      step.outputs[0].value = i + 1;
      first_.push_back(i);
      last_.push_back(i);
      for (const int read : {a, b}) {
        if (read >= 0) last_[static_cast<std::size_t>(read)] = i;
      }
      program_.steps.push_back(step);
    }
  }

  const Program& program() const { return program_; }
  int in_arena() const { return static_cast<int>(program_.steps.size()) - 1; }

  // `b`, written later than `a`, gets the buffer of `a`.
  Program with_one_buffer(int a, int b) const {
    Program program = program_;
    for (Step& step : program.steps) {
      for (std::vector<Argument>* arguments : {&step.inputs, &step.outputs}) {
        for (Argument& each : *arguments) {
          if (each.value == b + 1) each.buffer = arena(256 * a);
        }
      }
    }
    return program;
  }
  // A sum may lie over the operand that it is the last to read.
  bool may_share(int a, int b) const {
    return last_[static_cast<std::size_t>(a)] <= first_[static_cast<std::size_t>(b)];
  }

 private:
  static Argument value(int i) { return argument(arena(256 * i), kFlat); }

  Program program_;
  std::vector<int> first_;
  std::vector<int> last_;
};

TEST(ProgramVerify, FindsEveryWrongReuseOfABuffer) {
  int wrong = 0;
  int right = 0;
  for (unsigned seed = 0; seed < 20; ++seed) {
    const ReusePlan plan(seed, 16);
    ASSERT_NO_THROW(verify(plan.program(), test_ops()));
    for (int a = 0; a < plan.in_arena(); ++a) {
      for (int b = a + 1; b < plan.in_arena(); ++b) {
        const Program program = plan.with_one_buffer(a, b);
        if (plan.may_share(a, b)) {
          ++right;
          EXPECT_NO_THROW(verify(program, test_ops())) << seed << ": " << a << " and " << b;
        } else {
          ++wrong;
          EXPECT_THROW(verify(program, test_ops()), InternalError)
              << seed << ": " << a << " and " << b;
        }
      }
    }
  }
  EXPECT_GT(wrong, 200);
  EXPECT_GT(right, 200);
}

TEST(ProgramVerify, RefusesAGroupThatDoesNotFitItsArguments) {
  const auto regroup = [](Program& p, const std::function<void(Group&)>& change) {
    Group group = *p.steps[1].group;
    change(group);
    p.steps[1].group = std::make_shared<const Group>(group);
  };
  expect_refused("the group has 3 operands, the step 2 arguments",
                 [](Program& p) { p.steps[1].inputs.pop_back(); });
  expect_refused("the group reaches 65 elements of a layout that has 64",
                 [&](Program& p) { regroup(p, [](Group& g) { g.space = Shape{65}; }); });
  expect_refused("operand 2: the group reaches 63 elements of a layout that has 64",
                 [&](Program& p) { regroup(p, [](Group& g) { g.space = Shape{63}; }); });
  expect_refused("instruction %2",
                 [&](Program& p) { regroup(p, [](Group& g) { g.body[2].b = 3; }); });
  expect_refused("inputs come first", [](Program& p) {
    p.steps[1].outputs.insert(p.steps[1].outputs.begin(), p.steps[1].inputs[1]);
    p.steps[1].outputs[0].buffer = arena(256);
    p.steps[1].inputs.pop_back();
  });
  expect_refused("operand 0: the group has another type than the argument", [](Program& p) {
    p.steps[1].inputs[0] = argument(arena(512), kFlat, Dtype::i32);
  });
}

TEST(ProgramVerify, RefusesStepsThatAreNoStep) {
  expect_refused("it has a group or an op of its own",
                 [](Program& p) { p.steps[1].op = OpId::copy; });
  expect_refused("it has a group or an op of its own",
                 [](Program& p) { p.steps[1].group.reset(); });
  expect_refused("a scan has a body", [](Program& p) { p.steps[2].op = OpId::scan; });
  expect_refused("a scan has a body",
                 [](Program& p) { p.steps[2].body = std::make_shared<const Program>(); });
}

// The body of a scan: carry (8) and x (8) -> their sum, twice.
Program scan_body() {
  const Shape row{8};
  Program body;
  body.inputs = {{Dtype::f32, row}, {Dtype::f32, row}};
  body.outputs = {{Dtype::f32, row}, {Dtype::f32, row}};
  const Argument carry = argument(external(BufferKind::input), row);
  const Argument x = argument({BufferKind::input, 1, 0}, row);
  body.steps = {sum_step(carry, x, argument({BufferKind::output, 0, 0}, row)),
                sum_step(carry, x, argument({BufferKind::output, 1, 0}, row))};
  return body;
}

// Three steps of it. The workspace is the second buffer of the carry.
Program scan_program(const Program& body = scan_body()) {
  const Shape row{8};
  const Shape rows{3, 8};
  Program program;
  program.inputs = {{Dtype::f32, row}, {Dtype::f32, rows}};
  program.outputs = {{Dtype::f32, row}, {Dtype::f32, rows}};
  program.arena_bytes = 64;
  program.steps = {kernel_step(
      OpId::scan,
      {argument(external(BufferKind::input), row), argument({BufferKind::input, 1, 0}, rows)},
      {argument(external(BufferKind::output), row), argument({BufferKind::output, 1, 0}, rows)},
      {{"length", std::int64_t{3}}, {"carries", std::int64_t{1}}, {"reverse", std::int64_t{0}}})};
  program.steps[0].workspace = arena(0);
  program.steps[0].workspace_bytes = 64;
  program.steps[0].body = std::make_shared<const Program>(body);
  return program;
}

void expect_scan_refused(const std::string& part, const std::function<void(Program&)>& damage) {
  expect_refused(part, damage, scan_program());
}

TEST(ProgramVerify, LooksIntoTheBodyOfAScan) {
  EXPECT_NO_THROW(verify(scan_program(), test_ops()));
  Program body = scan_body();
  body.steps.pop_back();
  expect_scan_refused("step 0 (kernel), body, the end: output 1 is not written",
                      [&](Program& p) { p.steps[0].body = std::make_shared<const Program>(body); });
}

TEST(ProgramVerify, RefusesAScanThatDoesNotFitItsBody) {
  const auto set = [](std::int64_t length, std::int64_t carries) {
    return [=](Program& p) {
      p.steps[0].attributes = {
          {"length", length}, {"carries", carries}, {"reverse", std::int64_t{0}}};
    };
  };
  expect_scan_refused("the length is negative", set(-1, 1));
  expect_scan_refused("a negative number of carries", set(3, -1));
  expect_scan_refused("the body does not take input 1 as it lies there", set(2, 1));
  expect_scan_refused("the body does not make output 0", set(3, 0));
  expect_scan_refused("the body does not take input 1", set(3, 2));
  expect_scan_refused("the body does not have the inputs and outputs of the step", set(3, 3));
  expect_scan_refused("the body does not have the inputs",
                      [](Program& p) { p.steps[0].inputs.pop_back(); });
  expect_scan_refused("the body does not have the inputs",
                      [](Program& p) { p.steps[0].outputs.pop_back(); });
  expect_scan_refused("the workspace has 63 bytes, the body and its carries need 64",
                      [](Program& p) { p.steps[0].workspace_bytes = 63; });
  expect_scan_refused("the body does not take input 1 as it lies there", [](Program& p) {
    p.inputs[1].shape = Shape{8, 3};
    p.steps[0].inputs[1].layout.strides = {1, 3};
  });
  expect_scan_refused("the body uses States", [](Program& p) {
    Program body = scan_body();
    body.states = {{7, {Dtype::f32, Shape{8}}, false}};
    p.steps[0].body = std::make_shared<const Program>(body);
  });
}

// Gradients of two parameters, made where the optimizer's arena wants them, and a third one
// elsewhere.
Program pack_program() {
  Program program = small_program();
  program.steps.resize(2);
  program.states.clear();
  program.steps[0].inputs[1] = program.steps[0].inputs[0];
  const Argument x = argument(external(BufferKind::input), kFlat);
  program.arena_bytes = 2048;
  program.outputs = {{Dtype::f32, Shape{64}}};
  program.steps.push_back(sum_step(x, x, argument(arena(1024), kFlat)));
  program.steps.push_back(kernel_step(
      OpId::pack, {argument(arena(1024), kFlat), argument(arena(0), kFlat)},
      {argument(arena(1024), Shape{144})},
      {{"offsets", std::vector<std::int64_t>{0, 80}}, {"elements", std::int64_t{144}}}));
  Argument second = argument(arena(1024), kFlat);
  second.layout.offset = 80;
  program.steps.push_back(sum_step(second, x, argument(external(BufferKind::output), kFlat)));
  return program;
}

TEST(ProgramVerify, APackMayHaveItsInputsInPlace) {
  EXPECT_NO_THROW(verify(pack_program(), test_ops()));
}

// What a pack has found in its place is still there under its own number, and what it has copied is
// not.
TEST(ProgramVerify, APackLeavesInputsInPlaceAsTheyWere) {
  Program program = pack_program();
  program.steps[2].outputs[0].value = 1;
  program.steps[3].inputs[0].value = 1;
  program.steps[3].outputs[0].value = 2;
  program.steps[4].inputs[0].value = 2;
  Argument again = program.steps[2].outputs[0];
  program.steps[4].inputs[1] = again;
  EXPECT_NO_THROW(verify(program, test_ops()));
  again.value = 3;
  expect_refused(
      "it reads value 3, but bytes 1024 to 1280 of arena hold value 2, a result of step 3",
      [&](Program& p) { p.steps[4].inputs[1] = again; }, program);
}

TEST(ProgramVerify, RefusesAPackOverAnInputThatIsElsewhereInItsOutput) {
  expect_refused(
      "it overlaps input 0, which the step still reads",
      [](Program& p) {
        p.steps[3].attributes = {{"offsets", std::vector<std::int64_t>{16, 80}},
                                 {"elements", std::int64_t{144}}};
      },
      pack_program());
  expect_refused(
      "it overlaps input 0",
      [](Program& p) {
        p.steps[3].inputs[0].layout = {Shape{8, 8}, 0, {1, 8}};
      },
      pack_program());
}

// Both gradients where the optimizer's arena wants them, with zeros between them.
Program in_place_program() {
  Program program = pack_program();
  const Argument second = argument(arena(1344), kFlat);
  program.steps.insert(program.steps.begin() + 3, program.steps[2]);
  program.steps[3].outputs = {second};
  program.steps[4].inputs[1] = second;
  program.steps[4].is_in_place = true;
  program.zeros = {{1280, 64}};
  return program;
}

TEST(ProgramVerify, APackInPlaceNeedsZerosInItsGaps) {
  EXPECT_NO_THROW(verify(in_place_program(), test_ops()));
  EXPECT_EQ(kernel_count(in_place_program()), 5);
  const auto refused = [](const char* part, const std::function<void(Program&)>& damage) {
    expect_refused(part, damage, in_place_program());
  };
  refused("its inputs and zeros do not fill the output", [](Program& p) { p.zeros.clear(); });
  refused("its inputs and zeros do not fill the output", [](Program& p) {
    p.zeros = {{1280, 60}};
  });
  refused("an input is not in its place", [](Program& p) {
    p.steps[3].outputs[0].buffer.offset = p.steps[4].inputs[1].buffer.offset = 1664;
  });
  refused("it is no pack", [](Program& p) { p.steps[0].is_in_place = true; });
}

TEST(ProgramVerify, NothingIsWrittenOverZeros) {
  const auto refused = [](const char* part, const std::function<void(Program&)>& damage) {
    expect_refused(part, damage, in_place_program());
  };
  refused("it writes where zeros are from the start",
          [](Program& p) { p.steps[1].outputs[0].buffer.offset = 1216; });
  refused("it lies where zeros are from the start", [](Program& p) {
    p.steps[1].workspace = arena(1280);
    p.steps[1].workspace_bytes = 4;
  });
  refused("zeros leave the arena", [](Program& p) { p.zeros.push_back({2040, 64}); });
  refused("zeros leave the arena", [](Program& p) { p.zeros.push_back({-64, 64}); });
}

// A product with a sum as its epilogue: inputs 0 and 1 are the product's, input 2 the sum's.
Program epilogue_program() {
  Program program = small_program();
  Step& product = program.steps[2];
  product.epilogue = std::make_shared<const Group>(sum_group(64));
  product.result = {Dtype::f32, Shape{8, 8}};
  product.inputs.push_back(argument(external(BufferKind::state), kFlat));
  product.outputs[0].layout = dense_layout(kFlat);
  return program;
}

TEST(ProgramVerify, AnEpilogueFitsItsStep) {
  EXPECT_NO_THROW(verify(epilogue_program(), test_ops()));
  EXPECT_EQ(own_inputs(epilogue_program().steps[2]), 2u);
  const auto refused = [](const char* part, const std::function<void(Step&)>& damage) {
    expect_refused(
        part, [&](Program& p) { damage(p.steps[2]); }, epilogue_program());
  };
  refused("the epilogue has other inputs", [](Step& step) { step.inputs.pop_back(); });
  refused("the epilogue takes another type", [](Step& step) { step.result.dtype = Dtype::bf16; });
  refused("the group reaches 64 elements of a layout that has 32", [](Step& step) {
    step.result.shape = Shape{4, 8};
  });
  refused("the epilogue runs over all of the result", [](Step& step) {
    step.result.shape = Shape{16, 8};
  });
  refused("the group has 2 operands, the step 3 arguments",
          [](Step& step) { step.outputs.push_back(argument(arena(768), kFlat)); });
  refused("operand 1: the group has another type than the argument", [](Step& step) {
    Group group = sum_group(64);
    group.operands[1].dtype = group.body[1].type = group.body[2].type = Dtype::i32;
    group.body[0].type = group.operands[0].dtype = Dtype::f32;
    group.body = {{ScalarOp::load, Dtype::f32, -1, -1, -1, 0},
                  {ScalarOp::load, Dtype::i32, -1, -1, -1, 1},
                  {ScalarOp::convert, Dtype::f32, 1, -1, -1, 0},
                  {ScalarOp::add, Dtype::f32, 0, 2, -1, 0},
                  {ScalarOp::store, Dtype::f32, 3, -1, -1, 2}};
    step.epilogue = std::make_shared<const Group>(group);
  });
}

// Point by point over what it reads itself, never over what the product still reads.
TEST(ProgramVerify, AnEpilogueMayWriteOverItsOwnInputAlone) {
  Program program = epilogue_program();
  program.steps[2].inputs[2] = argument(arena(256), kFlat);
  program.steps[1].outputs[0].buffer.offset = 256;
  program.steps[3].inputs[1] = program.steps[3].inputs[0];
  program.steps[2].inputs[0] = argument(external(BufferKind::input), Shape{8, 8});
  EXPECT_NO_THROW(verify(program, test_ops()));
  expect_refused(
      "it overlaps input 0, which the step still reads",
      [](Program& p) {
        p.steps[2].outputs[0].buffer.offset = 0;
        p.steps[3].inputs[0].buffer.offset = p.steps[3].inputs[1].buffer.offset = 0;
        p.steps[4].inputs[1].buffer.offset = 0;
      },
      epilogue_program());
}

// A row softmax in little: m = max(x); s = sum(x + m); y = (x + m) + s, over (4, 16).
Group two_folds(bool early_store) {
  Group group;
  group.kind = GroupKind::inner;
  group.space = Shape{4, 16};
  group.reduced_axes = 1;
  group.operands = {{Dtype::f32, false, {16, 1}}, {Dtype::f32, true, {16, 1}}};
  group.body = {{ScalarOp::load, Dtype::f32, -1, -1, -1, 0},
                {ScalarOp::reduce_max, Dtype::f32, 0, -1, -1, 0},
                {ScalarOp::add, Dtype::f32, 0, 1, -1, 0},
                {ScalarOp::reduce_sum, Dtype::f32, 2, -1, -1, 0},
                {ScalarOp::add, Dtype::f32, 2, 3, -1, 0}};
  group.body.push_back({ScalarOp::store, Dtype::f32, early_store ? 2 : 4, -1, -1, 1});
  if (early_store) {
    group.operands.push_back({Dtype::f32, true, {16, 1}});
    group.body.push_back({ScalarOp::store, Dtype::f32, 4, -1, -1, 2});
  }
  return group;
}

TEST(ProgramVerify, AReductionRunsInPlaceOnlyWhenItsLastPassStores) {
  EXPECT_TRUE(may_run_in_place(two_folds(false), 0, 1));
  EXPECT_FALSE(may_run_in_place(two_folds(true), 0, 1));  // x + m is stored, x read once more
  EXPECT_TRUE(may_run_in_place(two_folds(true), 0, 2));
}

TEST(ProgramVerify, AMapRunsInPlaceOnlyWithTheSameStridesAndSizes) {
  EXPECT_TRUE(may_run_in_place(sum_group(64), 1, 2));
  Group group = sum_group(64);
  group.operands[0].strides = {0};
  EXPECT_FALSE(may_run_in_place(group, 0, 2));
  EXPECT_TRUE(may_run_in_place(group, 1, 2));
  group.operands[1].dtype = Dtype::f64;
  EXPECT_FALSE(may_run_in_place(group, 1, 2));
  EXPECT_FALSE(may_run_in_place(sum_group(64), 2, 2));
}

TEST(ProgramVerify, FollowsAThousandStepsInMilliseconds) {
  Program program = small_program();
  program.arena_bytes = 64 * 256;
  std::vector<Step> middle;
  for (int i = 0; i < 1000; ++i) {
    const Argument from = argument(arena(i == 0 ? 0 : 256 * ((i - 1) % 60 + 2)), kFlat);
    middle.push_back(sum_step(from, from, argument(arena(256 * (i % 60 + 2)), kFlat)));
  }
  program.steps.insert(program.steps.begin() + 2, middle.begin(), middle.end());
  program.steps[1002].workspace.offset = 62 * 256;
  const auto start = std::chrono::steady_clock::now();
  verify(program, test_ops());
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  RecordProperty("milliseconds", std::to_string(time.count() * 1e3));
  EXPECT_LT(time.count(), 0.5);
}

TEST(MemoryMap, PaintsSplitAndErasureLeavesHoles) {
  MemoryMap map;
  map.paint({0, 100}, 1);
  map.paint({40, 60}, 2);
  EXPECT_EQ(map.marks({0, 100}), (std::vector<int>{1, 2, 1}));
  EXPECT_EQ(map.single_mark({0, 40}), 1);
  EXPECT_EQ(map.single_mark({40, 60}), 2);
  EXPECT_EQ(map.single_mark({39, 41}), std::nullopt);
  EXPECT_EQ(map.single_mark({100, 101}), MemoryMap::kNoMark);
  map.erase({50, 70});
  EXPECT_EQ(map.marks({40, 80}), (std::vector<int>{2, MemoryMap::kNoMark, 1}));
  map.paint({10, 90}, 3);
  EXPECT_EQ(map.marks({-5, 105}), (std::vector<int>{-1, 1, 3, 1, -1}));
  map.erase({0, 100});
  EXPECT_EQ(map.single_mark({0, 100}), MemoryMap::kNoMark);
}

TEST(ProgramText, ReadsLikeThis) {
  Program program = small_program();
  program.steps.erase(program.steps.begin(), program.steps.begin() + 2);
  program.steps.resize(2);
  program.steps[1].label = "fused:\nadd";
  EXPECT_EQ(to_text(program, test_ops()),
            "sinter-program 1\n"
            "arena: 1024 bytes\n"
            "input0: f32(64,)\n"
            "output0: f32(64,)\n"
            "state0: f32(64,) = #7, written\n"
            "memory: parameters 256, optimizer 0, gradients 0, activations 0, workspace 0, inputs "
            "0, outputs 0\n"
            "0: matmul(arena+0 f32(8, 8), input0 f32(8, 8) by [1, 8]) -> arena+256 f32(8, 8) "
            "workspace arena+512 200  ; kernel\n"
            "1: group(arena+256 f32(64,), arena+0 f32(64,)) -> output0 f32(64,)  ; fused: add "
            "mlp.cc:14 fc1\n"
            "    group map 64 reduced 0\n"
            "    operand 0 in f32 1\n"
            "    operand 1 in f32 1\n"
            "    operand 2 out f32 1\n"
            "    %0 = load f32 @0\n"
            "    %1 = load f32 @1\n"
            "    %2 = add f32 %0 %1\n"
            "    %3 = store f32 %2 @2\n");
}

TEST(ProgramText, BodiesAndAttributesAreShown) {
  Program program = pack_program();
  program.steps[0].body = std::make_shared<const Program>();
  const std::string text = to_text(program, test_ops());
  EXPECT_NE(text.find("{offsets=[0, 80], elements=144}"), std::string::npos) << text;
  EXPECT_NE(text.find("\n    arena: 0 bytes\n"), std::string::npos) << text;
  EXPECT_NE(text.find("arena+1024 f32(64,) at 80"), std::string::npos) << text;
}

}  // namespace
}  // namespace sinter::ir
