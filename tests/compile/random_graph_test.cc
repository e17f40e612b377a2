// Random functions, compiled and op by op: the same bits.
#include <gtest/gtest.h>

#include <algorithm>

#include "compile/checks.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/random.h"
#include "sinter/state_arena.h"

namespace sinter {
namespace {

// A function drawn from a seed. Called again it does the same again, on whatever it is given.
class RandomFunction {
 public:
  RandomFunction(std::uint64_t seed, bool differentiated)
      : seed_(seed), differentiated_(differentiated) {}

  // Shapes that meet in broadcasts, now and then an empty one.
  std::vector<Shape> argument_shapes() const {
    std::mt19937_64 random(seed_ * 2);
    const auto length = [&](std::int64_t most) {
      const auto draw = static_cast<std::int64_t>(random() % 20);
      if (draw == 0 && !differentiated_) return std::int64_t{0};
      if (draw < 4) return std::int64_t{1};
      return std::int64_t{2} + draw * most / 20;
    };
    const std::int64_t a = length(4), b = length(8), c = length(random() % 4 == 0 ? 300 : 30);
    return {Shape({a, b, c}), Shape({b, c}), Shape({c}), Shape({a, 1, c}), Shape({b, 1}), Shape()};
  }

  std::vector<Tensor> operator()(const std::vector<Tensor>& arguments,
                                 const std::vector<State>& states, Generator& generator) const {
    std::mt19937_64 random(seed_ * 2 + 1);
    std::vector<Tensor> values = arguments;
    for (const State& state : states) values.push_back(state);
    const auto count = 3 + random() % 25;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (random() % 6 == 0) assign_one(states, values, random);
      const Tensor next = draw_op(values, generator, random);
      if (next.defined() && next.elements() < 20000) values.push_back(next);
    }
    assign_one(states, values, random);
    std::vector<Tensor> results;
    if (differentiated_) append_gradients(states, values, results);
    for (std::uint64_t i = 0, n = 1 + random() % 4; i < n; ++i) {
      results.push_back(pick(values, random));
    }
    results.push_back(values.back());
    return results;
  }

 private:
  static const Tensor& pick(const std::vector<Tensor>& values, std::mt19937_64& random) {
    // Late ones more often: chains.
    const auto from = random() % 2 == 0 ? std::uint64_t{0} : values.size() * 2 / 3;
    return values[from + random() % (values.size() - from)];
  }

  static void assign_one(const std::vector<State>& states, std::vector<Tensor>& values,
                         std::mt19937_64& random) {
    const State& state = states[random() % states.size()];
    for (int attempt = 0; attempt < 8; ++attempt) {
      const Tensor& value = pick(values, random);
      if (value.shape() != state.shape()) continue;
      state.assign(value);
      if (random() % 2 == 0) values.push_back(state.value());
      return;
    }
  }

  static bool broadcasts(const Shape& a, const Shape& b) {
    for (int i = 1; i <= std::min(a.rank(), b.rank()); ++i) {
      const std::int64_t x = a.dim(-i), y = b.dim(-i);
      if (x != y && x != 1 && y != 1) return false;
    }
    return true;
  }

  static Tensor unary(const Tensor& x, std::mt19937_64& random) {
    switch (random() % 12) {
      case 0:
        return tanh(x);
      case 1:
        return relu(x);
      case 2:
        return sigmoid(x);
      case 3:
        return square(tanh(x));
      case 4:
        return gelu(x);
      case 5:
        return -x;
      case 6:
        return abs(x) + 0.5;
      case 7:
        return exp(minimum(x, 2.0));
      case 8:
        return log(abs(x) + 1.0);
      case 9:
        return sqrt(abs(x) + 0.25);
      case 10:
        return sin(x) * 0.75;
      default:
        return clamp(x, -1.5, 1.5);
    }
  }

