// Rows of the user functions that are composed of ops, with their naive versions beside them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/sample_rows.h"
#include "sinter/ops.h"

namespace sinter {

namespace {

using Arrays = std::vector<Array>;
using Tensors = std::vector<Tensor>;
using Index = std::vector<std::int64_t>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Index index_of(const Shape& shape, std::int64_t position) {
  Index index(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[static_cast<std::size_t>(axis)] = position % shape[axis];
    position /= shape[axis];
  }
  return index;
}
std::size_t position_of(const Shape& shape, const Index& index) {
  std::int64_t position = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    position = position * shape[axis] + index[static_cast<std::size_t>(axis)];
  }
  return static_cast<std::size_t>(position);
}
Array empty_array(const Shape& shape, double value = 0) {
  return {shape, std::vector<double>(static_cast<std::size_t>(shape.elements()), value)};
}

// `fold` of the elements along `axes`, which are dropped unless kept; all axes for none.
template <class F>
Array along(const Array& x, std::vector<int> axes, bool keep, F fold) {
  if (axes.empty()) {
    for (int axis = 0; axis < x.shape.rank(); ++axis) axes.push_back(axis);
  }
  Index kept;
  Index dropped;
  const auto is_folded = [&](int axis) {
    return std::find(axes.begin(), axes.end(), axis) != axes.end();
  };
  for (int axis = 0; axis < x.shape.rank(); ++axis) {
    kept.push_back(is_folded(axis) ? 1 : x.shape[axis]);
    if (keep || !is_folded(axis)) dropped.push_back(kept.back());
  }
  const Shape shape(kept);
  std::vector<std::vector<double>> parts(static_cast<std::size_t>(shape.elements()));
  for (std::int64_t i = 0; i < x.shape.elements(); ++i) {
    Index index = index_of(x.shape, i);
    for (const int axis : axes) index[static_cast<std::size_t>(axis)] = 0;
    parts[position_of(shape, index)].push_back(x.values[static_cast<std::size_t>(i)]);
  }
  Array y{Shape(dropped), {}};
  for (const std::vector<double>& part : parts) y.values.push_back(fold(part));
  return y;
}

// --- Statistics

double norm_of(const std::vector<double>& x, double p) {
  double total = 0;
  for (const double each : x) {
    const double size = std::fabs(each);
    if (p == kInfinity) {
      total = std::max(total, size);
    } else {
      total += std::pow(size, p);
    }
  }
  return p == kInfinity ? total : std::pow(total, 1 / p);
}

double variance_of(const std::vector<double>& x, double correction) {
  const auto n = static_cast<double>(x.size());
  double mean = 0;
  for (const double each : x) mean += each / n;
  double squares = 0;
  for (const double each : x) squares += (each - mean) * (each - mean);
  return squares / std::max(n - correction, 0.0);
}

double logsumexp_of(const std::vector<double>& x) {
  double largest = -kInfinity;
  for (const double each : x) largest = std::max(largest, each);
  if (std::isinf(largest)) return largest;
  double total = 0;
  for (const double each : x) total += std::exp(each - largest);
  return largest + std::log(total);
}

// Whether any element is what `wanted` says it is to be.
bool has(const std::vector<double>& x, bool wanted) {
  return std::any_of(x.begin(), x.end(), [&](double each) { return (each != 0) == wanted; });
}

double position_of_extreme(const std::vector<double>& x, bool largest) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < x.size(); ++i) {
    if (std::isnan(x[best])) break;
    if (std::isnan(x[i]) || (largest ? x[i] > x[best] : x[i] < x[best])) best = i;
  }
  return static_cast<double>(best);
}

