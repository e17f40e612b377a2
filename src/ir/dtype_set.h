// Sets of element types: which ones an input of an op may have.
#ifndef SINTER_IR_DTYPE_SET_H_
#define SINTER_IR_DTYPE_SET_H_

#include <cstdint>
#include <initializer_list>
#include <string>

#include "sinter/dtype.h"

namespace sinter::ir {

class DtypeSet {
 public:
  constexpr DtypeSet() = default;
  constexpr DtypeSet(std::initializer_list<Dtype> dtypes) {
    for (const Dtype dtype : dtypes) bits_ = static_cast<std::uint8_t>(bits_ | bit(dtype));
  }
  constexpr bool has(Dtype dtype) const { return (bits_ & bit(dtype)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  // Of both.
  constexpr DtypeSet operator|(DtypeSet other) const {
    other.bits_ = static_cast<std::uint8_t>(other.bits_ | bits_);
    return other;
  }
  friend constexpr bool operator==(DtypeSet a, DtypeSet b) { return a.bits_ == b.bits_; }

 private:
  static constexpr std::uint8_t bit(Dtype dtype) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(dtype));
  }
  static_assert(kDtypeCount <= 8);

  std::uint8_t bits_ = 0;
};

// The sets that ops name.
inline constexpr DtypeSet kFullFloats = {Dtype::f32, Dtype::f64};
inline constexpr DtypeSet kFloats = kFullFloats | DtypeSet{Dtype::bf16, Dtype::f16};
inline constexpr DtypeSet kIndices = {Dtype::i32, Dtype::i64};
inline constexpr DtypeSet kIntegers = kIndices | DtypeSet{Dtype::u8};
inline constexpr DtypeSet kNumbers = kFloats | kIntegers;
inline constexpr DtypeSet kMasks = {Dtype::boolean};
inline constexpr DtypeSet kEveryDtype = kNumbers | kMasks;

// "f32 or f64"; "any number, not bool" and "any dtype" for the two large sets.
std::string to_text(DtypeSet dtypes);

}  // namespace sinter::ir

#endif  // SINTER_IR_DTYPE_SET_H_
