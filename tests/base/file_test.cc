#include "base/file.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "largest_allocation.h"
#include "sinter/error.h"
#include "temporary_folder.h"

namespace sinter {
namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20;

// The message of the Error that `action` throws.
std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// Runs `action` in a child process, which ends without cleaning up; gives what it returned, or 255
// when it threw.
int in_child(const std::function<int()>& action) {
  const pid_t child = fork();
  if (child == 0) {
    int result = 255;
    try {
      result = action();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
    }
    _exit(result);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

TEST(File, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 300000; ++i) content.push_back(static_cast<char>(i * 7));
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65535},
                                 std::size_t{65536}, std::size_t{65537}, content.size()}) {
    write_file(folder / "a", content.substr(0, size));
    EXPECT_EQ(read_file(folder / "a", content.size()), content.substr(0, size)) << size;
  }
  EXPECT_EQ(folder.entries(), 1);
}

TEST(File, ReadsUpToTheLimitAndNotMore) {
  const TemporaryFolder folder;
  write_file(folder / "a", "12345");
  EXPECT_EQ(read_file(folder / "a", 5), "12345");
  EXPECT_EQ(read_file(folder / "a", SIZE_MAX), "12345");
  EXPECT_EQ(error_of([&] { read_file(folder / "a", 4); }),
            folder / "a" + ": the file is too large; got more than 4 bytes");
  // Endless, and says that it is empty.
  EXPECT_NE(error_of([] { read_file("/dev/zero", kMegabyte); }).find("too large"),
            std::string::npos);
  EXPECT_NE(read_file("/proc/self/status", kMegabyte).find("Pid:"), std::string::npos);
}

TEST(File, AFileLargerThanTheLimitTakesNoMemory) {
  const TemporaryFolder folder;
  write_file(folder / "a", "x");
  ASSERT_EQ(truncate((folder / "a").c_str(), off_t{1} << 40), 0);
  largest_allocation = 0;
  EXPECT_THROW(read_file(folder / "a", 64 * kMegabyte), Error);
  EXPECT_LT(largest_allocation, kMegabyte);
}

TEST(File, ReadingNamesThePathAndTheSystemsReason) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { read_file(folder / "none", 9); }),
            folder / "none" + ": cannot be opened: No such file or directory");
  EXPECT_EQ(error_of([&] { read_file(folder.path(), kMegabyte); }),
            folder.path() + ": cannot be read: Is a directory");
}

TEST(File, CreatesFoldersAboveToo) {
  const TemporaryFolder folder;
  create_directories(folder / "a/b/c");
  create_directories(folder / "a/b/c");
  write_file(folder / "a/b/c/file", "x");
  EXPECT_EQ(read_file(folder / "a/b/c/file", 1), "x");
  EXPECT_NE(error_of([&] { create_directories(folder / "a/b/c/file/d"); }).find("Not a directory"),
            std::string::npos);
  EXPECT_NE(error_of([&] { create_directories(folder / "a/b/c/file"); }).find("Not a directory"),
            std::string::npos);
}

TEST(AtomicFile, ShowsNothingBeforeCommit) {
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  AtomicFile file(folder / "a");
  file.write("new");
  EXPECT_EQ(read_file(folder / "a", 9), "old");
  file.write(" and longer");
  file.commit();
  EXPECT_EQ(read_file(folder / "a", 99), "new and longer");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, LeavesNothingWhenItIsNotCommitted) {
  const TemporaryFolder folder;
  { AtomicFile(folder / "a").write("new"); }
  EXPECT_EQ(folder.entries(), 0);
}

TEST(AtomicFile, WritesIntoTheCurrentFolder) {
  const TemporaryFolder folder;
  EXPECT_EQ(in_child([&] {
              if (chdir(folder.path().c_str()) != 0) return 1;
              write_file("plain", "x");
              return read_file(folder / "plain", 1) == "x" ? 0 : 2;
            }),
            0);
}

TEST(AtomicFile, SaysWhyAFileCannotBeWritten) {
  const TemporaryFolder folder;
  write_file(folder / "file", "x");
  EXPECT_EQ(error_of([&] { AtomicFile(folder / "none/a"); }),
            folder / "none/a" + ": cannot be written: No such file or directory");
  EXPECT_EQ(error_of([&] { AtomicFile(folder / "file/a"); }),
            folder / "file/a" + ": cannot be written: Not a directory");
  EXPECT_EQ(error_of([&] { AtomicFile file(folder.path()); }),
            folder.path() + ": cannot be written: Is a directory");
  for (const char* path : {"", "/tmp/", ".", ".."}) {
    EXPECT_NE(error_of([&] { AtomicFile file{std::string(path)}; }).find("names no file"),
              std::string::npos)
        << path;
  }
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, SaysWhenPermissionIsMissing) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write anywhere";
  const TemporaryFolder folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0555), 0);
  const std::string message = error_of([&] { AtomicFile file(folder / "a"); });
  chmod(folder.path().c_str(), 0755);
  EXPECT_EQ(message, folder / "a" + ": cannot be written: Permission denied");
}

