// What infer functions ask of their inputs. All throw Error naming `where`, the op, unless they say
// otherwise.
#ifndef SINTER_OPS_CHECK_H_
#define SINTER_OPS_CHECK_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "ir/op.h"

namespace sinter::ops {

using Kind = ir::AttributeKind;
using ir::TensorType;

// "f32(2,) and i32(2,)".
std::string types_text(std::span<const TensorType> types);
// For functions that are no ops; those say in their fields what their inputs may be. `input` says
// which one: "x", "the weight".
inline void check_dtype(const char* where, const char* input, const TensorType& type,
                        ir::DtypeSet allowed) {
  ir::check_dtype(where, {input, allowed}, type);
}
void check_same_dtype(const char* where, std::span<const TensorType> types);
// `layout` names the axes: "(N, H, W, C)".
void check_rank(const char* where, const char* input, const TensorType& type, int rank,
                const char* layout, const char* hint = "");
// Shapes of inputs that go element by element.
void check_same_shape(const char* where, const char* names, std::span<const TensorType> types);
// The epsilon that a normalisation adds to the variance, an attribute of this name.
void check_epsilon(const char* where, const ir::Attributes& attributes);
// The shape and dtype that stand in the attributes {shape, dtype}.
Shape shape_attribute(const ir::Attributes& attributes);
Dtype dtype_attribute(const ir::Attributes& attributes);

// The type of a contraction's result, the attribute {dtype}: kAsInputs, or what the compiler's
// mixed precision says, which multiplies in 16 bits and may keep the sum in f32.
inline constexpr std::int64_t kAsInputs = -1;
Dtype contraction_dtype(const char* where, const ir::OpCall& call);

// Bytes of inputs and results.
double traffic(const ir::OpCall& call, std::span<const TensorType> results);
// The cost of a matrix product or convolution: a multiplication and an addition for each of so many
// products.
ir::Cost contraction_cost(const ir::OpCall& call, std::span<const TensorType> results,
                          double products);
// Of a kernel that does so many operations on elements of this type.
ir::Cost kernel_cost(const ir::OpCall& call, std::span<const TensorType> results, Dtype dtype,
                     double operations);
// Of moving data: no arithmetic.
ir::Cost move_cost(const ir::OpCall& call, std::span<const TensorType> results);
// Nothing at all: a view.
ir::Cost no_cost(const ir::OpCall& call, std::span<const TensorType> results);

// Whether the gradient of input `input` is wanted.
inline bool is_needed(const ir::GradientCall& call, std::size_t input) {
  return call.needed.empty() || call.needed[input] != 0;
}

}  // namespace sinter::ops

#endif  // SINTER_OPS_CHECK_H_
