#include "interrupt.h"

#include <signal.h>

namespace sinter::cli {
namespace {

std::atomic<bool> requested{false};

}  // namespace

const std::atomic<bool>& stop_requested() { return requested; }

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int) { requested = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace sinter::cli
