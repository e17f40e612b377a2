#include "base/switches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "sinter/error.h"

namespace sinter {
namespace {

// Starts from an environment without any switch and puts it back afterwards.
class SwitchesTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const SwitchRow& row : switches_table()) {
      const char* value = std::getenv(std::string(row.name).c_str());
      saved_.emplace_back(row.name, value != nullptr ? value : "");
      unsetenv(std::string(row.name).c_str());
    }
    reload_switches();
  }
  void TearDown() override {
    for (const auto& [name, value] : saved_) {
      unsetenv(name.c_str());
      if (!value.empty()) setenv(name.c_str(), value.c_str(), 1);
    }
    reload_switches();
  }

  static const Switches& with(const char* name, const char* value) {
    setenv(name, value, 1);
    reload_switches();
    return switches();
  }

  // The message that a bad value gives.
  static std::string refusal(const char* name, const char* value) {
    setenv(name, value, 1);
    std::string message = "nothing was thrown";
    try {
      reload_switches();
    } catch (const Error& error) {
      message = error.what();
    }
    unsetenv(name);
    return message;
  }

 private:
  std::vector<std::pair<std::string, std::string>> saved_;
};

TEST_F(SwitchesTest, AreOffWhenTheEnvironmentSaysNothing) {
  const Switches& values = switches();
  EXPECT_EQ(values.debug, 0);
  EXPECT_EQ(values.dump, "");
  EXPECT_TRUE(values.disable.empty());
  EXPECT_EQ(values.check, 0);
  EXPECT_EQ(values.isa, IsaChoice::automatic);
  EXPECT_EQ(values.threads, 0);
}

TEST_F(SwitchesTest, AreReadFromTheEnvironment) {
  EXPECT_EQ(with("SINTER_DEBUG", "5").debug, 5);
  EXPECT_EQ(with("SINTER_DUMP", "/tmp/x y").dump, "/tmp/x y");
  EXPECT_EQ(with("SINTER_CHECK", "3").check, 3);
  EXPECT_EQ(with("SINTER_ISA", "avx2").isa, IsaChoice::avx2);
  EXPECT_EQ(with("SINTER_ISA", "avx512").isa, IsaChoice::avx512);
  EXPECT_EQ(with("SINTER_ISA", "interpreter").isa, IsaChoice::interpreter);
  EXPECT_EQ(with("SINTER_ISA", "auto").isa, IsaChoice::automatic);
  EXPECT_EQ(with("SINTER_THREADS", "7").threads, 7);
  for (const char* device : {"auto", "cpu", "cuda", "cuda:12"}) {
    EXPECT_EQ(with("SINTER_DEVICE", device).device, device);
  }
  EXPECT_EQ(with("SINTER_CUDA_LIBRARY", "/opt/x y.so").cuda_library, "/opt/x y.so");
}

TEST_F(SwitchesTest, DisableNamesPassesApart) {
  const Switches& values = with("SINTER_DISABLE", "fuse, emit");
  EXPECT_TRUE(values.disabled("fuse"));
  EXPECT_TRUE(values.disabled("emit"));
  EXPECT_FALSE(values.disabled("fus"));
  EXPECT_FALSE(values.disabled("fuse, emit"));
  EXPECT_FALSE(values.disabled(""));
}

TEST_F(SwitchesTest, EmptyValuesCountAsUnset) {
  for (const SwitchRow& row : switches_table()) setenv(std::string(row.name).c_str(), "", 1);
  reload_switches();
  EXPECT_EQ(switches().debug, 0);
  EXPECT_EQ(switches().threads, 0);
  EXPECT_EQ(switches().isa, IsaChoice::automatic);
  EXPECT_TRUE(switches().disable.empty());
}

TEST_F(SwitchesTest, BadValuesAreErrorsThatNameTheSwitch) {
  EXPECT_EQ(refusal("SINTER_DEBUG", "6"),
            "SINTER_DEBUG: the environment variable has a bad value; got \"6\"; expected 0 to 5");
  for (const char* bad : {"-1", "1x", " 1", "yes", "99999999999999999999", "1.0"}) {
    EXPECT_NE(refusal("SINTER_DEBUG", bad).find("SINTER_DEBUG: "), std::string::npos) << bad;
  }
  EXPECT_NE(refusal("SINTER_CHECK", "4").find("SINTER_CHECK: "), std::string::npos);
  EXPECT_NE(refusal("SINTER_ISA", "sse").find("auto, interpreter, avx2 or avx512"),
            std::string::npos);
  for (const char* bad : {"gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"}) {
    EXPECT_NE(refusal("SINTER_DEVICE", bad).find("auto, cpu, cuda or cuda:N"), std::string::npos);
  }
  EXPECT_NE(refusal("SINTER_THREADS", "0").find("1 to 1024"), std::string::npos);
  for (const char* bad : {"fuse,,emit", ",", "Fuse", "fuse emit", "fuse;emit"}) {
    EXPECT_NE(refusal("SINTER_DISABLE", bad).find("SINTER_DISABLE: "), std::string::npos) << bad;
  }
}

TEST_F(SwitchesTest, ABadValueLeavesTheOldOnes) {
  with("SINTER_DEBUG", "2");
  refusal("SINTER_CHECK", "9");
  EXPECT_EQ(switches().debug, 2);
}

TEST_F(SwitchesTest, MisspeltNamesAreFound) {
  setenv("SINTER_DEBGU", "1", 1);
  setenv("SINTER_DEBUG", "1", 1);
  setenv("SINTER_INSTALL", "0", 1);
  setenv("XSINTER_DEBUG", "1", 1);
  const std::vector<std::string> unknown = unknown_switches();
  unsetenv("SINTER_DEBGU");
  unsetenv("XSINTER_DEBUG");
  EXPECT_NE(std::find(unknown.begin(), unknown.end(), "SINTER_DEBGU"), unknown.end());
  for (const SwitchRow& row : switches_table()) {
    EXPECT_EQ(std::find(unknown.begin(), unknown.end(), row.name), unknown.end()) << row.name;
  }
  EXPECT_EQ(std::find(unknown.begin(), unknown.end(), "XSINTER_DEBUG"), unknown.end());
}

TEST_F(SwitchesTest, TheTableIsSortedAndDocumented) {
  std::string_view last;
  for (const SwitchRow& row : switches_table()) {
    EXPECT_LT(last, row.name);
    EXPECT_FALSE(row.text.empty()) << row.name;
    EXPECT_FALSE(row.values.empty()) << row.name;
    EXPECT_EQ(row.text.find('\n'), std::string_view::npos) << row.name;
    last = row.name;
  }
}

}  // namespace
}  // namespace sinter
