// How much memory of the machine this process holds.
#ifndef SINTER_BASE_RESIDENT_MEMORY_H_
#define SINTER_BASE_RESIDENT_MEMORY_H_

#include <cstdint>

namespace sinter {

// Bytes of the process that lie in memory (/proc/self/statm), libraries' pages included, after the
// heap has given back what is free of it. -1 where the system does not say.
std::int64_t resident_bytes();

}  // namespace sinter

#endif  // SINTER_BASE_RESIDENT_MEMORY_H_
