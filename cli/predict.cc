#include <fmt/format.h>
#include <sys/stat.h>

#include "commands.h"
#include "sinter/system.h"

namespace sinter::cli {

int run(const PredictCommand& command) {
  set_device(command.device);
  if (command.threads > 0) set_thread_count(command.threads);
  struct stat status {};
  const bool is_file = stat(command.run.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  std::string recipe = "image";
  std::string weights = command.run;
  if (!is_file) {
    recipes::read_run_config(command.run, &recipe);
    weights = recipes::run_weights(command.run);
  }
  recipes::find_recipe(recipe).predict(weights, command.inputs, [](const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  });
  return kDone;
}

}  // namespace sinter::cli
