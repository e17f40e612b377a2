// States in compiled steps: order, aliasing, snapshots, sharing, threads.
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>

#include "compile/checks.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/random.h"
#include "sinter/state_arena.h"
#include "tensor/impl.h"

namespace sinter {
namespace {

std::vector<float> values_of(const State& state) { return state.value().to_vector<float>(); }

using Floats = std::vector<float>;

TEST(CompiledState, TheLastAssignmentWinsAndAReadSeesTheOneBefore) {
  const State a(floats({1, 2}), "a");
  auto step = compile([&](const Tensor& x) {
    a.assign(a + x);
    const Tensor middle = a.value();
    a.assign(middle * 10.0);
    return middle;
  });
  for (int call = 0; call < 3; ++call) {
    const Floats before = values_of(a);
    const Tensor middle = step(floats({1, 1}));
    EXPECT_EQ(values_of(middle), (Floats{before[0] + 1, before[1] + 1}));
    EXPECT_EQ(values_of(a), (Floats{(before[0] + 1) * 10, (before[1] + 1) * 10}));
  }
}

TEST(CompiledState, TwoStatesSwap) {
  const State a(floats({1, 2, 3}), "a");
  const State b(floats({4, 5, 6}), "b");
  auto step = compile([&](const Tensor& x) {
    const Tensor old = a.value();
    a.assign(b);
    b.assign(old);
    return x;
  });
  for (int call = 0; call < 4; ++call) {
    step(floats({0}));
    EXPECT_EQ(values_of(a), call % 2 == 0 ? (Floats{4, 5, 6}) : (Floats{1, 2, 3}));
    EXPECT_EQ(values_of(b), call % 2 == 0 ? (Floats{1, 2, 3}) : (Floats{4, 5, 6}));
  }
}

TEST(CompiledState, FourStatesRotateAndTwoOfThemThroughArithmetic) {
  std::vector<State> s;
  for (int i = 0; i < 4; ++i) s.emplace_back(floats({static_cast<float>(i)}), std::to_string(i));
  auto step = compile([&](const Tensor& x) {
    const Tensor first = s[0].value();
    s[0].assign(s[1]);
    s[1].assign(s[2] + x);
    s[2].assign(s[3]);
    s[3].assign(first * x);
    return first;
  });
  std::vector<float> expected{0, 1, 2, 3};
  for (int call = 0; call < 5; ++call) {
    step(floats({2}));
    expected = {expected[1], expected[2] + 2, expected[3], expected[0] * 2};
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(values_of(s[i])[0], expected[i]) << i;
  }
}

TEST(CompiledState, AnOldValueIsReturnedAlthoughANewOneIsAssigned) {
  const State a(floats({1, 2}), "a");
  auto step = compile([&](const Tensor& x) {
    const Tensor old = a.value();
    a.assign(old + x);
    return std::tuple(old, a.value(), reshape(old, {2, 1}));
  });
  for (int call = 0; call < 3; ++call) {
    const Floats before = values_of(a);
    const auto [old, fresh, seen] = step(floats({1, 1}));
    EXPECT_EQ(values_of(old), before);
    EXPECT_EQ(values_of(seen), before);
    EXPECT_EQ(seen.shape(), Shape({2, 1}));
    EXPECT_EQ(values_of(fresh), (Floats{before[0] + 1, before[1] + 1}));
    EXPECT_EQ(values_of(a), values_of(fresh));
  }
}

TEST(CompiledState, AnOldValueIsReadByALaterOpAlthoughANewOneIsAssigned) {
  const State a(floats({1, 2, 3, 4}, {2, 2}), "a");
  auto step = compile([&](const Tensor& x) {
    const Tensor old = a.value();
    a.assign(relu(old + x));
    return matmul(old, transpose(old)) + sum(old);
  });
  step(floats({1, 1}));
  const Tensor second = step(floats({1, 1}));  // a = {2, 3, 4, 5} before
  EXPECT_EQ(values_of(second), (Floats{13 + 14, 23 + 14, 23 + 14, 41 + 14}));
}

TEST(CompiledState, AStateTakesItsOwnTransposeAndItsOwnSum) {
  const State a(floats({1, 2, 3, 4}, {2, 2}), "a");
  auto step = compile([&](const Tensor& x) {
    a.assign(transpose(a));
    return x + 0.0;
  });
  step(floats({1}));
  EXPECT_EQ(values_of(a), (Floats{1, 3, 2, 4}));
  step(floats({1}));
  EXPECT_EQ(values_of(a), (Floats{1, 2, 3, 4}));
  auto mix = compile([&](const Tensor& x) {
    a.assign(a + transpose(a) + sum(a, {0}) * x);
    return x;
  });
  mix(floats({1}, {}));
  EXPECT_EQ(values_of(a), (Floats{2 + 4, 5 + 6, 5 + 4, 8 + 6}));
}

TEST(CompiledState, ArgumentsAndOneValueTwiceCanBeReturned) {
  auto step = compile([](const Tensor& x) {
    const Tensor y = x * 2.0;
    return std::tuple(x, y, y, reshape(y, {1, 2}), x);
  });
  for (int call = 0; call < 3; ++call) {
    const Tensor given = floats({3, 4});
    const auto [x, y, again, seen, last] = step(given);
    EXPECT_EQ(values_of(x), (Floats{3, 4}));
    EXPECT_EQ(values_of(y), (Floats{6, 8}));
    EXPECT_EQ(values_of(again), (Floats{6, 8}));
    EXPECT_EQ(values_of(seen), (Floats{6, 8}));
    EXPECT_EQ(values_of(last), (Floats{3, 4}));
    EXPECT_NE(x.data(), given.data()) << "a result must not alias an argument of the caller's loop";
  }
}

TEST(CompiledState, OneValueIsAssignedToTwoStatesAndReturned) {
  const State a(floats({0, 0}), "a");
  const State b(floats({0, 0}), "b");
  auto step = compile([&](const Tensor& x) {
    const Tensor y = x * 3.0;
    a.assign(y);
    b.assign(y);
    return y;
  });
  for (float call = 1; call < 4; ++call) {
    EXPECT_EQ(values_of(step(floats({call, 2}))), (Floats{3 * call, 6}));
    EXPECT_EQ(values_of(a), (Floats{3 * call, 6}));
    EXPECT_EQ(values_of(b), (Floats{3 * call, 6}));
  }
}

TEST(CompiledState, StatesAreAssignedUnreadAndWithArgumentsAndWithThemselves) {
  const State unread(floats({0, 0}), "unread");
  const State from_argument(floats({0, 0}), "from_argument");
  const State own(floats({5, 6}), "own");
  auto step = compile([&](const Tensor& x) {
    unread.assign(x + 1.0);
    from_argument.assign(x);
    own.assign(own.value());
    return x * 1.0;
  });
  for (float call = 0; call < 3; ++call) {
    step(floats({call, 1}));
    EXPECT_EQ(values_of(unread), (Floats{call + 1, 2}));
    EXPECT_EQ(values_of(from_argument), (Floats{call, 1}));
    EXPECT_EQ(values_of(own), (Floats{5, 6}));
  }
}

TEST(CompiledState, AStateOnlyReadKeepsItsValueAndFollowsAssignmentsFromOutside) {
  const State a(floats({1}), "a");
  auto step = compile([&](const Tensor& x) { return x * a; });
  for (float value = 1; value < 5; ++value) {
    a.assign(floats({value}));
    EXPECT_EQ(step(floats({2})).item<float>(), 2 * value);
    EXPECT_EQ(values_of(a), (Floats{value}));
  }
}

TEST(CompiledState, ASnapshotTakenBeforeAStepKeepsItsValue) {
  const State a(floats({1, 2}), "a");
  auto step = compile([&](const Tensor& x) {
    a.assign(a * x);
    return sum(a);
  });
  const Tensor first = a.value();
  step(floats({2, 2}));
  const Tensor second = a.value();
  step(floats({2, 2}));
  const Tensor third = a.value();
  a.assign(floats({0, 0}));
  EXPECT_EQ(values_of(first), (Floats{1, 2}));
  EXPECT_EQ(values_of(second), (Floats{2, 4}));
  EXPECT_EQ(values_of(third), (Floats{4, 8}));
}

TEST(CompiledState, AThousandReturnedLossesStayRight) {
  const State a(floats({0}), "a");
  auto step = compile([&](const Tensor& x) {
    a.assign(a + 1.0);
    return sum(a * x);
  });
  std::vector<Tensor> losses;
  for (int call = 0; call < 1000; ++call) losses.push_back(step(floats({2})));
  for (int call = 0; call < 1000; ++call) {
    ASSERT_EQ(losses[static_cast<std::size_t>(call)].item<float>(),
              2 * static_cast<float>(call + 1));
  }
}

TEST(CompiledState, ResultsOutliveTheFunctionAndItsStates) {
  Tensor result;
  {
    const State a(floats({1, 2}), "a");
    auto step = compile([&](const Tensor& x) {
      a.assign(a + x);
      return a * 2.0;
    });
    step(floats({1, 1}));
    result = step(floats({1, 1}));
  }
  auto other = compile([](const Tensor& x) { return x * 0.0; });
  for (int i = 0; i < 10; ++i) other(floats({1, 1}));
  EXPECT_EQ(values_of(result), (Floats{6, 8}));
}

TEST(CompiledState, TwoStepFunctionsShareStates) {
  const State a(floats({1}), "a");
  auto grow = compile([&](const Tensor& x) {
    a.assign(a + x);
    return a * 1.0;
  });
  auto scale = compile([&](const Tensor& x) {
    a.assign(a * x);
    return a * 1.0;
  });
  float expected = 1;
  for (int call = 0; call < 5; ++call) {
    EXPECT_EQ(grow(floats({1})).item<float>(), expected += 1);
    EXPECT_EQ(scale(floats({3})).item<float>(), expected *= 3);
  }
}

TEST(CompiledState, TiedStatesAreOneCell) {
  const State a(floats({2}), "a");
  const State tied = a;
  auto step = compile([&](const Tensor& x) {
    const Tensor loss = sum(a * x * tied);
    const auto dx = gradients(loss, std::vector<State>{tied});
    a.assign(a - dx[0] * 0.125);
    return std::tuple(loss, tied.value());
  });
  const auto [loss, value] = step(floats({1}));
  EXPECT_EQ(loss.item<float>(), 4);
  EXPECT_EQ(value.item<float>(), 1.5F);  // 2 - (2 * 2) / 8
  EXPECT_EQ(values_of(tied), (Floats{1.5F}));
}

TEST(CompiledState, EmptyTensorsGoThroughAStep) {
  const State empty(floats({}, {0, 3}), "empty");
  const State total(floats({7, 7, 7}), "total");
  auto step = compile([&](const Tensor& x) {
    empty.assign(empty + x);
    total.assign(total + sum(x, {0}));
    return std::tuple(x * 2.0, matmul(transpose(x), empty.value()), sum(x), max(x, {0}));
  });
  for (int call = 0; call < 3; ++call) {
    const auto [twice, product, all, most] = step(floats({}, {0, 3}));
    EXPECT_EQ(twice.shape(), Shape({0, 3}));
    EXPECT_EQ(product.shape(), Shape({3, 3}));
    EXPECT_EQ(values_of(product), Floats(9, 0.0F));
    EXPECT_EQ(all.item<float>(), 0);
    EXPECT_EQ(values_of(most), Floats(3, -std::numeric_limits<float>::infinity()));
    EXPECT_EQ(values_of(total), (Floats{7, 7, 7}));
  }
}

TEST(CompiledState, PartsOfAnArenaAreReadAndAssignedInAndOutsideOfSteps) {
  const std::vector<State> parts = {State(floats({1, 2, 3}), "a"), State(floats({4}, {1, 1}), "b"),
                                    State(floats({5, 6}), "c")};
  std::vector<std::int64_t> offsets;
  const State arena = make_arena(parts, &offsets);
  auto step = compile([&](const Tensor& x) {
    parts[0].assign(parts[0] + x);
    parts[2].assign(parts[2] * sum(parts[1]));
    parts[1].assign(reshape(sum(parts[0]), {1, 1}));
    return std::tuple(parts[0].value(), arena.value());
  });
  for (int call = 0; call < 3; ++call) {
    const Floats a = values_of(parts[0]);
    const float b = values_of(parts[1])[0];
    const Floats c = values_of(parts[2]);
    const Tensor before = parts[2].value();
    const auto [first, whole] = step(floats({1, 1, 1}));
    EXPECT_EQ(values_of(parts[0]), (Floats{a[0] + 1, a[1] + 1, a[2] + 1}));
    EXPECT_EQ(values_of(first), values_of(parts[0]));
    EXPECT_EQ(values_of(parts[1])[0], a[0] + a[1] + a[2] + 3);
    EXPECT_EQ(values_of(parts[2]), (Floats{c[0] * b, c[1] * b}));
    EXPECT_EQ(values_of(before), c);
    const Floats all = values_of(whole);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i >= 16) break;
      EXPECT_EQ(all[i], i < 3 ? values_of(parts[0])[i] : 0) << "pads stay zero";
    }
    parts[1].assign(floats({2}, {1, 1}));
    EXPECT_EQ(values_of(arena)[static_cast<std::size_t>(offsets[1])], 2);
  }
}

