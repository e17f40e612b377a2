// The forms of epilogues that vendors know are told apart from all that is nearly one.
#include "backend/epilogue_form.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "ir/symbolic.h"
#include "ir/type.h"

namespace sinter::backend {
namespace {

using ir::ScalarOp;

// Makes the group of an epilogue. Operands are numbered in the order in which they are asked for,
// behind the result.
class Maker {
 public:
  explicit Maker(const Shape& space, Dtype result = Dtype::f32) {
    group_.space = space;
    group_.operands.push_back({result, false, ir::row_major_strides(space)});
  }

  std::int32_t result() { return body_.load(group_.operands[0].dtype, 0); }
  std::int32_t read(std::vector<std::int64_t> strides, Dtype dtype = Dtype::f32) {
    group_.operands.push_back({dtype, false, std::move(strides)});
    return body_.load(dtype, static_cast<int>(group_.operands.size()) - 1);
  }
  std::int32_t dense(Dtype dtype = Dtype::f32) {
    return read(ir::row_major_strides(group_.space), dtype);
  }
  // One element for each place of the last axis.
  std::int32_t bias(Dtype dtype = Dtype::f32) {
    std::vector<std::int64_t> strides(static_cast<std::size_t>(group_.space.rank()), 0);
    strides.back() = 1;
    return read(std::move(strides), dtype);
  }

  std::int32_t op(ScalarOp op, std::int32_t a, std::int32_t b, Dtype type = Dtype::f32) {
    return body_.append({op, type, a, b, -1, 0});
  }
  std::int32_t add(std::int32_t a, std::int32_t b) { return op(ScalarOp::add, a, b); }
  std::int32_t multiply(std::int32_t a, std::int32_t b) { return op(ScalarOp::mul, a, b); }
  std::int32_t constant(float value) { return body_.constant(value); }
  std::int32_t widen(std::int32_t value) { return body_.convert(value, Dtype::f32); }
  std::int32_t convert(std::int32_t value, Dtype type) { return body_.convert(value, type); }
  std::int32_t select(std::int32_t mask, std::int32_t a, std::int32_t b) {
    return body_.append({ScalarOp::select, Dtype::f32, mask, a, b, 0});
  }
  std::int32_t fma(std::int32_t a, std::int32_t b, std::int32_t c) {
    return body_.append({ScalarOp::fma, Dtype::f32, a, b, c, 0});
  }
  // As the ops record them.
  std::int32_t is_negative(std::int32_t x) {
    return op(ScalarOp::lt, x, constant(0), Dtype::boolean);
  }
  std::int32_t relu(std::int32_t x) {
    const std::int32_t mask = is_negative(x);
    return select(mask, constant(0), x);
  }
  std::int32_t mask(std::int32_t x) { return op(ScalarOp::le, x, constant(0), Dtype::boolean); }

  Maker& store(std::int32_t value) { return store(value, ir::row_major_strides(group_.space)); }
  Maker& store(std::int32_t value, std::vector<std::int64_t> strides) {
    const auto place = static_cast<std::int64_t>(group_.operands.size());
    const Dtype type = body_.type_of(value);
    body_.append({ScalarOp::store, type, value, -1, -1, place});
    group_.operands.push_back({type, true, std::move(strides)});
    return *this;
  }
  const ir::Group& group() {
    group_.body = body_.body();
    ir::verify(group_);
    return group_;
  }
  ir::Group& changed() { return group_; }