void add_norms(Rows& rows) {
  struct Case {
    const char* what;
    Shape shape;
    std::vector<int> axes;
    bool keep;
  };
  const std::vector<Case> cases = {{"innermost", {4, 5}, {1}, false},
                                   {"outermost, kept", {5, 4}, {0}, true},
                                   {"middle", {2, 3, 4}, {1}, false},
                                   {"all", {3, 4}, {}, false},
                                   {"one element", {3, 1}, {-1}, false}};
  for (const Case& each : cases) {
    std::vector<int> axes = each.axes;
    for (int& axis : axes) axis = axis < 0 ? axis + each.shape.rank() : axis;
    for (const double p : {1.0, 2.0, kInfinity}) {
      rows.add_smooth_function(
          std::string("norm ") + each.what + " " + std::to_string(p),
          {rows.real(each.shape, 0.3, 2)},
          [=](const Tensors& x) { return norm(x[0], each.axes, each.keep, p); },
          [=](const Arrays& x) {
            return along(x[0], axes, each.keep,
                         [=](const std::vector<double>& part) { return norm_of(part, p); });
          });
    }
    if (each.shape.dim(-1) == 1) continue;
    for (const double correction : {0.0, 1.0}) {
      rows.add_smooth_function(
          std::string("var ") + each.what + " " + std::to_string(correction),
          {rows.real(each.shape)},
          [=](const Tensors& x) { return var(x[0], each.axes, correction, each.keep); },
          [=](const Arrays& x) {
            return along(x[0], axes, each.keep, [=](const std::vector<double>& part) {
              return variance_of(part, correction);
            });
          });
    }
    rows.add_smooth_function(
        std::string("logsumexp ") + each.what, {rows.real(each.shape)},
        [=](const Tensors& x) { return logsumexp(x[0], each.axes, each.keep); },
        [=](const Arrays& x) { return along(x[0], axes, each.keep, logsumexp_of); });
  }
  const auto rows_of = [](const Arrays& x, auto fold) { return along(x[0], {1}, false, fold); };
  for (const Shape& shape : {Shape{3, 0}, Shape{0, 3}}) {
    rows.add_function(
        "norm empty", {rows.real(shape)}, [](const Tensors& x) { return norm(x[0], {1}); },
        [=](const Arrays& x) {
          return rows_of(x, [](const std::vector<double>& part) { return norm_of(part, 2); });
        });
    rows.add_function(
        "logsumexp empty", {rows.real(shape)},
        [](const Tensors& x) { return logsumexp(x[0], {1}); },
        [=](const Arrays& x) { return rows_of(x, logsumexp_of); });
  }
  rows.add_function(
      "norm of large and tiny vectors",
      {rows.given(Dtype::f64, {5, 2}, {3e20, 4e20, 3e-30, 4e-30, 0, 0, kInfinity, 1, 1e30, -1e38})},
      [](const Tensors& x) { return norm(x[0], {1}); },
      [=](const Arrays& x) {
        return rows_of(x, [](const std::vector<double>& part) { return norm_of(part, 2); });
      });
  rows.add_function(
      "logsumexp of large and infinite numbers",
      {rows.given(Dtype::f64, {5, 2},
                  {1e4, 1e4, -1e4, -1e4 - 1, -kInfinity, -kInfinity, kInfinity, 1, -kInfinity, 2})},
      [](const Tensors& x) { return logsumexp(x[0], {1}); },
      [=](const Arrays& x) { return rows_of(x, logsumexp_of); });
}

