// No training step allocates anything large after the first ones, oneDNN included.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>

#include "backend/cpu/groups/cache.h"
#include "base/counting_malloc.h"
#include "compile/training_steps.h"
#include "sinter/compile.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

// What is allocated from when this is made on.
class Counting {
 public:
  Counting() : before_(large_allocations()) { take_largest_allocation(); }
  std::int64_t count() const { return large_allocations() - before_; }

 private:
  std::int64_t before_;
};

TEST(Allocation, TheCounterSeesEveryWayToAllocate) {
  const Counting now;
  void* volatile kept = std::malloc(5000);
  std::free(kept);
  EXPECT_EQ(now.count(), 1);
  kept = ::operator new(6000);
  ::operator delete(kept);
  kept = std::aligned_alloc(64, 6400);
  std::free(kept);
  kept = std::calloc(100, 100);
  kept = std::realloc(kept, 20000);
  std::free(kept);
  void* aligned = nullptr;
  ASSERT_EQ(posix_memalign(&aligned, 64, 30000), 0);
  std::free(aligned);
  kept = std::malloc(4095);
  std::free(kept);
  EXPECT_EQ(now.count(), 6);
  EXPECT_EQ(take_largest_allocation(), 30000u);
}

// Allocations of any size by `call`, which has run before.
std::int64_t allocations_of(const std::function<void()>& call) {
  const std::int64_t before = all_allocations();
  count_small_allocations(true);
  call();
  count_small_allocations(false);
  return all_allocations() - before;
}

TEST(Allocation, CallIntoTakesNothingFromTheHeap) {
  const State weight(tensor(std::vector<float>(64, 0.5F), {64}));
  CompiledFunction forward([&](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{softmax(relu(x[0] * weight + 1.0)), mean(x[0])};
  });
  std::vector<float> values(8 * 64, 0.25F);
  std::vector<float> rows(8 * 64);
  float average = 0;
  const std::vector<std::span<std::byte>> results = {
      std::as_writable_bytes(std::span(rows)), std::as_writable_bytes(std::span(&average, 1))};
  const auto call = [&] {
    const View argument = view(values, {8, 64});
    forward.call_into({&argument, 1}, results);
  };
  for (int i = 0; i < 2; ++i) call();  // the second compares a second trace with the first
  EXPECT_EQ(allocations_of(call), 0);
  EXPECT_EQ(average, 0.25F);
  EXPECT_GT(allocations_of([] { std::vector<int>(3).swap(*std::make_unique<std::vector<int>>()); }),
            0);
}

void expect_no_large_allocation(const ModelStep& model,
                                const std::vector<std::vector<Tensor>>& batches) {
  if (!backend::cpu::supports(backend::cpu::Isa::avx2)) {
    GTEST_SKIP() << "below AVX2 matrix products are oneDNN's, which take memory from the heap";
  }
  CompiledFunction step([&](const std::vector<Tensor>& arguments) { return model(arguments); });
  // The first step plans and compiles; the second, already counted, compares a second trace with
  // it.
  step.call(batches[0]);
  float loss = 0;
  const Counting now;
  for (std::size_t call = 0; call < 100; ++call) {
    loss += step.call(batches[call % batches.size()])[0].item<float>();
  }
  EXPECT_EQ(now.count(), 0) << "the largest: " << take_largest_allocation() << " bytes";
  EXPECT_GT(loss, 0);
}

TEST(Allocation, AHundredStepsOfAnMlpAllocateNothingLarge) {
  std::mt19937 random(1);
  std::vector<std::vector<Tensor>> batches;
  for (int i = 0; i < 8; ++i) batches.push_back(mlp_batch(128, random));
  expect_no_large_allocation(mlp_step(), batches);
}

TEST(Allocation, AHundredStepsOfACnnAllocateNothingLarge) {
  std::mt19937 random(1);
  std::vector<std::vector<Tensor>> batches;
  for (int i = 0; i < 8; ++i) batches.push_back(cnn_batch(64, random));
  expect_no_large_allocation(cnn_step(), batches);
}

}  // namespace
}  // namespace sinter
