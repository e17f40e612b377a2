#include <fmt/format.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/switches.h"
#include "commands.h"
#include "io/safetensors.h"
#include "sinter/machine.h"
#include "sinter/system.h"

namespace sinter::cli {
namespace {

double gigabytes(std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

void print_cuda() {
  const DeviceList list = devices();
  for (const Device& device : list.devices) {
    if (device.name == "cpu") continue;
    fmt::print("         {}: {} ({}), {:.1f} GB, {:.1f} GB free; CUDA {}, driver for {}{}\n",
               device.name, device.model, device.architecture, gigabytes(device.memory_total),
               gigabytes(device.memory_free), device.runtime, device.driver,
               device.emulated ? "; emulated by the CPU, for tests" : "");
  }
  if (!list.why_no_cuda.empty()) fmt::print("         cuda: none: {}\n", list.why_no_cuda);
  if (list.cuda_library.empty()) return;
  fmt::print("library  {}\n", list.cuda_library);
  if (!list.cuda_compiler.empty()) fmt::print("library  {}\n", list.cuda_compiler);
}

void print_system() {
  const DeviceScope cpu("cpu");
  const SystemInfo info = system_info();
  fmt::print("sinter {}\n", version());
  fmt::print("device   cpu: {}, {} threads, {:.1f} GB\n", info.isa, info.threads,
             gigabytes(describe_device("cpu").memory_total));
  print_cuda();
  for (const Library& library : info.libraries) {
    fmt::print("library  {} {}\n", library.name, library.version);
  }
  for (const SwitchRow& row : switches_table()) {
    fmt::print("switch   {:<16} {} ({})\n", row.name, row.text, row.values);
  }
}

void print_peaks() {
  const MachinePeaks peaks = machine_peaks();
  if (peaks.copies.empty()) {
    fmt::print("peaks    {}: not measured\n", peaks.device);
    return;
  }
  fmt::print("peaks    {}", peaks.device);
  if (peaks.device == "cpu") fmt::print(", {} threads", peaks.threads);
  fmt::print(
      "\n         contractions: f32 {:.0f}, f64 {:.0f}, bf16 {:.0f}, f16 {:.0f} GFLOP/s\n"
      "         vectors: 32 bits {:.0f}, 64 bits {:.0f} billion operations a second\n",
      1e-9 * peaks.rate(Unit::contraction_f32), 1e-9 * peaks.rate(Unit::contraction_f64),
      1e-9 * peaks.rate(Unit::contraction_bf16), 1e-9 * peaks.rate(Unit::contraction_f16),
      1e-9 * peaks.rate(Unit::vector_32), 1e-9 * peaks.rate(Unit::vector_64));
  for (const MachinePeaks::Copy& copy : peaks.copies) {
    fmt::print("         copies of {:.2f} MB: {:.1f} GB/s read and written\n",
               1e-6 * static_cast<double>(copy.bytes), 1e-9 * copy.bytes_per_second);
  }
  fmt::print("         a kernel starts in {:.3f} us", 1e3 * peaks.start_ms);
  if (peaks.team_ms > 0) fmt::print(", a team of threads in {:.2f} us", 1e3 * peaks.team_ms);
  fmt::print("\n");
}

void print_file(const std::string& path) {
  const io::SafetensorsFile file(path);
  std::int64_t elements = 0;
  for (const std::string& name : file.names()) {
    const io::TensorInfo info = file.info(name);
    elements += info.shape.elements();
    const std::string_view dtype = info.computed ? name_of(*info.computed) : info.dtype;
    fmt::print("{:<32} {}{}\n", name, dtype, info.shape.to_string());
  }
  fmt::print("{} tensors, {} elements\n", file.names().size(), elements);
  for (const auto& [key, text] : file.metadata()) fmt::print("{} = {}\n", key, text);
}

void print_run(const std::string& folder, const train::Recipes& recipes) {
  std::string recipe;
  train::read_run_config(recipes, folder, &recipe);
  constexpr std::size_t kMostBytes = 1 << 20;
  fmt::print("{}", read_file(folder + "/config.toml", kMostBytes));
  struct stat status {};
  const std::string summary = folder + "/summary.json";
  if (stat(summary.c_str(), &status) == 0) {
    fmt::print("\n{}", read_file(summary, kMostBytes));
  } else {
    fmt::print("\nnot finished\n");
  }
}

}  // namespace

int run(const InfoCommand& command, const Context& context) {
  struct stat status {};
  if (command.peaks) {
    set_device(command.device);
    if (command.threads > 0) set_thread_count(command.threads);
    print_peaks();
  } else if (command.path.empty()) {
    print_system();
  } else if (stat(command.path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    print_run(command.path, context.recipes);
  } else {
    print_file(command.path);
  }
  return kDone;
}

}  // namespace sinter::cli
