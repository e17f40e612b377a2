#include <unistd.h>

#include <cstdlib>

#include "base/counting_malloc.h"
#include "sinter/command.h"
#include "sinter/recipes.h"

namespace {

// The threads of OpenMP wait for each other spinning, for some milliseconds. On a machine with
// other work that is time that the awaited thread needs: steps took 5 to 30 times as long. A
// spin of some 20 us costs 2 % where nothing else runs. libgomp reads this before main begins.
void spin_briefly(char** argv) {
#if defined(__linux__)
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("GOMP_SPINCOUNT", "10000", 1);
  execv("/proc/self/exe", argv);  // when it fails: as it was
#endif
}

}  // namespace

int main(int argc, char** argv) {
  spin_briefly(argv);
  return sinter::run_command(argc, argv, sinter::recipes::all(),
                             {.large_allocations = sinter::large_allocations});
}
