// Where the project's own files lie, for tests that read them.
#ifndef SINTER_TESTS_SOURCE_PATH_H_
#define SINTER_TESTS_SOURCE_PATH_H_

#include <string>

namespace sinter::tests {

// The full path of a file of the source tree: source_path("tests/golden/passes.txt").
std::string source_path(const std::string& relative);

}  // namespace sinter::tests

#endif  // SINTER_TESTS_SOURCE_PATH_H_
