// What a trace refuses, what the second trace finds, and what programs are made for.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <tuple>

#include "backend/cpu/groups/cache.h"
#include "backend/cpu/machine_code.h"
#include "base/switches.h"
#include "compile/checks.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/state_scope.h"

namespace sinter {
namespace {

using Floats = std::vector<float>;

std::vector<float> values_of(const State& state) { return state.value().to_vector<float>(); }

TEST(Trace, ACapturedNumberThatChangesIsReportedWithItsLine) {
  double rate = 0.5;
  int line = 0;
  auto step = compile([&](const Tensor& x) {
    line = __LINE__ + 1;
    return x * rate;
  });
  EXPECT_EQ(values_of(step(floats({2}))), (Floats{1}));
  rate = 0.25;
  const std::string message = message_of([&] { step(floats({2})); });
  EXPECT_TRUE(says(message, "trace_test.cc:" + std::to_string(line))) << message;
  EXPECT_TRUE(says(message, "0.25")) << message;
  EXPECT_TRUE(says(message, "State")) << message;
  EXPECT_EQ(message_of([&] { step(floats({2})); }), message) << "it stays an error";
  rate = 0.5;
  EXPECT_EQ(values_of(step(floats({2}))), (Floats{1}));
}

TEST(Trace, ACapturedNumberThatChangesLaterIsReportedUnderCheck) {
  const SwitchScope check("SINTER_CHECK", "1");
  double rate = 0.5;
  auto step = compile([&](const Tensor& x) { return x * rate; });
  for (int call = 0; call < 5; ++call) step(floats({2}));
  rate = 0.25;
  EXPECT_TRUE(says(message_of([&] { step(floats({2})); }), "trace_test.cc"));
}

TEST(Trace, AnotherOpAnotherCountOfOpsAndAnotherResultAreReported) {
  int mode = 0;
  const State a(floats({1}), "a");
  const State b(floats({1}), "b");
  const auto function = [&](const Tensor& x) -> Tensor {
    const Tensor y = x * 2.0;
    const Tensor z = x + 1.0;
    switch (mode) {
      case 1:
        return exp(y);  // one more
      case 2:
        return z;  // another one
      case 3:
        a.assign(z);
        return y;
      case 4:
        return x * a;  // others
      case 5:
        return x * b;
      default:
        return y;
    }
  };
  for (const auto& [before, after] : std::vector<std::pair<int, int>>{
           {0, 1}, {1, 0}, {0, 2}, {2, 0}, {0, 3}, {3, 0}, {0, 4}, {4, 5}, {5, 4}, {5, 0}}) {
    auto step = compile(function);
    mode = before;
    step(floats({2}));
    mode = after;
    EXPECT_TRUE(says(message_of([&] { step(floats({2})); }), "something else than when"))
        << before << " then " << after;
  }
}

TEST(Trace, ConstantsThatAreNotNumbersAreEqualToThemselves) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  auto step = compile([&](const Tensor& x) { return where(x > 0.0, x, nan); });
  step(floats({-1, 1}));
  const Floats second = values_of(step(floats({-1, 1})));
  EXPECT_TRUE(std::isnan(second[0]));
  EXPECT_EQ(second[1], 1);
}

TEST(Trace, ACapturedTensorIsAnInputAndAnotherOneIsReported) {
  Tensor captured = floats({1, 2});
  auto step = compile([&](const Tensor& x) { return x + captured; });
  EXPECT_EQ(values_of(step(floats({1, 1}))), (Floats{2, 3}));
  captured = floats({3, 4});
  EXPECT_TRUE(says(message_of([&] { step(floats({1, 1})); }), "captures is another one"));
}

// However late it changes.
TEST(Trace, AnotherCapturedTensorIsReportedAtTheNextCall) {
  Tensor captured = floats({1, 2});
  auto step = compile([&](const Tensor& x) { return x + captured; });
  for (int call = 0; call < 5; ++call) {
    EXPECT_EQ(values_of(step(floats({1, 1}))), (Floats{2, 3}));
    captured = Tensor(captured);  // the same one
  }
  captured = floats({3, 4});
  for (int call = 0; call < 2; ++call) {
    EXPECT_TRUE(says(message_of([&] { step(floats({1, 1})); }), "captures is another one"));
  }
}

TEST(Trace, AnotherViewOfACapturedTensorIsReportedAtTheNextCall) {
  Tensor captured = watch(floats({1, 2}));
  auto step = compile([&](const Tensor& x) { return x + reshape(detach(captured), {2}); });
  for (int call = 0; call < 5; ++call) step(floats({1, 1}));
  captured = watch(floats({3, 4}));
  EXPECT_TRUE(says(message_of([&] { step(floats({1, 1})); }), "captures is another one"));
}

TEST(Trace, ACppNumberThatChangesLateIsReportedBeforeAsManyCallsAgain) {
  for (const int before : {1, 2, 3, 5, 9, 40}) {
    double factor = 1;
    auto step = compile([&](const Tensor& x) { return x * factor; });
    for (int call = 0; call < before; ++call) step(floats({1}));
    factor = 2;
    int stale = 0;
    std::string message = "no error";
    while (message == "no error" && stale <= 2 * before) {
      message = message_of([&] { step(floats({1})); });
      ++stale;
    }
    EXPECT_TRUE(says(message, "something else than when it was traced")) << before;
    EXPECT_LE(stale, before + 1) << before;
    EXPECT_TRUE(says(message_of([&] { step(floats({1})); }), "something else")) << "and stays so";
  }
}

TEST(Trace, EveryCallIsComparedUnderCheck) {
  const SwitchScope check("SINTER_CHECK", "1");
  double factor = 1;
  auto step = compile([&](const Tensor& x) { return x * factor; });
  for (int call = 0; call < 5; ++call) step(floats({1}));
  factor = 2;
  EXPECT_TRUE(says(message_of([&] { step(floats({1})); }), "something else than when"));
}

TEST(Trace, CallsOfManyTimesItsLengthBringAnotherTrace) {
  int traces = 0;
  auto step = compile([&](const Tensor& x) {
    ++traces;
    Tensor y = x;
    for (int i = 0; i < 3; ++i) y = matmul(y, y);
    return y;
  });
  const Tensor x = zeros({256, 256});
  // Calls of some milliseconds against a trace of some microseconds: long before call 2048.
  int call = 0;
  while (traces <= 12 && call < 2000) {
    step(x);
    ++call;
  }
  EXPECT_GT(traces, 12);
}

TEST(Trace, AChangeOfConfigurationCompilesAnewWhereItMatters) {
  double factor = 1;
  int traces = 0;
  auto step = compile([&](const Tensor& x) {
    ++traces;
    return x * factor;
  });
  const Tensor x = floats({1});
  const double made = step.report(x).compile_ms;
  step(x);
  configuration_changed();
  EXPECT_EQ(values_of(step(x)), (Floats{1}));
  EXPECT_EQ(traces, 2);
  EXPECT_EQ(step.report(x).compile_ms, made) << "the same program";
  factor = 3;
  configuration_changed();
  EXPECT_EQ(values_of(step(x)), (Floats{3}));
  EXPECT_NE(step.report(x).compile_ms, made);
}

TEST(Trace, AssigningAStateOfTheConfigurationCompilesAnew) {
  const State power(scalar(1, Dtype::i64), "power");
  mark_as_configuration(power);
  auto step = compile([&](const Tensor& x) {
    Tensor y = x;
    for (std::int64_t i = value_between_steps(power).item<std::int64_t>(); i > 1; --i) y = y * x;
    return y;
  });
  EXPECT_EQ(values_of(step(floats({2}))), (Floats{2}));
  power.assign(scalar(3, Dtype::i64));
  EXPECT_EQ(values_of(step(floats({2}))), (Floats{8}));
}

TEST(Trace, AssignmentsAreRememberedWithTheValueOfBefore) {
  const State a(floats({1, 2}), "a");
  const State b(floats({5}), "b");
  const auto undo = [&](const Tensor& x, const Tensor& keep) {
    const AssignmentScope outer;
    {
      const AssignmentScope inner;
      a.assign(a + x);
      EXPECT_EQ(inner.assigned().size(), 1u);
    }
    a.assign(a * 10.0);
    {
      const AssignmentScope::Pause pause;
      b.assign(b + 1.0);
    }
    EXPECT_EQ(outer.assigned().size(), 1u);
    for (const auto& each : outer.assigned()) {
      each.state.assign(where(keep, each.state.value(), each.before));
    }
    return x;
  };
  auto step = compile(undo);
  const Tensor yes = cast(scalar(1), Dtype::boolean);
  const Tensor no = cast(scalar(0), Dtype::boolean);
  undo(floats({1, 1}), no);
  EXPECT_EQ(values_of(a), (Floats{1, 2}));
  step(floats({1, 1}), no);
  EXPECT_EQ(values_of(a), (Floats{1, 2}));
  step(floats({1, 1}), yes);
  EXPECT_EQ(values_of(a), (Floats{20, 30}));
  undo(floats({1, 1}), yes);
  EXPECT_EQ(values_of(a), (Floats{210, 310}));
  EXPECT_EQ(values_of(b), (Floats{9}));
}

TEST(Trace, AConstantTensorMadeInsideTheFunctionIsNoChange) {
  auto step = compile([](const Tensor& x) { return x * floats({2, 3}) + scalar(1); });
  for (int call = 0; call < 3; ++call) {
    EXPECT_EQ(values_of(step(floats({1, 1}))), (Floats{3, 4}));
  }
}

TEST(Trace, ATensorMadeInsideTheFunctionWithOtherElementsIsReported) {
  float value = 2;
  auto step = compile([&](const Tensor& x) { return x * floats({value}); });
  step(floats({1}));
  value = 3;
  EXPECT_TRUE(says(message_of([&] { step(floats({1})); }), "captures is another one"));
}

TEST(Trace, TheSameCapturedMemorySeenInTwoShapesIsTwoInputs) {
  const Tensor captured = floats({1, 2, 3, 4});
  const Tensor seen = reshape(captured, {2, 2});
  auto step = compile([&](const Tensor& x) {
    return std::tuple(matmul(seen, seen) * x, captured + captured * x, seen + x);
  });
  for (int call = 0; call < 2; ++call) {
    const auto [product, twice, plus] = step(scalar(1));
    EXPECT_EQ(values_of(product), (Floats{7, 10, 15, 22}));
    EXPECT_EQ(values_of(twice), (Floats{2, 4, 6, 8}));
    EXPECT_EQ(values_of(plus), (Floats{2, 3, 4, 5}));
  }
}

TEST(Trace, ReadingAValueIsAnErrorThatNamesThePlace) {
  int line = 0;
  auto item = compile([&](const Tensor& x) {
    line = __LINE__ + 1;
    return sum(x).item<float>() > 0 ? x : x * 2.0;
  });
  std::string message = message_of([&] { item(floats({1})); });
  EXPECT_TRUE(says(message, "does not exist while its function is traced")) << message;
  EXPECT_TRUE(says(message, "trace_test.cc:" + std::to_string(line))) << message;
  auto vector = compile([&](const Tensor& x) {
    line = __LINE__ + 1;
    x.to_vector<float>();
    return x;
  });
  message = message_of([&] { vector(floats({1})); });
  EXPECT_TRUE(says(message, "trace_test.cc:" + std::to_string(line))) << message;
  auto data = compile([&](const Tensor& x) {
    line = __LINE__ + 1;
    EXPECT_NE(x.data(), nullptr);
    return x;
  });
  message = message_of([&] { data(floats({1})); });
  EXPECT_TRUE(says(message, "trace_test.cc:" + std::to_string(line))) << message;
  const State state(floats({1}), "a");
  auto of_state = compile([&](const Tensor& x) {
    line = __LINE__ + 1;
    return x * static_cast<double>(state.value().item<float>());
  });
  message = message_of([&] { of_state(floats({1})); });
  EXPECT_TRUE(says(message, "trace_test.cc:" + std::to_string(line))) << message;
}

TEST(Trace, AnExceptionLeavesAllAsItWas) {
  const State a(floats({1, 2}), "a");
  bool fails = false;
  auto step = compile([&](const Tensor& x) {
    a.assign(a + x);
    const TrainingScope evaluating(false);
    const NoGradScope untracked;
    const ModuleScope scope("model");
    if (fails) throw std::runtime_error("the user's own");
    return sum(a);
  });
  fails = true;
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_THROW(step(floats({1, 1})), std::runtime_error);
    EXPECT_EQ(values_of(a), (Floats{1, 2}));
    EXPECT_TRUE(is_training());
    EXPECT_TRUE(is_tracking());
    // Ops run at once again, and States are assigned at once again.
    EXPECT_EQ(values_of(floats({1}) + 1.0), (Floats{2}));
  }
  fails = false;
  EXPECT_EQ(step(floats({1, 1})).item<float>(), 5);
  fails = true;  // in the second trace
  EXPECT_THROW(step(floats({1, 1})), std::runtime_error);
  EXPECT_EQ(values_of(a), (Floats{2, 3}));
  fails = false;
  EXPECT_EQ(step(floats({1, 1})).item<float>(), 7);
  EXPECT_EQ(values_of(a), (Floats{3, 4}));
}