TEST(CompiledState, AFunctionStillRunsAfterItsStatesMovedIntoAnArena) {
  const State a(floats({1, 2}), "a");
  auto read = compile([&](const Tensor& x) { return a * x; });
  EXPECT_EQ(values_of(read(floats({1, 1}))), (Floats{1, 2}));
  std::vector<std::int64_t> offsets;
  make_arena({a}, &offsets);
  EXPECT_EQ(values_of(read(floats({2, 2}))), (Floats{2, 4}));
  EXPECT_EQ(values_of(read(floats({3, 3}))), (Floats{3, 6}));
  a.assign(floats({5, 5}));
  EXPECT_EQ(values_of(read(floats({1, 1}))), (Floats{5, 5}));
}

TEST(CompiledState, RandomNumbersGoOnFromCallToCallAsTheyDoEagerly) {
  Generator compiled(7);
  Generator eager(7);
  auto step = compile([&](const Tensor& x) { return dropout(x, 0.5, compiled); });
  const Tensor x = floats(Floats(100, 1.0F));
  Tensor before;
  for (int call = 0; call < 4; ++call) {
    const Tensor now = step(x);
    EXPECT_TRUE(same_bits(now, dropout(x, 0.5, eager)));
    EXPECT_FALSE(before.defined() && same_bits(now, before)) << "the same mask twice";
    before = now;
  }
}

