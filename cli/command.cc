#include "sinter/command.h"

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "base/switches.h"
#include "options.h"
#include "sinter/train.h"

namespace sinter {
namespace {

int fail(const char* message, int status) {
  std::fflush(stdout);
  std::fprintf(stderr, "sinter: error: %s\n", message);
  return status;
}

// What was printed must have arrived: the disk behind standard output may be full.
int finish(int status) {
  const bool is_written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (is_written || status != cli::kDone) return status;
  return fail("standard output: cannot be written", cli::kFailed);
}

}  // namespace

int run_command(int argc, const char* const* argv, const train::Recipes& recipes,
                const CommandHooks& hooks) {
  // Files that grow beyond a limit are errors of writing, which are told, not the end of the
  // process.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const cli::Context context{.recipes = recipes, .hooks = hooks};
    const auto parsed = cli::parse(argc, argv, recipes);
    if (const int* status = std::get_if<int>(&parsed)) return finish(*status);
    for (const std::string& name : unknown_switches()) {
      std::fprintf(stderr, "sinter: warning: %s means nothing\n", name.c_str());
    }
    return finish(std::visit([&](const auto& command) { return cli::run(command, context); },
                             std::get<cli::Command>(parsed)));
  } catch (const train::Interrupted& interrupted) {
    std::fflush(stdout);
    std::fprintf(stderr, "sinter: %s\n", interrupted.what());
    return cli::kInterrupted;
  } catch (const std::bad_alloc&) {
    return fail("there is not enough memory", cli::kFailed);
  } catch (const std::exception& error) {
    return fail(error.what(), cli::kFailed);
  }
}

}  // namespace sinter
