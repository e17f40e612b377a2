// Element types of tensors.
#ifndef SINTER_DTYPE_H_
#define SINTER_DTYPE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sinter {

// The element type of a tensor. f32 and f64 compute; bf16 and f16 are storage types (arithmetic on
// them rounds to the type after every op); i32 and i64 hold indices and counts; u8 holds images;
// boolean holds masks, one byte an element, 0 or 1.
enum class Dtype : std::uint8_t { f32, f64, bf16, f16, i32, i64, u8, boolean };

inline constexpr int kDtypeCount = 8;

// Bytes of one element.
constexpr std::size_t size_of(Dtype dtype) {
  constexpr std::size_t sizes[kDtypeCount] = {4, 8, 2, 2, 4, 8, 1, 1};
  return sizes[static_cast<int>(dtype)];
}

// "f32", "f64", "bf16", "f16", "i32", "i64", "u8", "bool".
constexpr std::string_view name_of(Dtype dtype) {
  constexpr std::string_view names[kDtypeCount] = {"f32", "f64", "bf16", "f16",
                                                   "i32", "i64", "u8",   "bool"};
  return names[static_cast<int>(dtype)];
}

// The inverse of name_of. Throws Error for any other text.
Dtype dtype_from_name(std::string_view name);

// Whether gradients can flow through it.
constexpr bool is_floating(Dtype dtype) {
  return dtype == Dtype::f32 || dtype == Dtype::f64 || dtype == Dtype::bf16 || dtype == Dtype::f16;
}

// Whether it is one of the storage types of 16 bits.
constexpr bool is_half(Dtype dtype) { return dtype == Dtype::bf16 || dtype == Dtype::f16; }

// The Dtype that stores a C++ type: float, double, std::int32_t, std::int64_t, std::uint8_t, bool.
// Another type does not compile; bf16 and f16 have none, and are read as float.
template <class T>
inline constexpr Dtype dtype_of = [] {
  static_assert(sizeof(T) == 0, "no Dtype stores this C++ type");
  return Dtype::f32;
}();
template <>
inline constexpr Dtype dtype_of<float> = Dtype::f32;
template <>
inline constexpr Dtype dtype_of<double> = Dtype::f64;
template <>
inline constexpr Dtype dtype_of<std::int32_t> = Dtype::i32;
template <>
inline constexpr Dtype dtype_of<std::int64_t> = Dtype::i64;
template <>
inline constexpr Dtype dtype_of<std::uint8_t> = Dtype::u8;
template <>
inline constexpr Dtype dtype_of<bool> = Dtype::boolean;

}  // namespace sinter

#endif  // SINTER_DTYPE_H_
