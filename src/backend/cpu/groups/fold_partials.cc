#include "backend/cpu/groups/fold_partials.h"

#include <cmath>
#include <type_traits>

#include "ir/internal_error.h"

namespace sinter::backend::cpu {

namespace {

using ir::ScalarOp;

template <class T>
T combined(ScalarOp op, T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    if (op == ScalarOp::reduce_sum) return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
    if (op == ScalarOp::reduce_product) {
      return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
    }
  } else {
    if (op == ScalarOp::reduce_sum) return a + b;
    if (op == ScalarOp::reduce_product) return a * b;
    if (std::isnan(a)) return a;
    if (std::isnan(b)) return b;
  }
  if (op == ScalarOp::reduce_max) return a < b ? b : a;
  return b < a ? b : a;
}

template <class T>
void fold(ScalarOp op, T* values, std::int64_t chunks, std::int64_t columns, std::int64_t begin,
          std::int64_t end) {
  // As ir::fold_chunks, but row by row, so that memory is read in order.
  while (chunks > 1) {
    const std::int64_t pairs = chunks / 2;
    for (std::int64_t i = 0; i < pairs; ++i) {
      T* to = values + i * columns;
      const T* a = values + 2 * i * columns;
      const T* b = a + columns;
      if (op == ScalarOp::reduce_sum) {
        for (std::int64_t at = begin; at < end; ++at) {
          to[at] = combined(ScalarOp::reduce_sum, a[at], b[at]);
        }
      } else {
        for (std::int64_t at = begin; at < end; ++at) to[at] = combined(op, a[at], b[at]);
      }
    }
    if (chunks % 2 != 0) {
      const T* last = values + (chunks - 1) * columns;
      for (std::int64_t at = begin; at < end; ++at) values[pairs * columns + at] = last[at];
    }
    chunks = pairs + chunks % 2;
  }
}

}  // namespace

void fold_partials(ScalarOp op, Dtype type, void* values, std::int64_t chunks, std::int64_t columns,
                   std::int64_t begin, std::int64_t end) {
  switch (type) {
    case Dtype::f32:
      return fold(op, static_cast<float*>(values), chunks, columns, begin, end);
    case Dtype::f64:
      return fold(op, static_cast<double*>(values), chunks, columns, begin, end);
    case Dtype::i32:
      return fold(op, static_cast<std::int32_t*>(values), chunks, columns, begin, end);
    case Dtype::i64:
      return fold(op, static_cast<std::int64_t*>(values), chunks, columns, begin, end);
    default:
      throw ir::InternalError("fold_partials: a type that is not reduced");
  }
}

}  // namespace sinter::backend::cpu