  static Tensor binary(const Tensor& a, const Tensor& b, std::mt19937_64& random) {
    switch (random() % 7) {
      case 0:
        return a + b;
      case 1:
        return a - b;
      case 2:
        return a * tanh(b);
      case 3:
        return a / (abs(b) + 1.0);
      case 4:
        return maximum(a, b);
      case 5:
        return where(a > b, a * 0.5, b);
      default:
        return cast(a < b, Dtype::f32) + a;
    }
  }

  static Tensor reduced(const Tensor& x, std::mt19937_64& random) {
    std::vector<int> axes;
    for (int axis = 0; axis < x.rank(); ++axis) {
      if (random() % 2 == 0) axes.push_back(axis);
    }
    if (axes.empty() && x.rank() > 0) axes.push_back(static_cast<int>(random() % 2) - 1);
    const bool keep = random() % 2 == 0;
    for (const int axis : axes) {
      if (axis >= x.rank() || x.dim(axis) == 0) return sum(x, axes.size() > 1 ? axes : axes, keep);
    }
    switch (random() % 4) {
      case 0:
        return sum(x, axes, keep) * 0.125;
      case 1:
        return mean(x, axes, keep);
      case 2:
        return max(x, axes, keep);
      default:
        return x.rank() > 0 && random() % 2 == 0 ? softmax(x, static_cast<int>(random() % x.rank()))
                                                 : min(x, axes, keep);
    }
  }

  static Tensor view(const Tensor& x, std::mt19937_64& random) {
    switch (random() % 5) {
      case 0: {
        std::vector<int> axes;
        for (int axis = 0; axis < x.rank(); ++axis) axes.push_back(axis);
        std::shuffle(axes.begin(), axes.end(), random);
        return permute(x, axes);
      }
      case 1:
        return reshape(x, Shape({x.elements()}));
      case 2: {
        if (x.rank() == 0) return reshape(x, Shape({1, 1}));
        const int axis = static_cast<int>(random() % x.rank());
        const std::int64_t begin =
            x.dim(axis) == 0 ? 0 : static_cast<std::int64_t>(random() % x.dim(axis));
        return slice(x, axis, begin, x.dim(axis));
      }
      case 3: {
        std::vector<std::int64_t> lengths = x.shape().to_vector();
        lengths.insert(lengths.begin(), 1 + static_cast<std::int64_t>(random() % 3));
        return broadcast_to(x, Shape(lengths));
      }
      default: {
        std::vector<std::int64_t> low, high;
        for (int axis = 0; axis < x.rank(); ++axis) {
          low.push_back(static_cast<std::int64_t>(random() % 2));
          high.push_back(static_cast<std::int64_t>(random() % 2));
        }
        return pad(x, low, high);
      }
    }
  }

  Tensor draw_op(const std::vector<Tensor>& values, Generator& generator,
                 std::mt19937_64& random) const {
    const Tensor a = pick(values, random);
    switch (random() % 12) {
      case 0:
      case 1:
      case 2:
        return unary(a, random);
      case 3:
      case 4:
      case 5:
      case 6: {
        const Tensor b = pick(values, random);
        return broadcasts(a.shape(), b.shape()) ? binary(a, b, random) : Tensor();
      }
      case 7:
      case 8:
        return a.rank() <= 4 ? reduced(a, random) : Tensor();
      case 9:
        return a.rank() <= 3 ? view(a, random) : Tensor();
      case 10: {
        const Tensor b = pick(values, random);
        if (a.rank() != 2) return Tensor();
        if (b.rank() == 2 && b.dim(0) == a.dim(1)) return tanh(matmul(a, b) * 0.1);
        if (b.rank() == 2 && b.dim(1) == a.dim(1)) return tanh(matmul(a, transpose(b)) * 0.1);
        return matmul(transpose(a), a) * 0.01;
      }
      default:
        return random() % 3 == 0 ? dropout(a, 0.25, generator) : a * 1.5;
    }
  }

