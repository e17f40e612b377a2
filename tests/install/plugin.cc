// A shared library that has Sinter inside: tests/install/check makes two of it, which run in one
// process.
#include <sinter/sinter.h>

namespace si = sinter;

// The sum of a compiled product: 4 x SIZE ones by SIZE x 2 twos give 8 elements of 2 SIZE.
extern "C" __attribute__((visibility("default"))) double plugin_sum(int threads) {
  static auto product = si::compile([](const si::Tensor& x) {
    return si::sum(si::matmul(x, si::ones({SIZE, 2}) * 2.0) + 0.0);
  });
  si::set_thread_count(threads);
  return static_cast<double>(product(si::ones({4, SIZE})).item<float>());
}

// Whether an error of Sinter is caught as what it is.
extern "C" __attribute__((visibility("default"))) bool plugin_catches() {
  try {
    si::matmul(si::ones({2, 3}), si::ones({2, 3}));
  } catch (const si::Error&) {
    return true;
  }
  return false;
}
