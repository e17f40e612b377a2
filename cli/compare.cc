#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
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
  Watch(bool quiet, const train::Task& task, EnergyMeter* meter, DeviceRun* run)
      : bar_(quiet, task.unit), objective_(task.objective), meter_(meter), run_(run) {}

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
                     const train::MetricValues& metrics) override {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const std::optional<double> value = train::find_metric(metrics, objective_);
    if (split == train::name_of(train::Split::validation) && value) {
      run_->curve.push_back({.seconds = seconds, .step = step.step, .value = *value});
    }
    bar_.on_evaluation(step, split, metrics);
  }

 private:
  ProgressBar bar_;
  std::string objective_;
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

// Sets what the job's task says of the comparison, too.
void run_on(const CompareCommand& command, const train::Recipe& recipe, const std::string& folder,
            DeviceRun* result, Comparison* comparison) {
  try {
    check_device(result->device);
  } catch (const Error& error) {
    result->why_not_run = error.what();
    return;
  }
  train::RunRequest request = command.request;
  std::string name = result->device;
  for (char& c : name) c = c == ':' ? '-' : c;
  request.folder = folder + "/" + name;
  request.stop = &stop_requested();
  request.settings.push_back({.key = "device", .text = result->device, .where = "--devices"});
  train::Run run(recipe, request);
  run.prepare();
  const train::Task& task = run.task();
  comparison->objective = task.objective;
  comparison->better = train::better_of_objective(task);
  comparison->unit = task.unit;
  const Device device = describe_device(current_device());
  result->model = fmt::format("{}, {}{}", device.name, device.model,
                              device.emulated ? ", emulated by the CPU" : "");
  if (!command.quiet) fmt::print("{}: {}\n", run.folder(), result->model);
  EnergyMeter meter(device.name);
  Watch watch(command.quiet, task, &meter, result);
  const train::Result trained = run.train(watch);
  result->joules = meter.joules();
  result->why_no_joules = meter.why_not();
  result->train_seconds = trained.train_seconds;
  result->units_per_second = trained.units_per_second;
  result->first_step_ms = trained.first_step_ms;
  result->test = train::find_metric(trained.test, task.objective);
}

// What the job is, as settled for the first device.
std::string title_of(const CompareCommand& command, const train::Recipe& recipe) {
  train::RunRequest request = command.request;
  request.folder.clear();
  const train::Run run(recipe, request);
  const train::Config& config = run.config();
  std::string title = command.request.recipe + ":";
  if (config.has("model")) title += " " + config.text("model") + ",";
  const std::string data = config.has("data") ? config.text("data") : "";
  title += " " + (data.empty() ? "embedded data" : data);
  title += fmt::format(", batches of {}", config.integer("batch"));
  if (config.has("seed")) title += fmt::format(", seed {}", config.integer("seed"));
  return title;
}

}  // namespace

int run(const CompareCommand& command, const Context& context) {
  Comparison comparison;
  comparison.currency = command.currency;
  std::map<std::string, double> prices;
  const train::Recipe* recipe = nullptr;
  try {
    prices = parse_prices(command.prices);
    check_devices(command.devices, prices);
    recipe = &train::find_recipe(context.recipes, command.request.recipe);
    comparison.title = title_of(command, *recipe);
  } catch (const Error& error) {
    fmt::print(stderr, "sinter: error: {}\n", error.what());
    return kWrongUsage;
  }
  catch_interrupts();
  const std::string folder = folder_of(command);
  std::string not_run;
  for (const std::string& device : command.devices) {
    DeviceRun& result = comparison.runs.emplace_back();
    result.device = device;
    const auto price = prices.find(device);
    if (price != prices.end()) result.price = price->second;
    run_on(command, *recipe, folder, &result, &comparison);
    if (!result.has_run()) not_run += (not_run.empty() ? "" : ", ") + device;
  }
  const bool any = std::any_of(comparison.runs.begin(), comparison.runs.end(),
                               [](const DeviceRun& each) { return each.has_run(); });
  if (!any) {
    raise({.where = "compare",
           .what = "none of the devices can be used",
           .got = comparison.runs.front().why_not_run,
           .expected = {},
           .hint = "sinter info lists the devices"});
  }
  comparison.target = command.target ? *command.target : common_target(comparison);
  create_directories(folder);
  write_file(folder + "/compare.json", to_json(comparison));
  write_file(folder + "/report.html", to_html(comparison));
  fmt::print("{}the report is {}/report.html\n", to_text(comparison), folder);
  if (not_run.empty()) return kDone;
  std::fflush(stdout);
  fmt::print(stderr, "sinter: error: compare: not every device did run; got {} without a run\n",
             not_run);
  return kFailed;
}

}  // namespace sinter::cli
