// Scans against the same loop written out, called directly and compiled; gradients of both orders
// against the loop's and against finite differences.
#include "sinter/scan.h"

#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "backend/null/backend.h"
#include "backend/registry.h"
#include "compile/checks.h"
#include "compile/program_maker.h"
#include "compile/trace.h"
#include "ops/list.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

using Tensors = std::vector<Tensor>;
using Function = std::function<Tensors(const Tensors&)>;

Tensor doubles(const Shape& shape, std::uint32_t seed, double scale = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-scale, scale);
  std::vector<double> values(static_cast<std::size_t>(shape.elements()));
  for (double& value : values) value = uniform(random);
  return tensor(values, shape);
}

Tensor random(const Shape& shape, std::uint32_t seed) {
  std::mt19937 generator(seed);
  return random_floats(shape, generator, 0.5F);
}

Tensors run_compiled(const Function& function, const Tensors& arguments) {
  CompiledFunction compiled(function, "step");
  compiled.call(arguments);
  return compiled.call(arguments);
}

Tensor at(const Tensor& sequence, std::int64_t t) {
  std::vector<std::int64_t> lengths(sequence.shape().begin() + 1, sequence.shape().end());
  return reshape(slice(sequence, 0, t, t + 1), Shape(lengths));
}

// The same as scan(), written out.
ScanResult unrolled(const ScanBody& body, const Tensors& carries, const Tensors& xs,
                    const ScanOptions& options = {}) {
  const std::int64_t length = xs.empty() ? options.length : xs[0].dim(0);
  ScanResult result{carries, {}};
  std::vector<Tensors> ys;
  for (std::int64_t i = 0; i < length; ++i) {
    const std::int64_t t = options.reverse ? length - 1 - i : i;
    Tensors now;
    for (const Tensor& x : xs) now.push_back(at(x, t));
    ScanStep step = body(result.carries, now);
    result.carries = step.carries;
    ys.resize(step.ys.size());
    for (std::size_t y = 0; y < ys.size(); ++y) {
      ys[y].insert(options.reverse ? ys[y].begin() : ys[y].end(), step.ys[y]);
    }
  }
  for (const Tensors& parts : ys) result.ys.push_back(stack(parts));
  return result;
}

Tensors flat(const ScanResult& result) {
  Tensors all = result.carries;
  all.insert(all.end(), result.ys.begin(), result.ys.end());
  return all;
}

void expect_same_bits(const Tensors& a, const Tensors& b, const char* what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(same_bits(a[i], b[i])) << what << ", result " << i << ": " << a[i].to_string();
  }
}

// Arguments: h (B, H), c (B, H), x (T, B, I), weight (I + H, 4 H) in two parts, bias (4 H).
using Scan = std::function<ScanResult(const ScanBody&, const Tensors&, const Tensors&)>;

const Scan kScan = [](const ScanBody& body, const Tensors& carries, const Tensors& xs) {
  return scan(body, carries, xs);
};
const Scan kLoop = [](const ScanBody& body, const Tensors& carries, const Tensors& xs) {
  return unrolled(body, carries, xs);
};

Tensors lstm(const Scan& recurrence, const Tensors& a) {
  const Tensor h = a[0], c = a[1], x = a[2], wx = a[3], wh = a[4], b = a[5];
  const std::int64_t hidden = h.dim(1);
  return flat(recurrence(
      [&](const Tensors& carry, const Tensors& now) -> ScanStep {
        const Tensor gates = matmul(now[0], wx) + matmul(carry[0], wh) + b;
        const auto gate = [&](std::int64_t i) {
          return slice(gates, 1, i * hidden, (i + 1) * hidden);
        };
        const Tensor next_c = sigmoid(gate(1)) * carry[1] + sigmoid(gate(0)) * tanh(gate(2));
        const Tensor next_h = sigmoid(gate(3)) * tanh(next_c);
        return {{next_h, next_c}, {next_h}};
      },
      {h, c}, {x}));
}

