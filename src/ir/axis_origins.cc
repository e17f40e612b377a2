#include "ir/axis_origins.h"

#include <algorithm>
#include <vector>

namespace sinter::ir {
namespace {

std::size_t at(int axis) { return static_cast<std::size_t>(axis); }

// The origins of one result, put together from those of its inputs.
class Origins {
 public:
  explicit Origins(const Shape& shape) : shape_(shape) {}

  // Axis `axis` of the result is one of `length` elements with this origin in a value whose
  // flattened axis, if it has one, is that of `whole`.
  void meet(int axis, AxisOrigin origin, std::int64_t length, const AxisOrigins& whole) {
    if (length == 1 || shape_[axis] == 1) return;
    if (origin != AxisOrigin::flattened) {
      raise_to(axis, origin);
    } else if (length != shape_[axis]) {
      raise_to(axis, AxisOrigin::irregular);
    } else {
      flatten(axis, whole.positions, whole.channels);
    }
  }

  void set(int axis, AxisOrigin origin) {
    if (shape_[axis] != 1) raise_to(axis, origin);
  }

  // There is room to note one flattened axis.
  void flatten(int axis, std::int64_t positions, std::int64_t channels) {
    const bool other =
        result_.channels != 0 &&
        (flattened_ != axis || result_.positions != positions || result_.channels != channels);
    raise_to(axis, other ? AxisOrigin::irregular : AxisOrigin::flattened);
    if (other) return;
    flattened_ = axis;
    result_.positions = positions;
    result_.channels = channels;
  }

  AxisOrigin operator[](int axis) const { return result_[axis]; }
  const AxisOrigins& result() const { return result_; }

 private:
  void raise_to(int axis, AxisOrigin origin) {
    AxisOrigin& now = result_.axes[at(axis)];
    now = std::max(now, origin);
  }

  const Shape& shape_;
  AxisOrigins result_;
  int flattened_ = -1;
};

void align(const AxisSource& input, const Shape& result, Origins* origins) {
  if (input.origins == nullptr) return;
  const int shift = result.rank() - input.shape.rank();
  for (int axis = std::max(0, -shift); axis < input.shape.rank(); ++axis) {
    origins->meet(axis + shift, (*input.origins)[axis], input.shape[axis], *input.origins);
  }
}

void make_image(const Shape& result, Origins* origins) {
  for (int axis = 1; axis + 1 < result.rank(); ++axis) origins->set(axis, AxisOrigin::position);
  if (result.rank() > 1) origins->set(result.rank() - 1, AxisOrigin::channel);
}

void permute(const AxisSource& input, const std::vector<std::int64_t>& axes, Origins* origins) {
  if (input.origins == nullptr) return;
  for (int axis = 0; axis < input.shape.rank(); ++axis) {
    const auto from = static_cast<int>(axes[at(axis)]);
    origins->meet(axis, (*input.origins)[from], input.shape[from], *input.origins);
  }
}

// What makes an axis of the product is, beside positions or channels, what a 1 x 1 convolution
// makes: channels.
void multiply(const AxisSource& a, const AxisSource& b, const Shape& result, Origins* origins) {
  const int rank = result.rank();
  bool any = false;
  for (const AxisSource* input : {&a, &b}) {
    if (input->origins == nullptr) continue;
    for (int axis = 0; axis < rank; ++axis) {
      const bool contracted = axis == (input == &a ? rank - 1 : rank - 2);
      if (contracted) continue;
      origins->meet(axis, (*input->origins)[axis], input->shape[axis], *input->origins);
      any = any || (*origins)[axis] != AxisOrigin::plain;
    }
  }
  if (!any) return;
  const int last = rank - 1;
  if ((*origins)[last] == AxisOrigin::plain) origins->set(last, AxisOrigin::channel);
}

// Axes of an input that become axes of the result: as few as have the same product.
struct Run {
  std::vector<int> from;
  std::vector<int> to;
};

std::vector<int> longer_axes(const Shape& shape) {
  std::vector<int> axes;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] != 1) axes.push_back(axis);
  }
  return axes;
}

