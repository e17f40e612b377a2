// Groups that the tests of the CUDA text share.
#ifndef SINTER_TESTS_BACKEND_CUDA_GROUPS_H_
#define SINTER_TESTS_BACKEND_CUDA_GROUPS_H_

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "ir/group.h"
#include "random_group.h"
#include "source_path.h"

namespace sinter::testing {

// y = relu(x + bias), and where it is 0.
inline ir::Group bias_relu(std::int64_t rows, std::int64_t columns) {
  using ir::ScalarOp;
  ir::Group group;
  group.space = Shape{rows, columns};
  BodyBuilder body(group);
  const std::int32_t x = body.load(Dtype::f32, {columns, 1});
  const std::int32_t bias = body.load(Dtype::f32, {0, 1});
  const std::int32_t sum = body.emit(ScalarOp::add, Dtype::f32, x, bias);
  const std::int32_t zero = body.constant(0.0F);
  const std::int32_t low = body.emit(ScalarOp::lt, Dtype::boolean, sum, zero);
  body.store(body.emit(ScalarOp::select, Dtype::f32, low, zero, sum), {columns, 1});
  body.store(body.emit(ScalarOp::le, Dtype::boolean, sum, zero), {columns, 1});
  return group;
}

// AdamW without its corrections: three arrays read and written, scalars from memory.
inline ir::Group adamw(std::int64_t length) {
  using ir::ScalarOp;
  const Dtype f32 = Dtype::f32;
  ir::Group group;
  group.space = Shape{length};
  BodyBuilder body(group);
  const std::int32_t p = body.load(f32, {1});
  const std::int32_t g = body.load(f32, {1});
  const std::int32_t m = body.load(f32, {1});
  const std::int32_t v = body.load(f32, {1});
  const std::int32_t rate = body.load(f32, {0});
  const std::int32_t difference = body.emit(ScalarOp::sub, f32, g, m);
  const std::int32_t scaled = body.emit(ScalarOp::mul, f32, difference, body.constant(0.1F));
  const std::int32_t m_new = body.emit(ScalarOp::add, f32, m, scaled);
  const std::int32_t square = body.emit(ScalarOp::mul, f32, g, g);
  const std::int32_t weighed = body.emit(ScalarOp::mul, f32, square, body.constant(0.001F));
  const std::int32_t v_new = body.emit(ScalarOp::fma, f32, v, body.constant(0.999F), weighed);
  const std::int32_t root = body.emit(ScalarOp::sqrt, f32, v_new);
  const std::int32_t below = body.emit(ScalarOp::add, f32, root, body.constant(1e-8F));
  const std::int32_t step = body.emit(ScalarOp::div, f32, m_new, below);
  const std::int32_t moved = body.emit(ScalarOp::mul, f32, step, rate);
  body.store(body.emit(ScalarOp::sub, f32, p, moved), {1});
  body.store(m_new, {1});
  body.store(v_new, {1});
  return group;
}

// Softmax with a polynomial for its exponential: three passes over a row, a value kept for each
// row.
inline ir::Group softmax(std::int64_t rows, std::int64_t columns) {
  using ir::ScalarOp;
  const Dtype f32 = Dtype::f32;
  ir::Group group;
  group.kind = ir::GroupKind::inner;
  group.space = Shape{rows, columns};
  group.reduced_axes = 1;
  BodyBuilder body(group);
  const std::int64_t stride = std::max<std::int64_t>(1, columns);
  const std::int32_t x = body.load(f32, {stride, 1});
  const std::int32_t most = body.emit(ScalarOp::reduce_max, f32, x);
  const std::int32_t centered = body.emit(ScalarOp::sub, f32, x, most);
  std::int32_t e = centered;
  for (int i = 0; i < 2; ++i) e = body.emit(ScalarOp::fma, f32, e, centered, body.constant(0.5F));
  const std::int32_t sum = body.emit(ScalarOp::reduce_sum, f32, e);
  body.store(body.emit(ScalarOp::div, f32, e, sum), {stride, 1});
  body.store(sum, {1, 0});
  return group;
}

// The gradient of a bias behind a relu: sums over the rows of what the mask lets through.
inline ir::Group bias_gradient(std::int64_t rows, std::int64_t columns) {
  using ir::ScalarOp;
  ir::Group group;
  group.kind = ir::GroupKind::outer;
  group.space = Shape{rows, columns};
  group.reduced_axes = 1;
  BodyBuilder body(group);
  const std::int32_t dy = body.load(Dtype::f32, {columns, 1});
  const std::int32_t mask = body.load(Dtype::boolean, {columns, 1});
  const std::int32_t dx = body.emit(ScalarOp::select, Dtype::f32, mask, body.constant(0.0F), dy);
  body.store(dx, {columns, 1});
  body.store(body.emit(ScalarOp::reduce_sum, Dtype::f32, dx), {0, 1});
  return group;
}

// The fused groups of the training steps of `mlp` and `cnn`, with 8 rows. Made by
//   SINTER_DUMP=folder sinter bench --batch 8;  cuda_groups --list folder/*program.txt
inline std::vector<ir::Group> step_groups() {
  std::ifstream file(tests::source_path("tests/golden/cuda/step_groups.txt"));
  std::vector<ir::Group> groups;
  std::string text;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("group ", 0) == 0 && !text.empty()) {
      groups.push_back(ir::parse_group(text));
      text.clear();
    }
    if (!line.empty()) text += line + "\n";
  }
  if (!text.empty()) groups.push_back(ir::parse_group(text));
  return groups;
}

}  // namespace sinter::testing

#endif  // SINTER_TESTS_BACKEND_CUDA_GROUPS_H_
