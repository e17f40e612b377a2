// How much work an op, a step or a program is, apart from any device.
#ifndef SINTER_COST_H_
#define SINTER_COST_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace sinter {

// What does arithmetic. A contraction (matrix product, convolution) is counted by the type of its
// operands, whatever it adds up in; all other arithmetic by the width of what it computes in
// (16-bit numbers and masks compute in 32 bits).
enum class Unit : std::uint8_t {
  contraction_f32,
  contraction_f64,
  contraction_bf16,
  contraction_f16,
  vector_32,
  vector_64,
};
inline constexpr std::size_t kUnitCount = 6;

// Costs add up: that of a program is the sum of its steps'.
struct Cost {
  // As papers count: a contraction's multiplications and additions, and one for each element that
  // any other op computes or folds.
  double flops = 0;
  // Read and written in memory, each argument once, as many as its type has.
  double bytes = 0;
  // Started on the device.
  double kernels = 0;
  // Of each unit: flops of contractions; for vectors operations on one element, of which exp is
  // some fifteen. What a loop computes once counts once.
  std::array<double, kUnitCount> work = {};

  double on(Unit unit) const { return work[static_cast<std::size_t>(unit)]; }
  void add(Unit unit, double amount) { work[static_cast<std::size_t>(unit)] += amount; }

  // Adds `times` times another cost.
  void add(const Cost& other, double times = 1) {
    flops += times * other.flops;
    bytes += times * other.bytes;
    kernels += times * other.kernels;
    for (std::size_t i = 0; i < kUnitCount; ++i) work[i] += times * other.work[i];
  }

  friend bool operator==(const Cost&, const Cost&) = default;
};

}  // namespace sinter

#endif  // SINTER_COST_H_
