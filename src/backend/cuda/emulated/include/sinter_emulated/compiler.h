// The stand-in for NVRTC: the system's C++ compiler. Where the library opens libnvrtc and looks up
// its functions, an emulated build calls nvrtc_functions().
//
// The text is compiled by $SINTER_EMULATED_CXX, else c++, behind sinter_emulated/device.h and
// nothing else, with no standard header to be included; the image is a shared object in a container
// with its length and checksum. Kernels are `extern "C" __global__ void name(Type arguments)`, one
// structure by value. Shared memory is SINTER_SHARED(Type, name), or CUDA's own
//     __shared__ Type name[N][M];             one name in a declaration, anywhere in a function
//     extern __shared__ Type name[];          dynamic
// which is rewritten, so that it is the block's own and full of ones, as in kernels compiled ahead
// of time. (`__shared__` in comments, strings or macro bodies is not seen to be there.)
//
// Options are those of NVRTC that Sinter gives: --gpu-architecture=sm_XX (needed: without it there
// is no image), --std=, --fmad=, --ftz=, --prec-div=, --prec-sqrt=; others are errors. --fmad=true,
// NVRTC's default, contracts here too. --ftz=true is refused.
#ifndef SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_COMPILER_H_
#define SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_COMPILER_H_

#include "nvrtc.h"

namespace sinter_emulated {

// libnvrtc's functions, by their names.
struct NvrtcFunctions {
  nvrtcResult (*nvrtcVersion)(int* major, int* minor);
  nvrtcResult (*nvrtcCreateProgram)(nvrtcProgram* program, const char* source, const char* name,
                                    int header_count, const char* const* headers,
                                    const char* const* include_names);
  nvrtcResult (*nvrtcDestroyProgram)(nvrtcProgram* program);
  nvrtcResult (*nvrtcCompileProgram)(nvrtcProgram program, int option_count,
                                     const char* const* options);
  nvrtcResult (*nvrtcGetCUBINSize)(nvrtcProgram program, size_t* bytes);
  nvrtcResult (*nvrtcGetCUBIN)(nvrtcProgram program, char* image);
  nvrtcResult (*nvrtcGetProgramLogSize)(nvrtcProgram program, size_t* bytes);
  nvrtcResult (*nvrtcGetProgramLog)(nvrtcProgram program, char* log);
  const char* (*nvrtcGetErrorString)(nvrtcResult result);
};

// Null when there is no compiler: the system has none, or SINTER_EMULATED_FAIL says no_compiler.
const NvrtcFunctions* nvrtc_functions();

// What an image depends on besides the text: "emulated g++ 12.2.0 address". A cache of images must
// keep this apart from NVRTC's versions.
const char* compiler_version();

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_INCLUDE_SINTER_EMULATED_COMPILER_H_
