#include "base/json.h"
#include "commands.h"
#include "sinter/system.h"

namespace sinter::cli {
namespace {

train::Split split_of(const std::string& name) {
  for (const train::Split split : {train::Split::train, train::Split::validation}) {
    if (name == train::name_of(split)) return split;
  }
  return train::Split::test;
}

}  // namespace

int run(const EvalCommand& command, const Context& context) {
  set_device(command.device);
  if (command.threads > 0) set_thread_count(command.threads);
  const train::Trained trained =
      train::open_trained(context.recipes, command.run, [&](train::Config* config) {
        if (!command.data.empty()) config->set("data", command.data, "--data");
      });
  train::Evaluator evaluator = train::make_evaluator(trained.task);
  OrderedJson line{{"split", command.split}};
  for (const train::MetricValue& metric :
       evaluator.evaluate(trained.task.data(split_of(command.split)))) {
    line[metric.name] = metric.value;
  }
  if (command.bootstrap > 0) {
    for (const auto& [name, interval] : evaluator.bootstrap(command.bootstrap)) {
      line[name + "_interval"] = {json_number(interval.low, 6), json_number(interval.high, 6)};
    }
  }
  std::puts(json_text(line).c_str());
  return kDone;
}

}  // namespace sinter::cli
