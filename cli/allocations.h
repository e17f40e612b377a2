// Counts what the process takes from the system's heap.
#ifndef SINTER_CLI_ALLOCATIONS_H_
#define SINTER_CLI_ALLOCATIONS_H_

#include <cstdint>

namespace sinter::cli {

// The number of allocations of 4 KiB or more so far, in all libraries of this process: the command
// stands in front of malloc and its kin. -1 where it cannot (sanitizers, other C libraries).
std::int64_t large_allocations();

}  // namespace sinter::cli

#endif  // SINTER_CLI_ALLOCATIONS_H_
