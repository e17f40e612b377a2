#include "energy.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sinter::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPackages = "/sys/class/powercap";

std::optional<double> read_number(const std::string& path) {
  std::ifstream file(path);
  double value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

// "intel-rapl:0" is a package, "intel-rapl:0:1" a part of one.
bool is_package(const std::string& name) {
  const std::string prefix = "intel-rapl:";
  return name.rfind(prefix, 0) == 0 && name.find(':', prefix.size()) == std::string::npos;
}

template <class Function>
Function find_function(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

}  // namespace

EnergyMeter::EnergyMeter(const std::string& device) {
  const std::size_t colon = device.find(':');
  if (colon == std::string::npos) {
    open_processor();
  } else {
    open_gpu(static_cast<unsigned>(std::strtoul(device.c_str() + colon + 1, nullptr, 10)));
  }
}

EnergyMeter::~EnergyMeter() {
  if (library_ != nullptr) dlclose(library_);
}

void EnergyMeter::open_processor() {
  why_not_ = std::string("this machine has no energy counters in ") + kPackages;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kPackages, error)) {
    if (!is_package(entry.path().filename().string())) continue;
    const std::string path = entry.path().string() + "/energy_uj";
    const std::optional<double> now = read_number(path);
    if (!now) {
      why_not_ = path + " may not be read";
      packages_.clear();
      return;
    }
    const double range = read_number(entry.path().string() + "/max_energy_range_uj").value_or(0);
    packages_.push_back({path, range, *now});
  }
  if (!packages_.empty()) why_not_.clear();
}

void EnergyMeter::open_gpu(unsigned number) {
  library_ = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) {
    why_not_ = "NVML (libnvidia-ml.so.1) was not found";
    return;
  }
  const auto start = find_function<int (*)()>(library_, "nvmlInit_v2");
  const auto find =
      find_function<int (*)(unsigned, void**)>(library_, "nvmlDeviceGetHandleByIndex_v2");
  if (start == nullptr || find == nullptr || start() != 0 || find(number, &gpu_) != 0) {
    gpu_ = nullptr;
    why_not_ = "NVML does not know the GPU";
    return;
  }
  gpu_start_ = gpu_millijoules();
  if (gpu_start_ < 0) why_not_ = "the GPU has no energy counter";
}

// Negative when the GPU does not tell.
double EnergyMeter::gpu_millijoules() {
  const auto read = find_function<int (*)(void*, unsigned long long*)>(
      library_, "nvmlDeviceGetTotalEnergyConsumption");
  unsigned long long value = 0;
  if (read == nullptr || gpu_ == nullptr || read(gpu_, &value) != 0) return -1;
  return static_cast<double>(value);
}

void EnergyMeter::sample() {
  for (Counter& counter : packages_) {
    const double now = read_number(counter.path).value_or(counter.last);
    microjoules_ += now >= counter.last ? now - counter.last : now + counter.range - counter.last;
    counter.last = now;
  }
}

std::optional<double> EnergyMeter::joules() {
  if (!why_not_.empty()) return std::nullopt;
  if (library_ != nullptr) return (gpu_millijoules() - gpu_start_) / 1e3;
  sample();
  return microjoules_ / 1e6;
}

}  // namespace sinter::cli
