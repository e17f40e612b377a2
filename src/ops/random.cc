// Random numbers by position.
#include "sinter/random.h"

#include <array>
#include <string>

#include "ops/check.h"
#include "ops/list.h"
#include "ops/operand.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {

namespace ops {
namespace {

void check_position(const char* where, const ir::OpCall& call) {
  if (call.inputs[0] == TensorType{Dtype::i64, Shape({2})}) return;
  raise({.where = where,
         .what = "the position is not {seed, offset}",
         .got = call.inputs[0].to_string(),
         .expected = "i64(2,)",
         .hint = "draw from a Generator"});
}

void check_probability(double p) {
  if (p >= 0 && p <= 1) return;
  raise({.where = "bernoulli",
         .what = "not a probability",
         .got = std::to_string(p),
         .expected = "0 <= p <= 1",
         .hint = {}});
}

std::vector<TensorType> infer_bernoulli(const ir::OpCall& call) {
  check_position("bernoulli", call);
  check_probability(call.attributes.real("p"));
  return {{Dtype::boolean, shape_attribute(call.attributes)}};
}

std::vector<TensorType> infer_uniform(const ir::OpCall& call) {
  check_position("uniform", call);
  return {{Dtype::f32, shape_attribute(call.attributes)}};
}

// Philox4x32-10 takes about 100 integer operations for 4 words, of which a mask takes half of one.
constexpr double kOperationsPerWord = 25;
ir::Cost bernoulli_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  return kernel_cost(call, results, Dtype::i32,
                     kOperationsPerWord / 2 * static_cast<double>(results[0].elements()));
}
ir::Cost uniform_cost(const ir::OpCall& call, std::span<const TensorType> results) {
  return kernel_cost(call, results, Dtype::i32,
                     kOperationsPerWord * static_cast<double>(results[0].elements()));
}

}  // namespace

constinit const ir::Op kBernoulli = {
    .id = ir::OpId::bernoulli,
    .name = "bernoulli",
    .doc =
        "A boolean mask, true with probability p in steps of 2^-16: 16 bits of Philox4x32-10 an "
        "element, eight elements a counter. From a position (2,) i64: seed and counter. Error: p "
        "outside [0, 1].",
    .kind = ir::OpKind::opaque,
    .inputs = {{"the position", {Dtype::i64}}},
    .schema = {{"shape", Kind::integers}, {"p", Kind::real}},
    .infer = infer_bernoulli,
    .cost = bernoulli_cost,
};

constinit const ir::Op kUniform = {
    .id = ir::OpId::uniform,
    .name = "uniform",
    .doc =
        "f32 in [0, 1) in steps of 2^-24: 32 bits of Philox4x32-10 an element, four elements a "
        "counter. From a position (2,) i64: seed and counter.",
    .kind = ir::OpKind::opaque,
    .inputs = {{"the position", {Dtype::i64}}},
    .schema = {{"shape", Kind::integers}},
    .infer = infer_uniform,
    .cost = uniform_cost,
};

namespace {

Tensor position_tensor(std::uint64_t seed) {
  const std::array<std::int64_t, 2> values = {static_cast<std::int64_t>(seed), 0};
  return tensor(std::span<const std::int64_t>(values), Shape({2}));
}

// Counters that `elements` elements use, `each` of them a counter.
std::int64_t counters_for(const Shape& shape, std::int64_t each) {
  return (shape.elements() + each - 1) / each;
}

}  // namespace
}  // namespace ops

Generator::Generator(std::uint64_t seed) : state_(ops::position_tensor(seed), "generator") {}

Tensor Generator::draw(std::int64_t counters) {
  const Tensor position = state_.value();
  const Tensor step = multiply(iota(Shape({2}), 0, Dtype::i64), static_cast<double>(counters));
  state_.assign(position + step);
  return position;
}

Tensor Generator::bernoulli(const Shape& shape, double p, SourceLocation location) {
  ops::check_probability(p);
  const Tensor position = draw(ops::counters_for(shape, 8));
  return apply_one(ops::kBernoulli, {&position, 1}, {{"shape", shape.to_vector()}, {"p", p}},
                   location);
}

Tensor Generator::uniform(const Shape& shape, SourceLocation location) {
  const Tensor position = draw(ops::counters_for(shape, 4));
  return apply_one(ops::kUniform, {&position, 1}, {{"shape", shape.to_vector()}}, location);
}

Tensor Generator::normal(const Shape& shape, SourceLocation location) {
  const Tensor radius_bits = uniform(shape, location);
  const Tensor angle_bits = uniform(shape, location);
  // 1 - u lies in (0, 1], so that the logarithm is finite.
  const Tensor radius = sqrt(log(1.0 - radius_bits) * -2.0);
  return radius * cos(angle_bits * 6.283185307179586);
}

Tensor dropout(Operand x, double p, Generator& generator) {
  if (!(p >= 0 && p < 1)) {
    raise({.where = "dropout",
           .what = "not a probability below 1",
           .got = std::to_string(p),
           .expected = "0 <= p < 1",
           .hint = {}});
  }
  const Tensor tensor = ops::tensor_of("dropout", x);
  const SourceLocation location = x.location();
  const Tensor kept = generator.bernoulli(tensor.shape(), 1 - p, location);
  const Tensor scaled = multiply(Operand(tensor, location), Operand(1 / (1 - p), location));
  return where(Operand(kept, location), Operand(scaled, location), Operand(0.0, location));
}

}  // namespace sinter
