#include "source_path.h"

namespace sinter::tests {

std::string source_path(const std::string& relative) { return SINTER_SOURCE_DIR "/" + relative; }

}  // namespace sinter::tests