TEST(CompiledState, AStateThatARunningStepWritesIsRefusedToEveryoneElse) {
  const State a(floats({1}), "weights");
  auto step = compile([&](const Tensor& x) {
    a.assign(a + x);
    return x * 1.0;
  });
  auto look = compile([&](const Tensor& x) { return a + x; });
  step(floats({1}));
  look(floats({1}));
  int others = 0;
  ASSERT_TRUE(begin_use(*a.impl(), true, &others));  // as a step that runs in another thread does
  EXPECT_TRUE(says(message_of([&] { step(floats({1})); }),
                   "State weights is written by another running step"));
  EXPECT_TRUE(says(message_of([&] { look(floats({1})); }),
                   "State weights is written by another running step"));
  EXPECT_TRUE(
      says(message_of([&] { a.value(); }), "State weights: read while a running step writes it"));
  EXPECT_TRUE(says(message_of([&] { a.assign(floats({2})); }), "assigned while a running step"));
  end_use(*a.impl(), true);
  EXPECT_EQ(values_of(a), (Floats{2}));
  step(floats({1}));
  EXPECT_EQ(values_of(a), (Floats{3}));
}

TEST(CompiledState, AStateThatARunningStepReadsMayBeReadButNotWritten) {
  const State a(floats({1}), "weights");
  const State b(floats({1}), "other");
  auto step = compile([&](const Tensor& x) {
    b.assign(b + x);
    a.assign(a + x);
    return x * 1.0;
  });
  auto look = compile([&](const Tensor& x) { return a + x; });
  step(floats({1}));
  int others = 0;
  ASSERT_TRUE(begin_use(*a.impl(), false, &others));
  ASSERT_TRUE(begin_use(*a.impl(), false, &others));
  EXPECT_EQ(values_of(look(floats({1}))), (Floats{3}));
  EXPECT_EQ(values_of(a), (Floats{2}));
  EXPECT_TRUE(says(message_of([&] { step(floats({1})); }),
                   "State weights is read by another running step"));
  EXPECT_TRUE(says(message_of([&] { a.assign(floats({2})); }),
                   "State weights: assigned while a running step reads it"));
  EXPECT_EQ(values_of(b), (Floats{2})) << "the refused step gave back what it had";
  end_use(*a.impl(), false);
  end_use(*a.impl(), false);
  step(floats({1}));
  EXPECT_EQ(values_of(a), (Floats{3}));
}

