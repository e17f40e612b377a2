// Counts what a program takes from the system's heap. Linking this (the CMake target
// sinter_counting_malloc) puts it in front of malloc and its kin, in all libraries of the process:
// for the command and for tests, never for the library itself.
#ifndef SINTER_BASE_COUNTING_MALLOC_H_
#define SINTER_BASE_COUNTING_MALLOC_H_

#include <cstddef>
#include <cstdint>

namespace sinter {

// The number of allocations of 4 KiB or more so far; -1 where they cannot be counted (sanitizers,
// other C libraries).
std::int64_t large_allocations();

// The bytes of the largest of them since the last call of this; 0: none.
std::size_t take_largest_allocation();

// The number of allocations of any size so far; those of less than 4 KiB count only while
// count_small_allocations(true) holds. -1 as above.
std::int64_t all_allocations();
void count_small_allocations(bool on);

}  // namespace sinter

#endif  // SINTER_BASE_COUNTING_MALLOC_H_