Tensors gru(const Scan& recurrence, const Tensors& a) {
  const Tensor h = a[0], x = a[1], wx = a[2], wh = a[3], b = a[4];
  const std::int64_t hidden = h.dim(1);
  return flat(recurrence(
      [&](const Tensors& carry, const Tensors& now) -> ScanStep {
        const Tensor from_x = matmul(now[0], wx) + b;
        const Tensor from_h = matmul(carry[0], wh);
        const auto part = [&](const Tensor& gates, std::int64_t i) {
          return slice(gates, 1, i * hidden, (i + 1) * hidden);
        };
        const Tensor reset = sigmoid(part(from_x, 0) + part(from_h, 0));
        const Tensor update = sigmoid(part(from_x, 1) + part(from_h, 1));
        const Tensor candidate = tanh(part(from_x, 2) + reset * part(from_h, 2));
        const Tensor next = (1 - update) * candidate + update * carry[0];
        return {{next}, {next * 2}};
      },
      {h}, {x}));
}

Tensors lstm_arguments(std::int64_t steps, std::int64_t batch, std::int64_t inputs,
                       std::int64_t hidden) {
  return {random({batch, hidden}, 1),        random({batch, hidden}, 2),
          random({steps, batch, inputs}, 3), random({inputs, 4 * hidden}, 4),
          random({hidden, 4 * hidden}, 5),   random({4 * hidden}, 6)};
}

TEST(Scan, SumsCumulatively) {
  const ScanBody body = [](const Tensors& carry, const Tensors& x) -> ScanStep {
    const Tensor next = carry[0] + x[0];
    return {{next}, {next}};
  };
  const Function function = [&](const Tensors& a) { return flat(scan(body, {a[0]}, {a[1]})); };
  const Tensors arguments = {floats({0, 10}), floats({1, 2, 3, 4, 5, 6}, {3, 2})};
  for (const Tensors& results : {function(arguments), run_compiled(function, arguments)}) {
    EXPECT_EQ(values_of(results[0]), (std::vector<float>{9, 22}));
    EXPECT_EQ(values_of(results[1]), (std::vector<float>{1, 12, 4, 16, 9, 22}));
    EXPECT_EQ(results[1].shape(), (Shape{3, 2}));
  }
}

TEST(Scan, GoesFromTheLastPositionInReverse) {
  const ScanBody body = [](const Tensors& carry, const Tensors& x) -> ScanStep {
    const Tensor next = carry[0] * 10 + x[0];
    return {{next}, {next}};
  };
  const Function function = [&](const Tensors& a) {
    return flat(scan(body, {a[0]}, {a[1]}, {.length = -1, .reverse = true}));
  };
  const Tensors arguments = {floats({0}), floats({1, 2, 3}, {3, 1})};
  for (const Tensors& results : {function(arguments), run_compiled(function, arguments)}) {
    EXPECT_EQ(values_of(results[0]), (std::vector<float>{321}));
    EXPECT_EQ(values_of(results[1]), (std::vector<float>{321, 32, 3}));
  }
}

TEST(Scan, AnLstmHasTheBitsOfTheLoopWrittenOut) {
  for (const std::int64_t steps : {1, 2, 7}) {
    const Tensors arguments = lstm_arguments(steps, 3, 5, 9);
    const Tensors expected = lstm(kLoop, arguments);
    const Function function = [](const Tensors& a) { return lstm(kScan, a); };
    expect_same_bits(function(arguments), expected, "called directly");
    expect_same_bits(run_compiled(function, arguments), expected, "compiled");
  }
}

TEST(Scan, AGruHasTheBitsOfTheLoopWrittenOut) {
  const Tensors arguments = {random({4, 6}, 1), random({5, 4, 3}, 2), random({3, 18}, 3),
                             random({6, 18}, 4), random({18}, 5)};
  const Tensors expected = gru(kLoop, arguments);
  const Function function = [](const Tensors& a) { return gru(kScan, a); };
  expect_same_bits(function(arguments), expected, "called directly");
  expect_same_bits(run_compiled(function, arguments), expected, "compiled");
}

TEST(Scan, WithoutStepsGivesTheCarriesBack) {
  const Tensors arguments = lstm_arguments(0, 2, 3, 4);
  const Function function = [](const Tensors& a) { return lstm(kScan, a); };
  for (const Tensors& results : {function(arguments), run_compiled(function, arguments)}) {
    EXPECT_TRUE(same_bits(results[0], arguments[0]));
    EXPECT_TRUE(same_bits(results[1], arguments[1]));
    EXPECT_EQ(results[2].shape(), (Shape{0, 2, 4}));
  }
}

