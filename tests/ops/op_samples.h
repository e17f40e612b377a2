// Sample calls of every op. The tests of op_test.cc run all of them in all ways. A new pointwise op
// adds one row, which says what it computes; any other adds rows, and a naive version of itself in
// op_reference.cc.
#ifndef SINTER_TESTS_OPS_OP_SAMPLES_H_
#define SINTER_TESTS_OPS_OP_SAMPLES_H_

#include <functional>
#include <string>
#include <vector>

#include "ir/op.h"
#include "ops/op_reference.h"
#include "sinter/tensor.h"

namespace sinter {

// One input. Values are held as doubles and rounded to the dtype when the input is made.
struct SampleInput {
  Dtype dtype = Dtype::f64;
  Shape shape;
  std::vector<double> values;
};

// One call. Inputs of dtype f64 stand for f64 and f32, of pointwise ops also for bf16 and f16; all
// others have the one dtype they need.
struct Sample {
  ir::OpId op = ir::OpId::count;
  std::string name;  // "matmul: batched"
  std::vector<SampleInput> inputs;
  ir::Attributes attributes;
  // Whether the floating results are smooth in the floating inputs here, so that finite differences
  // mean something. Ops without a gradient function are not.
  bool is_smooth = false;
  // Largest error of an f32 element, relative to 1 + its magnitude; tolerance_of() has the others.
  double tolerance = 2e-6;
  // pointwise: the result of one element; null: op_reference.cc knows the op.
  double (*naive)(double a, double b, double c) = nullptr;
  // A user function that is composed of ops, instead of an op, and its naive version.
  std::function<Tensor(const std::vector<Tensor>& inputs)> function;
  std::function<Array(const std::vector<Array>& inputs)> naive_function;
  bool function_contracts = false;  // whether that function is one contraction
};

// Readable when a test fails.
void PrintTo(const Sample& sample, std::ostream* out);

const std::vector<Sample>& op_samples();

// Rows of user functions that are no ops of their own; a part of the above (function_samples.cc).
std::vector<Sample> function_samples();

// Whether it is a contraction: devices and vendors' libraries may round it differently.
bool is_contraction(const Sample& sample);

// The largest error in this dtype. f64: 1e-7 of that of f32; bf16 and f16, which compute in f32: a
// unit in the last place beside it.
double tolerance_of(const Sample& sample, Dtype dtype);
// The number that is stored when a floating dtype takes this one.
double stored(double value, Dtype dtype);

// The value of an input, floating ones in `floating`.
Tensor make_tensor(const SampleInput& input, Dtype floating);
// The elements of a tensor of any dtype.
std::vector<double> elements_of(const Tensor& tensor);

}  // namespace sinter

#endif  // SINTER_TESTS_OPS_OP_SAMPLES_H_