void add_positions(Rows& rows) {
  for (const bool largest : {true, false}) {
    const auto function = [=](std::optional<int> axis, bool keep) {
      return [=](const Tensors& x) {
        return largest ? argmax(x[0], axis, keep) : argmin(x[0], axis, keep);
      };
    };
    const auto naive = [=](std::vector<int> axes, bool keep) {
      return [=](const Arrays& x) {
        return along(x[0], axes, keep, [=](const std::vector<double>& part) {
          return position_of_extreme(part, largest);
        });
      };
    };
    const std::string name = largest ? "argmax " : "argmin ";
    rows.add_function(name + "innermost", {rows.real({4, 7})}, function(-1, false),
                      naive({1}, false));
    rows.add_function(name + "middle, kept", {rows.real({2, 5, 3})}, function(1, true),
                      naive({1}, true));
    rows.add_function(name + "all", {rows.real({3, 4})}, function(std::nullopt, false),
                      naive({}, false));
    rows.add_function(name + "all, kept", {rows.real({3, 4})}, function(std::nullopt, true),
                      naive({}, true));
    rows.add_function(name + "scalar", {rows.real({})}, function(std::nullopt, false),
                      naive({}, false));
    rows.add_function(name + "ties", {rows.whole({6, 9}, -1, 2, Dtype::i32)}, function(1, false),
                      naive({1}, false));
    rows.add_function(name + "i64", {rows.whole({6, 9}, -9, 9, Dtype::i64)}, function(0, false),
                      naive({0}, false));
    rows.add_function(name + "u8", {rows.whole({2, 40}, 0, 256, Dtype::u8)}, function(1, false),
                      naive({1}, false));
    rows.add_function(name + "bool", {rows.whole({3, 4}, 0, 2, Dtype::boolean)}, function(1, false),
                      naive({1}, false));
    rows.add_function(name + "no rows", {rows.real({0, 4})}, function(1, false), naive({1}, false));
    rows.add_function(name + "NaN and infinities",
                      {rows.given(Dtype::f64, {3, 4},
                                  {1, NAN, 9, NAN, kInfinity, -kInfinity, kInfinity, -kInfinity,
                                   -kInfinity, -kInfinity, NAN, kInfinity})},
                      function(1, false), naive({1}, false));
  }
  for (const bool is_any : {true, false}) {
    const auto add = [&](const std::string& what, SampleInput input, std::vector<int> axes) {
      rows.add_function(
          (is_any ? "any " : "all ") + what, {std::move(input)},
          [=](const Tensors& x) { return is_any ? any(x[0], axes) : all(x[0], axes); },
          [=](const Arrays& x) {
            return along(x[0], axes, false, [=](const std::vector<double>& part) {
              return static_cast<double>(is_any ? has(part, true) : !has(part, false));
            });
          });
    };
    add("bool", rows.whole({5, 3}, 0, 2, Dtype::boolean), {1});
    add("i32", rows.whole({3, 5}, 0, 2, Dtype::i32), {0});
    add("floats", rows.given(Dtype::f64, {2, 2}, {0, NAN, 0, -0.0}), {1});
    add("of nothing", rows.whole({2, 0}, 0, 2, Dtype::boolean), {1});
    add("everything", rows.whole({4, 4}, 0, 2, Dtype::u8), {});
  }
  for (const Dtype dtype : {Dtype::i32, Dtype::i64}) {
    const auto add = [&](const std::string& what, SampleInput ids, std::int64_t classes,
                         Dtype result) {
      rows.add_function(
          "one_hot " + what, {std::move(ids)},
          [=](const Tensors& x) { return one_hot(x[0], classes, result); },
          [=](const Arrays& x) {
            Index lengths = x[0].shape.to_vector();
            lengths.push_back(classes);
            Array y = empty_array(Shape(lengths));
            for (std::size_t i = 0; i < x[0].values.size(); ++i) {
              const double id = x[0].values[i];
              if (id < 0 || id >= static_cast<double>(classes)) continue;
              y.values[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(id)] = 1;
            }
            return y;
          });
    };
    add("matrix of " + std::string(name_of(dtype)), rows.whole({2, 3}, 0, 5, dtype), 5, Dtype::i64);
    add("outside", rows.given(dtype, {4}, {-1, 3, 2, 99}), 3, Dtype::f32);
    add("one id", rows.given(dtype, {}, {1}), 2, Dtype::boolean);
    add("no ids", rows.whole({0}, 0, 1, dtype), 4, Dtype::f64);
  }
}

void add_masks(Rows& rows) {
  for (const Dtype dtype : {Dtype::i32, Dtype::i64}) {
    const auto add = [&](const std::string& what, SampleInput lengths, std::int64_t length) {
      rows.add_function(
          "sequence_mask " + what, {std::move(lengths)},
          [=](const Tensors& x) { return sequence_mask(x[0], length); },
          [=](const Arrays& x) {
            Index shape = x[0].shape.to_vector();
            shape.push_back(length);
            Array y = empty_array(Shape(shape));
            for (std::size_t i = 0; i < y.values.size(); ++i) {
              const std::size_t row = i / static_cast<std::size_t>(length);
              const auto position = static_cast<double>(i % static_cast<std::size_t>(length));
              y.values[i] = position < x[0].values[row] ? 1 : 0;
            }
            return y;
          });
    };
    add("vector of " + std::string(name_of(dtype)), rows.whole({5}, 0, 7, dtype), 6);
    add("matrix", rows.whole({2, 3}, 0, 9, dtype), 8);
    add("none, all and beyond", rows.given(dtype, {4}, {0, 3, 4, -1}), 3);
    add("one row", rows.given(dtype, {}, {2}), 5);
    add("no rows", rows.whole({0}, 0, 1, dtype), 4);
    add("no positions", rows.given(dtype, {2}, {0, 1}), 0);
  }
}

