// Sets of element types, and attributes held to a schema.
#include "ir/signature.h"

#include <gtest/gtest.h>

#include "ir/internal_error.h"
#include "ir/op.h"
#include "sinter/error.h"

namespace sinter::ir {
namespace {

using Numbers = std::vector<std::int64_t>;

TEST(DtypeSet, HoldsWhatItWasGiven) {
  constexpr DtypeSet set = {Dtype::f64, Dtype::u8};
  for (int i = 0; i < kDtypeCount; ++i) {
    const auto dtype = static_cast<Dtype>(i);
    EXPECT_EQ(set.has(dtype), dtype == Dtype::f64 || dtype == Dtype::u8);
    EXPECT_FALSE(DtypeSet().has(dtype));
    EXPECT_TRUE(kEveryDtype.has(dtype));
    EXPECT_EQ(kFloats.has(dtype), is_floating(dtype));
    EXPECT_EQ(kNumbers.has(dtype), dtype != Dtype::boolean);
  }
  EXPECT_TRUE(DtypeSet().empty());
  EXPECT_FALSE(set.empty());
  EXPECT_EQ(set | DtypeSet{Dtype::f32}, (DtypeSet{Dtype::f32, Dtype::u8, Dtype::f64}));
}

TEST(DtypeSet, ReadsLikeThis) {
  EXPECT_EQ(to_text(kMasks), "bool");
  EXPECT_EQ(to_text(kFullFloats), "f32 or f64");
  EXPECT_EQ(to_text(kFloats), "f32, f64, bf16 or f16");
  EXPECT_EQ(to_text(kNumbers), "any number, not bool");
  EXPECT_EQ(to_text(kEveryDtype), "any dtype");
  EXPECT_EQ(to_text(DtypeSet()), "");
}

Op make_op() {
  Op op;
  op.name = "op";
  op.inputs[0] = {"x", kFullFloats};
  op.inputs[1] = {"the ids", kIndices};
  op.schema[0] = {"size", AttributeKind::integer};
  op.schema[1] = {"share", AttributeKind::real, 0.5};
  op.schema[2] = {"axes", AttributeKind::integers, 0};
  op.schema[3] = {"dtype", AttributeKind::dtype, 1};
  return op;
}

// What `call` throws as our mistake.
template <class Call>
std::string mistake(Call call) {
  try {
    call();
  } catch (const InternalError& error) {
    return std::string(error.what()).substr(std::string("internal: ").size());
  }
  return "";
}

TEST(Attributes, AreCompletedInTheOrderOfTheSchema) {
  const Op op = make_op();
  const Attributes all = {
      {"size", std::int64_t{3}}, {"share", 0.5}, {"axes", Numbers{}}, {"dtype", std::int64_t{1}}};
  EXPECT_TRUE(are_complete(op, all));
  EXPECT_EQ(completed(op, all), all);
  EXPECT_EQ(completed(op, {{"size", std::int64_t{3}}}), all);
  const Attributes turned = {{"axes", Numbers{4}}, {"size", std::int64_t{3}}};
  EXPECT_FALSE(are_complete(op, turned));
  EXPECT_EQ(completed(op, turned), (Attributes{{"size", std::int64_t{3}},
                                               {"share", 0.5},
                                               {"axes", Numbers{4}},
                                               {"dtype", std::int64_t{1}}}));
}

TEST(Attributes, ThatTheSchemaDoesNotHaveAreOurMistake) {
  const Op op = make_op();
  const auto of = [&](const Attributes& given) {
    EXPECT_FALSE(are_complete(op, given));
    return mistake([&] { completed(op, given); });
  };
  EXPECT_EQ(of({}), "op: attribute size is missing");
  EXPECT_EQ(of({{"size", 3.0}}), "op: attribute size is not an integer");
  EXPECT_EQ(of({{"size", std::int64_t{3}}, {"share", std::int64_t{1}}}),
            "op: attribute share is not a real number");
  EXPECT_EQ(of({{"size", std::int64_t{3}}, {"axes", 1.0}}),
            "op: attribute axes is not a list of integers");
  for (const std::int64_t number : {-1, kDtypeCount}) {
    EXPECT_EQ(of({{"size", std::int64_t{3}}, {"dtype", number}}),
              "op: attribute dtype is not a dtype");
  }
  EXPECT_EQ(of({{"size", std::int64_t{3}}, {"length", std::int64_t{3}}}),
            "op: attribute length is unknown");
  EXPECT_EQ(of({{"size", std::int64_t{3}}, {"size", std::int64_t{4}}}),
            "op: attribute size is given twice");
}

TEST(Inputs, AreCountedAndHaveTheirDtypes) {
  Op op = make_op();
  const TensorType x{Dtype::f64, Shape{2}}, ids{Dtype::i32, Shape{2}};
  EXPECT_NO_THROW(check_inputs(op, std::vector{x, ids}));
  EXPECT_EQ(mistake([&] { check_inputs(op, std::vector{x}); }), "op has 1 inputs instead of 2");
  EXPECT_EQ(mistake([&] { check_inputs(op, {}); }), "op has 0 inputs instead of 2");
  EXPECT_EQ(mistake([&] {
              check_inputs(op, std::vector{x, ids, ids});
            }),
            "op has 3 inputs instead of 2");
  try {
    check_inputs(op, std::vector{x, x});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "op: the ids has a dtype that the op does not take; got f64(2,); expected i32 or "
                 "i64; convert it with cast()");
  }
  op.is_variadic = true;
  EXPECT_NO_THROW(check_inputs(op, std::vector{x}));
  EXPECT_NO_THROW(check_inputs(op, std::vector{x, ids, ids, ids}));
  EXPECT_THROW(check_inputs(op, std::vector{x, ids, ids, x}), Error);
  EXPECT_THROW(check_inputs(op, {}), InternalError);
}

}  // namespace
}  // namespace sinter::ir
