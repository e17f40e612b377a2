// How much CPU time the control groups of this process leave it.
#ifndef SINTER_BASE_CPU_QUOTA_H_
#define SINTER_BASE_CPU_QUOTA_H_

#include <optional>
#include <string>

namespace sinter {

// CPUs' worth of time: 1.5 where a group may run for 150 ms in each 100 ms. The least of the
// group's own quota and those of the groups around it, as far as they are visible; of cgroup v2
// (cpu.max) and v1 (cpu.cfs_quota_us). Nothing where no quota is set or none can be read. `root`
// stands before every path that is read, so that tests can bring their own.
std::optional<double> cpu_quota(const std::string& root = "");

}  // namespace sinter

#endif  // SINTER_BASE_CPU_QUOTA_H_
