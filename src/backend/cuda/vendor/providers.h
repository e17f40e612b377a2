// The kernels of vendors' libraries, by op.
#ifndef SINTER_BACKEND_CUDA_VENDOR_PROVIDERS_H_
#define SINTER_BACKEND_CUDA_VENDOR_PROVIDERS_H_

#include <span>

#include "backend/cuda/kernels/provider.h"

namespace sinter::backend::cuda {

// Those that come before our own kernel, the one to take first.
std::span<const Provider> vendor_providers(ir::OpId op);

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_VENDOR_PROVIDERS_H_
