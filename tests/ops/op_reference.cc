#include "ops/op_reference.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>

#include "base/philox.h"

namespace sinter {

namespace {

using ir::Attributes;
using ir::OpId;
using Index = std::vector<std::int64_t>;
using Arrays = std::vector<Array>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Array array_of(const Shape& shape, double value = 0) {
  return {shape, std::vector<double>(static_cast<std::size_t>(shape.elements()), value)};
}

std::size_t flat(const Shape& shape, const Index& index) {
  std::int64_t position = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    position = position * shape[axis] + index[static_cast<std::size_t>(axis)];
  }
  return static_cast<std::size_t>(position);
}
double& at(Array& array, const Index& index) { return array.values[flat(array.shape, index)]; }
double at(const Array& array, const Index& index) { return array.values[flat(array.shape, index)]; }

template <class F>
void for_each(const Shape& shape, F visit) {
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    Index index(static_cast<std::size_t>(shape.rank()));
    std::int64_t rest = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      index[static_cast<std::size_t>(axis)] = rest % shape[axis];
      rest /= shape[axis];
    }
    visit(index);
  }
}

// The index of a broadcast input for an index of the result.
Index broadcast_index(const Index& index, const Shape& shape) {
  Index own(index.end() - shape.rank(), index.end());
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) own[static_cast<std::size_t>(axis)] = 0;
  }
  return own;
}

Shape shape_of(const Attributes& attributes) { return Shape(attributes.integers("shape")); }

double convert(double x, Dtype dtype) {
  const auto saturate = [&](double low, double high) {
    return std::isnan(x) ? 0 : std::clamp(std::trunc(x), low, high);
  };
  switch (dtype) {
    case Dtype::f32:
      return static_cast<float>(x);
    case Dtype::i32:
      return saturate(-2147483648.0, 2147483647.0);
    case Dtype::i64:
      return saturate(-9223372036854775808.0, 9223372036854775808.0);
    case Dtype::boolean:
      return x != 0 ? 1 : 0;
    default:
      return x;
  }
}

// Floats saturate to u8, integers keep the low bits; here told apart by what the samples hold.
double to_u8(double x, bool from_float) {
  if (from_float) return std::isnan(x) ? 0 : std::clamp(std::trunc(x), 0.0, 255.0);
  return static_cast<double>(static_cast<std::uint8_t>(static_cast<std::int64_t>(x)));
}

// --- Pointwise ---

double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
double erf_gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }
double tanh_gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
double larger(double a, double b) { return std::isnan(a) || std::isnan(b) ? kNan : std::max(a, b); }
double smaller(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? kNan : std::min(a, b);
}

double pointwise(OpId op, double a, double b, double c) {
  switch (op) {
    case OpId::add:
      return a + b;
    case OpId::subtract:
      return a - b;
    case OpId::multiply:
      return a * b;
    case OpId::divide:
      return a / b;
    case OpId::pow:
      return std::pow(a, b);
    case OpId::maximum:
      return larger(a, b);
    case OpId::minimum:
      return smaller(a, b);
    case OpId::equal:
      return a == b;
    case OpId::not_equal:
      return a != b;
    case OpId::less:
      return a < b;
    case OpId::less_equal:
      return a <= b;
    case OpId::greater:
      return a > b;
    case OpId::greater_equal:
      return a >= b;
    case OpId::logical_and:
      return a != 0 && b != 0;
    case OpId::logical_or:
      return a != 0 || b != 0;
    case OpId::logical_xor:
      return (a != 0) != (b != 0);
    case OpId::logical_not:
      return a == 0;
    case OpId::negate:
      return -a;
    case OpId::abs:
      return std::fabs(a);
    case OpId::sign:
      return sign(a);
    case OpId::square:
      return a * a;
    case OpId::sqrt:
      return std::sqrt(a);
    case OpId::rsqrt:
      return 1 / std::sqrt(a);
    case OpId::reciprocal:
      return 1 / a;
    case OpId::exp:
      return std::exp(a);
    case OpId::expm1:
      return std::expm1(a);
    case OpId::log:
      return std::log(a);
    case OpId::log1p:
      return std::log1p(a);
    case OpId::sin:
      return std::sin(a);
    case OpId::cos:
      return std::cos(a);
    case OpId::tanh:
      return std::tanh(a);
    case OpId::erf:
      return std::erf(a);
    case OpId::sigmoid:
      return 1 / (1 + std::exp(-a));
    case OpId::softplus:
      return std::log1p(std::exp(a));
    case OpId::relu:
      return a < 0 ? 0 : a;
    case OpId::silu:
      return a / (1 + std::exp(-a));
    case OpId::gelu:
      return erf_gelu(a);
    case OpId::gelu_tanh:
      return tanh_gelu(a);
    case OpId::floor:
      return std::floor(a);
    case OpId::ceil:
      return std::ceil(a);
    case OpId::round:
      return std::nearbyint(a);
    case OpId::trunc:
      return std::trunc(a);
    case OpId::isnan:
      return std::isnan(a);
    case OpId::isfinite:
      return std::isfinite(a);
    case OpId::where:
      return a != 0 ? b : c;
    case OpId::clamp:
      return smaller(larger(a, b), c);
    case OpId::multiply_add:
      return a * b + c;
    default:
      throw std::logic_error("op_reference.cc does not know this op");
  }
}

