// Watches operator new, so that a test can show that a hostile file made nobody allocate much. A
// test program that includes this has largest_allocation.cc among its sources.
#ifndef SINTER_TESTS_BASE_LARGEST_ALLOCATION_H_
#define SINTER_TESTS_BASE_LARGEST_ALLOCATION_H_

#include <atomic>
#include <cstddef>

namespace sinter {

// The size of the largest allocation since it was last set to 0.
extern std::atomic<std::size_t> largest_allocation;

}  // namespace sinter

#endif  // SINTER_TESTS_BASE_LARGEST_ALLOCATION_H_