  void append_gradients(const std::vector<State>& states, const std::vector<Tensor>& values,
                        std::vector<Tensor>& results) const {
    Tensor loss = sum(states[0] * 0.5);
    for (std::size_t i = values.size() / 2; i < values.size(); ++i) {
      loss = loss + mean(values[i] * values[i]);
    }
    const auto dx = gradients(loss, states);
    for (std::size_t i = 0; i < dx.size(); ++i) {
      if (!dx[i].defined()) continue;
      results.push_back(dx[i]);
      states[i].assign(states[i] - dx[i] * 0.01);
    }
    results.push_back(loss);
  }

  std::uint64_t seed_;
  bool differentiated_;
};

struct World {
  std::vector<State> states;
  Generator generator{5};
};

World make_world(const std::vector<Shape>& shapes, std::uint64_t seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  World world;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    world.states.emplace_back(random_floats(shapes[i], random), "state" + std::to_string(i));
  }
  // Every other world keeps some of its States in an arena, as optimizers do.
  if (seed % 2 == 0) {
    std::vector<std::int64_t> offsets;
    make_arena({world.states[0], world.states[2], world.states[3]}, &offsets);
  }
  return world;
}

std::string first_difference(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return "another type";
  if (a.dtype() != Dtype::f32) return "";
  const auto x = values_of(a), y = values_of(b);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::memcmp(&x[i], &y[i], sizeof(float)) == 0) continue;
    return "element " + std::to_string(i) + ": " + std::to_string(x[i]) + ", op by op " +
           std::to_string(y[i]);
  }
  return "no difference";
}

void expect_same_bits(std::uint64_t seed, bool differentiated) {
  const RandomFunction function(seed, differentiated);
  const std::vector<Shape> shapes = function.argument_shapes();
  World compiled = make_world(shapes, seed);
  World eager = make_world(shapes, seed);
  CompiledFunction step([&](const std::vector<Tensor>& arguments) {
    return function(arguments, compiled.states, compiled.generator);
  });
  std::mt19937 random(static_cast<unsigned>(seed) + 1);
  for (int call = 0; call < 3; ++call) {
    std::vector<Tensor> arguments;
    for (const Shape& shape : shapes) arguments.push_back(random_floats(shape, random));
    const auto expected = function(arguments, eager.states, eager.generator);
    std::vector<Tensor> results;
    ASSERT_NO_THROW(results = step.call(arguments)) << "seed " << seed;
    ASSERT_EQ(results.size(), expected.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      ASSERT_TRUE(same_bits(results[i], expected[i]))
          << "seed " << seed << ", call " << call << ", result " << i << " of "
          << results[i].to_string() << "\n"
          << first_difference(results[i], expected[i]) << "\n"
          << step.report(arguments).text;
    }
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      ASSERT_TRUE(same_bits(compiled.states[i].value(), eager.states[i].value()))
          << "seed " << seed << ", call " << call << ", state " << i << "\n"
          << step.report(arguments).text;
    }
  }
}

// For the search for more failures, and to look at one.
int first_function() {
  const char* const given = std::getenv("SINTER_TEST_FIRST_FUNCTION");
  return given != nullptr ? std::atoi(given) : 1;
}

int count_of_functions() {
  const char* const given = std::getenv("SINTER_TEST_FUNCTIONS");
  return given != nullptr ? std::atoi(given) : 300;
}

TEST(RandomFunctions, HaveTheSameBitsCompiledAndOpByOp) {
  const SwitchScope check("SINTER_CHECK", "1");
  for (int seed = first_function(); seed <= count_of_functions(); ++seed) {
    expect_same_bits(static_cast<std::uint64_t>(seed), false);
    if (HasFatalFailure()) break;
  }
}

TEST(RandomFunctions, HaveTheSameBitsWithTheirGradientsCompiledAndOpByOp) {
  const SwitchScope check("SINTER_CHECK", "1");
  for (int seed = first_function(); seed <= count_of_functions(); ++seed) {
    expect_same_bits(static_cast<std::uint64_t>(seed), true);
    if (HasFatalFailure()) break;
  }
}

}  // namespace
}  // namespace sinter
