// Mean and variance that keep their accuracy far from zero: for every op that centres its input.
#ifndef SINTER_OPS_MOMENTS_H_
#define SINTER_OPS_MOMENTS_H_

#include <vector>

#include "sinter/tensor.h"

namespace sinter::ops {

// The mean and the biased variance of x over `axes`, which stay with length 1.
//
// A mean that is rounded to x's type is off by up to half its last place, and one that was folded
// from n elements by several: 7 elements 99999.9 have the f32 mean 99999.91, so a constant would
// not be centred to 0. So the folded mean is only the origin of a second pass: the mean of x -
// origin corrects it, and the variance is taken about the corrected mean (the corrected two-pass
// algorithm: Chan, Golub, LeVeque 1983). Differences of numbers within a factor of two are exact,
// so a constant x has the mean x and the variance 0, and x far from zero loses only what its own
// rounding lost. Both sums of the second pass are folded in one loop over x.
struct Moments {
  Tensor centered;  // x less its mean, in the shape of x: exact but for one rounding
  Tensor mean;      // rounded once
  Tensor variance;  // never negative
  Tensor rest;      // what rounding took from the mean: (x - mean) - rest is centered again
};
// Axes as for mean(). REQUIRES: x is f32 or f64.
Moments moments(const Tensor& x, const std::vector<int>& axes);

}  // namespace sinter::ops

#endif  // SINTER_OPS_MOMENTS_H_