TEST(Scan, TakesCarriesOfSeveralTypesAndNoSequences) {
  // Fibonacci numbers, a flag that turns, and a sum in doubles.
  const ScanBody body = [](const Tensors& carry, const Tensors& xs) -> ScanStep {
    EXPECT_TRUE(xs.empty());
    return {{carry[1], carry[0] + carry[1], logical_not(carry[2]), carry[3] + 0.5},
            {carry[0], carry[2]}};
  };
  const Function function = [&](const Tensors& a) {
    return flat(scan(body, a, {}, {.length = 7}));
  };
  const std::int64_t zero[] = {0};
  const std::int64_t one[] = {1};
  const Tensors arguments = {tensor(zero, {1}), tensor(one, {1}),
                             cast(floats({1, 0}), Dtype::boolean), scalar(1, Dtype::f64)};
  for (const Tensors& results : {function(arguments), run_compiled(function, arguments)}) {
    EXPECT_EQ(results[0].to_vector<std::int64_t>(), (std::vector<std::int64_t>{13}));
    EXPECT_EQ(results[1].to_vector<std::int64_t>(), (std::vector<std::int64_t>{21}));
    EXPECT_EQ(results[2].to_vector<bool>(), (std::vector<bool>{false, true}));
    EXPECT_EQ(results[3].item<double>(), 4.5);
    EXPECT_EQ(results[4].to_vector<std::int64_t>(),
              (std::vector<std::int64_t>{0, 1, 1, 2, 3, 5, 8}));
    EXPECT_EQ(results[5].shape(), (Shape{7, 2}));
    EXPECT_TRUE(results[5].to_vector<bool>()[0]);
    EXPECT_FALSE(results[5].to_vector<bool>()[2]);
  }
}

TEST(Scan, WithoutCarriesMapsOverTheSequences) {
  const ScanBody body = [](const Tensors& carries, const Tensors& xs) -> ScanStep {
    EXPECT_TRUE(carries.empty());
    return {{}, {xs[0] * xs[1], sum(xs[0])}};
  };
  const Function function = [&](const Tensors& a) { return flat(scan(body, {}, a)); };
  const Tensors arguments = {floats({1, 2, 3, 4}, {2, 2}), floats({10, 100}, {2})};
  for (const Tensors& results : {function(arguments), run_compiled(function, arguments)}) {
    EXPECT_EQ(values_of(results[0]), (std::vector<float>{10, 20, 300, 400}));
    EXPECT_EQ(values_of(results[1]), (std::vector<float>{3, 7}));
  }
}

TEST(Scan, GivesOnlyCarriesWhenTheBodyKeepsNothing) {
  const Function function = [](const Tensors& a) {
    return flat(scan(
        [](const Tensors& carry, const Tensors& x) -> ScanStep {
          return {{carry[0] * x[0]}, {}};
        },
        {a[0]}, {a[1]}));
  };
  const Tensors arguments = {scalar(2), floats({3, 5, 7})};
  for (const Tensors& results : {function(arguments), run_compiled(function, arguments)}) {
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].item<float>(), 210);
  }
}

TEST(Scan, CarriesMayChangePlaces) {
  const Function function = [](const Tensors& a) {
    return flat(scan(
        [](const Tensors& carry, const Tensors& x) -> ScanStep {
          return {{carry[1], carry[0] + x[0]}, {carry[1], carry[1], x[0]}};
        },
        {a[0], a[1]}, {a[2]}));
  };
  const Tensors arguments = {floats({1, 2}), floats({3, 4}), floats({1, 0, 2, 0, 3, 0}, {3, 2})};
  const Tensors expected = flat(unrolled(
      [](const Tensors& carry, const Tensors& x) -> ScanStep {
        return {{carry[1], carry[0] + x[0]}, {carry[1], carry[1], x[0]}};
      },
      {arguments[0], arguments[1]}, {arguments[2]}));
  expect_same_bits(function(arguments), expected, "called directly");
  expect_same_bits(run_compiled(function, arguments), expected, "compiled");
}

TEST(Scan, ReadsSequencesThroughViews) {
  // (B, T, C) seen as (T, B, C): a step's part has gaps; a part of the steps: none.
  const ScanBody body = [](const Tensors& carry, const Tensors& x) -> ScanStep {
    return {{carry[0] + x[0]}, {carry[0] * x[1]}};
  };
  const Tensors arguments = {random({2, 3}, 1), random({2, 5, 3}, 2), random({9, 2, 3}, 3),
                             random({3}, 4)};
  const auto run = [&](const Scan& recurrence, const Tensors& a) {
    return flat(recurrence(body, {a[0]}, {permute(a[1], {1, 0, 2}), slice(a[2], 0, 2, 7)}));
  };
  const Tensors expected = run(kLoop, arguments);
  const Function function = [&](const Tensors& a) { return run(kScan, a); };
  expect_same_bits(function(arguments), expected, "called directly");
  expect_same_bits(run_compiled(function, arguments), expected, "compiled");
}

