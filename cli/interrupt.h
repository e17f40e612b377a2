// Ctrl-C while a model is trained.
#ifndef SINTER_CLI_INTERRUPT_H_
#define SINTER_CLI_INTERRUPT_H_

#include <atomic>

namespace sinter::cli {

// Becomes true at the first Ctrl-C (or SIGTERM) after catch_interrupts(): a request for a
// checkpoint. The second one ends the process as usual.
const std::atomic<bool>& stop_requested();
void catch_interrupts();

}  // namespace sinter::cli

#endif  // SINTER_CLI_INTERRUPT_H_
