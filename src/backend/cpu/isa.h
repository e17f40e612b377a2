// Loops compiled three times, for AVX-512, AVX2 and the baseline, with the choice made at run time.
// The loops are element by element and free of fused multiply-adds, so all three give the same
// bits.
#ifndef SINTER_BACKEND_CPU_ISA_H_
#define SINTER_BACKEND_CPU_ISA_H_

#include <cstdint>

namespace sinter::backend::cpu {

enum class LoopIsa : std::uint8_t { baseline, avx2, avx512 };

inline LoopIsa this_loop_isa() {
#if defined(__x86_64__)
  static const LoopIsa isa = [] {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      return LoopIsa::avx512;
    }
    return __builtin_cpu_supports("avx2") ? LoopIsa::avx2 : LoopIsa::baseline;
  }();
  return isa;
#else
  return LoopIsa::baseline;
#endif
}

template <class Row, class... Arguments>
void rows_baseline(std::int64_t begin, std::int64_t end, const Arguments&... arguments) {
  for (std::int64_t row = begin; row < end; ++row) Row::call(arguments..., row);
}

#if defined(__x86_64__)
template <class Row, class... Arguments>
[[gnu::target("avx2")]] void rows_avx2(std::int64_t begin, std::int64_t end,
                                       const Arguments&... arguments) {
  for (std::int64_t row = begin; row < end; ++row) Row::call(arguments..., row);
}

template <class Row, class... Arguments>
#if defined(__clang__)
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl")]]
#else
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]]
#endif
void rows_avx512(
    std::int64_t begin, std::int64_t end, const Arguments&... arguments) {
  for (std::int64_t row = begin; row < end; ++row) Row::call(arguments..., row);
}
#endif

// Calls Row::call(arguments..., row) for the rows [begin, end), compiled for this machine.
// Row::call is declared [[gnu::always_inline]], and so is all that it calls, or it stays compiled
// for the baseline.
template <class Row, class... Arguments>
void for_this_isa(std::int64_t begin, std::int64_t end, const Arguments&... arguments) {
#if defined(__x86_64__)
  switch (this_loop_isa()) {
    case LoopIsa::avx512:
      return rows_avx512<Row>(begin, end, arguments...);
    case LoopIsa::avx2:
      return rows_avx2<Row>(begin, end, arguments...);
    case LoopIsa::baseline:
      break;
  }
#endif
  rows_baseline<Row>(begin, end, arguments...);
}

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_ISA_H_
