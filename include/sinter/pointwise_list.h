// THE list of pointwise ops: the only place that names them all. Each entry is the struct that
// defines the op (src/ir/pointwise.h) and the name of the function that users call. Other files
// expand the list into op ids, user functions and tables; `unary`, `binary` and `ternary` are
// macros of theirs that take (Struct, function).
#ifndef SINTER_POINTWISE_LIST_H_
#define SINTER_POINTWISE_LIST_H_

// clang-format off
#define SINTER_POINTWISE_OPS(unary, binary, ternary) \
  binary(Add, add)                                   \
  binary(Subtract, subtract)                         \
  binary(Multiply, multiply)                         \
  binary(Divide, divide)                             \
  binary(Pow, pow)                                   \
  binary(Maximum, maximum)                           \
  binary(Minimum, minimum)                           \
  binary(Equal, equal)                               \
  binary(NotEqual, not_equal)                        \
  binary(Less, less)                                 \
  binary(LessEqual, less_equal)                      \
  binary(Greater, greater)                           \
  binary(GreaterEqual, greater_equal)                \
  binary(LogicalAnd, logical_and)                    \
  binary(LogicalOr, logical_or)                      \
  binary(LogicalXor, logical_xor)                    \
  unary(LogicalNot, logical_not)                     \
  unary(Negate, negate)                              \
  unary(Abs, abs)                                    \
  unary(Sign, sign)                                  \
  unary(Square, square)                              \
  unary(Sqrt, sqrt)                                  \
  unary(Rsqrt, rsqrt)                                \
  unary(Reciprocal, reciprocal)                      \
  unary(Exp, exp)                                    \
  unary(Expm1, expm1)                                \
  unary(Log, log)                                    \
  unary(Log1p, log1p)                                \
  unary(Sin, sin)                                    \
  unary(Cos, cos)                                    \
  unary(Tanh, tanh)                                  \
  unary(Erf, erf)                                    \
  unary(Sigmoid, sigmoid)                            \
  unary(Softplus, softplus)                          \
  unary(Relu, relu)                                  \
  unary(Silu, silu)                                  \
  unary(Gelu, gelu)                                  \
  unary(GeluTanh, gelu_tanh)                         \
  unary(Floor, floor)                                \
  unary(Ceil, ceil)                                  \
  unary(Round, round)                                \
  unary(Trunc, trunc)                                \
  unary(IsNan, isnan)                                \
  unary(IsFinite, isfinite)                          \
  ternary(Where, where)                              \
  ternary(Clamp, clamp)                              \
  ternary(MultiplyAdd, multiply_add)
// clang-format on

#endif  // SINTER_POINTWISE_LIST_H_
