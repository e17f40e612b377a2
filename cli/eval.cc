#include <fmt/format.h>

#include "commands.h"
#include "sinter/system.h"

namespace sinter::cli {

int run(const EvalCommand& command) {
  set_device(command.device);
  if (command.threads > 0) set_thread_count(command.threads);
  std::string name;
  train::Config config = recipes::read_run_config(command.run, &name);
  const std::string weights = recipes::run_weights(command.run);
  if (!command.data.empty()) config.set("data", command.data, "--data");
  config.set("init", "", "eval");  // the run's own weights come below
  const auto prepared = recipes::find_recipe(name).prepare(config);
  std::string text = fmt::format("{{\"split\":\"{}\"", command.split);
  for (const train::Metric& metric : prepared->evaluate(weights, command.split)) {
    text += fmt::format(",\"{}\":{}", metric.name, metric.value);
  }
  fmt::print("{}}}\n", text);
  return kDone;
}

}  // namespace sinter::cli
