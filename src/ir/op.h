// What an op is: a value that knows itself. Passes, mixed precision, printing and tests read these
// fields; which ops there are is ir/op_list.h. ops/list.cc collects them into one array, which
// ir and the back ends receive as a span indexed by OpId.
#ifndef SINTER_IR_OP_H_
#define SINTER_IR_OP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/attributes.h"
#include "ir/axis_origins.h"
#include "ir/op_list.h"
#include "ir/scalar.h"
#include "ir/signature.h"
#include "ir/type.h"
#include "sinter/cost.h"
#include "sinter/pointwise_list.h"

namespace sinter {
class Tensor;
}

namespace sinter::ir {

class BodyBuilder;
struct Graph;

// Every op: the structured ones in the order of ir/op_list.h, then the pointwise ones in that of
// pointwise_list.h.
enum class OpId : std::uint16_t {
#define SINTER_OP_ID(Name, id) id,
  SINTER_STRUCTURED_OPS(SINTER_OP_ID, SINTER_OP_ID)
#undef SINTER_OP_ID
      first_pointwise,  // the number of structured ops, and the id of the first pointwise one
  last_structured = first_pointwise - 1,
#define SINTER_OP_ID(Struct, function) function,
  SINTER_POINTWISE_OPS(SINTER_OP_ID, SINTER_OP_ID, SINTER_OP_ID)
#undef SINTER_OP_ID
      count,
};

inline constexpr int kStructuredOpCount = static_cast<int>(OpId::first_pointwise);
inline constexpr int kOpCount = static_cast<int>(OpId::count);

enum class OpKind : std::uint8_t {
  pointwise,    // one element of the result from one element of each (broadcast) input
  reduce,       // folds axes along the canonical trees
  view,         // the same elements seen through another layout; no work
  composite,    // a short composition of other ops, expanded before fusing
  contraction,  // matrix products and convolutions: the vendor library's
  opaque,       // a kernel of its own
};

// In which type an op computes when mixed precision is on.
enum class Precision : std::uint8_t {
  low,     // in bf16: contractions
  full,    // in f32: reductions, losses, normalisation
  follow,  // in the type of its inputs
};

using sinter::Cost;

// A call as far as it is known before it runs.
struct OpCall {
  std::span<const TensorType> inputs;
  const Attributes& attributes;
  std::span<const Graph* const> bodies = {};  // scan only
  // A pointwise op in a fused group: along which axis of the group's space each axis of the result
  // runs, -1 for one of length 1. Empty: the result's axes are the space's.
  std::span<const int> space_axes = {};
};

// What a gradient sees. `dy` holds the gradient of each result; an absent one is zero.
struct GradientCall {
  std::span<const Tensor> inputs;
  std::span<const Tensor> results;
  std::span<const std::optional<Tensor>> dy;
  const Attributes& attributes;
  std::span<const std::shared_ptr<const Graph>> bodies;
  // For each input, whether its gradient is wanted; empty: all are. Gradients that are not may be
  // left out, which saves an op called directly their work (in a trace dead code is removed
  // anyway).
  std::span<const std::uint8_t> needed = {};
};

// Where a view leaves the elements, for loops that look through it.
enum class ViewMoves : std::uint8_t {
  anything,  // axes may change places and lose elements
  in_order,  // all elements, in row-major order
  spread,    // axes of length 1 are repeated, and new outer ones added
};

inline constexpr std::size_t kMaxOpInputs = 6;
inline constexpr std::size_t kMaxAttributes = 6;

struct Op {
  OpId id = OpId::count;
  const char* name = "";
  const char* doc = "";
  OpKind kind = OpKind::opaque;
  Precision precision = Precision::follow;

  // What it is called with: entries without a name come last and are none. A variadic op has any
  // number of inputs, and its last entry stands for the rest of them.
  OpInput inputs[kMaxOpInputs] = {};
  bool is_variadic = false;
  AttributeSpec schema[kMaxAttributes] = {};

  // The types of the results for a call that has the signature above (infer() in ir/signature.h
  // checks it). Throws Error, naming the op, for inputs that do not fit.
  std::vector<TensorType> (*infer)(const OpCall& call) = nullptr;

  // The gradient of each input (absent where there is none), written in public ops. Null for an op
  // whose results are not differentiable, and for a composite that inlines its composition.
  std::vector<std::optional<Tensor>> (*gradient)(const GradientCall& call) = nullptr;

  // composite: the results, computed by public ops.
  std::vector<Tensor> (*compose)(std::span<const Tensor> inputs,
                                 const Attributes& attributes) = nullptr;

  // pointwise: appends the op to a body whose positions `inputs` hold its arguments; gives the
  // result's position.
  std::int32_t (*append)(BodyBuilder& builder, const OpCall& call,
                         std::span<const std::int32_t> inputs) = nullptr;

  // reduce: which fold.
  ScalarOp reduction = ScalarOp::reduce_sum;

  // view: the layout of the result on the same memory, or nothing where strides cannot express it
  // (then the input is copied first, and asked again).
  std::optional<Layout> (*view)(const Layout& input, const TensorType& result,
                                const Attributes& attributes) = nullptr;

  // Whether running it may throw Error for elements that do not fit (an id out of range). A new
  // State is written only once such ops have run.
  bool may_throw = false;

  // What one call costs, apart from kernels: that is the plan's. Null: see cost_of() in ir/cost.h.
  // A composite has none but its parts'.
  Cost (*cost)(const OpCall& call, std::span<const TensorType> results) = nullptr;

  // view: what loops may know about where its elements lie.
  ViewMoves moves = ViewMoves::anything;

  // opaque, one result: the element of the result at which each input begins. Whoever makes an
  // input may write it there at once. Null: inputs lie nowhere in the result.
  const std::vector<std::int64_t>& (*joins)(const Attributes& attributes) = nullptr;

  // pointwise: without inputs, and the same everywhere.
  bool is_constant = false;

  // Where the axes of the results come from.
  AxisRule axes = AxisRule::aligned;

  constexpr std::size_t input_count() const {
    std::size_t count = 0;
    while (count < kMaxOpInputs && inputs[count].name != nullptr) ++count;
    return count;
  }
  constexpr std::size_t attribute_count() const {
    std::size_t count = 0;
    while (count < kMaxAttributes && schema[count].name != nullptr) ++count;
    return count;
  }
};

// All ops, indexed by OpId.
using OpList = std::span<const Op>;

inline const Op& find(OpList ops, OpId id) { return ops[static_cast<std::size_t>(id)]; }

}  // namespace sinter::ir

#endif  // SINTER_IR_OP_H_
