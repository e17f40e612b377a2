// The back ends of this build.
#ifndef SINTER_BACKEND_REGISTRY_H_
#define SINTER_BACKEND_REGISTRY_H_

#include <string_view>

#include "backend/backend.h"

namespace sinter::backend {

// The back end of a device name: "cpu". Throws Error for any other name, saying which there are.
Backend& find_backend(std::string_view device);

// The back end that tensors are made on.
Backend& default_backend();

}  // namespace sinter::backend

#endif  // SINTER_BACKEND_REGISTRY_H_