TEST(Scan, UsesTensorsAndStatesFromAroundIt) {
  const State weight(floats({2, 3}), "weight");
  const Tensor constant = floats({100, 200});
  const Function function = [&](const Tensors& a) {
    const Tensor inner = a[0] * 10;  // of the enclosing trace
    return flat(scan(
        [&](const Tensors& carry, const Tensors&) -> ScanStep {
          return {{carry[0] * weight + inner + constant + Tensor(weight)}, {}};
        },
        {a[0]}, {}, {.length = 2}));
  };
  const Tensors arguments = {floats({1, 2})};
  // 1 -> 2 + 10 + 100 + 2 = 114 -> 228 + 112 = 340; 2 -> 6 + 20 + 200 + 3 = 229 -> 687 + 223 = 910.
  const std::vector<float> expected = {340, 910};
  EXPECT_EQ(values_of(function(arguments)[0]), expected);
  EXPECT_EQ(values_of(run_compiled(function, arguments)[0]), expected);
  // A State that changes is read again.
  CompiledFunction compiled(function, "step");
  compiled.call(arguments);
  weight.assign(floats({0, 0}));
  EXPECT_EQ(values_of(compiled.call(arguments)[0]), (std::vector<float>{110, 220}));
}

TEST(Scan, StandsInAScan) {
  // Row sums by an inner scan, which uses the outer carry and a Tensor from around both.
  const auto run = [](const Scan& recurrence, const Tensors& a) {
    return flat(recurrence(
        [&](const Tensors& carry, const Tensors& rows) -> ScanStep {
          const ScanResult inner = recurrence(
              [&](const Tensors& total, const Tensors& x) -> ScanStep {
                const Tensor next = total[0] * a[2] + x[0] * carry[0];
                return {{next}, {next}};
              },
              {carry[0]}, {rows[0]});
          return {{inner.carries[0]}, {inner.ys[0]}};
        },
        {a[0]}, {a[1]}));
  };
  const Tensors arguments = {random({3}, 1), random({4, 2, 3}, 2), random({3}, 3)};
  const Tensors expected = run(kLoop, arguments);
  EXPECT_EQ(expected[1].shape(), (Shape{4, 2, 3}));
  const Function function = [&](const Tensors& a) { return run(kScan, a); };
  expect_same_bits(function(arguments), expected, "called directly");
  expect_same_bits(run_compiled(function, arguments), expected, "compiled");
}

TEST(Scan, CalledAgainFindsItsProgram) {
  const ScanBody body = [](const Tensors& carry, const Tensors& x) -> ScanStep {
    return {{carry[0] + x[0]}, {}};
  };
  const auto graph = [&] {
    compile_detail::Tracer tracer;
    const Tensor start = tracer.add_argument({Dtype::f32, Shape{2}});
    const Tensor xs = tracer.add_argument({Dtype::f32, Shape{3, 2}});
    const RecorderScope scope(&tracer);
    return tracer.finish(flat(scan(body, {start}, {xs}))).graph;
  };
  const ir::Graph first = graph();
  EXPECT_EQ(first.nodes.at(0).bodies.at(0), graph().nodes.at(0).bodies.at(0));
}

TEST(Scan, GraphTextReadsBack) {
  compile_detail::Tracer tracer;
  Tensors arguments;
  for (const Tensor& argument : lstm_arguments(7, 2, 3, 4)) {
    arguments.push_back(tracer.add_argument(argument.impl()->payload.type));
  }
  ir::Graph graph;
  {
    const RecorderScope scope(&tracer);
    for (Tensor& argument : arguments) argument = watch(argument);
    const Tensors results = lstm(kScan, arguments);
    Tensors outputs = gradients(sum(results[2]), Tensors{arguments[4]});
    outputs.push_back(results[0]);
    graph = tracer.finish(outputs).graph;
  }
  const std::string text = ir::to_text(graph, op_list());
  const ir::Graph again = ir::parse_graph(text, op_list());
  EXPECT_EQ(ir::first_difference(graph, again), -1);
  EXPECT_EQ(ir::first_difference(again, graph), -1);
  EXPECT_NO_THROW(ir::verify(again, op_list()));
  EXPECT_TRUE(says(text, "scan(")) << text;
}