// --- Losses

double naive_bce_with_logits(double x, double t, double weight) {
  const auto log1p_exp = [](double z) {
    return std::max(z, 0.0) + std::log1p(std::exp(-std::fabs(z)));
  };
  return weight * t * log1p_exp(-x) + (1 - t) * log1p_exp(x);
}

double naive_huber(double d, double delta) {
  const double size = std::fabs(d);
  return size <= delta ? d * d / 2 : delta * (size - delta / 2);
}

template <class F>
Array naive_loss(const Arrays& x, LossReduction reduction, F element) {
  Array y = x[0];
  double total = 0;
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    y.values[i] = element(x[0].values[i], x[1].values[i]);
    total += y.values[i];
  }
  if (reduction == LossReduction::none) return y;
  const auto count = static_cast<double>(y.values.size());
  return {Shape(), {reduction == LossReduction::sum ? total : total / count}};
}

void add_losses(Rows& rows) {
  struct Loss {
    const char* name;
    Tensor (*function)(const Tensor&, const Tensor&, LossReduction);
    double (*element)(double, double);
    double target_low, target_high;
  };
  const std::vector<Loss> losses = {
      {"mse_loss",
       [](const Tensor& a, const Tensor& b, LossReduction r) { return mse_loss(a, b, r); },
       [](double a, double b) { return (a - b) * (a - b); }, -2, 2},
      {"l1_loss",
       [](const Tensor& a, const Tensor& b, LossReduction r) { return l1_loss(a, b, r); },
       [](double a, double b) { return std::fabs(a - b); }, 2.5, 4},
      {"huber_loss",
       [](const Tensor& a, const Tensor& b, LossReduction r) { return huber_loss(a, b, 0.7, r); },
       [](double a, double b) { return naive_huber(a - b, 0.7); }, -2, 2},
      {"binary_cross_entropy_with_logits",
       [](const Tensor& a, const Tensor& b, LossReduction r) {
         return binary_cross_entropy_with_logits(a, b, r, Operand(1.5));
       },
       [](double a, double b) { return naive_bce_with_logits(a, b, 1.5); }, 0, 1}};
  for (const Loss& loss : losses) {
    for (const LossReduction reduction :
         {LossReduction::mean, LossReduction::sum, LossReduction::none}) {
      for (const Shape& shape : {Shape{3, 4}, Shape{5}, Shape{1, 1}, Shape{}}) {
        rows.add_smooth_function(
                std::string(loss.name) + " " + shape.to_string(),
                {rows.real(shape), rows.real(shape, loss.target_low, loss.target_high)},
                [=](const Tensors& x) { return loss.function(x[0], x[1], reduction); },
                [=](const Arrays& x) { return naive_loss(x, reduction, loss.element); })
            .tolerance = 5e-6;
      }
    }
    rows.add_function(
        std::string(loss.name) + " empty", {rows.real({0, 3}), rows.real({0, 3})},
        [=](const Tensors& x) { return loss.function(x[0], x[1], LossReduction::sum); },
        [=](const Arrays& x) { return naive_loss(x, LossReduction::sum, loss.element); });
  }
  rows.add_function(
      "binary_cross_entropy_with_logits far",
      {rows.given(Dtype::f64, {8}, {-200, 200, -200, 200, -20, 20, 0, 1e30}),
       rows.given(Dtype::f64, {8}, {0, 1, 1, 0, 0, 1, 1, 0.5})},
      [](const Tensors& x) {
        return binary_cross_entropy_with_logits(x[0], x[1], LossReduction::none);
      },
      [](const Arrays& x) {
        return naive_loss(x, LossReduction::none,
                          [](double a, double b) { return naive_bce_with_logits(a, b, 1); });
      });
  rows.add_smooth_function(
          "binary_cross_entropy mean", {rows.real({3, 2}, 0.1, 0.9), rows.real({3, 2}, 0, 1)},
          [](const Tensors& x) { return binary_cross_entropy(x[0], x[1]); },
          [](const Arrays& x) {
            return naive_loss(x, LossReduction::mean, [](double p, double t) {
              return -(t * std::log(p) + (1 - t) * std::log(1 - p));
            });
          })
      .tolerance = 5e-6;
}

