// What the ops compute, said again in the plainest way: loops over indices in double.
#ifndef SINTER_TESTS_OPS_OP_REFERENCE_H_
#define SINTER_TESTS_OPS_OP_REFERENCE_H_

#include <vector>

#include "ir/op.h"

namespace sinter {

struct Array {
  Shape shape;
  std::vector<double> values;
};

// The results of one call. `dtypes` are those of the results.
std::vector<Array> reference(ir::OpId op, const std::vector<Array>& inputs,
                             const ir::Attributes& attributes, const std::vector<Dtype>& dtypes);

// A pointwise op whose elements `naive` computes.
Array pointwise_reference(double (*naive)(double a, double b, double c),
                          const std::vector<Array>& inputs);

}  // namespace sinter

#endif  // SINTER_TESTS_OPS_OP_REFERENCE_H_
