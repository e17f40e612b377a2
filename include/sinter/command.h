// The `sinter` command for one's own recipes: a program of one's own that trains, resumes,
// measures, compares and predicts as `sinter` does.
//
//   int main(int argc, char** argv) {
//     const MyRecipe recipe;
//     return sinter::run_command(argc, argv, {&recipe});
//   }
#ifndef SINTER_COMMAND_H_
#define SINTER_COMMAND_H_

#include <cstdint>

#include "sinter/recipe.h"

namespace sinter {

struct CommandHooks {
  // The number of large allocations of the process so far, for bench; none where nothing counts
  // them.
  std::int64_t (*large_allocations)() = nullptr;
};

// Does what the words of the command line say and gives the exit status: 0 done, 1 failed (one line
// on standard error), 2 wrong usage, 130 interrupted. Never throws.
int run_command(int argc, const char* const* argv, const train::Recipes& recipes,
                const CommandHooks& hooks = {});

}  // namespace sinter

#endif  // SINTER_COMMAND_H_
