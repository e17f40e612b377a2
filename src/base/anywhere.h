// Functions for the host, for .cu files and for the text that NVRTC compiles: CMake puts headers
// that use nothing else into that text, without their includes, so they name no type and no
// function of the standard library.
#ifndef SINTER_BASE_ANYWHERE_H_
#define SINTER_BASE_ANYWHERE_H_

#ifdef __CUDACC__
#define SINTER_ANYWHERE __host__ __device__
#else
#define SINTER_ANYWHERE
#endif

namespace sinter {

// The value of another type that has the same bits: std::bit_cast, which takes a header.
template <class To, class From>
SINTER_ANYWHERE constexpr To same_bits(From value) {
  return __builtin_bit_cast(To, value);
}

}  // namespace sinter

#endif  // SINTER_BASE_ANYWHERE_H_
