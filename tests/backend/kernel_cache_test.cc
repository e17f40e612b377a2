// The cache of compiled groups, on disks in good and bad states.
#include "backend/cuda/groups/kernel_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "../base/temporary_folder.h"
#include "base/switches.h"

namespace sinter::backend::cuda {
namespace {

namespace fs = std::filesystem;

const KernelKey kKey{.source = "the text", .architecture = 900, .compiler_version = "nvrtc 13.0"};

// Compiles to `image`, and counts.
class Compiler {
 public:
  explicit Compiler(std::string image = "machine code") : image_(std::move(image)) {}
  std::string get(KernelCache& cache, const KernelKey& key = kKey) {
    return *cache.get(key, [this] {
      ++compiled_;
      return image_;
    });
  }
  int compiled() const { return compiled_; }

 private:
  std::string image_;
  int compiled_ = 0;
};

// A cache that has no memory of what it has seen in this process.
std::string get_fresh(const std::string& folder, Compiler& compiler, const KernelKey& key = kKey) {
  KernelCache cache(folder);
  return compiler.get(cache, key);
}

std::string content_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}
void set_content(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

TEST(KernelCacheOnDisk, CompilesOnceForAllProcesses) {
  const TemporaryFolder folder;
  Compiler compiler(std::string("code with a \0 in it", 19));
  const std::string inner = folder / "made/when/needed";
  EXPECT_EQ(get_fresh(inner, compiler).size(), 19u);
  EXPECT_EQ(get_fresh(inner, compiler), std::string("code with a \0 in it", 19));
  EXPECT_EQ(compiler.compiled(), 1);
  EXPECT_TRUE(fs::exists(inner + "/" + KernelCache::file_name(kKey)));
}

TEST(KernelCacheOnDisk, KeepsWhatDependsOnOtherThingsApart) {
  const TemporaryFolder folder;
  Compiler compiler;
  get_fresh(folder.path(), compiler);
  KernelKey other = kKey;
  other.source = "the text.";
  get_fresh(folder.path(), compiler, other);
  other = kKey;
  other.architecture = 800;
  get_fresh(folder.path(), compiler, other);
  other = kKey;
  other.compiler_version = "nvrtc 13.1";
  get_fresh(folder.path(), compiler, other);
  EXPECT_EQ(compiler.compiled(), 4);
  EXPECT_EQ(folder.entries(), 4);
}

// A machine without NVRTC runs what was compiled before, by any version; but not other text,
// another architecture's code or what is damaged.
TEST(KernelCacheOnDisk, ServesWithoutACompiler) {
  const TemporaryFolder folder;
  Compiler compiler;
  get_fresh(folder.path(), compiler);
  Compiler none("compiled all the same");
  KernelKey key = kKey;
  key.compiler_version = "";
  EXPECT_EQ(get_fresh(folder.path(), none, key), "machine code");
  EXPECT_EQ(none.compiled(), 0);
  for (const KernelKey& other :
       {KernelKey{.source = "the text.", .architecture = 900, .compiler_version = ""},
        KernelKey{.source = "the text", .architecture = 800, .compiler_version = ""},
        KernelKey{.source = "the text",
        .architecture = 900,
        .is_emulated = true,
        .compiler_version = ""}}) {
    const TemporaryFolder copy;
    fs::copy(folder.path(), copy.path(), fs::copy_options::recursive);
    const int before = none.compiled();
    get_fresh(copy.path(), none, other);
    EXPECT_EQ(none.compiled(), before + 1);
  }
  const std::string path = folder / KernelCache::file_name(kKey);
  set_content(path, content_of(path).substr(0, 50));
  const int before = none.compiled();
  get_fresh(folder.path(), none, key);
  EXPECT_EQ(none.compiled(), before + 1);
}

TEST(KernelCacheOnDisk, ReplacesEveryFileThatIsCutOrChanged) {
  const TemporaryFolder folder;
  Compiler compiler;
  get_fresh(folder.path(), compiler);
  const std::string path = folder / KernelCache::file_name(kKey);
  const std::string good = content_of(path);
  int compiled = 1;
  const auto must_recompile = [&](const std::string& content, const std::string& what) {
    set_content(path, content);
    EXPECT_EQ(get_fresh(folder.path(), compiler), "machine code") << what;
    EXPECT_EQ(compiler.compiled(), ++compiled) << what;
    EXPECT_EQ(content_of(path), good) << what;
  };
  for (std::size_t length = 0; length < good.size(); length += 3) {
    must_recompile(good.substr(0, length), "cut to " + std::to_string(length));
  }
  for (std::size_t at = 0; at < good.size(); at += 3) {
    std::string changed = good;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    must_recompile(changed, "changed at " + std::to_string(at));
  }
  must_recompile(good + "x", "longer");
  must_recompile(std::string(100000, 'x'), "foreign");
}

// As two texts with one hash would be.
TEST(KernelCacheOnDisk, ReplacesTheFileOfAnotherText) {
  const TemporaryFolder folder;
  Compiler other("other code");
  KernelKey key = kKey;
  key.source = "other text";
  get_fresh(folder.path(), other, key);
  fs::rename(folder / KernelCache::file_name(key), folder / KernelCache::file_name(kKey));
  Compiler compiler;
  EXPECT_EQ(get_fresh(folder.path(), compiler), "machine code");
  EXPECT_EQ(compiler.compiled(), 1);
}

TEST(KernelCacheOnDisk, WorksWithoutAFolderAndWarnsOnce) {
  const TemporaryFolder folder;
  set_content(folder / "file", "not a folder");
  ::testing::internal::CaptureStderr();
  KernelCache cache(folder / "file/kernels");
  Compiler compiler;
  KernelKey other = kKey;
  other.source = "other text";
  EXPECT_EQ(compiler.get(cache), "machine code");
  EXPECT_EQ(compiler.get(cache), "machine code");
  EXPECT_EQ(compiler.get(cache, other), "machine code");
  EXPECT_EQ(compiler.compiled(), 2);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("compiled kernels are not kept"), std::string::npos) << said;
  EXPECT_NE(said.find(folder / "file/kernels"), std::string::npos) << said;
  EXPECT_EQ(said.find('\n'), said.size() - 1) << said;
}

TEST(KernelCacheOnDisk, WorksInAFolderThatCannotBeWritten) {
  if (geteuid() == 0) GTEST_SKIP() << "root writes everywhere";
  const TemporaryFolder folder;
  chmod(folder.path().c_str(), 0500);
  ::testing::internal::CaptureStderr();
  Compiler compiler;
  EXPECT_EQ(get_fresh(folder.path(), compiler), "machine code");
  EXPECT_NE(::testing::internal::GetCapturedStderr(), "");
  chmod(folder.path().c_str(), 0700);
}

TEST(KernelCacheOnDisk, SaysNothingWhenThereIsToBeNoFolder) {
  ::testing::internal::CaptureStderr();
  KernelCache cache("");
  Compiler compiler;
  compiler.get(cache);
  compiler.get(cache);
  EXPECT_EQ(compiler.compiled(), 1);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(KernelCacheOnDisk, KeepsNothingOfACompilationThatFails) {
  const TemporaryFolder folder;
  KernelCache cache(folder.path());
  EXPECT_THROW(cache.get(kKey, []() -> std::string { throw std::runtime_error("no"); }),
               std::runtime_error);
  EXPECT_EQ(folder.entries(), 0);
  Compiler compiler;
  EXPECT_EQ(compiler.get(cache), "machine code");
}

TEST(KernelCacheOnDisk, ProcessesThatCompileTheSameAtOnceAllSucceed) {
  const TemporaryFolder folder;
  constexpr int kProcesses = 4;
  for (int process = 0; process < kProcesses; ++process) {
    if (fork() != 0) continue;
    int status = 0;
    for (int round = 0; round < 20; ++round) {
      KernelCache cache(folder.path());
      const std::string source = "text " + std::to_string(round);
      const KernelKey key{.source = source, .architecture = 900, .compiler_version = "x"};
      const std::string image = *cache.get(key, [&] { return "code of " + source; });
      if (image != "code of " + source) status = 1;
    }
    _exit(status);
  }
  for (int process = 0; process < kProcesses; ++process) {
    int status = 0;
    wait(&status);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(folder.entries(), 20) << "and no temporary is left";
}

TEST(KernelCacheOnDisk, RemovesTheOldestFilesBeyondItsLimit) {
  const TemporaryFolder folder;
  set_content(folder / "notes.txt", std::string(5000, 'x'));
  const auto key_of = [](const std::string& source) {
    return KernelKey{.source = source, .architecture = 900, .compiler_version = "x"};
  };
  Compiler compiler(std::string(1000, 'c'));
  for (int i = 0; i < 12; ++i) {
    const std::string source = "text " + std::to_string(i);
    KernelCache cache(folder.path(), 8000);
    compiler.get(cache, key_of(source));
    const std::string path = folder / KernelCache::file_name(key_of(source));
    // Written in this order, whatever the resolution of the file system's clock.
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(100 - i));
  }
  EXPECT_TRUE(fs::exists(folder / "notes.txt")) << "what is not a kernel is left alone";
  EXPECT_FALSE(fs::exists(folder / KernelCache::file_name(key_of("text 0"))));
  EXPECT_TRUE(fs::exists(folder / KernelCache::file_name(key_of("text 11"))));
  EXPECT_GE(folder.entries(), 5);
  EXPECT_LE(folder.entries(), 9);
}

// Restores an environment variable.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
    reload_switches();
  }
  ~Variable() {
    old_.has_value() ? setenv(name_, old_->c_str(), 1) : unsetenv(name_);
    reload_switches();
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

TEST(KernelCacheOnDisk, IsWhereTheEnvironmentSays) {
  const Variable home("HOME", "/home/me");
  const Variable base("XDG_CACHE_HOME", nullptr);
  const Variable none("SINTER_CACHE", nullptr);
  EXPECT_EQ(KernelCache::folder_of_environment(), "/home/me/.cache/sinter");
  {
    const Variable relative("XDG_CACHE_HOME", "not/absolute");
    EXPECT_EQ(KernelCache::folder_of_environment(), "/home/me/.cache/sinter");
  }
  const Variable other("XDG_CACHE_HOME", "/caches");
  EXPECT_EQ(KernelCache::folder_of_environment(), "/caches/sinter");
  {
    const Variable named("SINTER_CACHE", "/here");
    EXPECT_EQ(KernelCache::folder_of_environment(), "/here");
  }
  const Variable off("SINTER_CACHE", "");
  EXPECT_EQ(KernelCache::folder_of_environment(), "");
}

}  // namespace
}  // namespace sinter::backend::cuda