// --- Moves

Array naive_concatenate(const Arrays& x, int axis) {
  Shape shape = x[0].shape;
  std::int64_t length = 0;
  for (const Array& each : x) length += each.shape[axis];
  shape.set(axis, length);
  Array y = empty_array(shape);
  std::int64_t begin = 0;
  for (const Array& each : x) {
    for (std::int64_t i = 0; i < each.shape.elements(); ++i) {
      Index index = index_of(each.shape, i);
      index[static_cast<std::size_t>(axis)] += begin;
      y.values[position_of(shape, index)] = each.values[static_cast<std::size_t>(i)];
    }
    begin += each.shape[axis];
  }
  return y;
}

Array naive_stack(const Arrays& x, int axis) {
  Arrays parts = x;
  for (Array& each : parts) {
    Index lengths = each.shape.to_vector();
    lengths.insert(lengths.begin() + axis, 1);
    each.shape = Shape(lengths);
  }
  return naive_concatenate(parts, axis);
}

void add_joins(Rows& rows) {
  const auto join = [&](const std::string& what, std::vector<SampleInput> inputs, int axis,
                        bool smooth) {
    rows.add_function(
            "concatenate " + what, std::move(inputs),
            [=](const Tensors& x) { return concatenate(x, axis); },
            [=](const Arrays& x) {
              return naive_concatenate(x, axis < 0 ? axis + x[0].shape.rank() : axis);
            })
        .is_smooth = smooth;
  };
  join("outermost", {rows.real({2, 3}), rows.real({1, 3}), rows.real({4, 3})}, 0, true);
  join("innermost", {rows.real({2, 3}), rows.real({2, 1}), rows.real({2, 5})}, -1, true);
  join("middle", {rows.real({2, 3, 4}), rows.real({2, 2, 4})}, 1, true);
  join("innermost of one row", {rows.real({1, 3}), rows.real({1, 2})}, 1, true);
  join("one input", {rows.real({2, 3})}, 1, true);
  join("an empty one", {rows.real({2, 0}), rows.real({2, 3}), rows.real({2, 0})}, 1, false);
  join("nothing", {rows.real({0, 3}), rows.real({0, 2})}, 1, false);
  join("u8", {rows.whole({3, 5}, 0, 256, Dtype::u8), rows.whole({3, 2}, 0, 256, Dtype::u8)}, 1,
       false);
  join("i64", {rows.whole({7}, -9, 9, Dtype::i64), rows.whole({4}, -9, 9, Dtype::i64)}, 0, false);
  join("bool", {rows.whole({7}, 0, 2, Dtype::boolean), rows.whole({4}, 0, 2, Dtype::boolean)}, 0,
       false);
  for (const int axis : {0, 1, 2}) {
    rows.add_smooth_function(
        "stack axis " + std::to_string(axis),
        {rows.real({2, 3}), rows.real({2, 3}), rows.real({2, 3})},
        [=](const Tensors& x) { return stack(x, axis); },
        [=](const Arrays& x) { return naive_stack(x, axis); });
  }
  rows.add_smooth_function(
      "stack scalars", {rows.real({}), rows.real({})},
      [](const Tensors& x) { return stack(x, -1); },
      [](const Arrays& x) { return naive_stack(x, 0); });
}

Array naive_slice(const Array& x, int axis, std::int64_t begin, std::int64_t end,
                  std::int64_t step) {
  Shape shape = x.shape;
  shape.set(axis, (end - begin + step - 1) / step);
  Array y = empty_array(shape);
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    Index index = index_of(shape, i);
    index[static_cast<std::size_t>(axis)] = index[static_cast<std::size_t>(axis)] * step + begin;
    y.values[static_cast<std::size_t>(i)] = x.values[position_of(x.shape, index)];
  }
  return y;
}

