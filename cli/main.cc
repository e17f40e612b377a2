#include <cstdio>
#include <exception>
#include <new>

#include "base/switches.h"
#include "options.h"
#include "sinter/train.h"

namespace {

int fail(const char* message, int status) {
  std::fprintf(stderr, "sinter: error: %s\n", message);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sinter;
  try {
    const auto parsed = cli::parse(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return *status;
    for (const std::string& name : unknown_switches()) {
      std::fprintf(stderr, "sinter: warning: %s means nothing\n", name.c_str());
    }
    return std::visit([](const auto& command) { return cli::run(command); },
                      std::get<cli::Command>(parsed));
  } catch (const train::Interrupted& interrupted) {
    std::fprintf(stderr, "sinter: %s\n", interrupted.what());
    return cli::kInterrupted;
  } catch (const std::bad_alloc&) {
    return fail("there is not enough memory", cli::kFailed);
  } catch (const std::exception& error) {
    return fail(error.what(), cli::kFailed);
  }
}
