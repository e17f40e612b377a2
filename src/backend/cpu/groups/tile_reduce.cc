// The reductions of tile_ops.h, and the loops that move elements between tiles and memory.
#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "backend/cpu/groups/tile_ops.h"
#include "ir/internal_error.h"
#include "ir/reduction.h"

namespace sinter::backend::cpu {

namespace {

using ir::kInnerLanes;
using ir::kOuterLanes;

template <class T>
using Wrapping =
    std::conditional_t<std::is_integral_v<T>,
                       std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>, T>;

template <class T>
struct Sum {
  using Value = T;
  static constexpr T identity = T(0);
  static T apply(T a, T b) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  }
};
template <class T>
struct Product {
  using Value = T;
  static constexpr T identity = T(1);
  static T apply(T a, T b) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  }
};
template <class T>
struct Max {
  using Value = T;
  static constexpr T identity =
      std::is_integral_v<T> ? std::numeric_limits<T>::min() : -std::numeric_limits<T>::infinity();
  static T apply(T a, T b) {
    const bool take_b = a == a && (b != b || a < b);
    return take_b ? b : a;
  }
};
template <class T>
struct Min {
  using Value = T;
  static constexpr T identity =
      std::is_integral_v<T> ? std::numeric_limits<T>::max() : std::numeric_limits<T>::infinity();
  static T apply(T a, T b) {
    const bool take_b = a == a && (b != b || b < a);
    return take_b ? b : a;
  }
};

template <class Op, class T = typename Op::Value>
void start(void* lanes, std::int64_t count) {
  std::fill_n(static_cast<T*>(lanes), count, Op::identity);
}

template <class Op, class T = typename Op::Value>
void add_inner(void* lanes, const void* values, std::int64_t count) {
  auto* __restrict accumulators = static_cast<T*>(lanes);
  const auto* __restrict x = static_cast<const T*>(values);
  for (std::int64_t first = 0; first < count; first += kInnerLanes) {
    const std::int64_t width = std::min(kInnerLanes, count - first);
    for (std::int64_t lane = 0; lane < width; ++lane) {
      accumulators[lane] = Op::apply(accumulators[lane], x[first + lane]);
    }
  }
}

// Lanes from `used` on hold the identity, which changes no bit: folding starts at the smallest
// power of two that covers the used ones.
template <class Op, class T = typename Op::Value>
T fold_used(T* lanes, std::int64_t used) {
  std::int64_t width = 1;
  while (width < used) width *= 2;
  for (width /= 2; width >= 1; width /= 2) {
    for (std::int64_t lane = 0; lane < width; ++lane) {
      lanes[lane] = Op::apply(lanes[lane], lanes[lane + width]);
    }
  }
  return lanes[0];
}

template <class Op, class T = typename Op::Value>
void fold_inner(void* out, void* lanes) {
  *static_cast<T*>(out) = fold_used<Op>(static_cast<T*>(lanes), kInnerLanes);
}

template <class Op, class T = typename Op::Value>
void fold_rows(void* out, const void* values, std::int64_t rows, std::int64_t columns) {
  auto* to = static_cast<T*>(out);
  const auto* x = static_cast<const T*>(values);
  for (std::int64_t row = 0; row < rows; ++row) {
    T lanes[kInnerLanes];
    std::fill_n(lanes, kInnerLanes, Op::identity);
    for (std::int64_t lane = 0; lane < columns; ++lane) {
      lanes[lane] = Op::apply(lanes[lane], x[row * columns + lane]);
    }
    to[row] = fold_used<Op>(lanes, columns);
  }
}

template <class Op, class T = typename Op::Value>
void add_outer(void* lanes, const void* values, std::int64_t first_row, std::int64_t rows,
               std::int64_t columns) {
  for (std::int64_t row = 0; row < rows; ++row) {
    auto* __restrict accumulators =
        static_cast<T*>(lanes) + (first_row + row) % kOuterLanes * columns;
    const auto* __restrict x = static_cast<const T*>(values) + row * columns;
    for (std::int64_t column = 0; column < columns; ++column) {
      accumulators[column] = Op::apply(accumulators[column], x[column]);
    }
  }
}

template <class Op, class T = typename Op::Value>
void fold_outer(void* out, const void* lanes, std::int64_t columns) {
  auto* __restrict to = static_cast<T*>(out);
  const auto* a = static_cast<const T*>(lanes);
  for (std::int64_t column = 0; column < columns; ++column) {
    const T even = Op::apply(a[column], a[column + 2 * columns]);
    const T odd = Op::apply(a[column + columns], a[column + 3 * columns]);
    to[column] = Op::apply(even, odd);
  }
}

