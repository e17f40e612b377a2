// The command line.
#ifndef SINTER_CLI_OPTIONS_H_
#define SINTER_CLI_OPTIONS_H_

#include <variant>

#include "commands.h"

namespace sinter::cli {

// The command that was typed, or the exit status when there is nothing to do: 0 after printing
// help, 2 after printing what is wrong.
std::variant<Command, int> parse(int argc, const char* const* argv, const train::Recipes& recipes);

}  // namespace sinter::cli

#endif  // SINTER_CLI_OPTIONS_H_
