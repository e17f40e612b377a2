#include "base/cpu_quota.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sinter {
namespace {

namespace fs = std::filesystem;

// A folder that stands for the root of the file system.
class CpuQuota : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "sinter-quota-" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  // cgroup v2 at /sys/fs/cgroup, which shows the group `shown`; the process is in `group`.
  void use_v2(const std::string& group, const std::string& shown = "/") const {
    write("/proc/self/cgroup", "0::" + group + "\n");
    write("/proc/self/mountinfo",
          "24 30 0:22 / /proc rw,nosuid shared:12 - proc proc rw\n"
          "31 23 0:26 " +
              shown + " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  std::optional<double> quota() const { return cpu_quota(root_); }

  std::string root_;
};

TEST_F(CpuQuota, IsNothingWhereThereIsNone) {
  EXPECT_FALSE(quota());  // no /proc
  use_v2("/");
  EXPECT_FALSE(quota());  // no file
  use_v2("/a/b");
  write("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
  write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_FALSE(quota());
}

TEST_F(CpuQuota, IsTheLeastOfAllGroupsAround) {
  use_v2("/a/b/c");
  write("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  write("/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n");
  EXPECT_EQ(quota(), 1.5);
  write("/sys/fs/cgroup/a/b/c/cpu.max", "50000 200000\n");
  EXPECT_EQ(quota(), 0.25);
  write("/sys/fs/cgroup/cpu.max", "20000 100000\n");
  EXPECT_EQ(quota(), 0.2);
}

TEST_F(CpuQuota, IsReadInsideAContainer) {
  use_v2("/");  // a namespace of its own
  write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2);
  use_v2("/docker/1234/job", "/docker/1234");  // a part of the host's hierarchy
  write("/sys/fs/cgroup/job/cpu.max", "100000 100000\n");
  EXPECT_EQ(quota(), 1);
  use_v2("/../elsewhere");
  EXPECT_EQ(quota(), 2);
}

TEST_F(CpuQuota, IsReadOfVersion1) {
  write("/proc/self/cgroup",
        "9:name=systemd:/x\n4:cpuset:/other\n3:cpuacct,cpu:/jobs/7\n0::/unified\n");
  write("/proc/self/mountinfo",
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
  const std::string group = "/sys/fs/cgroup/cpu,cpuacct/jobs/7/";
  write(group + "cpu.cfs_quota_us", "-1\n");
  write(group + "cpu.cfs_period_us", "100000\n");
  EXPECT_FALSE(quota());
  write(group + "cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(quota(), 2.5);
}

TEST_F(CpuQuota, NonsenseIsNoQuota) {
  write("/proc/self/cgroup", "nothing\n::\n0:\n0::" + std::string(5000, '/') + "\n");
  write("/proc/self/mountinfo", "- - - -\n\n1 2 3 / /x - cgroup2\n1 2 3 / /x rw - cgroup2 c rw\n");
  write("/x/cpu.max", "a b\n");
  EXPECT_FALSE(quota());
  write("/x/cpu.max", "100000 0\n");
  EXPECT_FALSE(quota());
  write("/x/cpu.max", "nan 100000\n");
  EXPECT_FALSE(quota());
}

}  // namespace
}  // namespace sinter