template <class Op, class T = typename Op::Value>
void fold_chunks(void* out, void* values, std::int64_t chunks, std::int64_t width) {
  auto* to = static_cast<T*>(out);
  auto* from = static_cast<T*>(values);
  for (std::int64_t column = 0; column < width; ++column) {
    to[column] = chunks == 0 ? Op::identity
                             : ir::fold_chunks(from + column, chunks, width,
                                               [](T a, T b) { return Op::apply(a, b); });
  }
}

template <class Op>
ReduceFunctions functions() {
  return {start<Op>,     add_inner<Op>,  fold_inner<Op>, fold_rows<Op>,
          add_outer<Op>, fold_outer<Op>, fold_chunks<Op>};
}

template <template <class> class Op>
ReduceFunctions typed_functions(Dtype type) {
  switch (type) {
    case Dtype::f32:
      return functions<Op<float>>();
    case Dtype::f64:
      return functions<Op<double>>();
    case Dtype::i32:
      return functions<Op<std::int32_t>>();
    case Dtype::i64:
      return functions<Op<std::int64_t>>();
    default:
      throw ir::InternalError("interpreter: a reduction of this type");
  }
}

template <class T>
void gather_elements(void* to, const void* from, std::int64_t stride, std::int64_t count) {
  auto* __restrict out = static_cast<T*>(to);
  const auto* __restrict in = static_cast<const T*>(from);
  if (stride == 0) {
    std::fill_n(out, count, in[0]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) out[i] = in[i * stride];
  }
}

template <class T>
void scatter_elements(void* to, const void* from, std::int64_t stride, std::int64_t count) {
  auto* __restrict out = static_cast<T*>(to);
  const auto* __restrict in = static_cast<const T*>(from);
  for (std::int64_t i = 0; i < count; ++i) out[i * stride] = in[i];
}

template <class T>
void fill_elements(void* to, std::int64_t bits, std::int64_t count) {
  std::fill_n(static_cast<T*>(to), count, static_cast<T>(bits));
}

template <class T>
void fill_index_of(void* to, std::int64_t start, std::int64_t step, std::int64_t count) {
  auto* out = static_cast<T*>(to);
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(start + i * step);
}

}  // namespace

ReduceFunctions reduce_functions(ir::ScalarOp op, Dtype type) {
  switch (op) {
    case ir::ScalarOp::reduce_sum:
      return typed_functions<Sum>(type);
    case ir::ScalarOp::reduce_product:
      return typed_functions<Product>(type);
    case ir::ScalarOp::reduce_max:
      return typed_functions<Max>(type);
    case ir::ScalarOp::reduce_min:
      return typed_functions<Min>(type);
    default:
      throw ir::InternalError("interpreter: " + std::string(ir::name_of(op)) +
                              " is not a reduction");
  }
}

void gather(void* to, const void* from, std::size_t size, std::int64_t stride, std::int64_t count) {
  if (stride == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * size);
  } else if (size == 4) {
    gather_elements<std::uint32_t>(to, from, stride, count);
  } else if (size == 8) {
    gather_elements<std::uint64_t>(to, from, stride, count);
  } else if (size == 2) {
    gather_elements<std::uint16_t>(to, from, stride, count);
  } else {
    gather_elements<std::uint8_t>(to, from, stride, count);
  }
}

void scatter(void* to, const void* from, std::size_t size, std::int64_t stride,
             std::int64_t count) {
  if (stride == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * size);
  } else if (size == 4) {
    scatter_elements<std::uint32_t>(to, from, stride, count);
  } else if (size == 8) {
    scatter_elements<std::uint64_t>(to, from, stride, count);
  } else if (size == 2) {
    scatter_elements<std::uint16_t>(to, from, stride, count);
  } else {
    scatter_elements<std::uint8_t>(to, from, stride, count);
  }
}

void fill_index(void* out, Dtype type, std::int64_t start, std::int64_t step, std::int64_t count) {
  if (type == Dtype::i64) {
    fill_index_of<std::int64_t>(out, start, step, count);
  } else {
    fill_index_of<std::int32_t>(out, start, step, count);
  }
}

void fill_constant(void* out, Dtype type, std::int64_t bits, std::int64_t count) {
  switch (size_of(type)) {
    case 8:
      return fill_elements<std::uint64_t>(out, bits, count);
    case 4:
      return fill_elements<std::uint32_t>(out, bits, count);
    case 2:
      return fill_elements<std::uint16_t>(out, bits, count);
    default:
      return fill_elements<std::uint8_t>(out, bits, count);
  }
}

}  // namespace sinter::backend::cpu
