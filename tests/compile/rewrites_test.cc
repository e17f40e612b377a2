// Each entry of the table of rewrites: where it applies, where it must not, and its switch.
#include "compile/rewrites.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>

#include "compile/checks.h"
#include "compile/pass.h"
#include "compile/trace.h"
#include "ops/list.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter {
namespace {

using compile_detail::Rewrite;
using Function = std::function<Tensor(const Tensor&)>;

ir::Graph recorded(const ir::TensorType& type, const Function& function) {
  compile_detail::Tracer tracer;
  const Tensor x = tracer.add_argument(type);
  const NoGradScope no_grad;
  const RecorderScope scope(&tracer);
  return tracer.finish({function(x)}).graph;
}

// The names of the ops that are left when only the rewrite `name` is on.
std::string ops_with(const std::string& name, const ir::TensorType& type,
                     const Function& function) {
  const ir::OpList ops = op_list();
  const auto is_on = [&](const char* each) { return name == each; };
  const ir::Graph graph =
      compile_detail::simplify(compile_detail::rewrite(recorded(type, function), ops, is_on), ops);
  ir::verify(graph, ops);
  std::string text;
  for (const ir::Node& node : graph.nodes) {
    if (node.op == ir::OpId::full) continue;
    text += (text.empty() ? "" : " ") + std::string(ir::find(ops, node.op).name);
  }
  return text;
}

const ir::TensorType kMatrix{Dtype::f32, Shape({3, 4})};

// Past the user functions, which leave out some of what the table is for.
Tensor raw(ir::OpId op, const Tensor& x, const ir::Attributes& attributes) {
  return apply_one(ir::find(op_list(), op), {{x}}, attributes, {});
}

TEST(Rewrites, HaveNamesOfTheirOwnAndSaySomething) {
  std::set<std::string> names;
  for (const Rewrite& each : compile_detail::rewrites()) {
    EXPECT_TRUE(names.insert(each.name).second) << each.name;
    EXPECT_NE(std::string(each.doc), "") << each.name;
  }
}

TEST(Rewrites, TurnProductsAndOnlyWhereNothingElseReadsThem) {
  const Function turned = [](const Tensor& x) { return transpose(matmul(x, transpose(x))); };
  EXPECT_EQ(ops_with("none", kMatrix, turned), "permute matmul permute");
  EXPECT_EQ(ops_with("turn_products", kMatrix, turned), "permute matmul");
  const Function read_twice = [](const Tensor& x) {
    const Tensor product = matmul(x, transpose(x));
    return transpose(product) + product;
  };
  EXPECT_EQ(ops_with("turn_products", kMatrix, read_twice), "permute matmul permute add");
}

TEST(Rewrites, TwoViewsOfAKindAreOne) {
  const Function there_and_back = [](const Tensor& x) { return tanh(transpose(transpose(x))); };
  EXPECT_EQ(ops_with("none", kMatrix, there_and_back), "permute permute tanh");
  EXPECT_EQ(ops_with("permute_of_permute", kMatrix, there_and_back), "tanh");
  const Function around = [](const Tensor& x) {
    return permute(permute(reshape(x, {2, 3, 2}), {1, 2, 0}), {1, 2, 0});
  };
  EXPECT_EQ(ops_with("permute_of_permute", kMatrix, around), "reshape permute");
  const Function reshaped = [](const Tensor& x) { return reshape(reshape(x, {12}), {2, 6}); };
  EXPECT_EQ(ops_with("none", kMatrix, reshaped), "reshape reshape");
  EXPECT_EQ(ops_with("reshape_of_reshape", kMatrix, reshaped), "reshape");
}

TEST(Rewrites, ViewsThatShowEverythingGo) {
  const std::vector<std::int64_t> shape = {3, 4};
  EXPECT_EQ(ops_with("same_reshape", kMatrix,
                     [&](const Tensor& x) {
                       return tanh(raw(ir::OpId::reshape, x, {{"shape", shape}}));
                     }),
            "tanh");
  EXPECT_EQ(ops_with("same_broadcast", kMatrix,
                     [&](const Tensor& x) {
                       return tanh(raw(ir::OpId::broadcast_to, x, {{"shape", shape}}));
                     }),
            "tanh");
  const auto rows = [](std::int64_t end) -> Function {
    return [end](const Tensor& x) {
      return tanh(raw(ir::OpId::slice, x,
                      {{"axis", std::int64_t{0}}, {"begin", std::int64_t{0}}, {"end", end}}));
    };
  };
  EXPECT_EQ(ops_with("same_slice", kMatrix, rows(3)), "tanh");
  EXPECT_EQ(ops_with("same_slice", kMatrix, rows(2)), "slice tanh");
}

TEST(Rewrites, ConversionsThroughAWiderTypeAreOneOrNone) {
  const auto through = [](Dtype from, Dtype by, Dtype to) {
    return ops_with("cast_of_cast", {from, Shape({5})}, [=](const Tensor& x) {
      return raw(ir::OpId::cast, raw(ir::OpId::cast, x, {{"dtype", static_cast<std::int64_t>(by)}}),
                 {{"dtype", static_cast<std::int64_t>(to)}});
    });
  };
  EXPECT_EQ(through(Dtype::bf16, Dtype::f32, Dtype::bf16), "");
  EXPECT_EQ(through(Dtype::f16, Dtype::f32, Dtype::f16), "");
  EXPECT_EQ(through(Dtype::f32, Dtype::f64, Dtype::f32), "");
  EXPECT_EQ(through(Dtype::i32, Dtype::i64, Dtype::i32), "");
  EXPECT_EQ(through(Dtype::bf16, Dtype::f32, Dtype::f64), "cast");
  EXPECT_EQ(through(Dtype::u8, Dtype::i32, Dtype::f32), "cast");
  // These lose something on the way.
  EXPECT_EQ(through(Dtype::f32, Dtype::bf16, Dtype::f32), "cast cast");
  EXPECT_EQ(through(Dtype::f16, Dtype::bf16, Dtype::f16), "cast cast");
  EXPECT_EQ(through(Dtype::i32, Dtype::f32, Dtype::i32), "cast cast");
  EXPECT_EQ(through(Dtype::i64, Dtype::f64, Dtype::i64), "cast cast");
  EXPECT_EQ(through(Dtype::f32, Dtype::i32, Dtype::f32), "cast cast");
  EXPECT_EQ(
      ops_with("cast_to_same", kMatrix,
               [](const Tensor& x) {
                 return raw(ir::OpId::cast, x, {{"dtype", static_cast<std::int64_t>(Dtype::f32)}});
               }),
      "");
}

TEST(Rewrites, ArithmeticThatChangesNoBitGoes) {
  const auto left = [](const char* name, const Function& function, Dtype dtype = Dtype::f32) {
    return ops_with(name, {dtype, Shape({3, 4})}, function);
  };
  EXPECT_EQ(left("times_one", [](const Tensor& x) { return x * 1.0; }), "");
  EXPECT_EQ(left("times_one", [](const Tensor& x) { return 1.0 * x; }), "");
  EXPECT_EQ(left("times_one", [](const Tensor& x) { return x * 1.5; }), "multiply");
  EXPECT_EQ(left("divided_by_one", [](const Tensor& x) { return x / 1.0; }), "");
  EXPECT_EQ(left("divided_by_one", [](const Tensor& x) { return 1.0 / x; }), "divide");
  EXPECT_EQ(left("plus_zero", [](const Tensor& x) { return x + -0.0; }), "");
  EXPECT_EQ(left("plus_zero", [](const Tensor& x) { return x + 0.0; }), "add");
  EXPECT_EQ(left(
                "plus_zero", [](const Tensor& x) { return x + 0.0; }, Dtype::i32),
            "");
  EXPECT_EQ(left("minus_zero", [](const Tensor& x) { return x - 0.0; }), "");
  EXPECT_EQ(left("minus_zero", [](const Tensor& x) { return x - -0.0; }), "subtract");
  EXPECT_EQ(left("minus_zero", [](const Tensor& x) { return 0.0 - x; }), "subtract");
  // A constant that makes the result larger does something.
  EXPECT_EQ(left("times_one",
                 [](const Tensor& x) {
                   return x * ones(Shape({2, 3, 4}));
                 }),
            "multiply");
  EXPECT_EQ(left("times_one", [](const Tensor& x) { return x * ones(Shape({3, 1})); }), "");
}

TEST(Rewrites, SameBitsAsWithoutThemForAwkwardNumbers) {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor x = floats({0.0F, -0.0F, 1.5F, -inf, inf, std::nanf(""), 1e-42F, -3.0F});
  const auto result = [&] {
    auto function = compile(
        [](const Tensor& t) {
          const Tensor y = ((t * 1.0 + -0.0) - 0.0) / 1.0;
          const Tensor wide = cast(cast(y, Dtype::f64), Dtype::f32);
          return cast(cast(cast(wide, Dtype::bf16), Dtype::f32), Dtype::bf16);
        },
        "awkward");
    return cast(function(x), Dtype::f32).to_vector<float>();
  };
  const std::vector<float> with = result();
  const SwitchScope disable("SINTER_DISABLE",
                            "times_one,plus_zero,minus_zero,divided_by_one,cast_of_cast");
  const std::vector<float> without = result();
  ASSERT_EQ(with.size(), without.size());
  for (std::size_t i = 0; i < with.size(); ++i) {
    EXPECT_EQ(std::signbit(with[i]), std::signbit(without[i])) << i;
    EXPECT_TRUE(with[i] == without[i] || (std::isnan(with[i]) && std::isnan(without[i]))) << i;
  }
}

}  // namespace
}  // namespace sinter
