// The runner of passes and its switches, the text after each pass, and the memory of plans.
#include "compile/pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/temporary_folder.h"
#include "compile/checks.h"
#include "compile/memory.h"
#include "ir/internal_error.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "source_path.h"

namespace sinter {
namespace {

using compile_detail::Blob;

std::string contents(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A tiny training step with a new State in place, a broadcast, a reduction and a matrix product.
void call_tiny_step() {
  const State w(floats({1, 2, 3, 4, 5, 6}, {2, 3}), "w");
  auto step = compile(
      [&](const Tensor& x) {
        const Tensor loss = mean(softmax(matmul(x, transpose(w))) * 3.0);
        w.assign(w - gradients(loss, std::vector<State>{w})[0] * 0.5);
        return loss;
      },
      "tiny");
  step(floats({1, 0, 0, 1, 0, 1, 1, 1, 1, 2, 1, 0}, {4, 3}));
}

// "simplify.txt" and its text, for the program "tiny"; ids of States, which count up through the
// process, replaced.
std::map<std::string, std::string> dumps_of_tiny_step(const TemporaryFolder& folder) {
  const SwitchScope dump("SINTER_DUMP", folder.path());
  call_tiny_step();
  std::map<std::string, std::string> dumps;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("tiny-", 0) != 0 || name.find('.') == std::string::npos) continue;
    std::string text = contents(entry.path());
    for (std::size_t at = text.find('#'); at != std::string::npos; at = text.find('#', at + 1)) {
      const std::size_t end = text.find_first_not_of("0123456789", at + 1);
      text.replace(at + 1, (end == std::string::npos ? text.size() : end) - at - 1, "S");
    }
    dumps[name.substr(name.find('-', name.find('.')) + 1)] = text;
  }
  return dumps;
}

TEST(Passes, DumpTheGraphAfterEachOfThemAndTheProgram) {
  const TemporaryFolder folder;
  const auto dumps = dumps_of_tiny_step(folder);
  for (const char* name : {"trace.txt", "trace.dot", "expand.txt", "rewrite.txt", "simplify.txt",
                           "materialize.txt", "program.txt"}) {
    EXPECT_EQ(dumps.count(name), 1u) << name;
  }
  EXPECT_EQ(dumps.at("trace.txt").rfind("sinter-graph 1\n", 0), 0u);
  EXPECT_TRUE(says(dumps.at("trace.txt"), "softmax"));
  EXPECT_FALSE(says(dumps.at("expand.txt"), " softmax(")) << "composites are expanded";
  EXPECT_TRUE(says(dumps.at("program.txt"), "sinter-program 1"));
}

// The graphs, without the lines where their ops were recorded: those move.
std::string graphs_of(const std::map<std::string, std::string>& dumps) {
  std::string text;
  for (const auto& [name, dumped] : dumps) {
    if (name.find(".txt") == std::string::npos) continue;
    if (name == "program.txt") continue;  // its workspaces depend on the processor
    std::istringstream lines(dumped);
    text += "== " + name + "\n";
    for (std::string line; std::getline(lines, line);) {
      text += line.substr(0, line.find("  ;")) + "\n";
    }
  }
  return text;
}

TEST(Passes, GiveTheSameTextEveryTimeAndThatOfTheGoldenFile) {
  const TemporaryFolder first, second;
  const std::string text = graphs_of(dumps_of_tiny_step(first));
  EXPECT_EQ(text, graphs_of(dumps_of_tiny_step(second)));
  // After a meant change: SINTER_UPDATE_GOLDEN=1 compile_test
  const std::string path = tests::source_path("tests/golden/passes.txt");
  if (std::getenv("SINTER_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  EXPECT_EQ(text, contents(path));
}

TEST(Passes, AFolderThatCannotBeWrittenIsAnError) {
  const TemporaryFolder folder;
  std::ofstream(folder / "file") << "x";
  const SwitchScope dump("SINTER_DUMP", folder / "file");
  EXPECT_TRUE(says(message_of([] { call_tiny_step(); }), "SINTER_DUMP: cannot write"));
}

TEST(Passes, DisabledOnesThatDoNotExistAreAnErrorThatNamesThem) {
  {
    const SwitchScope disable("SINTER_DISABLE", "fuse,fusion");
    const std::string message = message_of([] { call_tiny_step(); });
    EXPECT_TRUE(
        says(message, "SINTER_DISABLE: there is no pass or rewrite of this name; got fusion"))
        << message;
    EXPECT_TRUE(says(message, "simplify")) << message;
  }
  const SwitchScope disable("SINTER_DISABLE", "expand,turn_products,simplify,fuse,emit,plan");
  EXPECT_EQ(message_of([] { call_tiny_step(); }), "no error");
}

TEST(Passes, WithoutFusionEveryOpIsAStep) {
  const auto kernels = [] {
    CompiledFunction chain([](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{sum(relu(tanh(x[0]) + 1.0))};
    });
    return chain.report({floats({1, 2, 3})}).kernels;
  };
  EXPECT_EQ(kernels(), 1);
  const SwitchScope disable("SINTER_DISABLE", "fuse");
  EXPECT_EQ(kernels(), 4);
}

TEST(Passes, ANameThatIsNotListedIsOurMistake) {
  compile_detail::PassRunner runner("test");
  EXPECT_THROW(runner.time("made_up", [] {}), ir::InternalError);
}

TEST(Memory, BlobsAliveTogetherDoNotOverlapAndNothingIsWasted) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    std::vector<Blob> blobs(1 + random() % 40);
    std::int64_t all = 0;
    for (Blob& blob : blobs) {
      blob.bytes =
          static_cast<std::int64_t>(random() % 3 == 0 ? random() % 100000 : random() % 300);
      blob.first = static_cast<std::int32_t>(random() % 30);
      blob.last = blob.first + static_cast<std::int32_t>(random() % 10);
      all += (blob.bytes + 63) / 64 * 64;
      const bool keeps = round % 2 == 1 && random() % 10 == 0;
      if (keeps && blob.bytes > 128) blob.kept_bytes = 64 * (1 + random() % 2);
    }
    const std::int64_t total = compile_detail::place_blobs(blobs);
    std::int64_t needed = 0;  // by the step with most bytes alive
    for (std::int32_t step = 0; step < 40; ++step) {
      std::int64_t alive = 0;
      for (const Blob& blob : blobs) {
        if (blob.first <= step && step <= blob.last) alive += blob.bytes;
      }
      needed = std::max(needed, alive);
    }
    EXPECT_GE(total, needed);
    EXPECT_LE(total, all);
    const bool some_keep = std::any_of(blobs.begin(), blobs.end(),
                                       [](const Blob& blob) { return blob.kept_bytes > 0; });
    if (!some_keep) {
      EXPECT_LE(total, needed + needed / 2 + 64 * 40) << "round " << round;
    }
    for (std::size_t i = 0; i < blobs.size(); ++i) {
      const Blob& a = blobs[i];
      ASSERT_EQ(a.offset % 64, 0);
      ASSERT_LE(a.offset + a.bytes, total);
      for (std::size_t j = 0; j < i; ++j) {
        const Blob& b = blobs[j];
        const bool in_time = a.first <= b.last && b.first <= a.last;
        const bool in_space = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
        ASSERT_FALSE(in_time && in_space) << "round " << round << ", " << i << " and " << j;
        // The bytes that one keeps are free of the other at any time.
        const auto keeps = [](const Blob& one, const Blob& other) {
          const std::int64_t end = one.offset + (one.bytes + 63) / 64 * 64;
          return one.kept_bytes == 0 || other.offset >= end ||
                 other.offset + other.bytes <= end - one.kept_bytes;
        };
        ASSERT_TRUE(keeps(a, b) && keeps(b, a)) << "round " << round << ", " << i << " and " << j;
      }
    }
  }
}

TEST(Memory, ALongChainNeedsTwoBuffersHoweverLongItIs) {
  const auto arena = [](int length) {
    const SwitchScope disable("SINTER_DISABLE", "fuse");
    CompiledFunction chain([&](const std::vector<Tensor>& x) {
      Tensor y = x[0];
      for (int i = 0; i < length; ++i) y = transpose(matmul(y, y));
      return std::vector<Tensor>{y + 1.0};
    });
    const ProgramReport report = chain.report({floats(std::vector<float>(32 * 32), {32, 32})});
    return report.memory.activations;
  };
  EXPECT_EQ(arena(40), arena(10));
  EXPECT_LE(arena(40), 3 * 32 * 32 * 4);
}

}  // namespace
}  // namespace sinter