// REQUIRES: shapes with as many elements, and at least one.
std::vector<Run> runs_of(const Shape& from, const Shape& to) {
  const std::vector<int> from_axes = longer_axes(from);
  const std::vector<int> to_axes = longer_axes(to);
  std::vector<Run> runs;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < from_axes.size()) {
    Run run{{from_axes[i]}, {to_axes[j]}};
    std::int64_t from_product = from[from_axes[i++]];
    std::int64_t to_product = to[to_axes[j++]];
    while (from_product != to_product) {
      if (from_product < to_product) {
        run.from.push_back(from_axes[i]);
        from_product *= from[from_axes[i++]];
      } else {
        run.to.push_back(to_axes[j]);
        to_product *= to[to_axes[j++]];
      }
    }
    runs.push_back(std::move(run));
  }
  return runs;
}

// A flattened axis that is split where it was put together.
bool unflatten(const AxisOrigins& input, const Run& run, const Shape& result, Origins* origins) {
  std::int64_t inner = 1;
  std::size_t split = run.to.size();
  while (split > 0 && inner < input.channels) inner *= result[run.to[--split]];
  if (inner != input.channels || split == 0) return false;
  for (std::size_t i = 0; i < run.to.size(); ++i) {
    origins->set(run.to[i], i < split ? AxisOrigin::position : AxisOrigin::channel);
  }
  return true;
}

void reshape_run(const AxisSource& input, const Run& run, const Shape& result, Origins* origins) {
  const AxisOrigins& before = *input.origins;
  if (run.from.size() == 1 && run.to.size() == 1) {
    origins->meet(run.to[0], before[run.from[0]], input.shape[run.from[0]], before);
    return;
  }
  const auto set_all = [&](AxisOrigin origin) {
    for (const int axis : run.to) origins->set(axis, origin);
  };
  const auto is = [&](AxisOrigin origin) {
    return [&before, origin](int axis) { return before[axis] == origin; };
  };
  const auto count = [&](AxisOrigin origin) {
    return std::count_if(run.from.begin(), run.from.end(), is(origin));
  };
  const auto all = static_cast<std::ptrdiff_t>(run.from.size());
  if (count(AxisOrigin::flattened) + count(AxisOrigin::irregular) > 0) {
    const bool is_split = all == 1 && before[run.from[0]] == AxisOrigin::flattened;
    if (!is_split || !unflatten(before, run, result, origins)) set_all(AxisOrigin::irregular);
    return;
  }
  if (count(AxisOrigin::position) == 0 || count(AxisOrigin::channel) == 0) {
    // Of one origin, or beside axes of the batch.
    set_all(count(AxisOrigin::position) > 0  ? AxisOrigin::position
            : count(AxisOrigin::channel) > 0 ? AxisOrigin::channel
                                             : AxisOrigin::plain);
    return;
  }
  const bool positions_first =
      std::is_partitioned(run.from.begin(), run.from.end(), is(AxisOrigin::position));
  const bool channels_first =
      std::is_partitioned(run.from.begin(), run.from.end(), is(AxisOrigin::channel));
  if (count(AxisOrigin::plain) > 0 || (!positions_first && !channels_first)) {
    set_all(AxisOrigin::irregular);
  } else if (channels_first) {
    set_all(AxisOrigin::channel);  // the order of files already
  } else if (run.to.size() == 1) {
    std::int64_t positions = 1;
    std::int64_t channels = 1;
    for (const int axis : run.from) {
      (before[axis] == AxisOrigin::position ? positions : channels) *= input.shape[axis];
    }
    origins->flatten(run.to[0], positions, channels);
  } else {
    set_all(AxisOrigin::irregular);
  }
}

void reshape(const AxisSource& input, const Shape& result, Origins* origins) {
  if (input.origins == nullptr || result.elements() == 0) return;
  for (const Run& run : runs_of(input.shape, result)) reshape_run(input, run, result, origins);
}

}  // namespace

bool AxisOrigins::any() const {
  return std::any_of(axes.begin(), axes.end(),
                     [](AxisOrigin origin) { return origin != AxisOrigin::plain; });
}

AxisOrigins follow_axes(AxisRule rule, std::span<const AxisSource> inputs,
                        const Attributes& attributes, const Shape& result) {
  Origins origins(result);
  switch (rule) {
    case AxisRule::aligned:
      for (const AxisSource& input : inputs) align(input, result, &origins);
      break;
    case AxisRule::image:
      make_image(result, &origins);
      break;
    case AxisRule::reshape:
      reshape(inputs[0], result, &origins);
      break;
    case AxisRule::permute:
      permute(inputs[0], attributes.integers("axes"), &origins);
      break;
    case AxisRule::matmul:
      multiply(inputs[0], inputs[1], result, &origins);
      break;
  }
  return origins.result();
}

}  // namespace sinter::ir
