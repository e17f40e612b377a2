// Recurrences: a body applied along the leading axis, its carries handed from step to step.
#include "ops/scan.h"

#include <string>

#include "ir/graph.h"
#include "ir/internal_error.h"
#include "ops/check.h"
#include "ops/list.h"

namespace sinter::ops {
namespace {

// The type of one step's part of a sequence: without the leading axis.
TensorType step_of(const TensorType& type) {
  return {type.dtype, Shape(std::vector<std::int64_t>(type.shape.begin() + 1, type.shape.end()))};
}

[[noreturn]] void fail(std::string what, std::string got, std::string expected) {
  raise({.where = "scan",
         .what = std::move(what),
         .got = std::move(got),
         .expected = std::move(expected),
         .hint = {}});
}

// Inputs: carries, sequences, constants. The body's inputs tell sequences (one axis less) from
// constants (the same type); sequences come first.
std::vector<TensorType> infer(const ir::OpCall& call) {
  if (call.bodies.size() != 1) throw ir::InternalError("scan has one body");
  const ir::Graph& body = *call.bodies[0];
  const std::int64_t length = call.attributes.integer("length");
  const std::int64_t carries_number = call.attributes.integer("carries");
  if (length < 0) fail("a negative length", std::to_string(length), "");
  if (body.inputs.size() != call.inputs.size() || carries_number < 0 ||
      static_cast<std::size_t>(carries_number) > call.inputs.size() ||
      static_cast<std::size_t>(carries_number) > body.outputs.size()) {
    throw ir::InternalError("scan: the body does not have the inputs and carries of the call");
  }
  const std::size_t carries = static_cast<std::size_t>(carries_number);
  std::vector<TensorType> results;
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const TensorType& given = call.inputs[i];
    const TensorType& taken = body.type_of(body.inputs[i]);
    const bool is_sequence = i >= carries && given.shape.rank() > 0 && given.shape[0] == length &&
                             step_of(given) == taken;
    if (!is_sequence && given != taken) {
      fail("the body takes another type for input " + std::to_string(i), given.to_string(),
           taken.to_string() +
               (i < carries ? "" : ", or that for each of " + std::to_string(length) + " steps"));
    }
  }
  for (std::size_t i = 0; i < body.outputs.size(); ++i) {
    const TensorType& made = body.type_of(body.outputs[i]);
    if (i < carries) {
      if (made != call.inputs[i]) {
        fail("the body changes the type of carry " + std::to_string(i), made.to_string(),
             call.inputs[i].to_string());
      }
      results.push_back(made);
      continue;
    }
    std::vector<std::int64_t> lengths = made.shape.to_vector();
    lengths.insert(lengths.begin(), length);
    results.push_back({made.dtype, Shape(lengths)});
  }
  return results;
}

}  // namespace

constinit const ir::Op kScan = {
    .id = ir::OpId::scan,
    .name = "scan",
    .doc =
        "A body applied to each step of sequences (length, ...) and to carries handed from step to "
        "step: the last carries, and the other results of all steps stacked.",
    .kind = ir::OpKind::opaque,
    .precision = ir::Precision::full,  // its body is lowered when it is planned
    .inputs = {{"an input", ir::kEveryDtype}},
    .is_variadic = true,
    .schema = {{"length", Kind::integer},
               {"carries", Kind::integer},
               {"reverse", Kind::integer, 0},
               {"saved", Kind::integer, 0},
               {"detached", Kind::integers, 0}},
    .infer = infer,
    .gradient = scan_gradient,
};

}  // namespace sinter::ops