TEST(Trace, AWrongShapeInTheFunctionNamesTheLineAndLeavesAllAsItWas) {
  const State a(floats({1, 2}), "a");
  int line = 0;
  auto step = compile([&](const Tensor& x) {
    a.assign(a + 1.0);
    line = __LINE__ + 1;
    return a + x;
  });
  const std::string message = message_of([&] { step(floats({1, 2, 3})); });
  EXPECT_TRUE(says(message, "trace_test.cc:" + std::to_string(line))) << message;
  EXPECT_EQ(values_of(a), (Floats{1, 2}));
  EXPECT_EQ(values_of(step(floats({1, 1}))), (Floats{3, 4}));
}

TEST(Trace, AnIdOutOfRangeWhileTheStepRunsLeavesStatesAsTheyWere) {
  const State count(floats({0}), "count");
  const State table(floats({1, 2, 3}, {3, 1}), "table");
  auto step = compile([&](const Tensor& ids) {
    count.assign(count + 1.0);
    const Tensor rows = gather(table, ids);
    table.assign(table * 2.0);
    return sum(rows);
  });
  const auto ids = [](std::int64_t id) { return tensor(std::vector<std::int64_t>{id}, {1}); };
  EXPECT_EQ(step(ids(1)).item<float>(), 2);
  EXPECT_TRUE(says(message_of([&] { step(ids(3)); }), "3"));
  EXPECT_EQ(values_of(count), (Floats{1}));
  EXPECT_EQ(values_of(table), (Floats{2, 4, 6}));
  EXPECT_EQ(step(ids(2)).item<float>(), 6);
  EXPECT_EQ(values_of(count), (Floats{2}));
}

