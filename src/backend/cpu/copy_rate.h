// How fast this machine's caches and memory copy.
#ifndef SINTER_BACKEND_CPU_COPY_RATE_H_
#define SINTER_BACKEND_CPU_COPY_RATE_H_

#include <cstdint>

namespace sinter::backend::cpu {

// Bytes read and written a second by the best of several copies that read and write `bytes` in all,
// each thread its own part again and again: with non-temporal stores, or as the C library copies.
// 0: there is no memory for it.
double measure_copies(std::int64_t bytes);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_COPY_RATE_H_
