// How the rows of samples are written.
#ifndef SINTER_TESTS_OPS_SAMPLE_ROWS_H_
#define SINTER_TESTS_OPS_SAMPLE_ROWS_H_

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ops/list.h"
#include "ops/op_samples.h"

namespace sinter {

// Numbers in [0, 1) that depend on nothing but how many were drawn.
class Draws {
 public:
  double next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<double>(state_ >> 40) * 0x1p-24;
  }

 private:
  std::uint64_t state_ = 20240601;
};

class Rows {
 public:
  SampleInput real(const Shape& shape, double low = -2, double high = 2) {
    SampleInput input{Dtype::f64, shape, {}};
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
      // Rounded to f32, so that the f32 and the f64 run see the same numbers.
      const double value = low + (high - low) * draws_.next();
      input.values.push_back(static_cast<double>(static_cast<float>(value)));
    }
    return input;
  }
  // Whole numbers, low <= x < high.
  SampleInput whole(const Shape& shape, std::int64_t low, std::int64_t high, Dtype dtype) {
    SampleInput input = real(shape, static_cast<double>(low), static_cast<double>(high));
    input.dtype = dtype;
    for (double& value : input.values) value = std::floor(value);
    return input;
  }
  SampleInput given(Dtype dtype, const Shape& shape, std::vector<double> values) {
    return {dtype, shape, std::move(values)};
  }

  Sample& add(ir::OpId op, const std::string& what, std::vector<SampleInput> inputs,
              ir::Attributes attributes = {}) {
    Sample sample;
    sample.op = op;
    sample.name = std::string(ir::find(op_list(), op).name) + ": " + what;
    sample.inputs = std::move(inputs);
    sample.attributes = std::move(attributes);
    samples_.push_back(std::move(sample));
    return samples_.back();
  }
  Sample& add_smooth(ir::OpId op, const std::string& what, std::vector<SampleInput> inputs,
                     ir::Attributes attributes = {}) {
    Sample& sample = add(op, what, std::move(inputs), std::move(attributes));
    sample.is_smooth = true;
    return sample;
  }

  // A row of a user function that is no op.
  template <class Function, class Naive>
  Sample& add_function(const std::string& what, std::vector<SampleInput> inputs, Function function,
                       Naive naive) {
    Sample sample;
    sample.name = what;
    sample.inputs = std::move(inputs);
    sample.function = std::move(function);
    sample.naive_function = std::move(naive);
    samples_.push_back(std::move(sample));
    return samples_.back();
  }
  template <class Function, class Naive>
  Sample& add_smooth_function(const std::string& what, std::vector<SampleInput> inputs,
                              Function function, Naive naive) {
    Sample& sample = add_function(what, std::move(inputs), std::move(function), std::move(naive));
    sample.is_smooth = true;
    return sample;
  }

  std::vector<Sample> take() { return std::move(samples_); }

 private:
  Draws draws_;
  std::vector<Sample> samples_;
};

}  // namespace sinter

#endif  // SINTER_TESTS_OPS_SAMPLE_ROWS_H_