TEST(Trace, TensorsOfATraceAreRefusedOutsideAndInOtherTraces) {
  Tensor leaked;
  auto step = compile([&](const Tensor& x) {
    leaked = x * 2.0;
    return leaked;
  });
  step(floats({1}));
  const State a(floats({1}), "a");
  EXPECT_TRUE(says(message_of([&] { leaked + 1.0; }), "traced function is used outside"));
  EXPECT_TRUE(says(message_of([&] { leaked.item<float>(); }), "does not exist"));
  EXPECT_TRUE(says(message_of([&] { a.assign(leaked); }), "outside of it"));
  EXPECT_TRUE(says(message_of([&] { State made(leaked, "b"); }), "inside a traced function"));
  EXPECT_TRUE(says(message_of([&] { step(leaked); }), "is a Tensor of a traced function"));
  auto other = compile([&](const Tensor& x) { return x + leaked; });
  EXPECT_TRUE(says(message_of([&] { other(floats({1})); }), "another traced function"));
}

TEST(Trace, EmptyHandlesAreErrors) {
  auto step = compile([](const Tensor& x) { return x; });
  EXPECT_TRUE(says(message_of([&] { step(Tensor()); }), "argument 0 is an empty Tensor handle"));
  auto nothing = compile([](const Tensor&) { return Tensor(); });
  EXPECT_TRUE(says(message_of([&] { nothing(floats({1})); }), "returned an empty Tensor handle"));
  auto use = compile([](const Tensor& x) { return x + Tensor(); });
  EXPECT_TRUE(says(message_of([&] { use(floats({1})); }), "empty Tensor handle"));
}

