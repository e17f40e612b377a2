#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>

#include "base/file.h"
#include "commands.h"
#include "compare_report.h"
#include "energy.h"
#include "interrupt.h"
#include "progress_bar.h"
#include "sinter/system.h"

namespace sinter::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kSampleEvery{30};

// Notes when each validation came, and passes everything on to the progress bar.
class Watch : public train::Observer {
 public:
  Watch(bool quiet, EnergyMeter* meter, DeviceRun* run) : bar_(quiet), meter_(meter), run_(run) {}

  void on_start(std::optional<std::int64_t> resumed_from) override {
    start_ = Clock::now();
    last_sample_ = start_;
    bar_.on_start(resumed_from);
  }
  void on_step(const Step& step) override {
    if (Clock::now() - last_sample_ > kSampleEvery) {
      meter_->sample();
      last_sample_ = Clock::now();
    }
    bar_.on_step(step);
  }
  void on_evaluation(const Step& step, const std::string& split,
                     const train::Metrics& metrics) override {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    for (const train::Metric& metric : metrics) {
      if (split == "validation" && metric.name == "accuracy") {
        run_->curve.push_back({.seconds = seconds, .step = step.step, .accuracy = metric.value});
      }
    }
    bar_.on_evaluation(step, split, metrics);
  }

 private:
  ProgressBar bar_;
  EnergyMeter* meter_;
  DeviceRun* run_;
  Clock::time_point start_;
  Clock::time_point last_sample_;
};

std::map<std::string, double> parse_prices(const std::vector<std::string>& texts) {
  std::map<std::string, double> prices;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    double value = -1;
    if (equals != std::string::npos) {
      const char* const end = text.data() + text.size();
      const auto [stop, error] = std::from_chars(text.data() + equals + 1, end, value);
      if (error != std::errc{} || stop != end) value = -1;
    }
    if (!(value >= 0 && value < 1e9)) {
      raise({.where = "--price",
             .what = "this is no price of a device",
             .got = "'" + text + "'",
             .expected = "DEVICE=X, such as cuda=3.5, of an hour",
             .hint = {}});
    }
    prices[text.substr(0, equals)] = value;
  }
  return prices;
}

// Each device once, and a price for none but them.
void check_devices(const std::vector<std::string>& devices,
                   const std::map<std::string, double>& prices) {
  const std::set<std::string> given(devices.begin(), devices.end());
  if (given.size() < devices.size()) {
    raise({.where = "--devices",
           .what = "a device is given twice",
           .got = fmt::format("{}", fmt::join(devices, ",")),
           .expected = "each once",
           .hint = {}});
  }
  for (const auto& [device, price] : prices) {
    if (given.count(device) != 0) continue;
    raise({.where = "--price",
           .what = "this device is not compared",
           .got = "'" + device + "'",
           .expected = fmt::format("{}", fmt::join(devices, ",")),
           .hint = {}});
  }
}

std::string folder_of(const CompareCommand& command) {
  if (!command.request.folder.empty()) return command.request.folder;
  int number = 1;
  const auto name = [&] {
    return fmt::format("runs/compare-{}-{}", command.request.recipe, number);
  };
  while (fs::exists(name())) ++number;
  return name();
}

void run_on(const CompareCommand& command, const std::string& folder, DeviceRun* result) {
  try {
    check_device(result->device);
  } catch (const Error& error) {
    result->why_not_run = error.what();
    return;
  }
  recipes::RunRequest request = command.request;
  std::string name = result->device;
  for (char& c : name) c = c == ':' ? '-' : c;
  request.folder = folder + "/" + name;
  request.stop = &stop_requested();
  request.settings.push_back({.key = "device", .text = result->device, .where = "--devices"});
  recipes::Run run(request, [](const std::string&) {});
  run.prepare();
  const Device device = describe_device(current_device());
  result->model = fmt::format("{}, {}{}", device.name, device.model,
                              device.emulated ? ", emulated by the CPU" : "");
  if (!command.quiet) fmt::print("{}: {}\n", run.folder(), result->model);
  EnergyMeter meter(device.name);
  Watch watch(command.quiet, &meter, result);
  const train::Result trained = run.train(watch);
  result->joules = meter.joules();
  result->why_no_joules = meter.why_not();
  result->train_seconds = trained.train_seconds;
  result->samples_per_second = trained.samples_per_second;
  result->first_step_ms = trained.first_step_ms;
  for (const train::Metric& metric : trained.test) {
    if (metric.name == "accuracy") result->test_accuracy = metric.value;
  }
}

// What the job is, as settled for the first device.
std::string title_of(const CompareCommand& command) {
  recipes::RunRequest request = command.request;
  request.folder.clear();
  const recipes::Run run(request, [](const std::string&) {});
  const train::Config& config = run.config();
  const std::string& data = config.text("data");
  return fmt::format("{}: {}, {}, batches of {}, seed {}", command.request.recipe,
                     config.text("model"), data.empty() ? "embedded data" : data,
                     config.integer("batch"), config.integer("seed"));
}

}  // namespace

int run(const CompareCommand& command) {
  Comparison comparison;
  std::map<std::string, double> prices;
  try {
    prices = parse_prices(command.prices);
    check_devices(command.devices, prices);
    comparison.title = title_of(command);
  } catch (const Error& error) {
    fmt::print(stderr, "sinter: error: {}\n", error.what());
    return kWrongUsage;
  }
  catch_interrupts();
  const std::string folder = folder_of(command);
  bool any = false;
  for (const std::string& device : command.devices) {
    DeviceRun& result = comparison.runs.emplace_back();
    result.device = device;
    const auto price = prices.find(device);
    if (price != prices.end()) result.price = price->second;
    run_on(command, folder, &result);
    any = any || result.has_run();
  }
  if (!any) {
    raise({.where = "compare",
           .what = "none of the devices can be used",
           .got = comparison.runs.front().why_not_run,
           .expected = {},
           .hint = "sinter info lists the devices"});
  }
  comparison.target = command.target > 0 ? command.target : common_accuracy(comparison.runs);
  create_directories(folder);
  write_file(folder + "/compare.json", to_json(comparison));
  write_file(folder + "/report.html", to_html(comparison));
  fmt::print("{}the report is {}/report.html\n", to_text(comparison), folder);
  return kDone;
}

}  // namespace sinter::cli