TEST(Scan, ProgramTextShowsTheBody) {
  CompiledFunction step([](const Tensors& a) { return lstm(kScan, a); }, "step");
  const std::string text = step.report(lstm_arguments(7, 2, 3, 4)).text;
  EXPECT_TRUE(says(text, ": scan(")) << text;
  EXPECT_TRUE(says(text, "    arena: ")) << text;
  EXPECT_TRUE(says(text, ": matmul(")) << text;
}

TEST(Scan, KeepsNothingForGradientsThatAreNotTaken) {
  // The last carry alone: no y and no saved carry is left in the program.
  const Function function = [](const Tensors& a) {
    Tensors watched;
    for (const Tensor& argument : a) watched.push_back(watch(argument));
    return Tensors{lstm(kScan, watched)[0]};
  };
  CompiledFunction step(function, "step");
  const std::string text = step.report(lstm_arguments(7, 2, 3, 4)).text;
  EXPECT_FALSE(says(text, "f32(7, 2, 4)")) << text;
  const Tensors arguments = lstm_arguments(7, 2, 3, 4);
  EXPECT_TRUE(same_bits(step.call(arguments)[0], lstm(kLoop, arguments)[0]));
}

TEST(Scan, CostsWhatItsBodyCostsInEveryStep) {
  // Three steps of a product (2, 4) x (4, 8) and a sum of 2 x 8, checked and counted without a run.
  ir::Graph graph;
  {
    compile_detail::Tracer tracer;
    const Tensor carry = tracer.add_argument({Dtype::f32, Shape{2, 8}});
    const Tensor xs = tracer.add_argument({Dtype::f32, Shape{3, 2, 4}});
    const Tensor weight = tracer.add_argument({Dtype::f32, Shape{4, 8}});
    const RecorderScope scope(&tracer);
    const ScanResult result = scan(
        [&](const Tensors& c, const Tensors& x) -> ScanStep {
          return {{c[0] + matmul(x[0], weight)}, {}};
        },
        {carry}, {xs});
    graph = tracer.finish(result.carries).graph;
  }
  backend::null::NullBackend backend(op_list(), &backend::default_backend());
  const auto program = std::make_shared<const ir::Program>(
      compile_detail::make_program(graph, backend, "counted", {}));
  const auto session = backend.prepare(program)->new_session();
  std::vector<float> memory(128);
  void* const inputs[] = {memory.data(), memory.data(), memory.data()};
  void* const outputs[] = {memory.data()};
  session->run({inputs, outputs, {}});
  EXPECT_EQ(backend.counts().steps, 1);
  EXPECT_EQ(backend.counts().kernels[static_cast<std::size_t>(ir::OpId::scan)], 1);
  EXPECT_EQ(backend.counts().flops, 3 * (2.0 * 2 * 4 * 8 + 2 * 8));
}

// Errors.

ScanStep keep(const Tensors& carry, const Tensors&) { return {carry, {}}; }

void expect_error(const std::vector<std::string>& parts, const std::function<void()>& function) {
  const std::string message = message_of(function);
  for (const std::string& part : parts) EXPECT_TRUE(says(message, part)) << message;
}

TEST(Scan, RefusesSequencesThatDoNotFit) {
  const Tensor carry = floats({1});
  expect_error({"sequence 1", "another number of steps", "f32(4, 1)", "3 along the leading axis",
                "scan_test.cc:"},
               [&] {
                 scan(keep, {carry}, {floats({1, 2, 3}), floats({1, 2, 3, 4}, {4, 1})});
               });
  expect_error({"sequence 0", "no leading axis"}, [&] { scan(keep, {carry}, {scalar(1)}); });
  expect_error({"the number of steps is not given", "ScanOptions::length"},
               [&] { scan(keep, {carry}, {}); });
  expect_error({"sequence 0", "another number of steps"}, [&] {
    scan(keep, {carry}, {floats({1, 2})}, {.length = 3});
  });
  expect_error({"a negative length", "-2"}, [&] { scan(keep, {carry}, {}, {.length = -2}); });
  expect_error({"carry 0 is an empty Tensor"}, [&] { scan(keep, {Tensor()}, {}, {.length = 1}); });
  expect_error({"sequence 0 is an empty Tensor"}, [&] { scan(keep, {carry}, {Tensor()}); });
}

