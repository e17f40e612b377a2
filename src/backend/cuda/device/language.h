// What lets one .cu file be compiled by nvcc and, by the host compiler, against the emulation of
// the CUDA runtime (emulated/include/cuda_runtime.h, found first on the include path). The dialect:
// CUDA C++, with these three differences.
//   SINTER_SHARED(Type, name);          static shared memory, a `Type& name`. Type is one name: put
//                                       arrays into a structure.
//   SINTER_DYNAMIC_SHARED(Type, name);  the launch's dynamic shared memory, a `Type* name`, aligned
//                                       to 16 bytes.
//   launch(...) of launch.h             instead of <<<...>>>.
// Kernels take one structure by value. No float atomics, cooperative groups, textures or managed
// memory. <math.h> gives fmaf, rintf and their like on both sides.
#ifndef SINTER_BACKEND_CUDA_DEVICE_LANGUAGE_H_
#define SINTER_BACKEND_CUDA_DEVICE_LANGUAGE_H_

#include <cuda_runtime.h>
#include <math.h>

#ifndef SINTER_CUDA_EMULATED
#define SINTER_SHARED(Type, name) __shared__ Type name
#define SINTER_DYNAMIC_SHARED(Type, name)                                \
  extern __shared__ __align__(16) unsigned char sinter_dynamic_shared[]; \
  Type* name = reinterpret_cast<Type*>(sinter_dynamic_shared)
#endif

#endif  // SINTER_BACKEND_CUDA_DEVICE_LANGUAGE_H_
