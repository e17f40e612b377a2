#include "base/lru_cache.h"

#include <gtest/gtest.h>

namespace sinter {
namespace {

std::shared_ptr<int> number(int value) { return std::make_shared<int>(value); }

TEST(LruCache, ForgetsWhatWasUsedLongestAgo) {
  LruCache<int> cache(2);
  EXPECT_EQ(cache.find("a"), nullptr);
  cache.add("a", number(1));
  cache.add("b", number(2));
  const std::shared_ptr<int> b = cache.find("b");
  EXPECT_EQ(*cache.find("a"), 1);
  cache.add("c", number(3));
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.find("b"), nullptr);
  EXPECT_EQ(*cache.find("a"), 1);
  EXPECT_EQ(*cache.find("c"), 3);
  EXPECT_EQ(*b, 2) << "whoever holds it keeps it";
}

TEST(LruCache, TheFirstValueOfAKeyStays) {
  LruCache<int> cache(2);
  EXPECT_EQ(*cache.add("a", number(1)), 1);
  EXPECT_EQ(*cache.add("a", number(2)), 1);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(LruCache, WeighsTogetherAtMostWhatIsAllowedButKeepsTheNewest) {
  LruCache<int> cache(10, 100);
  cache.add("a", number(1), 60);
  cache.add("b", number(2), 40);
  EXPECT_EQ(cache.size(), 2u);
  cache.add("c", number(3), 30);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.find("a"), nullptr);
  cache.add("large", number(4), 1000);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(*cache.find("large"), 4);
  cache.add("d", number(5), 100);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(*cache.find("d"), 5);
}

}  // namespace
}  // namespace sinter