void add_slices(Rows& rows) {
  for (const int axis : {0, 1, 2}) {
    for (const std::int64_t step : {1, 2, 3, 7}) {
      for (const auto& range : std::vector<std::pair<std::int64_t, std::int64_t>>{
               {0, 7}, {1, 7}, {2, 5}, {3, 3}, {6, 7}}) {
        const std::int64_t begin = range.first;
        const std::int64_t end = range.second;
        rows.add_function(
                "slice of a step", {rows.real({7, 7, 7})},
                [=](const Tensors& x) { return slice(x[0], axis, begin, end, step); },
                [=](const Arrays& x) { return naive_slice(x[0], axis, begin, end, step); })
            .is_smooth = step == 2 && axis == 1;
      }
    }
  }
  rows.add_function(
      "slice of a step from the end", {rows.whole({9}, 0, 99, Dtype::i32)},
      [](const Tensors& x) { return slice(x[0], 0, -8, -1, 3); },
      [](const Arrays& x) { return naive_slice(x[0], 0, 1, 8, 3); });
}

// The pixel under tap `k` of window `o`, each with a batch and a channel around its place.
Index under(const Index& o, const Index& k, const Index& stride, const Index& padding,
            const Index& dilation) {
  Index pixel = o;
  for (std::size_t i = 0; i < stride.size(); ++i) {
    pixel[i + 1] = o[i + 1] * stride[i] - padding[i] + k[i + 1] * dilation[i];
  }
  return pixel;
}
bool is_inside(const Index& pixel, const Shape& image) {
  for (int i = 1; i < image.rank() - 1; ++i) {
    const std::int64_t at = pixel[static_cast<std::size_t>(i)];
    if (at < 0 || at >= image[i]) return false;
  }
  return true;
}

// Lists with a number for each axis; padding the same on both sides.
Array naive_avg_pool(const Array& x, const AvgPoolOptions& options) {
  const Index& kernel = options.kernel;
  const Index& stride = options.stride.empty() ? kernel : options.stride;
  Shape shape = x.shape, taps = x.shape;
  taps.set(0, 1);
  taps.set(-1, 1);
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    const int axis = static_cast<int>(i) + 1;
    shape.set(axis, (x.shape[axis] + 2 * options.padding[i] - kernel[i]) / stride[i] + 1);
    taps.set(axis, kernel[i]);
  }
  Array y = empty_array(shape);
  for (std::int64_t at = 0; at < shape.elements(); ++at) {
    const Index o = index_of(shape, at);
    double total = 0;
    double inside = 0;
    for (std::int64_t k = 0; k < taps.elements(); ++k) {
      const Index pixel =
          under(o, index_of(taps, k), stride, options.padding, Index(kernel.size(), 1));
      if (!is_inside(pixel, x.shape)) continue;
      total += x.values[position_of(x.shape, pixel)];
      inside += 1;
    }
    const double count = options.count_include_pad ? static_cast<double>(taps.elements()) : inside;
    y.values[static_cast<std::size_t>(at)] = total / count;
  }
  return y;
}

