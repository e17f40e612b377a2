#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>

#include "base/switches.h"
#include "options.h"
#include "sinter/train.h"

namespace {

// The threads of OpenMP wait for each other spinning, for some milliseconds. On a machine with
// other work that is time of which the awaited thread has need: steps took 5 to 30 times as long. A
// spin of some 20 us costs 2 % where nothing else runs. libgomp reads this before main begins.
void spin_briefly(char** argv) {
#if defined(__linux__)
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("GOMP_SPINCOUNT", "10000", 1);
  execv("/proc/self/exe", argv);  // when it fails: as it was
#endif
}

int fail(const char* message, int status) {
  std::fprintf(stderr, "sinter: error: %s\n", message);
  return status;
}

// What was printed must have arrived: the disk behind standard output may be full.
int finish(int status) {
  const bool is_written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (is_written || status != sinter::cli::kDone) return status;
  return fail("standard output: cannot be written", sinter::cli::kFailed);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sinter;
  spin_briefly(argv);
  // Files that grow beyond a limit are errors of writing, which are told, not the end of the
  // process.
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const auto parsed = cli::parse(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return finish(*status);
    for (const std::string& name : unknown_switches()) {
      std::fprintf(stderr, "sinter: warning: %s means nothing\n", name.c_str());
    }
    return finish(std::visit([](const auto& command) { return cli::run(command); },
                             std::get<cli::Command>(parsed)));
  } catch (const train::Interrupted& interrupted) {
    std::fprintf(stderr, "sinter: %s\n", interrupted.what());
    return cli::kInterrupted;
  } catch (const std::bad_alloc&) {
    return fail("there is not enough memory", cli::kFailed);
  } catch (const std::exception& error) {
    return fail(error.what(), cli::kFailed);
  }
}