 private:
  ir::Group group_;
  ir::BodyBuilder body_;
};

const Shape kMatrix{6, 5};

std::optional<EpilogueForm> form_of(Maker& maker, const Shape& result = kMatrix) {
  return epilogue_form(maker.group(), result);
}

// Makes an epilogue on a matrix and gives its form.
std::optional<EpilogueForm> form(const std::function<void(Maker&)>& make) {
  Maker maker(kMatrix);
  make(maker);
  return form_of(maker);
}

void expect_refused(const char* what, const std::function<void(Maker&)>& make) {
  EXPECT_FALSE(form(make).has_value()) << what;
}

TEST(EpilogueForm, EachPartAlone) {
  EXPECT_EQ(form([](Maker& m) { m.store(m.add(m.result(), m.bias())); }),
            (EpilogueForm{.bias = 0}));
  EXPECT_EQ(form([](Maker& m) { m.store(m.add(m.result(), m.dense())); }),
            (EpilogueForm{.residual = 0}));
  EXPECT_EQ(form([](Maker& m) { m.store(m.multiply(m.result(), m.constant(-0.125F))); }),
            (EpilogueForm{.scale = -0.125F}));
  EXPECT_EQ(form([](Maker& m) { m.store(m.relu(m.result())); }),
            (EpilogueForm{.activation = Activation::relu}));
  EXPECT_EQ(form([](Maker& m) { m.store(m.convert(m.result(), Dtype::bf16)); }),
            (EpilogueForm{.output_dtype = Dtype::bf16}));
  EXPECT_EQ(form([](Maker& m) { m.store(m.convert(m.result(), Dtype::f16)); }),
            (EpilogueForm{.output_dtype = Dtype::f16}));
}

// All sixteen orders of the operands of a product, two sums and the operands' own numbers.
TEST(EpilogueForm, AllPartsInEitherOrderOfOperands) {
  for (unsigned order = 0; order < 16; ++order) {
    const auto turned = [&](unsigned bit) { return (order >> bit & 1U) != 0; };
    Maker m(kMatrix);
    std::int32_t bias = -1;
    if (turned(3)) bias = m.bias();
    const std::int32_t residual = m.dense();
    if (!turned(3)) bias = m.bias();
    const std::int32_t factor = m.constant(3);
    const std::int32_t scaled =
        turned(0) ? m.multiply(factor, m.result()) : m.multiply(m.result(), factor);
    const std::int32_t biased = turned(1) ? m.add(bias, scaled) : m.add(scaled, bias);
    const std::int32_t sum = turned(2) ? m.add(residual, biased) : m.add(biased, residual);
    m.store(m.convert(m.relu(sum), Dtype::bf16)).store(m.mask(sum));
    EXPECT_EQ(form_of(m), (EpilogueForm{.scale = 3,
                                        .bias = turned(3) ? 0 : 1,
                                        .residual = turned(3) ? 1 : 0,
                                        .output_dtype = Dtype::bf16,
                                        .activation = Activation::relu,
                                        .has_mask = true}))
        << order;
  }
}

TEST(EpilogueForm, NumbersOf16BitsAreWidenedFirst) {
  Maker m(kMatrix, Dtype::bf16);
  const std::int32_t biased = m.add(m.widen(m.result()), m.widen(m.bias(Dtype::f16)));
  m.store(m.add(biased, m.widen(m.dense(Dtype::bf16))));
  EXPECT_EQ(
      form_of(m),
      (EpilogueForm{
          .bias = 0, .residual = 1, .bias_dtype = Dtype::f16, .residual_dtype = Dtype::bf16}));
}

// What the result's reader sees may have other axes, as long as rows stay rows.
TEST(EpilogueForm, AxesMayBeSeenOtherwise) {
  const auto biased = [](const Shape& space, std::vector<std::int64_t> strides,
                         const Shape& result) {
    Maker m(space);
    m.store(m.add(m.result(), m.read(std::move(strides))));
    return form_of(m, result);
  };
  const EpilogueForm bias{.bias = 0};
  EXPECT_EQ(biased({2, 3, 5}, {0, 0, 1}, {6, 5}), bias);
  EXPECT_EQ(biased({6, 2, 4}, {0, 4, 1}, {6, 8}), bias);  // a bias seen as (2, 4)
  EXPECT_EQ(biased({1, 5}, {0, 1}, {1, 5}), bias);        // of one row both would do
  EXPECT_EQ(biased({1, 5}, {5, 1}, {1, 5}), bias);
  EXPECT_EQ(biased({6, 1}, {0, 1}, {6, 1}), bias);
  EXPECT_EQ(biased({6, 1}, {0, 0}, {6, 1}), bias);
  EXPECT_EQ(biased({6, 1}, {1, 1}, {6, 1}), (EpilogueForm{.residual = 0}));
  EXPECT_EQ(biased({6, 2, 4}, {0, 0, 1}, {6, 8}), std::nullopt);  // four numbers, twice a row
  EXPECT_EQ(biased({6, 5}, {0, 1}, {3, 10}), std::nullopt);
}

TEST(EpilogueForm, OtherOperandsAreRefused) {
  expect_refused("one number a row", [](Maker& m) { m.store(m.add(m.result(), m.read({1, 0}))); });
  expect_refused("one number", [](Maker& m) { m.store(m.add(m.result(), m.read({0, 0}))); });
  expect_refused("a transposed residual", [](Maker& m) {
    m.store(m.add(m.result(), m.read({1, 6})));
  });
  for (const Dtype dtype : {Dtype::i32, Dtype::f64, Dtype::u8}) {
    expect_refused("a bias of another type",
                   [=](Maker& m) { m.store(m.add(m.result(), m.widen(m.bias(dtype)))); });
  }
  expect_refused("a residual with gaps", [](Maker& m) {
    m.store(m.add(m.result(), m.read({10, 1})));
  });
  expect_refused("a bias with gaps", [](Maker& m) { m.store(m.add(m.result(), m.read({0, 2}))); });
  expect_refused("a factor in memory", [](Maker& m) {
    m.store(m.multiply(m.result(), m.read({0, 0})));
  });
  expect_refused("a constant instead of a bias",
                 [](Maker& m) { m.store(m.add(m.result(), m.constant(1))); });
  expect_refused("the result twice", [](Maker& m) { m.store(m.add(m.result(), m.result())); });
  expect_refused("no result", [](Maker& m) { m.store(m.add(m.dense(), m.bias())); });
  expect_refused("two residuals",
                 [](Maker& m) { m.store(m.add(m.add(m.result(), m.dense()), m.dense())); });
  expect_refused("two biases",
                 [](Maker& m) { m.store(m.add(m.add(m.result(), m.bias()), m.bias())); });
  expect_refused("three terms", [](Maker& m) {
    m.store(m.add(m.add(m.add(m.result(), m.bias()), m.dense()), m.dense()));
  });
  expect_refused("a result that is not dense", [](Maker& m) {
    m.store(m.add(m.result(), m.bias()));
    m.changed().operands[0].strides = {1, 6};
  });
  expect_refused("an operand that nothing reads", [](Maker& m) {
    m.changed().operands.push_back({Dtype::f32, false, {5, 1}});
    m.store(m.relu(m.result()));
  });
  expect_refused("an instruction that nothing needs", [](Maker& m) {
    const std::int32_t sum = m.add(m.result(), m.bias());
    m.mask(sum);
    m.store(sum);
  });
}

// The same numbers on paper, but rounded otherwise.
TEST(EpilogueForm, OtherOrdersOfTheSumAreRefused) {
  expect_refused("the residual before the bias",
                 [](Maker& m) { m.store(m.add(m.add(m.result(), m.dense()), m.bias())); });
  expect_refused("bias and residual first", [](Maker& m) {
    const std::int32_t both = m.add(m.bias(), m.dense());
    m.store(m.add(m.result(), both));
  });
  expect_refused("the bias scaled too",
                 [](Maker& m) { m.store(m.multiply(m.add(m.result(), m.bias()), m.constant(2))); });
  expect_refused("scaled twice", [](Maker& m) {
    m.store(m.multiply(m.multiply(m.result(), m.constant(3)), m.constant(5)));
  });
  expect_refused("a quotient",
                 [](Maker& m) { m.store(m.op(ScalarOp::div, m.result(), m.constant(3))); });
  expect_refused("a difference",
                 [](Maker& m) { m.store(m.op(ScalarOp::sub, m.result(), m.bias())); });
  expect_refused("rounded once", [](Maker& m) {
    const std::int32_t factor = m.constant(3);
    m.store(m.fma(m.result(), factor, m.bias()));
  });
  expect_refused("a sum rounded to 16 bits before relu", [](Maker& m) {
    const std::int32_t sum = m.convert(m.add(m.result(), m.bias()), Dtype::bf16);
    m.store(m.convert(m.relu(m.widen(sum)), Dtype::bf16));
  });
  expect_refused("a scaled number rounded to 16 bits before the bias", [](Maker& m) {
    const std::int32_t scaled = m.convert(m.multiply(m.result(), m.constant(3)), Dtype::bf16);
    m.store(m.add(m.widen(scaled), m.bias()));
  });
}

TEST(EpilogueForm, AFactorThatLibrariesReadOtherwiseIsRefused) {
  for (const float factor : {0.0F, -0.0F, std::numeric_limits<float>::infinity(),
                             std::numeric_limits<float>::quiet_NaN()}) {
    expect_refused("a factor",
                   [&](Maker& m) { m.store(m.multiply(m.result(), m.constant(factor))); });
  }
}

// Each differs from relu in a number: NaN, a zero of either sign, or large ones.
TEST(EpilogueForm, OtherActivationsAreRefused) {
  expect_refused("a maximum that hides NaN", [](Maker& m) {
    const std::int32_t r = m.result();
    m.store(m.select(m.op(ScalarOp::lt, m.constant(0), r, Dtype::boolean), r, m.constant(0)));
  });
  expect_refused("-0 becomes 0", [](Maker& m) {
    m.store(m.select(m.mask(m.result()), m.constant(0), m.result()));
  });
  expect_refused("negative numbers become -0", [](Maker& m) {
    const std::int32_t r = m.result();
    m.store(m.select(m.is_negative(r), m.constant(-0.0F), r));
  });
  expect_refused("compared with -0", [](Maker& m) {
    const std::int32_t r = m.result();
    m.store(m.select(m.op(ScalarOp::lt, r, m.constant(-0.0F), Dtype::boolean), m.constant(0), r));
  });
  expect_refused("-0 for 0 throughout", [](Maker& m) {
    const std::int32_t r = m.result(), zero = m.constant(-0.0F);
    m.store(m.select(m.op(ScalarOp::lt, r, zero, Dtype::boolean), zero, r));
  });
  expect_refused("compared with 1", [](Maker& m) {
    const std::int32_t r = m.result();
    m.store(m.select(m.op(ScalarOp::lt, r, m.constant(1), Dtype::boolean), m.constant(1), r));
  });
  expect_refused("a leak", [](Maker& m) {
    const std::int32_t r = m.result();
    m.store(m.select(m.is_negative(r), m.multiply(r, m.constant(0.01F)), r));
  });
  expect_refused("turned round", [](Maker& m) {
    const std::int32_t r = m.result();
    m.store(m.select(m.is_negative(r), r, m.constant(0)));
  });
  expect_refused("relu6", [](Maker& m) {
    const std::int32_t r = m.relu(m.result());
    const std::int32_t six = m.constant(6);
    m.store(m.select(m.op(ScalarOp::lt, six, r, Dtype::boolean), six, r));
  });
  expect_refused("of another number than it tests", [](Maker& m) {
    const std::int32_t sum = m.add(m.result(), m.bias());
    m.store(m.select(m.is_negative(m.result()), m.constant(0), sum));
  });
  expect_refused("relu before the bias",
                 [](Maker& m) { m.store(m.add(m.relu(m.result()), m.bias())); });
  expect_refused("the square root",
                 [](Maker& m) { m.store(m.op(ScalarOp::sqrt, m.result(), -1)); });
}

TEST(EpilogueForm, OtherStoresAreRefused) {
  expect_refused("the mask first", [](Maker& m) {
    const std::int32_t y = m.relu(m.result());
    m.store(m.mask(m.result())).store(y);
  });
  expect_refused("a mask without relu", [](Maker& m) {
    m.store(m.add(m.result(), m.bias())).store(m.mask(m.add(m.result(), m.bias())));
  });
  expect_refused("the mask alone", [](Maker& m) { m.store(m.mask(m.result())); });
  expect_refused("the mask of negative numbers", [](Maker& m) {
    const std::int32_t y = m.relu(m.result());
    m.store(y).store(m.is_negative(m.result()));
  });
  expect_refused("the mask of what is stored", [](Maker& m) {
    const std::int32_t y = m.relu(m.result());
    m.store(y).store(m.mask(y));
  });
  expect_refused("the mask of another sum", [](Maker& m) {
    const std::int32_t y = m.relu(m.add(m.result(), m.bias()));
    m.store(y).store(m.mask(m.result()));
  });
  expect_refused("the sum as well", [](Maker& m) {
    const std::int32_t sum = m.add(m.result(), m.bias());
    m.store(m.relu(sum)).store(sum);
  });
  expect_refused("a transposed output", [](Maker& m) { m.store(m.relu(m.result()), {1, 6}); });
  expect_refused("a transposed mask", [](Maker& m) {
    const std::int32_t y = m.relu(m.result());
    m.store(y).store(m.mask(m.result()), {1, 6});
  });
  expect_refused("three outputs", [](Maker& m) {
    const std::int32_t y = m.relu(m.result());
    m.store(y).store(m.mask(m.result())).store(y);
  });
  expect_refused("integers", [](Maker& m) { m.store(m.convert(m.result(), Dtype::i32)); });
}

TEST(EpilogueForm, OtherLoopsAreRefused) {
  Maker rows(kMatrix);
  rows.store(rows.add(rows.result(), rows.bias()));
  rows.changed().kind = ir::GroupKind::inner;
  EXPECT_FALSE(form_of(rows).has_value());

  Maker empty({0, 5});
  empty.store(empty.relu(empty.result()));
  EXPECT_FALSE(form_of(empty, {0, 5}).has_value());

  Maker wide(kMatrix, Dtype::f64);
  const std::int32_t y = wide.op(ScalarOp::add, wide.result(), wide.bias(Dtype::f64), Dtype::f64);
  wide.store(y);
  EXPECT_FALSE(form_of(wide).has_value());

  Maker numbered(kMatrix);
  const std::int32_t column = numbered.op(ScalarOp::index, -1, -1, Dtype::i32);
  numbered.store(numbered.add(numbered.result(), numbered.convert(column, Dtype::f32)));
  EXPECT_FALSE(form_of(numbered).has_value());
}

}  // namespace
}  // namespace sinter::backend