TEST(Scan, RefusesABodyThatReturnsSomethingElse) {
  const Tensor carry = floats({1, 2});
  const Tensor xs = floats({1, 2, 3});
  const auto returning = [&](const std::function<ScanStep(const Tensors&)>& body) {
    return [&carry, &xs, body] {
      scan([&](const Tensors& c, const Tensors&) { return body(c); }, {carry}, {xs});
    };
  };
  expect_error({"another number of carries", "got 0", "expected 1"},
               returning([](const Tensors& c) {
                 return ScanStep{{}, {c[0]}};
               }));
  expect_error({"changes the type of carry 0", "f32(1, 2)", "f32(2,)"},
               returning([](const Tensors& c) {
                 return ScanStep{{reshape(c[0], {1, 2})}, {}};
               }));
  expect_error({"changes the type of carry 0", "f64(2,)"}, returning([](const Tensors& c) {
                 return ScanStep{{cast(c[0], Dtype::f64)}, {}};
               }));
  expect_error({"the body's carry 0 is an empty Tensor"}, returning([](const Tensors&) {
                 return ScanStep{{Tensor()}, {}};
               }));
  expect_error({"the body's y 0 is an empty Tensor"}, returning([](const Tensors& c) {
                 return ScanStep{c, {Tensor()}};
               }));
  expect_error({"the body returns nothing"},
               [&] { scan([](const Tensors&, const Tensors&) { return ScanStep{}; }, {}, {xs}); });
}

TEST(Scan, RefusesABodyThatAssignsOrReadsValuesOrLeaks) {
  const State state(floats({1}), "counter");
  const Tensor carry = floats({1});
  expect_error({"assigns State counter", "make it a carry"}, [&] {
    scan(
        [&](const Tensors& c, const Tensors&) -> ScanStep {
          state.assign(c[0]);
          return {c, {}};
        },
        {carry}, {}, {.length = 1});
  });
  EXPECT_EQ(values_of(state.value()), (std::vector<float>{1}));
  expect_error({"does not exist while its function is traced"}, [&] {
    scan(
        [&](const Tensors& c, const Tensors&) -> ScanStep {
          return {{c[0] * static_cast<double>(c[0].item<float>())}, {}};
        },
        {carry}, {}, {.length = 1});
  });
  Tensor leaked;
  scan(
      [&](const Tensors& c, const Tensors&) -> ScanStep {
        leaked = c[0];
        return {c, {}};
      },
      {carry}, {}, {.length = 1});
  expect_error({"is used outside of it"}, [&] { leaked + 1; });
  const Function function = [&](const Tensors& a) { return Tensors{a[0] + leaked}; };
  expect_error({"another traced function"}, [&] { run_compiled(function, {carry}); });
}

// Gradients.

// The gradients of a scalar made of the results of `function` with respect to its arguments.
Tensors gradients_of(const Function& function, const Tensors& arguments) {
  Tensors watched;
  for (const Tensor& argument : arguments) {
    watched.push_back(is_floating(argument.dtype()) ? watch(argument) : argument);
  }
  Tensor loss;
  for (const Tensor& result : function(watched)) {
    if (!is_floating(result.dtype())) continue;
    // Not symmetric in the elements, and not linear.
    const Tensor part = sum(result * result * 0.5 + tanh(result));
    loss = loss.defined() ? loss + part : part;
  }
  return gradients(loss, watched);
}

void expect_near(const Tensor& a, const Tensor& b, double tolerance, const std::string& what) {
  ASSERT_EQ(a.defined(), b.defined()) << what;
  if (!a.defined()) return;
  ASSERT_EQ(a.shape(), b.shape()) << what;
  const auto x = cast(a, Dtype::f64).to_vector<double>();
  const auto y = cast(b, Dtype::f64).to_vector<double>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(x[i], y[i], tolerance * (1 + std::abs(y[i]))) << what << ", element " << i;
  }
}

void expect_gradients_of_loop(const std::function<Tensors(const Scan&, const Tensors&)>& model,
                              const Tensors& arguments, double tolerance) {
  const Function by_scan = [&](const Tensors& a) {
    return gradients_of([&](const Tensors& b) { return model(kScan, b); }, a);
  };
  const Tensors expected =
      gradients_of([&](const Tensors& b) { return model(kLoop, b); }, arguments);
  const Tensors direct = by_scan(arguments);
  // A compiled function returns what exists.
  const Tensors compiled = run_compiled(
      [&](const Tensors& a) {
        Tensors defined;
        for (const Tensor& gradient : by_scan(a)) {
          if (gradient.defined()) defined.push_back(gradient);
        }
        return defined;
      },
      arguments);
  std::size_t next = 0;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string name = "argument " + std::to_string(i);
    expect_near(direct[i], expected[i], tolerance, name + " directly");
    if (!expected[i].defined()) continue;
    ASSERT_LT(next, compiled.size());
    expect_near(compiled[next++], expected[i], tolerance, name + " compiled");
  }
}

