#include "ops/check.h"

#include "ir/cost.h"
#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::ops {

std::string types_text(std::span<const TensorType> types) {
  std::string text;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (i > 0) text += i + 1 == types.size() ? " and " : ", ";
    text += types[i].to_string();
  }
  return text;
}

void check_same_dtype(const char* where, std::span<const TensorType> types) {
  for (const TensorType& type : types) {
    if (type.dtype == types.front().dtype) continue;
    raise({.where = where,
           .what = "the dtypes differ",
           .got = types_text(types),
           .expected = "one dtype",
           .hint = "there is no type promotion: convert one with cast()"});
  }
}

void check_same_shape(const char* where, const char* names, std::span<const TensorType> types) {
  for (const TensorType& type : types) {
    if (type.shape == types.front().shape) continue;
    raise({.where = where,
           .what = std::string(names) + " have different shapes",
           .got = types_text(types),
           .expected = "equal shapes",
           .hint = {}});
  }
}

void check_epsilon(const char* where, const ir::Attributes& attributes) {
  const double epsilon = attributes.real("epsilon");
  if (epsilon >= 0) return;
  raise({.where = where,
         .what = "a negative epsilon",
         .got = std::to_string(epsilon),
         .expected = {},
         .hint = {}});
}

void check_rank(const char* where, const char* input, const TensorType& type, int rank,
                const char* layout, const char* hint) {
  if (type.shape.rank() == rank) return;
  raise({.where = where,
         .what = std::string(input) + " has the wrong number of axes",
         .got = type.to_string(),
         .expected = std::to_string(rank) + " axes " + layout,
         .hint = hint});
}

Shape shape_attribute(const ir::Attributes& attributes) {
  return Shape(attributes.integers("shape"));
}

Dtype dtype_attribute(const ir::Attributes& attributes) {
  return static_cast<Dtype>(attributes.integer("dtype"));
}

Dtype contraction_dtype(const char* where, const ir::OpCall& call) {
  const Dtype inputs = call.inputs[0].dtype;
  const std::int64_t number = call.attributes.integer("dtype");
  if (number == kAsInputs) return inputs;
  const Dtype result = dtype_attribute(call.attributes);
  const bool is_wider = result == Dtype::f32 && is_half(inputs);
  if (result != inputs && !is_wider) {
    throw ir::InternalError(std::string(where) + ": a result of " + std::string(name_of(result)) +
                            " from " + std::string(name_of(inputs)));
  }
  return result;
}

double traffic(const ir::OpCall& call, std::span<const TensorType> results) {
  double bytes = 0;
  for (const TensorType& type : call.inputs) bytes += static_cast<double>(type.bytes());
  for (const TensorType& type : results) bytes += static_cast<double>(type.bytes());
  return bytes;
}

ir::Cost contraction_cost(const ir::OpCall& call, std::span<const TensorType> results,
                          double products) {
  ir::Cost cost = move_cost(call, results);
  cost.flops = 2 * products;
  cost.add(ir::contraction_unit(call.inputs[0].dtype), cost.flops);
  return cost;
}

ir::Cost kernel_cost(const ir::OpCall& call, std::span<const TensorType> results, Dtype dtype,
                     double operations) {
  ir::Cost cost = move_cost(call, results);
  cost.flops = operations;
  cost.add(ir::vector_unit(dtype), operations);
  return cost;
}

ir::Cost move_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  ir::Cost cost;
  cost.bytes = traffic(call, results);
  return cost;
}

ir::Cost no_cost(const ir::OpCall&, std::span<const TensorType>) { return {}; }

}  // namespace sinter::ops