// SINTER_ISA for as long as this lives.
class IsaScope {
 public:
  explicit IsaScope(const char* isa) {
    const char* const before = std::getenv("SINTER_ISA");
    if (before != nullptr) before_ = before;
    setenv("SINTER_ISA", isa, 1);
    reload_switches();
  }
  ~IsaScope() {
    if (before_) {
      setenv("SINTER_ISA", before_->c_str(), 1);
    } else {
      unsetenv("SINTER_ISA");
    }
    reload_switches();
  }
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;

 private:
  std::optional<std::string> before_;
};

// Groups that have no machine code are slow, and so the report names them.
TEST(Report, NamesTheGroupsThatAreInterpreted) {
  auto step = [] {
    return compile([](const Tensor& x, const Tensor& ids) {
      return std::tuple(exp(x) * 2.0, sum(cast(ids, Dtype::f32) * 0.5));
    });
  };
  const Tensor x = floats({1, 2, 3});
  const Tensor ids = tensor(std::vector<std::int64_t>{4, 5}, {2});
  {
    const IsaScope isa("interpreter");
    const ProgramReport report = step().report(x, ids);
    EXPECT_GE(report.groups, 2);
    ASSERT_EQ(report.interpreted.size(), static_cast<std::size_t>(report.groups));
    EXPECT_TRUE(
        says(report.interpreted[0], ": SINTER_ISA, SINTER_DISABLE, the processor or the system"))
        << report.interpreted[0];
  }
  if (!backend::cpu::supports(backend::cpu::Isa::avx2)) GTEST_SKIP() << "no AVX2";
  const IsaScope isa("avx2");
  const ProgramReport report = step().report(x, ids);
  EXPECT_GE(report.groups, 2);
  EXPECT_TRUE(report.interpreted.empty());
}

