// From the options of convolutions and pooling to windows.
#ifndef SINTER_OPS_WINDOW_OPTIONS_H_
#define SINTER_OPS_WINDOW_OPTIONS_H_

#include <cstdint>
#include <vector>

#include "ir/window.h"
#include "sinter/ops.h"

namespace sinter::ops {

using Numbers = std::vector<std::int64_t>;

// A number for each of `rank` axes: the ones given, or the single one for all. `what` says what
// they are. Throws Error naming `where` for another number of them.
Numbers for_each_axis(const char* where, const char* what, const Numbers& given, int rank);

// The windows on images with `rank` spatial axes that options describe. A convolution's kernel is
// left out: that is its weight's. Throws as for_each_axis().
ir::Window convolution_window(const char* where, const ConvOptions& options, int rank);
ir::Window pooling_window(const char* where, const PoolOptions& options, int rank);

// Throws Error naming `where` unless x has the axes (N, H, W, C).
void check_is_nhwc(const char* where, const Tensor& x);

}  // namespace sinter::ops

#endif  // SINTER_OPS_WINDOW_OPTIONS_H_