TEST(ScanGradient, OfAnLstmIsThatOfTheLoop) {
  for (const std::int64_t steps : {1, 2, 6}) {
    expect_gradients_of_loop(lstm, lstm_arguments(steps, 3, 5, 9), 2e-5);
  }
}

TEST(ScanGradient, OfAGruIsThatOfTheLoop) {
  expect_gradients_of_loop(gru,
                           {random({4, 6}, 1), random({5, 4, 3}, 2), random({3, 18}, 3),
                            random({6, 18}, 4), random({18}, 5)},
                           2e-5);
}

// A small recurrence in doubles with everything in it: reverse, a nested scan, captured Tensors, an
// integer carry, results that go nowhere.
Tensors everything(const Scan& recurrence, const Tensors& a) {
  return flat(recurrence(
      [&](const Tensors& carry, const Tensors& x) -> ScanStep {
        const Tensor weight = tanh(a[2]);  // the same in every step, computed in it
        const Tensor h = tanh(matmul(carry[0], weight) + x[0]);
        const ScanResult inner = recurrence(
            [&](const Tensors& c, const Tensors& y) -> ScanStep {
              return {{sin(c[0] * y[0] + a[3])}, {c[0] * c[0]}};
            },
            {sum(h, {0})}, {h});
        return {{h * 0.9, carry[1] + 1},
                {inner.carries[0], inner.ys[0], cast(carry[1], Dtype::f64)}};
      },
      {a[0], a[4]}, {a[1]}));
}

Tensors everything_arguments(std::int64_t steps) {
  const std::int64_t zero[] = {0};
  return {doubles({2, 3}, 1), doubles({steps, 2, 3}, 2), doubles({3, 3}, 3), doubles({3}, 4),
          tensor(zero, {})};
}

TEST(ScanGradient, OfNestedScansIsThatOfTheLoop) {
  for (const std::int64_t steps : {1, 4}) {
    const Tensors all = everything_arguments(steps);
    const Tensors arguments(all.begin(), all.end() - 1);
    const auto model = [&](const Scan& recurrence, const Tensors& a) {
      Tensors given = a;
      given.push_back(all.back());
      return everything(recurrence, given);
    };
    expect_gradients_of_loop(model, arguments, 1e-11);
  }
}

// d f(x) along each coordinate, f a scalar.
void expect_finite_differences(const std::function<Tensor(const Tensors&)>& f,
                               const std::function<Tensors(const Tensors&)>& gradient,
                               const Tensors& arguments, double tolerance) {
  const Tensors found = gradient(arguments);
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::vector<double> values = arguments[i].to_vector<double>();
    const std::vector<double> slope = found[i].to_vector<double>();
    for (std::size_t j = 0; j < values.size(); ++j) {
      const auto moved = [&](double by) {
        std::vector<double> other = values;
        other[j] += by;
        Tensors all = arguments;
        all[i] = tensor(other, arguments[i].shape());
        return f(all).item<double>();
      };
      const double expected = (moved(kStep) - moved(-kStep)) / (2 * kStep);
      EXPECT_NEAR(slope[j], expected, tolerance * (1 + std::abs(expected)))
          << "argument " << i << ", element " << j;
    }
  }
}

// An elman cell in doubles, with a weighted loss over carry and ys.
Tensor elman_loss(const Tensors& a) {
  const ScanResult result = scan(
      [&](const Tensors& carry, const Tensors& x) -> ScanStep {
        const Tensor next = tanh(matmul(carry[0], a[2]) + x[0] * a[3]);
        return {{next}, {next * next * carry[0]}};
      },
      {a[0]}, {a[1]});
  return sum(result.carries[0] * result.carries[0]) + sum(sin(result.ys[0]));
}

Tensors elman_arguments(std::int64_t steps) {
  return {doubles({2, 3}, 1), doubles({steps, 2, 3}, 2), doubles({3, 3}, 3), doubles({3}, 4)};
}

Tensors watch_all(const Tensors& arguments) {
  Tensors watched;
  for (const Tensor& argument : arguments) watched.push_back(watch(argument));
  return watched;
}