template <class F>
Array all_pointwise(const F& element, const Arrays& x) {
  Shape shape = x[0].shape;
  for (const Array& each : x) shape = broadcast_shapes("reference", shape, each.shape);
  Array y = array_of(shape);
  for_each(shape, [&](const Index& index) {
    double arguments[3] = {};
    for (std::size_t i = 0; i < x.size(); ++i) {
      arguments[i] = at(x[i], broadcast_index(index, x[i].shape));
    }
    at(y, index) = element(arguments[0], arguments[1], arguments[2]);
  });
  return y;
}

// --- Reductions, views, moves ---

Array fold(const Array& x, const Index& axes, double start,
           const std::function<double(double, double)>& combine) {
  Shape shape = x.shape;
  for (const std::int64_t axis : axes) shape.set(static_cast<int>(axis), 1);
  Array y = array_of(shape, start);
  for_each(x.shape, [&](const Index& index) {
    double& total = at(y, broadcast_index(index, shape));
    total = combine(total, at(x, index));
  });
  return y;
}

Array cumsum(const Array& x, const Attributes& attributes) {
  const auto axis = static_cast<std::size_t>(attributes.integer("axis"));
  const std::int64_t last = x.shape[static_cast<int>(axis)] - 1;
  const bool reverse = attributes.integer("reverse") != 0;
  Array y = x;
  // In the order in which the sums grow: that of the elements, or the opposite.
  const auto add_one_before = [&](Index i) {
    double& sum = at(y, i);
    if (i[axis] == (reverse ? last : 0)) return;
    i[axis] += reverse ? 1 : -1;
    sum += at(y, i);
  };
  std::vector<Index> all;
  for_each(x.shape, [&](const Index& i) { all.push_back(i); });
  if (reverse) std::reverse(all.begin(), all.end());
  for (const Index& i : all) add_one_before(i);
  return y;
}

Array moved(OpId op, const Array& x, const Attributes& attributes) {
  if (op == OpId::copy) return x;
  if (op == OpId::reshape) return {shape_of(attributes), x.values};
  if (op == OpId::broadcast_to) {
    Array y = array_of(shape_of(attributes));
    for_each(y.shape, [&](const Index& i) { at(y, i) = at(x, broadcast_index(i, x.shape)); });
    return y;
  }
  if (op == OpId::permute) {
    const Index& axes = attributes.integers("axes");
    Index lengths;
    for (const std::int64_t axis : axes) lengths.push_back(x.shape[static_cast<int>(axis)]);
    Array y = array_of(Shape(lengths));
    for_each(x.shape, [&](const Index& i) {
      Index to;
      for (const std::int64_t axis : axes) to.push_back(i[static_cast<std::size_t>(axis)]);
      at(y, to) = at(x, i);
    });
    return y;
  }
  if (op == OpId::slice) {
    const auto axis = static_cast<std::size_t>(attributes.integer("axis"));
    Shape shape = x.shape;
    shape.set(static_cast<int>(axis), attributes.integer("end") - attributes.integer("begin"));
    Array y = array_of(shape);
    for_each(shape, [&](const Index& i) {
      Index from = i;
      from[axis] += attributes.integer("begin");
      at(y, i) = at(x, from);
    });
    return y;
  }
  const Index& low = attributes.integers("low");
  const Index& high = attributes.integers("high");
  Index lengths = x.shape.to_vector();
  for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] += low[i] + high[i];
  Array y = array_of(Shape(lengths));
  for_each(x.shape, [&](const Index& i) {
    Index to = i;
    for (std::size_t axis = 0; axis < to.size(); ++axis) to[axis] += low[axis];
    at(y, to) = at(x, i);
  });
  return y;
}

