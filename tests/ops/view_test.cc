// The layouts of views against index arithmetic: each element of a view is the element of its input
// that row-major counting says.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

#include "ops/list.h"

namespace sinter {
namespace {

using ir::Layout;
using ir::OpId;
using Numbers = std::vector<std::int64_t>;

// The addresses of all elements in row-major order.
Numbers addresses(const Layout& layout) {
  Numbers all;
  for (std::int64_t i = 0; i < layout.shape.elements(); ++i) {
    std::int64_t rest = i;
    std::int64_t address = layout.offset;
    for (int axis = layout.shape.rank() - 1; axis >= 0; --axis) {
      address += rest % layout.shape[axis] * layout.strides[static_cast<std::size_t>(axis)];
      rest /= layout.shape[axis];
    }
    all.push_back(address);
  }
  return all;
}

// Whether some strides give these addresses in this shape: each axis's stride shows in one step
// along it.
bool is_expressible(const Numbers& wanted, const Shape& shape) {
  if (wanted.empty()) return true;
  Layout layout{shape, wanted[0], Numbers(static_cast<std::size_t>(shape.rank()))};
  const Numbers steps = ir::row_major_strides(shape);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto at = static_cast<std::size_t>(axis);
    if (shape[axis] > 1)
      layout.strides[at] = wanted[static_cast<std::size_t>(steps[at])] - wanted[0];
  }
  return addresses(layout) == wanted;
}

class RandomViews : public testing::Test {
 protected:
  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(bound));
  }
  Shape any_shape(int most_axes) {
    Numbers lengths(static_cast<std::size_t>(below(most_axes + 1)));
    for (std::int64_t& length : lengths) length = below(4) == 0 ? 1 : 1 + below(4);
    return Shape(lengths);
  }
  // Another shape of the same number of elements.
  Shape regrouped(const Shape& shape) {
    std::int64_t rest = shape.elements();
    Numbers lengths;
    while (rest > 1 && lengths.size() < 6) {
      Numbers divisors;
      for (std::int64_t d = 1; d <= rest; ++d) {
        if (rest % d == 0) divisors.push_back(d);
      }
      lengths.push_back(
          divisors[static_cast<std::size_t>(below(static_cast<std::int64_t>(divisors.size())))]);
      rest /= lengths.back();
    }
    lengths.push_back(rest);
    return Shape(lengths);
  }
  std::optional<Layout> view(OpId op, const Layout& input, const ir::Attributes& attributes) {
    const ir::Op& found = ir::find(op_list(), op);
    const std::vector<ir::TensorType> types = {{Dtype::f32, input.shape}};
    return found.view(input, found.infer({types, attributes, {}}).front(), attributes);
  }
  // A layout that a few views of something dense have made.
  Layout any_layout() {
    Layout layout = ir::dense_layout(any_shape(4));
    for (std::int64_t i = below(3); i > 0; --i) {
      layout = below(2) == 0 ? *view(OpId::permute, layout, any_permutation(layout.shape))
                             : any_slice_or_broadcast(layout);
    }
    return layout;
  }
  ir::Attributes any_permutation(const Shape& shape) {
    Numbers axes(static_cast<std::size_t>(shape.rank()));
    for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<std::int64_t>(i);
    std::shuffle(axes.begin(), axes.end(), random_);
    return {{"axes", axes}};
  }
  ir::Attributes any_slice(const Shape& shape) {
    const std::int64_t axis = below(shape.rank());
    const std::int64_t length = shape[static_cast<int>(axis)];
    const std::int64_t begin = below(length);
    return {{"axis", axis}, {"begin", begin}, {"end", begin + 1 + below(length - begin)}};
  }
  Layout any_slice_or_broadcast(const Layout& layout) {
    if (layout.shape.rank() > 0 && below(2) == 0) {
      return *view(OpId::slice, layout, any_slice(layout.shape));
    }
    return any_broadcast(layout);
  }
  Layout any_broadcast(const Layout& layout) {
    Numbers lengths = layout.shape.to_vector();
    for (std::int64_t& length : lengths) {
      if (length == 1) length = 1 + below(3);
    }
    if (lengths.size() < 5) lengths.insert(lengths.begin(), 1 + below(2));
    return *view(OpId::broadcast_to, layout, {{"shape", lengths}});
  }

  std::mt19937_64 random_{7};
};

