// Measures what a device can do at most (sinter/machine.h), by programs of the back end's own:
// loops over registers, products, copies. They are written by hand, so that nothing stands between
// a figure and the kernel that it is of.
#ifndef SINTER_BACKEND_MACHINE_H_
#define SINTER_BACKEND_MACHINE_H_

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "sinter/machine.h"

namespace sinter::backend {

// How large what is measured is.
struct MeasuredSizes {
  std::int64_t vector_elements = 0;  // of a loop that stays in registers
  // Rows of square products: from the first on, doubling, up to the last.
  std::int64_t first_product = 0;
  std::int64_t last_product = 0;
  std::vector<std::int64_t> copies;  // bytes read and written, ascending
  // A product that would take longer is left out.
  double most_seconds = 0;
};

// Enough for the peaks of a device of this kind.
MeasuredSizes sizes_for(const Backend& backend);

// Measures now. What a device cannot run (groups without a compiler, copies without memory) stays
// unknown.
MachinePeaks measure_peaks(Backend& backend, const MeasuredSizes& sizes);

// The better of each figure that is known. REQUIRES: both are of one device, threads and sizes.
MachinePeaks better_of(const MachinePeaks& a, const MachinePeaks& b);

}  // namespace sinter::backend

#endif  // SINTER_BACKEND_MACHINE_H_