Array packed(const Arrays& x, const Attributes& attributes) {
  Array y = array_of(Shape({attributes.integer("elements")}));
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::copy(x[i].values.begin(), x[i].values.end(),
              y.values.begin() + attributes.integers("offsets")[i]);
  }
  return y;
}

// --- Contractions and pooling ---

Array matmul(const Array& a, const Array& b) {
  Shape shape = a.shape;
  const std::size_t rank = static_cast<std::size_t>(shape.rank());
  shape.set(-1, b.shape.dim(-1));
  Array y = array_of(shape);
  for_each(shape, [&](const Index& index) {
    for (std::int64_t k = 0; k < a.shape.dim(-1); ++k) {
      Index left = index;
      Index right = index;
      left[rank - 1] = k;
      right[rank - 2] = k;
      at(y, index) += at(a, left) * at(b, right);
    }
  });
  return y;
}

// The numbers of a window; where an attribute is left out, what that means.
struct Windows {
  explicit Windows(const Attributes& attributes)
      : stride(attributes.integers("stride")), low(attributes.integers("padding")) {
    const std::size_t rank = stride.size();
    high = Index(low.end() - static_cast<std::ptrdiff_t>(rank), low.end());
    low.resize(rank);
    dilation = attributes.has("dilation") ? attributes.integers("dilation") : Index(rank, 1);
    groups = attributes.has("groups") ? attributes.integer("groups") : 1;
  }

  std::size_t rank() const { return stride.size(); }
  // How many windows there are along an axis.
  std::int64_t count(std::size_t axis, std::int64_t image, std::int64_t kernel) const {
    const std::int64_t reach = dilation[axis] * (kernel - 1) + 1;
    return (image + low[axis] + high[axis] - reach) / stride[axis] + 1;
  }
  // The pixel under tap `k` of window `o`; both have the batch or a channel around the places.
  Index pixel(const Index& o, const Index& k) const {
    Index pixel = o;
    for (std::size_t i = 0; i < rank(); ++i) {
      pixel[i + 1] = o[i + 1] * stride[i] - low[i] + k[i + 1] * dilation[i];
    }
    return pixel;
  }

  Index stride, low, high, dilation;
  std::int64_t groups = 1;
};

bool is_inside(const Index& pixel, const Shape& image) {
  for (int i = 1; i < image.rank() - 1; ++i) {
    const std::int64_t at = pixel[static_cast<std::size_t>(i)];
    if (at < 0 || at >= image[i]) return false;
  }
  return true;
}

// (first, the inner axes' lengths, last).
Shape around(std::int64_t first, const Index& inner, std::int64_t last) {
  Index lengths{first};
  lengths.insert(lengths.end(), inner.begin(), inner.end());
  lengths.push_back(last);
  return Shape(lengths);
}

// Calls visit(image index, weight index, result index) for every product of a convolution.
template <class F>
void for_each_tap(const Shape& x, const Shape& w, const Shape& y, const Windows& windows, F visit) {
  Shape taps = w;
  taps.set(0, 1);
  for_each(y, [&](const Index& o) {
    for_each(taps, [&](Index k) {
      Index pixel = windows.pixel(o, k);
      if (!is_inside(pixel, x)) return;
      const std::int64_t group = o.back() / (y.dim(-1) / windows.groups);
      pixel.back() = group * w.dim(-1) + k.back();
      k.front() = o.back();
      visit(pixel, k, o);
    });
  });
}

