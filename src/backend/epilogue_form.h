// The epilogues that vendors' libraries know by name, told apart from all other groups: a fixed
// vocabulary, where our own kernels take any group.
#ifndef SINTER_BACKEND_EPILOGUE_FORM_H_
#define SINTER_BACKEND_EPILOGUE_FORM_H_

#include <cstdint>
#include <optional>

#include "ir/group.h"

namespace sinter::backend {

enum class Activation : std::uint8_t { none, relu };

// What follows on each element r of a contraction's result, a matrix of dense rows. In f32, each
// operation rounded, in this order; r, bias and residual of 16 bits are widened first:
//   s = r * scale + bias[column] + residual
//   y = s, or where relu follows (s < 0 ? 0 : s): NaN and -0 stay what they are
// Stored are y, rounded to its type, and then, where it is asked for, the mask s <= 0 (false for
// NaN), by which relu's gradient chooses. Either may lie where the residual lies.
struct EpilogueForm {
  float scale = 1;                // finite and not 0; 1: no factor
  int bias = -1;                  // which of the epilogue's inputs, one element a column; -1: none
  int residual = -1;              // which of them, of the result's shape and dense; -1: none
  Dtype bias_dtype = Dtype::f32;  // f32, bf16 or f16; so are the next two
  Dtype residual_dtype = Dtype::f32;
  Dtype output_dtype = Dtype::f32;
  Activation activation = Activation::none;
  bool has_mask = false;  // with relu only

  int inputs() const { return (bias >= 0 ? 1 : 0) + (residual >= 0 ? 1 : 0); }
  int outputs() const { return has_mask ? 2 : 1; }

  friend bool operator==(const EpilogueForm&, const EpilogueForm&) = default;
};

// The form of an epilogue (ir::Step::epilogue) on a result of this shape. Nothing where it is no
// such form: where an instruction is not just what ops record for it, another order of the sum
// rounds otherwise, or an operand is read or stored in another way.
std::optional<EpilogueForm> epilogue_form(const ir::Group& epilogue, const Shape& result);

}  // namespace sinter::backend

#endif  // SINTER_BACKEND_EPILOGUE_FORM_H_
