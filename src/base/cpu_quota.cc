#include "base/cpu_quota.h"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace sinter {
namespace {

// Where a hierarchy of control groups that limits CPU time is mounted.
struct Mount {
  bool is_v2 = false;
  std::string root;   // the group that the mount point shows
  std::string point;  // a directory
};

bool lists(const std::string& names, std::string_view name) {
  std::stringstream stream(names);
  for (std::string each; std::getline(stream, each, ',');) {
    if (each == name) return true;
  }
  return false;
}

// Lines of /proc/self/mountinfo: id, parent, device, root, mount point, options, optional fields,
// "-", type, source, options of the file system (proc_pid_mountinfo(5)).
std::vector<Mount> find_mounts(const std::string& root) {
  std::vector<Mount> mounts;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::vector<std::string> words;
    for (std::string word; fields >> word;) words.push_back(word);
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    if (dash[1] == "cgroup2") {
      mounts.push_back({.is_v2 = true, .root = words[3], .point = words[4]});
    } else if (dash[1] == "cgroup" && lists(dash[3], "cpu")) {
      mounts.push_back({.is_v2 = false, .root = words[3], .point = words[4]});
    }
  }
  return mounts;
}

// The path of the process's group: the lines of /proc/self/cgroup are "number:controllers:path",
// with no controllers for v2 (cgroups(7)).
std::optional<std::string> find_group(const std::string& root, bool is_v2) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (is_v2 ? controllers.empty() : lists(controllers, "cpu")) return line.substr(second + 1);
  }
  return std::nullopt;
}

std::optional<double> ratio(double quota, double period) {
  if (!(quota > 0) || !(period > 0)) return std::nullopt;  // -1: no quota
  return quota / period;
}

std::optional<double> quota_of(const std::string& group, bool is_v2) {
  double quota = 0, period = 0;
  if (is_v2) {
    std::ifstream file(group + "/cpu.max");
    if (!(file >> quota >> period)) return std::nullopt;  // "max 100000"
    return ratio(quota, period);
  }
  std::ifstream quota_file(group + "/cpu.cfs_quota_us");
  std::ifstream period_file(group + "/cpu.cfs_period_us");
  if (!(quota_file >> quota) || !(period_file >> period)) return std::nullopt;
  return ratio(quota, period);
}

}  // namespace

std::optional<double> cpu_quota(const std::string& root) {
  std::optional<double> least;
  for (const Mount& mount : find_mounts(root)) {
    std::optional<std::string> group = find_group(root, mount.is_v2);
    if (!group) continue;
    // The mount shows `root` and what is below; a container often sees its own group as "/".
    std::string below = *group;
    if (mount.root.size() > 1) {
      const bool is_below = below.compare(0, mount.root.size(), mount.root) == 0;
      below = is_below ? below.substr(mount.root.size()) : "";
    }
    if (below.find("..") != std::string::npos) below.clear();  // a group outside of the namespace
    for (;;) {
      while (!below.empty() && below.back() == '/') below.pop_back();
      const std::optional<double> quota = quota_of(root + mount.point + below, mount.is_v2);
      if (quota && (!least || *quota < *least)) least = quota;
      if (below.empty()) break;
      below.resize(below.rfind('/') == std::string::npos ? 0 : below.rfind('/'));
    }
  }
  return least;
}

}  // namespace sinter