Array convolution(OpId op, const Arrays& in, const Attributes& attributes) {
  const Windows windows(attributes);
  const Shape& first = in[0].shape;
  const Shape& second = in[1].shape;
  if (op == OpId::conv) {
    Index counts;
    for (std::size_t i = 0; i < windows.rank(); ++i) {
      const auto axis = static_cast<int>(i) + 1;
      counts.push_back(windows.count(i, first[axis], second[axis]));
    }
    Array y = array_of(around(first[0], counts, second[0]));
    for_each_tap(first, second, y.shape, windows,
                 [&](Index i, Index w, Index o) { at(y, o) += at(in[0], i) * at(in[1], w); });
    return y;
  }
  if (op == OpId::conv_input_gradient) {
    Array dx =
        array_of(around(first[0], attributes.integers("size"), second.dim(-1) * windows.groups));
    for_each_tap(dx.shape, second, first, windows,
                 [&](Index i, Index w, Index o) { at(dx, i) += at(in[0], o) * at(in[1], w); });
    return dx;
  }
  Array dw = array_of(
      around(second.dim(-1), attributes.integers("kernel"), first.dim(-1) / windows.groups));
  for_each_tap(first, dw.shape, second, windows,
               [&](Index i, Index w, Index o) { at(dw, w) += at(in[0], i) * at(in[1], o); });
  return dw;
}

// The pixel at a recorded position of window `o`.
Index pooled_from(const Index& o, std::int64_t position, const Attributes& attributes) {
  const Index& kernel = attributes.integers("kernel");
  Index tap = o;
  for (std::size_t i = kernel.size(); i-- > 0;) {
    tap[i + 1] = position % kernel[i];
    position /= kernel[i];
  }
  return Windows(attributes).pixel(o, tap);
}

Arrays pooling(OpId op, const Arrays& in, const Attributes& attributes) {
  const Index& kernel = attributes.integers("kernel");
  const Shape& x = in[0].shape;
  if (op == OpId::max_pool_gradient) {
    Array dx = array_of(around(x[0], attributes.integers("size"), x.dim(-1)));
    for_each(x, [&](const Index& o) {
      const auto position = static_cast<std::int64_t>(at(in[1], o));
      at(dx, pooled_from(o, position, attributes)) += at(in[0], o);
    });
    return {dx};
  }
  if (op == OpId::max_pool_gather) {
    Array y = array_of(in[1].shape);
    for_each(y.shape, [&](const Index& o) {
      const auto position = static_cast<std::int64_t>(at(in[1], o));
      at(y, o) = at(in[0], pooled_from(o, position, attributes));
    });
    return {y};
  }
  const Windows windows(attributes);
  Index counts;
  std::int64_t taps = 1;
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    counts.push_back(windows.count(i, x[static_cast<int>(i) + 1], kernel[i]));
    taps *= kernel[i];
  }
  Array y = array_of(around(x[0], counts, x.dim(-1)));
  Array best = y;
  for_each(y.shape, [&](const Index& o) {
    bool found = false;
    for (std::int64_t position = 0; position < taps; ++position) {
      const Index i = pooled_from(o, position, attributes);
      if (!is_inside(i, x)) continue;
      const double value = at(in[0], i);
      const bool wins =
          !found || (!std::isnan(at(y, o)) && (std::isnan(value) || value > at(y, o)));
      if (!wins) continue;
      found = true;
      at(y, o) = value;
      at(best, o) = static_cast<double>(position);
    }
  });
  return {y, best};
}

// --- Indices and random numbers ---

Array gathered(const Array& x, const Array& ids) {
  Index lengths = ids.shape.to_vector();
  lengths.insert(lengths.end(), x.shape.begin() + 1, x.shape.end());
  Array y = array_of(Shape(lengths));
  const std::size_t row = x.values.size() / static_cast<std::size_t>(x.shape[0]);
  for (std::size_t i = 0; i < ids.values.size(); ++i) {
    const auto from = static_cast<std::size_t>(ids.values[i]) * row;
    for (std::size_t j = 0; j < row; ++j) y.values[i * row + j] = x.values[from + j];
  }
  return y;
}

