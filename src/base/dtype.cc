#include "sinter/dtype.h"

#include <string>

#include "sinter/error.h"

namespace sinter {

Dtype dtype_from_name(std::string_view name) {
  for (int i = 0; i < kDtypeCount; ++i) {
    if (name_of(static_cast<Dtype>(i)) == name) return static_cast<Dtype>(i);
  }
  raise({.where = "dtype",
         .what = "unknown name",
         .got = "\"" + std::string(name) + "\"",
         .expected = "f32, f64, bf16, f16, i32, i64, u8 or bool",
         .hint = {}});
}

}  // namespace sinter