// The same as above when the tests run as root, as they do in containers: a child gives root up.
TEST(AtomicFile, SaysWhenPermissionIsMissingAsAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  EXPECT_EQ(in_child([&] {
              if (setgid(65534) != 0 || setuid(65534) != 0) return 1;
              const std::string message = error_of([&] { write_file(folder / "a", "new"); });
              return message == folder / "a" + ": cannot be written: Permission denied" ? 0 : 2;
            }),
            0);
  EXPECT_EQ(read_file(folder / "a", 9), "old");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, AFullDiskIsAnErrorAndLeavesTheOldFile) {
  const TemporaryFolder folder;
  const int result = in_child([&] {
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return 77;
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
    if (mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0) return 77;
    write_file(folder / "a", "old");
    const std::string message =
        error_of([&] { write_file(folder / "a", std::string(kMegabyte, 'x')); });
    if (message != folder / "a" + ": cannot be written: No space left on device") return 1;
    if (read_file(folder / "a", 9) != "old") return 2;
    if (folder.entries() != 1) return 3;
    write_file(folder / "a", std::string(8192, 'y'));  // the space is there again
    return 0;
  });
  if (result == 77) GTEST_SKIP() << "this process may not mount a small file system";
  EXPECT_EQ(result, 0);
}

TEST(AtomicFile, AWriteThatStopsHalfwayIsAnErrorAndLeavesTheOldFile) {
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  EXPECT_EQ(in_child([&] {
              std::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit = {65536, 65536};
              if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
              const std::string message =
                  error_of([&] { write_file(folder / "a", std::string(kMegabyte, 'x')); });
              return message == folder / "a" + ": cannot be written: File too large" ? 0 : 2;
            }),
            0);
  EXPECT_EQ(read_file(folder / "a", 9), "old");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, AProcessKilledBeforeCommitLeavesTheOldFileAndItsRestIsRemovedLater) {
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  write_file(folder / "a.tmp", "of somebody else");
  for (int kill = 0; kill < 2; ++kill) {
    EXPECT_EQ(in_child([&] {
                auto* file = new AtomicFile(folder / "a");
                file->write("new");
                ::raise(SIGKILL);
                return 0;
              }),
              254);
    EXPECT_EQ(read_file(folder / "a", 9), "old");
    EXPECT_EQ(folder.entries(), 3);  // the rest of the first is gone when the second is killed
  }
  write_file(folder / "a", "new");
  EXPECT_EQ(read_file(folder / "a", 9), "new");
  EXPECT_EQ(read_file(folder / "a.tmp", 99), "of somebody else");
  EXPECT_EQ(folder.entries(), 2);
}

TEST(AtomicFile, TwoWritersOfOnePathDoNotDisturbEachOther) {
  const TemporaryFolder folder;
  auto first = std::make_unique<AtomicFile>(folder / "a");
  first->write("first");
  auto second = std::make_unique<AtomicFile>(folder / "a");
  second->write("second");
  EXPECT_EQ(folder.entries(), 2);
  first->commit();
  EXPECT_EQ(read_file(folder / "a", 9), "first");
  second->commit();
  EXPECT_EQ(read_file(folder / "a", 9), "second");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, KeepsThePermissionsOfTheFileItReplaces) {
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  ASSERT_EQ(chmod((folder / "a").c_str(), 0640), 0);
  write_file(folder / "a", "new");
  struct stat status = {};
  ASSERT_EQ(stat((folder / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
}

TEST(MappedFile, ShowsTheContent) {
  const TemporaryFolder folder;
  write_file(folder / "a", "content");
  const MappedFile file(folder / "a");
  ASSERT_EQ(file.size(), 7U);
  EXPECT_EQ(std::memcmp(file.data(), "content", 7), 0);
  write_file(folder / "a", "replaced by something longer");
  EXPECT_EQ(std::memcmp(file.data(), "content", 7), 0);
}

TEST(MappedFile, IsNullWhenTheFileIsEmpty) {
  const TemporaryFolder folder;
  write_file(folder / "a", "");
  const MappedFile file(folder / "a");
  EXPECT_EQ(file.size(), 0U);
  EXPECT_EQ(file.data(), nullptr);
}

TEST(MappedFile, MovesWithItsMemory) {
  const TemporaryFolder folder;
  write_file(folder / "a", "first");
  write_file(folder / "b", "second");
  MappedFile a(folder / "a");
  const std::byte* data = a.data();
  MappedFile b(std::move(a));
  EXPECT_EQ(b.data(), data);
  MappedFile c(folder / "b");
  c = std::move(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(c.size(), 5U);
  EXPECT_EQ(c.path(), folder / "a");
}

TEST(MappedFile, SaysWhyAFileCannotBeMapped) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { MappedFile(folder / "none"); }),
            folder / "none" + ": cannot be opened: No such file or directory");
  EXPECT_EQ(error_of([&] { MappedFile file(folder.path()); }),
            folder.path() + ": cannot be read: Is a directory");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { MappedFile(folder / "pipe"); }),
            folder / "pipe" + ": not a regular file");
  EXPECT_EQ(error_of([] { MappedFile("/dev/zero"); }), "/dev/zero: not a regular file");
}

}  // namespace
}  // namespace sinter