Array segments(const Array& x, const Array& ids, std::int64_t count) {
  Shape shape = x.shape;
  shape.set(0, count);
  Array y = array_of(shape);
  const std::size_t row = y.values.size() / static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < ids.values.size(); ++i) {
    const auto to = static_cast<std::size_t>(ids.values[i]) * row;
    for (std::size_t j = 0; j < row; ++j) y.values[to + j] += x.values[i * row + j];
  }
  return y;
}

Array random_numbers(OpId op, const Array& position, const Attributes& attributes) {
  Array y = array_of(shape_of(attributes));
  const auto key = philox::key_from_seed(static_cast<std::uint64_t>(position.values[0]));
  const std::size_t each = op == OpId::bernoulli ? 8 : 4;
  for (std::size_t e = 0; e < y.values.size(); ++e) {
    const auto counter = static_cast<std::uint64_t>(position.values[1]) + e / each;
    const philox::Block block = philox::generate(philox::counter_at(counter, 0), key);
    if (op == OpId::uniform) {
      y.values[e] = static_cast<double>(block.words[e % 4] >> 8) * 0x1p-24;
    } else {
      const std::uint32_t bits = block.words[e % 8 / 2] >> (e % 2 == 0 ? 0 : 16) & 0xFFFFu;
      y.values[e] = bits < std::round(attributes.real("p") * 65536) ? 1 : 0;
    }
  }
  return y;
}

// --- Compositions ---

Array log_softmax(const Array& x) {
  Array y = x;
  const std::size_t row = static_cast<std::size_t>(x.shape.dim(-1));
  for (std::size_t begin = 0; begin < x.values.size(); begin += row) {
    const double* values = x.values.data() + begin;
    const double largest = *std::max_element(values, values + row);
    double total = 0;
    for (std::size_t i = 0; i < row; ++i) total += std::exp(values[i] - largest);
    for (std::size_t i = 0; i < row; ++i) {
      y.values[begin + i] = values[i] - largest - std::log(total);
    }
  }
  return y;
}

Array softmax(const Array& x) {
  Array y = log_softmax(x);
  for (double& value : y.values) value = std::exp(value);
  return y;
}

Array cross_entropy(const Array& logits, const Array& labels) {
  const Array all = log_softmax(logits);
  double total = 0;
  for (std::int64_t n = 0; n < logits.shape[0]; ++n) {
    const auto label = static_cast<std::int64_t>(labels.values[static_cast<std::size_t>(n)]);
    const bool inside = label >= 0 && label < logits.shape[1];
    total += inside ? -at(all, {n, label}) : kNan;
  }
  return {Shape(), {total / static_cast<double>(logits.shape[0])}};
}

Arrays batch_norm(const Arrays& in, double epsilon) {
  const Array& x = in[0];
  const std::size_t channels = in[1].values.size();
  const double count = static_cast<double>(x.values.size()) / static_cast<double>(channels);
  Array mean = array_of(in[1].shape);
  Array variance = array_of(in[1].shape);
  Array y = x;
  for (std::size_t i = 0; i < x.values.size(); ++i)
    mean.values[i % channels] += x.values[i] / count;
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const double centered = x.values[i] - mean.values[i % channels];
    variance.values[i % channels] += centered * centered / count;
  }
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const std::size_t c = i % channels;
    y.values[i] =
        (x.values[i] - mean.values[c]) / std::sqrt(variance.values[c] + epsilon) * in[1].values[c] +
        in[2].values[c];
  }
  return {y, mean, variance, array_of(in[1].shape)};
}

Arrays layer_norm(const Arrays& in, double epsilon) {
  const Array& x = in[0];
  const std::size_t width = in[1].values.size();
  Shape rows = x.shape;
  for (int i = 1; i <= in[1].shape.rank(); ++i) rows.set(x.shape.rank() - i, 1);
  Arrays results = {x, array_of(rows), array_of(rows), array_of(rows)};
  for (std::size_t row = 0; row < results[1].values.size(); ++row) {
    double* const values = results[0].values.data() + row * width;
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < width; ++i) mean += values[i] / static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i) {
      variance += (values[i] - mean) * (values[i] - mean) / static_cast<double>(width);
    }
    results[1].values[row] = mean;
    results[2].values[row] = 1 / std::sqrt(variance + epsilon);
    for (std::size_t i = 0; i < width; ++i) {
      values[i] = (values[i] - mean) * results[2].values[row] * in[1].values[i] + in[2].values[i];
    }
  }
  return results;
}