TEST_F(RandomViews, ReshapeKeepsTheRowMajorOrderOrRefuses) {
  int expressed = 0;
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    const Layout input = any_layout();
    const Shape to = regrouped(input.shape);
    const std::optional<Layout> result = view(OpId::reshape, input, {{"shape", to.to_vector()}});
    if (!result) {
      ++refused;
      ASSERT_FALSE(is_expressible(addresses(input), to))
          << input.shape.to_string() << " to " << to.to_string();
      continue;
    }
    ++expressed;
    ASSERT_EQ(result->shape, to);
    ASSERT_EQ(addresses(*result), addresses(input))
        << input.shape.to_string() << " to " << to.to_string();
  }
  EXPECT_GT(expressed, 1000);
  EXPECT_GT(refused, 1000);
}

TEST_F(RandomViews, PermuteMovesElementsWithTheirAxes) {
  for (int i = 0; i < 2000; ++i) {
    const Layout input = any_layout();
    const ir::Attributes attributes = any_permutation(input.shape);
    const Layout result = *view(OpId::permute, input, attributes);
    const Numbers& axes = attributes.integers("axes");
    const Numbers from = addresses(input);
    const Numbers steps = ir::row_major_strides(input.shape);
    const Numbers to = addresses(result);
    for (std::size_t e = 0; e < to.size(); ++e) {
      std::int64_t rest = static_cast<std::int64_t>(e);
      std::int64_t position = 0;
      for (int axis = result.shape.rank() - 1; axis >= 0; --axis) {
        const auto source = static_cast<std::size_t>(axes[static_cast<std::size_t>(axis)]);
        position += rest % result.shape[axis] * steps[source];
        rest /= result.shape[axis];
      }
      ASSERT_EQ(to[e], from[static_cast<std::size_t>(position)]);
    }
  }
}

TEST_F(RandomViews, SliceAndBroadcastReadTheElementsThatIndicesSay) {
  for (int i = 0; i < 2000; ++i) {
    const Layout input = any_layout();
    const Numbers from = addresses(input);
    const Numbers steps = ir::row_major_strides(input.shape);
    const bool is_slice = input.shape.rank() > 0 && below(2) == 0;
    const ir::Attributes cut = is_slice ? any_slice(input.shape) : ir::Attributes();
    const Layout result = is_slice ? *view(OpId::slice, input, cut) : any_broadcast(input);
    const int added = result.shape.rank() - input.shape.rank();
    const Numbers to = addresses(result);
    for (std::size_t e = 0; e < to.size(); ++e) {
      std::int64_t rest = static_cast<std::int64_t>(e);
      std::int64_t position = 0;
      for (int axis = result.shape.rank() - 1; axis >= 0; --axis) {
        std::int64_t index = rest % result.shape[axis];
        rest /= result.shape[axis];
        if (axis < added) continue;
        if (is_slice && axis == cut.integer("axis")) index += cut.integer("begin");
        if (input.shape[axis - added] == 1) index = 0;
        position += index * steps[static_cast<std::size_t>(axis - added)];
      }
      ASSERT_EQ(to[e], from[static_cast<std::size_t>(position)]);
    }
  }
}

TEST(Views, ReshapeOfAnEmptyTensorIsDense) {
  const ir::Op& reshape = ir::find(op_list(), OpId::reshape);
  const Layout input{Shape({0, 3}), 5, {1, 7}};
  const auto result = reshape.view(input, {Dtype::f32, Shape({3, 0, 2})}, {});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->offset, 5);
  EXPECT_EQ(result->shape, Shape({3, 0, 2}));
}

}  // namespace
}  // namespace sinter