// Parts of one arena and the arena itself, compiled and directly.
TEST(CompiledState, ManyThreadsReadTheSameWeightsAtOnce) {
  const State weight(floats(Floats(64 * 64, 0.5F), {64, 64}), "weight");
  const State bias(floats(Floats(64, 1.0F)), "bias");
  std::vector<std::int64_t> offsets;
  const State arena = make_arena({weight, bias}, &offsets);
  const Tensor x = floats(Floats(8 * 64, 1.0F), {8, 64});
  const Floats expected = values_of(matmul(x, weight) + bias);
  std::atomic<int> wrong{0};
  const auto work = [&](bool compiled) {
    const auto predict = [&](const Tensor& input) { return matmul(input, weight) + bias; };
    auto step = compile(predict);
    for (int call = 0; call < 200; ++call) {
      if (values_of(compiled ? step(x) : predict(x)) != expected) ++wrong;
      if (arena.value().elements() == 0) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work, i % 2 == 0);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(CompiledState, TwoThreadsWithOneStateGetAnErrorOrTheirTurnButNeverAWrongSum) {
  const State a(floats(Floats(50000, 0.0F)), "a");
  const Tensor one = floats({1});
  std::atomic<int> done{0};
  std::atomic<int> refused{0};
  const auto work = [&] {
    auto step = compile([&](const Tensor& x) {
      a.assign(a + x);
      return x * 1.0;
    });
    for (int call = 0; call < 100; ++call) {
      try {
        step(one);
        ++done;
      } catch (const Error& error) {
        EXPECT_TRUE(says(error.what(), "by another running step")) << error.what();
        ++refused;
      }
    }
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(done + refused, 200);
  EXPECT_EQ(values_of(a), Floats(50000, static_cast<float>(done)));
}

TEST(CompiledState, OneFunctionCalledByTwoThreadsTakesTurns) {
  auto step = compile([](const Tensor& x) { return sum(exp(x) * x); });
  std::atomic<int> wrong{0};
  const auto work = [&](float value) {
    const Tensor x = floats(Floats(3000 + static_cast<std::size_t>(value), value));
    const float expected = sum(exp(x) * x).item<float>();
    for (int call = 0; call < 200; ++call) {
      if (step(x).template item<float>() != expected) ++wrong;
    }
  };
  std::thread other([&] { work(1); });
  work(2);
  other.join();
  EXPECT_EQ(wrong, 0);
}

TEST(CompiledState, TheSearchForNansSeesSixteenBits) {
  for (const Dtype half : {Dtype::bf16, Dtype::f16}) {
    CompiledFunction step([half](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{exp(cast(x[0], half)) * 0.5};
    });
    EXPECT_EQ(step.find_first_nonfinite({floats({1, -300})}), "");
    EXPECT_TRUE(says(step.find_first_nonfinite({floats({1, 300})}), "exp")) << name_of(half);
    // Without fusion the conversion is a step of its own.
    EXPECT_NE(step.find_first_nonfinite({floats({NAN, 1})}), "") << name_of(half);
  }
}

TEST(CompiledState, MeasuringAndLookingForNansLeaveStatesAsTheyWere) {
  const State a(floats({1, 2}), "a");
  CompiledFunction step([&](const std::vector<Tensor>& x) {
    a.assign(a + x[0]);
    return std::vector<Tensor>{log(a - 5.0)};
  });
  const Tensor x = floats({1, 1});
  EXPECT_GT(step.measure({x}, 3).steps.size(), 0u);
  EXPECT_TRUE(says(step.find_first_nonfinite({x}), "log"));
  step.report({x});
  EXPECT_EQ(values_of(a), (Floats{1, 2}));
  step.call({x});
  EXPECT_EQ(values_of(a), (Floats{2, 3}));
}

}  // namespace
}  // namespace sinter
