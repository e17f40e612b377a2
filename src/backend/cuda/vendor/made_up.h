// A vendor that does not exist, in the emulation only: the door through which vendors' libraries
// come is tested with one.
#ifndef SINTER_BACKEND_CUDA_VENDOR_MADE_UP_H_
#define SINTER_BACKEND_CUDA_VENDOR_MADE_UP_H_

#include "backend/cuda/kernels/provider.h"

namespace sinter::backend::cuda {

// Products of two f32 matrices, by the library that SINTER_EMULATED_PROVIDER names, a file
// (made_up_api.h); where that is not set or set to nothing, it serves no call.
extern const Provider kMadeUpMatmul;

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_VENDOR_MADE_UP_H_