double binary_cross_entropy(double p, double target) {
  const auto log = [](double x) { return std::isnan(x) ? x : std::max(std::log(x), -100.0); };
  return -(target * log(p) + (1 - target) * log(1 - p));
}

Array made(OpId op, const Attributes& attributes) {
  if (op == OpId::full) return array_of(shape_of(attributes), attributes.real("value"));
  Array y = array_of(shape_of(attributes));
  const auto axis = static_cast<std::size_t>(attributes.integer("axis"));
  for_each(y.shape, [&](const Index& i) { at(y, i) = static_cast<double>(i[axis]); });
  return y;
}

}  // namespace

Array pointwise_reference(double (*naive)(double a, double b, double c), const Arrays& in) {
  return all_pointwise(naive, in);
}

std::vector<Array> reference(OpId op, const Arrays& in, const Attributes& attributes,
                             const std::vector<Dtype>& dtypes) {
  if (op >= OpId::first_pointwise) {
    const auto element = [&](double a, double b, double c) { return pointwise(op, a, b, c); };
    return {all_pointwise(element, in)};
  }
  switch (op) {
    case OpId::full:
    case OpId::iota:
      return {made(op, attributes)};
    case OpId::cast: {
      Array y = in[0];
      const bool from_float = std::any_of(y.values.begin(), y.values.end(), [](double x) {
        return x != std::trunc(x) || std::fabs(x) > 1e6;
      });
      for (double& value : y.values) {
        value = dtypes[0] == Dtype::u8 ? to_u8(value, from_float) : convert(value, dtypes[0]);
      }
      return {y};
    }
    case OpId::sum:
      return {
          fold(in[0], attributes.integers("axes"), 0, [](double a, double b) { return a + b; })};
    case OpId::product:
      return {
          fold(in[0], attributes.integers("axes"), 1, [](double a, double b) { return a * b; })};
    case OpId::max:
      return {fold(in[0], attributes.integers("axes"), -kInfinity, larger)};
    case OpId::min:
      return {fold(in[0], attributes.integers("axes"), kInfinity, smaller)};
    case OpId::reshape:
    case OpId::permute:
    case OpId::slice:
    case OpId::broadcast_to:
    case OpId::copy:
    case OpId::pad:
      return {moved(op, in[0], attributes)};
    case OpId::pack:
      return {packed(in, attributes)};
    case OpId::matmul:
      return {matmul(in[0], in[1])};
    case OpId::conv:
    case OpId::conv_input_gradient:
    case OpId::conv_weight_gradient:
      return {convolution(op, in, attributes)};
    case OpId::max_pool:
    case OpId::max_pool_gradient:
    case OpId::max_pool_gather:
      return pooling(op, in, attributes);
    case OpId::gather:
      return {gathered(in[0], in[1])};
    case OpId::segment_sum:
      return {segments(in[0], in[1], attributes.integer("segments"))};
    case OpId::cumsum:
      return {cumsum(in[0], attributes)};
    case OpId::bernoulli:
    case OpId::uniform:
      return {random_numbers(op, in[0], attributes)};
    case OpId::softmax:
      return {softmax(in[0])};
    case OpId::log_softmax:
      return {log_softmax(in[0])};
    case OpId::cross_entropy:
      return {cross_entropy(in[0], in[1])};
    case OpId::binary_cross_entropy:
      return {
          all_pointwise([](double p, double t, double) { return binary_cross_entropy(p, t); }, in)};
    case OpId::batch_norm:
      return batch_norm(in, attributes.real("epsilon"));
    case OpId::layer_norm:
      return layer_norm(in, attributes.real("epsilon"));
    default:
      throw std::logic_error("op_reference.cc does not know this op");
  }
}

}  // namespace sinter
