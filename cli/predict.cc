#include <cstdio>

#include "commands.h"
#include "sinter/system.h"

namespace sinter::cli {

int run(const PredictCommand& command, const Context& context) {
  set_device(command.device);
  if (command.threads > 0) set_thread_count(command.threads);
  const train::Trained trained = train::open_trained(context.recipes, command.run);
  train::predict(trained.task, command.inputs, [](const std::string& line) {
    std::puts(line.c_str());
    std::fflush(stdout);
  });
  return kDone;
}

}  // namespace sinter::cli
