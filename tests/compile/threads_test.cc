// One compiled function called by many threads, and on memory of the caller's.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/system.h"
#include "tensor/storage.h"

namespace sinter {
namespace {

std::vector<float> ramp(std::int64_t count, float scale) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = scale * static_cast<float>(static_cast<int>(i % 17) - 8);
  }
  return values;
}

Tensor rows(std::int64_t count, float scale) {
  return tensor(ramp(count * 24, scale), {count, 24});
}

// Two layers with products, a reduction and a fused chain, on weights that are only read.
struct Network {
  State first{tensor(ramp(24 * 32, 0.01F), {24, 32}), "first"};
  State second{tensor(ramp(32 * 5, 0.02F), {32, 5}), "second"};
  Tensor operator()(const Tensor& x) const {
    return softmax(matmul(relu(matmul(x, first)), second));
  }
};

template <class Body>
void in_threads(int count, Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

TEST(CompiledByThreads, ReadersRunSideBySideWithTheBitsOfOne) {
  const Network network;
  CompiledFunction forward(
      [&](const std::vector<Tensor>& x) { return std::vector<Tensor>{network(x[0])}; });
  std::vector<std::vector<float>> alone;
  for (int i = 0; i < 8; ++i) {
    alone.push_back(
        forward.call({rows(3 + i % 2, 0.1F * static_cast<float>(i))})[0].to_vector<float>());
  }
  std::atomic<int> wrong{0};
  in_threads(8, [&](int i) {
    for (int round = 0; round < 200; ++round) {
      const Tensor result = forward.call({rows(3 + i % 2, 0.1F * static_cast<float>(i))})[0];
      if (result.to_vector<float>() != alone[static_cast<std::size_t>(i)]) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST(CompiledByThreads, WritersTakeTurns) {
  const State sum(tensor(std::vector<float>{0, 0}, {2}));
  auto add = compile([&](const Tensor& x) {
    sum.assign(sum + x);
    return sum.value();
  });
  const Tensor one = tensor(std::vector<float>{1, 2}, {2});
  in_threads(6, [&](int) {
    for (int round = 0; round < 100; ++round) add(one);
  });
  EXPECT_EQ(sum.value().to_vector<float>(), (std::vector<float>{600, 1200}));
}

TEST(CompiledByThreads, NewShapesMayComeFromAnyThread) {
  const Network network;
  CompiledFunction forward(
      [&](const std::vector<Tensor>& x) { return std::vector<Tensor>{network(x[0])}; }, "forward",
      {.programs = 3});
  std::atomic<int> wrong{0};
  in_threads(4, [&](int i) {
    for (int round = 0; round < 30; ++round) {
      const std::int64_t count = 1 + (i + round) % 6;  // twice as many as are kept
      if (forward.call({rows(count, 0.1F)})[0].shape() != Shape{count, 5}) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST(CompiledByThreads, OpsCalledDirectlyToo) {
  const Tensor x = rows(40, 0.1F);
  const auto both = [&] { return softmax(matmul(x, transpose(x)) * 2.0); };
  const std::vector<float> alone = both().to_vector<float>();
  std::atomic<int> wrong{0};
  in_threads(6, [&](int) {
    for (int round = 0; round < 50; ++round) {
      if (both().to_vector<float>() != alone) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST(CallInto, WritesWhatCallGives) {
  const Network network;
  CompiledFunction forward([&](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{network(x[0]), cast(sum(x[0]), Dtype::f64)};
  });
  const std::vector<float> values = ramp(4 * 24, 0.1F);
  const std::vector<Tensor> expected = forward.call({tensor(values, {4, 24})});
  std::vector<float> results(4 * 5);
  double sum_of = 0;
  const std::vector<std::span<std::byte>> memory = {std::as_writable_bytes(std::span(results)),
                                                    std::as_writable_bytes(std::span(&sum_of, 1))};
  const View argument = view(values, {4, 24});
  for (int round = 0; round < 3; ++round) {
    std::fill(results.begin(), results.end(), 7.0F);
    forward.call_into({&argument, 1}, memory);
    EXPECT_EQ(results, expected[0].to_vector<float>());
    EXPECT_EQ(sum_of, expected[1].item<double>());
  }
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(CallInto, RefusesMemoryOfAnotherSizeBeforeAnythingRuns) {
  const State calls(scalar(0));
  CompiledFunction count([&](const std::vector<Tensor>& x) {
    calls.assign(calls + 1.0);
    return std::vector<Tensor>{x[0] * 2.0};
  });
  const std::vector<float> values = ramp(6, 1);
  const View argument = view(values, {6});
  std::vector<float> small(5);
  const std::span<std::byte> result = std::as_writable_bytes(std::span(small));
  const std::string text = error_of([&] { count.call_into({&argument, 1}, {&result, 1}); });
  EXPECT_NE(text.find("20 bytes"), std::string::npos) << text;
  EXPECT_NE(text.find("24 bytes for f32(6,)"), std::string::npos) << text;
  EXPECT_THROW(count.call_into({&argument, 1}, {}), Error);
  const std::vector<std::span<std::byte>> two(2, result);
  EXPECT_THROW(count.call_into({&argument, 1}, two), Error);
  EXPECT_EQ(calls.value().item<float>(), 0);
}

TEST(CallInto, IsNotRecorded) {
  CompiledFunction twice(
      [](const std::vector<Tensor>& x) { return std::vector<Tensor>{x[0] * 2.0}; });
  const std::vector<float> values = ramp(6, 1);
  auto outer = compile([&](const Tensor& x) {
    const View argument = view(values, {6});
    std::vector<float> memory(6);
    const std::span<std::byte> result = std::as_writable_bytes(std::span(memory));
    twice.call_into({&argument, 1}, {&result, 1});
    return x;
  });
  EXPECT_THROW(outer(scalar(1)), Error);
}

TEST(CompileOptions, NoProgramAtAllIsAnError) {
  EXPECT_THROW(compile([](const Tensor& x) { return x; }, "step", {.programs = 0}), Error);
}

TEST(CompileOptions, AFunctionThatCannotChangeIsTracedOnce) {
  for (const bool retraces : {true, false}) {
    int traces = 0;
    auto twice = compile(
        [&](const Tensor& x) {
          ++traces;
          return x * 2.0;
        },
        "twice", {.retraces = retraces});
    for (int call = 0; call < 20; ++call) twice(scalar(1));
    if (retraces) {
      EXPECT_GT(traces, 3);
    } else {
      EXPECT_EQ(traces, 1);
    }
  }
}

TEST(View, IsTheMemoryItself) {
  std::vector<float> values = ramp(6, 1);
  const View numbers = view(values, {2, 3});
  EXPECT_EQ(numbers.bytes(), 24u);
  const Tensor on_it = numbers;
  EXPECT_EQ(static_cast<const void*>(on_it.data()), values.data());
  EXPECT_EQ(on_it.shape(), (Shape{2, 3}));
  values[0] = 42;
  EXPECT_EQ(on_it.to_vector<float>()[0], 42);
  EXPECT_EQ(on_it.to_vector<float>(), values);
}

// Memory of callers has any alignment.
TEST(View, ComputesFromAnyAddress) {
  std::vector<float> values = ramp(1001, 0.5F);
  const Tensor copy = tensor(std::span<const float>(values).subspan(1), {10, 100});
  const DeviceScope cpu("cpu");
  const Tensor seen = view(std::span<const float>(values).subspan(1), {10, 100});
  const Tensor here = to_host(copy);
  EXPECT_EQ((seen * 3.0 + 1.0).to_vector<float>(), (here * 3.0 + 1.0).to_vector<float>());
  EXPECT_EQ(softmax(seen).to_vector<float>(), softmax(here).to_vector<float>());
  EXPECT_EQ(matmul(seen, transpose(seen)).to_vector<float>(),
            matmul(here, transpose(here)).to_vector<float>());
}

TEST(View, LeavesTheMemoryToItsOwner) {
  const PoolCounts before = pool_counts();
  {
    std::vector<double> values(1000, 0.5);
    const Tensor seen = view(values, {1000});
    const Tensor copy = seen;
    EXPECT_EQ(copy.to_vector<double>(), values);
  }
  EXPECT_EQ(pool_counts().bytes_in_use, before.bytes_in_use);
  EXPECT_EQ(pool_counts().bytes_free, before.bytes_free);
}

TEST(View, RefusesAnotherNumberOfValuesAndNoMemory) {
  const std::vector<float> values(5);
  EXPECT_THROW(view(values, {2, 3}), Error);
  EXPECT_THROW(View(nullptr, Dtype::f32, {1}), Error);
  EXPECT_EQ(View(nullptr, Dtype::f32, {0}).bytes(), 0u);
}

}  // namespace
}  // namespace sinter
