// Convolutions with an epilogue: images are dealt out to the threads, and what follows runs on a
// few of them while they are in the cache. Measured with oneDNN 2.6: the bits of one primitive for
// all images, and 0.94 to 1.0 of its speed from 4 images on.
#ifndef SINTER_BACKEND_CPU_KERNELS_CONV_BY_IMAGES_H_
#define SINTER_BACKEND_CPU_KERNELS_CONV_BY_IMAGES_H_

#include <memory>

#include "backend/cpu/kernels/kernel.h"

namespace sinter::backend::cpu {

// Products of two numbers that a convolution or one of its gradients takes, done directly.
double multiplications_of(const KernelCall& call);

// Null where the epilogue cannot be cut by images, there are too few of them for the threads, or
// the call is a weight gradient.
std::unique_ptr<PreparedKernel> prepare_direct_by_images(const KernelCall& call,
                                                         const ir::Group& epilogue);
// Winograd transforms all images at once; what follows begins as they come back to plain layouts.
std::unique_ptr<PreparedKernel> prepare_winograd_then(const KernelCall& call,
                                                      const ir::Group& epilogue);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_KERNELS_CONV_BY_IMAGES_H_