Tensors elman_gradients(const Tensors& arguments) {
  const Tensors watched = watch_all(arguments);
  return gradients(elman_loss(watched), watched);
}

// A scalar of the first gradients.
Tensor elman_slope(const Tensors& watched) {
  const Tensors first = gradients(elman_loss(watched), watched);
  Tensor total;
  for (const Tensor& g : first) {
    const Tensor part = sum(g * g) + sum(sin(g));
    total = total.defined() ? total + part : part;
  }
  return total;
}

Tensors elman_second(const Tensors& arguments) {
  const Tensors watched = watch_all(arguments);
  return gradients(elman_slope(watched), watched);
}

TEST(ScanGradient, AgreesWithFiniteDifferences) {
  expect_finite_differences(elman_loss, elman_gradients, elman_arguments(3), 1e-8);
}

TEST(ScanGradient, OfSecondOrderAgreesWithFiniteDifferences) {
  const auto slope = [](const Tensors& a) { return elman_slope(watch_all(a)); };
  for (const std::int64_t steps : {1, 3}) {
    expect_finite_differences(slope, elman_second, elman_arguments(steps), 1e-7);
  }
}

TEST(ScanGradient, OfSecondOrderWorksCompiled) {
  const Tensors arguments = elman_arguments(4);
  const Tensors expected = elman_second(arguments);
  const Tensors compiled = run_compiled(elman_second, arguments);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    expect_near(compiled[i], expected[i], 1e-12, "argument " + std::to_string(i));
  }
}

TEST(ScanGradient, WithoutStepsGoesStraightToTheCarry) {
  const Tensors arguments = elman_arguments(0);
  for (const Tensors& found :
       {elman_gradients(arguments), run_compiled(elman_gradients, arguments)}) {
    expect_near(found[0], arguments[0] * 2, 0, "carry");
    EXPECT_EQ(found[1].shape(), (Shape{0, 2, 3}));
    expect_near(found[2], zeros({3, 3}, Dtype::f64), 0, "weight");
  }
}

TEST(ScanGradient, ReachesStatesReadInTheBody) {
  const State weight(floats({2}), "weight");
  const Function function = [&](const Tensors& a) {
    const ScanResult result = scan(
        [&](const Tensors& carry, const Tensors& x) -> ScanStep {
          return {{carry[0] * weight + x[0]}, {}};
        },
        {a[0]}, {a[1]});
    return gradients(sum(result.carries[0]), std::vector<State>{weight});
  };
  // ((h w + x) w + y): 2 h w + x = 4 + 5.
  const Tensors arguments = {floats({1}), floats({5, 6}, {2, 1})};
  EXPECT_EQ(values_of(function(arguments)[0]), (std::vector<float>{9}));
  EXPECT_EQ(values_of(run_compiled(function, arguments)[0]), (std::vector<float>{9}));
}

TEST(ScanGradient, StopsWhereTheBodyDetaches) {
  // c' = c * detach(w c) + no_grad(x) x: dc'/dc = w c only.
  const auto model = [](const Scan& recurrence, const Tensors& a) {
    return flat(recurrence(
        [&](const Tensors& carry, const Tensors& x) -> ScanStep {
          const Tensor stopped = detach(carry[0] * a[2]);
          Tensor untracked;
          {
            const NoGradScope no_grad;
            untracked = sin(x[0]);
          }
          return {{carry[0] * stopped + untracked * x[0]},
                  {detach(carry[0]), carry[0] * detach(a[2])}};
        },
        {a[0]}, {a[1]}));
  };
  expect_gradients_of_loop(model, {doubles({3}, 1), doubles({4, 3}, 2), doubles({3}, 3)}, 1e-12);
}

TEST(ScanGradient, DoesNotExistForWhatTheResultsDoNotDependOn) {
  const Tensor carry = watch(floats({1}));
  const Tensor unused = watch(floats({2}));
  const ScanResult result = scan(
      [&](const Tensors& c, const Tensors& x) -> ScanStep {
        return {{c[0] * 3}, {unused > x[0]}};
      },
      {carry}, {floats({1, 2}, {2, 1})});
  const Tensors found = gradients(sum(result.carries[0]), Tensors{carry, unused});
  EXPECT_EQ(values_of(found[0]), (std::vector<float>{9}));
  EXPECT_FALSE(found[1].defined());
}

}  // namespace
}  // namespace sinter