void add_pools(Rows& rows) {
  const auto pool = [&](const std::string& what, const Shape& shape,
                        const AvgPoolOptions& options) {
    rows.add_function(
            "avg_pool " + what, {rows.real(shape)},
            [=](const Tensors& x) { return avg_pool(x[0], options); },
            [=](const Arrays& x) { return naive_avg_pool(x[0], options); })
        .is_smooth = shape.elements() > 0;
  };
  const AvgPoolOptions plain{.kernel = {2, 2}, .padding = {0, 0}};
  pool("plain", {2, 4, 6, 3}, plain);
  pool("rows left over", {1, 5, 7, 2}, plain);
  pool("overlapping", {2, 5, 6, 2}, {.kernel = {3, 2}, .stride = {2, 1}, .padding = {0, 0}});
  pool("padded", {1, 5, 5, 2}, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
  pool("padding not counted", {1, 5, 4, 2},
       {.kernel = {3, 2}, .stride = {1, 2}, .padding = {1, 1}, .count_include_pad = false});
  pool("gaps", {1, 7, 7, 1}, {.kernel = {2, 1}, .stride = {3, 2}, .padding = {0, 0}});
  pool("whole images", {2, 3, 4, 3}, {.kernel = {3, 4}, .padding = {0, 0}});
  pool("no images", {0, 4, 4, 2}, plain);
  pool("1d", {2, 7, 3}, {.kernel = {3}, .stride = {2}, .padding = {1}});
  pool(
      "3d", {1, 4, 3, 5, 2},
      {.kernel = {2, 3, 2}, .stride = {2, 1, 2}, .padding = {0, 1, 1}, .count_include_pad = false});
}

// Every element of x times every tap of its channel's weight, added up where they meet. Lists with
// a number for each axis, padding with two.
Array naive_conv_transpose(const Array& x, const Array& w, const ConvTransposeOptions& options) {
  const std::size_t rank = options.stride.size();
  const std::int64_t of_group = w.shape.dim(-1);
  Shape shape = x.shape;
  shape.set(-1, of_group * options.groups);
  for (std::size_t i = 0; i < rank; ++i) {
    const int axis = static_cast<int>(i) + 1;
    shape.set(axis, (x.shape[axis] - 1) * options.stride[i] - options.padding[i] -
                        options.padding[rank + i] + options.dilation[i] * (w.shape[axis] - 1) + 1 +
                        options.output_padding[i]);
  }
  Array y = empty_array(shape);
  for (std::int64_t i = 0; i < x.shape.elements(); ++i) {
    const Index from = index_of(x.shape, i);
    for (std::int64_t j = 0; j < w.shape.elements(); ++j) {
      const Index tap = index_of(w.shape, j);
      if (tap[0] != from.back()) continue;
      Index pixel = under(from, tap, options.stride, options.padding, options.dilation);
      if (!is_inside(pixel, shape)) continue;
      const std::int64_t group = from.back() / (x.shape.dim(-1) / options.groups);
      pixel.back() = group * of_group + tap.back();
      y.values[position_of(shape, pixel)] +=
          x.values[static_cast<std::size_t>(i)] * w.values[static_cast<std::size_t>(j)];
    }
  }
  return y;
}

void add_transposed_convolutions(Rows& rows) {
  const auto add = [&](const std::string& what, const Shape& x, const Shape& w,
                       const ConvTransposeOptions& options) {
    Sample& sample = rows.add_function(
        "conv_transpose " + what, {rows.real(x), rows.real(w)},
        [=](const Tensors& in) { return conv_transpose(in[0], in[1], options); },
        [=](const Arrays& in) { return naive_conv_transpose(in[0], in[1], options); });
    sample.is_smooth = true;
    sample.function_contracts = true;
    sample.tolerance = 1e-5;
  };
  add("plain", {2, 3, 4, 3}, {3, 2, 2, 2},
      {.stride = {1, 1}, .padding = {0, 0, 0, 0}, .output_padding = {0, 0}, .dilation = {1, 1}});
  add("stride", {1, 3, 2, 2}, {2, 3, 2, 3},
      {.stride = {2, 3}, .padding = {1, 0, 0, 1}, .output_padding = {1, 2}, .dilation = {1, 2}});
  add("groups", {1, 3, 3, 4}, {4, 2, 2, 3},
      {.stride = {2, 2},
       .padding = {0, 0, 0, 0},
       .output_padding = {0, 1},
       .dilation = {1, 1},
       .groups = 2});
  add("1d", {2, 4, 2}, {2, 3, 1},
      {.stride = {2}, .padding = {1, 1}, .output_padding = {1}, .dilation = {1}});
  add("3d", {1, 2, 2, 1, 2}, {2, 2, 1, 2, 1},
      {.stride = {1, 2, 1},
       .padding = {0, 0, 0, 1, 0, 0},
       .output_padding = {0, 1, 0},
       .dilation = {1, 1, 2}});
}

}  // namespace

std::vector<Sample> function_samples() {
  Rows rows;
  add_norms(rows);
  add_positions(rows);
  add_masks(rows);
  add_losses(rows);
  add_joins(rows);
  add_slices(rows);
  add_pools(rows);
  add_transposed_convolutions(rows);
  return rows.take();
}

}  // namespace sinter