// A convolution that Winograd suits runs by it or the report says what runs instead.
TEST(Report, NamesTheStepsThatDoNotRunTheirFirstChoice) {
  const Tensor x = full({1, 8, 8, 32}, 1.0), w = full({32, 3, 3, 32}, 1.0);
  auto suited = compile([&](const Tensor& image) { return conv2d(image, w); });
  const ProgramReport report = suited.report(x);
  for (const std::string& step : report.substituted) {
    EXPECT_TRUE(says(step, "conv: the direct algorithm: Winograd would suit")) << step;
  }
  // Winograd's workspace holds the weight transformed, four times its size; the direct algorithm's
  // the weight reordered.
  const bool is_winograd = report.memory.workspace > 2 * 4 * w.shape().elements();
  EXPECT_EQ(report.substituted.empty(), is_winograd) << report.memory.workspace;
  auto other = compile([&](const Tensor& image) { return image * 2.0; });
  EXPECT_TRUE(other.report(x).substituted.empty());
}

// With an epilogue too, whose kernel is another.
TEST(Report, NamesTheDirectAlgorithmInPlaceOfWinograd) {
  if (!backend::cpu::may_use_onednn()) GTEST_SKIP() << "oneDNN is switched off";
  const Tensor x = full({32, 8, 8, 32}, 1.0), w = full({32, 3, 3, 32}, 1.0);
  const Tensor small = full({1, 8, 8, 32}, 1.0), bias = full({32}, 0.5);
  const SwitchScope none("SINTER_DISABLE", "winograd");
  for (const Tensor& images : {small, x}) {
    auto plain = compile([&](const Tensor& image) { return conv2d(image, w); });
    auto followed = compile([&](const Tensor& image) { return relu(conv2d(image, w) + bias); });
    for (auto& report : {plain.report(images), followed.report(images)}) {
      ASSERT_EQ(report.substituted.size(), 1u);
      EXPECT_TRUE(says(report.substituted[0], "the direct algorithm: Winograd would suit"));
    }
  }
}

