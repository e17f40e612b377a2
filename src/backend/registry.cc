#include "backend/registry.h"

#include <atomic>
#include <charconv>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "backend/cpu/backend.h"
#include "backend/cuda/backend.h"
#include "backend/cuda/library.h"
#include "base/switches.h"
#include "sinter/error.h"
#include "sinter/system.h"

namespace sinter {

namespace backend {

namespace {

// Never destroyed: Tensors with static storage may outlive it.
cpu::CpuBackend& cpu_backend() {
  static cpu::CpuBackend* const instance = new cpu::CpuBackend;
  return *instance;
}

// The GPUs that were used so far. Never destroyed either.
class CudaBackends {
 public:
  cuda::CudaBackend& find(int number) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<cuda::CudaBackend>& found = backends_[number];
    if (found == nullptr) found = make(number);
    return *found;
  }

 private:
  static std::unique_ptr<cuda::CudaBackend> make(int number) {
    const cuda::DeviceTable table = cuda::list_devices(cuda::library());
    const std::string name = "cuda:" + std::to_string(number);
    if (table.devices.empty()) {
      raise({.where = name,
             .what = table.problem,
             .got = {},
             .expected = {},
             .hint = "--device cpu runs without a GPU; sinter info lists the devices"});
    }
    if (number >= static_cast<int>(table.devices.size())) {
      raise({.where = name,
             .what = "there is no such GPU",
             .got = {},
             .expected = table.devices.size() == 1
                             ? "cuda:0, the only one"
                             : "cuda:0 to cuda:" + std::to_string(table.devices.size() - 1),
             .hint = {}});
    }
    return std::make_unique<cuda::CudaBackend>(cuda::library().api, number);
  }

  std::mutex mutex_;
  std::map<int, std::unique_ptr<cuda::CudaBackend>> backends_;
};

Backend& cuda_backend(int number) {
  static CudaBackends* const instance = new CudaBackends;
  return instance->find(number);
}

// N of "cuda:N"; 0 for "cuda"; nothing for any other text.
std::optional<int> cuda_number(std::string_view device) {
  if (device == "cuda") return 0;
  constexpr std::string_view kPrefix = "cuda:";
  if (device.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  device.remove_prefix(kPrefix.size());
  int number = 0;
  const char* const end = device.data() + device.size();
  const auto [stop, error] = std::from_chars(device.data(), end, number);
  if (error != std::errc{} || stop != end || number < 0) return std::nullopt;
  return number;
}

// An emulated GPU is for tests: it is used when it is named.
Backend& best_backend() {
  const std::string& given = switches().device;
  if (!given.empty() && given != "auto") return find_backend(given);
  const cuda::DeviceTable table = cuda::list_devices(cuda::library());
  for (std::size_t i = 0; i < table.devices.size(); ++i) {
    if (table.devices[i].is_emulated == 0) return cuda_backend(static_cast<int>(i));
  }
  return cpu_backend();
}

std::atomic<Backend*> process_backend{nullptr};
thread_local Backend* thread_backend = nullptr;

}  // namespace

Backend& find_backend(std::string_view device) {
  if (device == "cpu") return cpu_backend();
  if (device == "auto") return best_backend();
  if (const std::optional<int> number = cuda_number(device)) return cuda_backend(*number);
  raise({.where = "device",
         .what = "there is no such device",
         .got = "\"" + std::string(device) + "\"",
         .expected = "auto, cpu, cuda or cuda:N",
         .hint = {}});
}

Backend& default_backend() {
  if (thread_backend != nullptr) return *thread_backend;
  Backend* known = process_backend.load(std::memory_order_acquire);
  if (known == nullptr) {
    const std::string& given = switches().device;
    known = &find_backend(given.empty() ? "cpu" : given);
    process_backend.store(known, std::memory_order_release);
  }
  return *known;
}

}  // namespace backend

void set_device(const std::string& device) {
  backend::process_backend.store(&backend::find_backend(device), std::memory_order_release);
}

bool is_device_name(const std::string& device) {
  return device == "cpu" || device == "auto" || backend::cuda_number(device).has_value();
}

void check_device(const std::string& device) { backend::find_backend(device); }

std::string current_device() { return backend::default_backend().name(); }

DeviceScope::DeviceScope(const std::string& device) : previous_(backend::thread_backend) {
  backend::thread_backend = &backend::find_backend(device);
}
DeviceScope::~DeviceScope() { backend::thread_backend = static_cast<backend::Backend*>(previous_); }

}  // namespace sinter
