// No training step allocates anything large after the first ones, oneDNN included. This program
// replaces malloc and its relatives to see it.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "compile/training_steps.h"
#include "sinter/compile.h"

namespace {

constexpr std::size_t kLarge = 4096;

std::atomic<bool> counting{false};
std::atomic<int> large_allocations{0};
std::atomic<std::size_t> largest{0};

void note(std::size_t bytes) {
  if (!counting || bytes < kLarge) return;
  ++large_allocations;
  std::size_t seen = largest;
  while (bytes > seen && !largest.compare_exchange_weak(seen, bytes)) {
  }
}

}  // namespace

// glibc's own functions, which the replacements below call.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

void* malloc(std::size_t bytes) {
  note(bytes);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  note(count * bytes);
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) {
  note(bytes);
  return __libc_realloc(memory, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  note(bytes);
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  note(bytes);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  note(bytes);
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
}

namespace sinter {
namespace {

// The largest allocation while it lives.
class Counting {
 public:
  Counting() {
    large_allocations = 0;
    largest = 0;
    counting = true;
  }
  ~Counting() { counting = false; }
};

TEST(Allocation, TheCounterSeesEveryWayToAllocate) {
  const Counting now;
  void* volatile kept = std::malloc(5000);
  std::free(kept);
  EXPECT_EQ(large_allocations, 1);
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
  EXPECT_EQ(large_allocations, 6);
  EXPECT_EQ(largest, 30000u);
}

void expect_no_large_allocation(const TrainingStep& model,
                                const std::vector<std::vector<Tensor>>& batches) {
  CompiledFunction step([&](const std::vector<Tensor>& arguments) { return model(arguments); });
  // The first step plans and compiles; the second, already counted, compares a second trace with
  // it.
  step.call(batches[0]);
  float loss = 0;
  {
    const Counting now;
    for (std::size_t call = 0; call < 100; ++call) {
      loss += step.call(batches[call % batches.size()])[0].item<float>();
    }
  }
  EXPECT_EQ(large_allocations, 0) << "the largest: " << largest << " bytes";
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