TEST(Signature, ShapesDtypesTrainingAndTrackingHaveProgramsOfTheirOwn) {
  int traces = 0;
  const State w(floats({3}), "w");
  auto step = compile([&](const Tensor& x) {
    ++traces;
    Tensor y = sum(x) * 2.0;
    if (is_training()) y = y + 1.0;
    if (is_tracking()) y = y + 10.0;
    return y;
  });
  EXPECT_EQ(step(floats({1})).item<float>(), 13);
  EXPECT_EQ(step(floats({1, 1})).item<float>(), 15);
  EXPECT_EQ(step(floats({1, 1}, {1, 2})).item<float>(), 15);
  EXPECT_EQ(step(tensor(std::vector<double>{1}, {1})).item<double>(), 13);
  EXPECT_EQ(traces, 4);
  {
    const TrainingScope evaluating(false);
    EXPECT_EQ(step(floats({1})).item<float>(), 12);
    const NoGradScope untracked;
    EXPECT_EQ(step(floats({1})).item<float>(), 2);
  }
  EXPECT_EQ(traces, 6);
  EXPECT_EQ(step(floats({4})).item<float>(), 19);
  EXPECT_EQ(traces, 7) << "the second call of a signature traces once more";
  EXPECT_EQ(step(floats({4})).item<float>(), 19);
  EXPECT_EQ(traces, 7) << "the third does not";
}

TEST(Signature, ASecondBatchSizeGoesOnWithTheSameStates) {
  const State a(floats({0}), "a");
  auto step = compile([&](const Tensor& x) {
    a.assign(a + mean(x));
    return a * 1.0;
  });
  float expected = 0;
  for (int call = 0; call < 12; ++call) {
    const bool last = call % 4 == 3;
    const Tensor x = last ? floats({2, 4}) : floats({1, 1, 1});
    EXPECT_EQ(step(x).item<float>(), expected += last ? 3 : 1);
  }
}

TEST(Signature, SixteenProgramsAreKeptAndTheOldestGoes) {
  auto step = compile([&](const Tensor& x) { return sum(x); });
  const auto call = [&](std::size_t length) {
    EXPECT_EQ(step(floats(Floats(length, 1.0F))).template item<float>(),
              static_cast<float>(length));
  };
  // A program is known by the time that making it took; looking at it counts as using it.
  const auto made_in = [&](std::size_t length) {
    return step.report(floats(Floats(length, 1.0F))).compile_ms;
  };
  for (std::size_t length = 1; length <= 16; ++length) {
    call(length);
    call(length);
  }
  const double second = made_in(2);
  for (std::size_t length = 3; length <= 16; ++length) call(length);
  const double first = made_in(1);  // now the youngest
  call(17);
  call(17);
  EXPECT_EQ(made_in(1), first) << "the one used last stays";
  EXPECT_NE(made_in(2), second) << "the oldest went";
  for (std::size_t length = 1; length <= 40; ++length) call(length);
}

TEST(Signature, ACompiledFunctionInsideAnotherIsPartOfIt) {
  const State a(floats({1}), "a");
  auto inner = compile([&](const Tensor& x) {
    a.assign(a + x);
    return x * a;
  });
  auto outer = compile([&](const Tensor& x) {
    const Tensor y = inner(x);
    const Tensor z = inner(y);
    return z + a;
  });
  auto plain = [](float& state, float x) {
    state += x;
    const float y = x * state;
    state += y;
    return y * state + state;
  };
  float state = 1;
  for (int call = 0; call < 3; ++call) {
    EXPECT_EQ(outer(floats({2})).item<float>(), plain(state, 2));
    EXPECT_EQ(values_of(a), (Floats{state}));
  }
  state += 3;
  EXPECT_EQ(inner(floats({3})).item<float>(), 3 * state);
}

TEST(Signature, FunctionsOfNoArgumentsWithNoResultsAndWithListsWork) {
  const State a(floats({1}), "a");
  CompiledFunction none([&](const std::vector<Tensor>&) {
    a.assign(a + 1.0);
    return std::vector<Tensor>{};
  });
  for (int call = 0; call < 3; ++call) EXPECT_TRUE(none.call({}).empty());
  EXPECT_EQ(values_of(a), (Floats{4}));
  auto list = compile([](const Tensor& x, const Tensor& y) {
    return std::vector<Tensor>{x + y, x - y, full({2}, 7), scalar(9)};
  });
  for (int call = 0; call < 3; ++call) {
    const std::vector<Tensor> results = list(floats({3}), floats({1}));
    ASSERT_EQ(results.size(), 4u);
    EXPECT_EQ(results[0].item<float>(), 4);
    EXPECT_EQ(results[1].item<float>(), 2);
    EXPECT_EQ(values_of(results[2]), (Floats{7, 7}));
    EXPECT_EQ(results[3].item<float>(), 9);
  }
}

}  // namespace
}  // namespace sinter
