// The memory bandwidth that rooflines are measured against.
#ifndef SINTER_CLI_BANDWIDTH_H_
#define SINTER_CLI_BANDWIDTH_H_

namespace sinter::cli {

// Bytes read and written per second by the best of several copies of 64 MiB with non-temporal
// stores, on all threads.
double measure_bandwidth();

}  // namespace sinter::cli

#endif  // SINTER_CLI_BANDWIDTH_H_
