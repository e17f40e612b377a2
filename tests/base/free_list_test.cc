#include "base/free_list.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sinter {
namespace {

struct Counted {
  explicit Counted(std::atomic<int>* alive) : alive_(alive) { ++*alive_; }
  ~Counted() { --*alive_; }
  std::atomic<int>* alive_;
  bool in_use = false;
};

TEST(FreeList, GivesBackWhatItWasGivenAndNothingElse) {
  std::atomic<int> alive{0};
  {
    FreeList<Counted> list(2);
    EXPECT_EQ(list.take(), nullptr);
    auto one = std::make_unique<Counted>(&alive);
    const Counted* const first = one.get();
    list.give(std::move(one));
    one = list.take();
    EXPECT_EQ(one.get(), first);
    EXPECT_EQ(list.take(), nullptr);
    list.give(std::move(one));
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST(FreeList, KeepsNoMoreThanItShould) {
  std::atomic<int> alive{0};
  FreeList<Counted> list(2);
  for (int i = 0; i < 7; ++i) list.give(std::make_unique<Counted>(&alive));
  EXPECT_EQ(alive, 3);
  for (int i = 0; i < 3; ++i) EXPECT_NE(list.take(), nullptr);
  EXPECT_EQ(list.take(), nullptr);
}

TEST(FreeList, NeverGivesOneObjectToTwoThreads) {
  std::atomic<int> alive{0};
  std::atomic<int> shared{0};
  FreeList<Counted> list(8);
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 300; ++round) {
        std::unique_ptr<Counted> mine = list.take();
        if (mine == nullptr) mine = std::make_unique<Counted>(&alive);
        if (mine->in_use) ++shared;
        mine->in_use = true;
        std::this_thread::yield();
        mine->in_use = false;
        list.give(std::move(mine));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared, 0);
  EXPECT_LE(alive, 6);
}

}  // namespace
}  // namespace sinter
