// Runs a group point by point after the prose of ir/group.h, ir/scalar.h and ir/reduction.h, with
// no thought of speed and no code of the library's executors: what these are compared with.
#ifndef SINTER_TESTS_BACKEND_NAIVE_GROUP_H_
#define SINTER_TESTS_BACKEND_NAIVE_GROUP_H_

#include "ir/group.h"

namespace sinter::testing {

// operands[i]: address of group operand i's element at the origin of the space. Outputs must not be
// the memory of inputs.
void run_naively(const ir::Group& group, void* const* operands);

}  // namespace sinter::testing

#endif  // SINTER_TESTS_BACKEND_NAIVE_GROUP_H_
