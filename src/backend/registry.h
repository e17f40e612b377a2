// The back ends of this build, and the one that a thread uses.
#ifndef SINTER_BACKEND_REGISTRY_H_
#define SINTER_BACKEND_REGISTRY_H_

#include <string_view>

#include "backend/backend.h"

namespace sinter::backend {

// The back end of a device name: "cpu", "cuda" (the first GPU), "cuda:N", or "auto": what
// SINTER_DEVICE says, else the first GPU, else the CPU. Throws Error for any other name, and when
// the device cannot be used, saying why. Each is made once and never destroyed.
Backend& find_backend(std::string_view device);

// The back end that tensors are made on and ops run on: the thread's (DeviceScope), or the
// process's (set_device).
Backend& default_backend();

}  // namespace sinter::backend

#endif  // SINTER_BACKEND_REGISTRY_H_
