// The energy that a device uses while a job runs, from the counters of processor and GPU.
#ifndef SINTER_CLI_ENERGY_H_
#define SINTER_CLI_ENERGY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sinter::cli {

// Counts from its construction on: all processor packages for "cpu" (RAPL), the board for "cuda:N"
// (NVML). Others that use the same device meanwhile are counted too.
class EnergyMeter {
 public:
  explicit EnergyMeter(const std::string& device);
  ~EnergyMeter();
  EnergyMeter(const EnergyMeter&) = delete;
  EnergyMeter& operator=(const EnergyMeter&) = delete;

  // To be called now and then: a processor's counters start again at zero after some ten minutes.
  void sample();
  // Joules so far; nothing when they cannot be measured, for the reason given.
  std::optional<double> joules();
  const std::string& why_not() const { return why_not_; }

 private:
  struct Counter {
    std::string path;  // energy_uj of a package
    double range = 0;  // where it starts again, microjoules
    double last = 0;   // microjoules
  };

  void open_processor();
  void open_gpu(unsigned number);
  double gpu_millijoules();

  std::string why_not_;
  std::vector<Counter> packages_;
  void* library_ = nullptr;  // NVML
  void* gpu_ = nullptr;      // its handle of the device
  double gpu_start_ = 0;
  double microjoules_ = 0;
};

}  // namespace sinter::cli

#endif  // SINTER_CLI_ENERGY_H_
