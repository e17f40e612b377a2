// Valid texts, damaged in every way a short program can think of, from fixed seeds: parse_graph
// gives a graph that verifies, or throws Error. Anything else that it throws fails the test.
#include <gtest/gtest.h>

#include <cctype>
#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "test_ops.h"

namespace sinter::ir {
namespace {

using testing::apply;
using testing::layer_graph;
using testing::scan_graph;
using testing::test_ops;

Graph pool_graph() {
  Graph graph;
  const ValueId x = graph.add_input({Dtype::f32, Shape{2, 4, 6, 3}});
  const ValueId y = apply(graph, OpId::max_pool, {x});
  const ValueId part = apply(graph, OpId::slice, {y},
                             {{"start", std::vector<std::int64_t>{0, 1, 0, 0}},
                              {"length", std::vector<std::int64_t>{2, 1, 3, 3}}});
  graph.outputs = {part, y + 1};
  return graph;
}

std::vector<std::string> seeds() {
  return {to_text(layer_graph(), test_ops()), to_text(scan_graph(), test_ops()),
          to_text(pool_graph(), test_ops())};
}

struct Tally {
  int taken = 0;
  int refused = 0;
};

void try_text(const std::string& text, Tally& tally) {
  try {
    const Graph graph = parse_graph(text, test_ops());
    ++tally.taken;
    verify(graph, test_ops());
    const Graph again = parse_graph(to_text(graph, test_ops()), test_ops());
    EXPECT_EQ(first_difference(graph, again), -1) << text;
  } catch (const Error& error) {
    ++tally.refused;
    EXPECT_EQ(std::string(error.what()).compare(0, 17, "graph text, line "), 0) << error.what();
  } catch (const std::exception& error) {
    FAIL() << error.what() << "\nfor\n" << text;
  }
}

// A small generator (xorshift), so that every run damages the same places.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2654435769u + 1) {}
  std::size_t below(std::size_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<std::size_t>(state_ % bound);
  }

 private:
  std::uint64_t state_;
};

// Words, numbers and single punctuation marks.
std::vector<std::string> tokens_of(const std::string& text) {
  std::vector<std::string> tokens;
  bool in_word = false;
  for (const char c : text) {
    const bool word = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    if (word && in_word) {
      tokens.back() += c;
    } else {
      tokens.emplace_back(1, c);
    }
    in_word = word;
  }
  return tokens;
}

std::string join(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

TEST(GraphParseFuzz, TruncatedAnywhere) {
  Tally tally;
  for (const std::string& text : seeds()) {
    for (std::size_t i = 0; i <= text.size(); ++i) try_text(text.substr(0, i), tally);
  }
  EXPECT_GT(tally.refused, 100);
  EXPECT_GT(tally.taken, 10);
}

TEST(GraphParseFuzz, EveryByteReplaced) {
  Tally tally;
  const std::string bytes("\0\n\xff%#(){}[]=,;:-0129azx ", 24);
  for (const std::string& text : seeds()) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      for (const char byte : bytes) {
        std::string damaged = text;
        damaged[i] = byte;
        try_text(damaged, tally);
      }
    }
  }
  EXPECT_GT(tally.refused, 1000);
  EXPECT_GT(tally.taken, 100);
}

TEST(GraphParseFuzz, TokensDroppedDoubledAndSwapped) {
  Tally tally;
  for (const std::string& text : seeds()) {
    const std::vector<std::string> tokens = tokens_of(text);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::vector<std::string> damaged = tokens;
      damaged.erase(damaged.begin() + static_cast<std::ptrdiff_t>(i));
      try_text(join(damaged), tally);
      damaged = tokens;
      damaged.insert(damaged.begin() + static_cast<std::ptrdiff_t>(i), tokens[i]);
      try_text(join(damaged), tally);
      for (std::size_t j = i + 1; j < tokens.size(); j += 3) {
        damaged = tokens;
        std::swap(damaged[i], damaged[j]);
        try_text(join(damaged), tally);
      }
    }
  }
  EXPECT_GT(tally.refused, 1000);
  EXPECT_GT(tally.taken, 100);
}

TEST(GraphParseFuzz, NumbersReplacedByExtremeOnes) {
  Tally tally;
  const char* numbers[] = {"-1",
                           "2147483648",
                           "140737488355328",
                           "9223372036854775807",
                           "-9223372036854775808",
                           "18446744073709551615",
                           "99999999999999999999999",
                           "0x1p+1023",
                           "nan:7ff8000000000000",
                           "inf"};
  for (const std::string& text : seeds()) {
    const std::vector<std::string> tokens = tokens_of(text);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (std::isdigit(static_cast<unsigned char>(tokens[i][0])) == 0) continue;
      for (const char* number : numbers) {
        std::vector<std::string> damaged = tokens;
        damaged[i] = number;
        try_text(join(damaged), tally);
      }
    }
  }
  EXPECT_GT(tally.refused, 300);
  EXPECT_GT(tally.taken, 10);
}

TEST(GraphParseFuzz, ManyWoundsAtOnce) {
  Tally tally;
  const std::vector<std::string> texts = seeds();
  for (std::uint64_t seed = 1; seed <= 20000; ++seed) {
    Random random(seed);
    std::vector<std::string> tokens = tokens_of(texts[random.below(texts.size())]);
    const std::vector<std::string> donor = tokens_of(texts[random.below(texts.size())]);
    for (std::size_t wounds = 1 + random.below(4); wounds > 0 && !tokens.empty(); --wounds) {
      const auto place = tokens.begin() + static_cast<std::ptrdiff_t>(random.below(tokens.size()));
      switch (random.below(4)) {
        case 0:
          tokens.erase(place);
          break;
        case 1:
          tokens.insert(place, donor[random.below(donor.size())]);
          break;
        case 2:
          *place = donor[random.below(donor.size())];
          break;
        default:
          (*place)[random.below(place->size())] ^= static_cast<char>(1 << random.below(8));
      }
    }
    try_text(join(tokens), tally);
  }
  EXPECT_GT(tally.refused, 10000);
  EXPECT_GT(tally.taken, 300);
}

}  // namespace
}  // namespace sinter::ir
