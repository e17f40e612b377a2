// What a device can do at most, as measured on it, and how long work takes there at least.
//
//   const MachinePeaks peaks = machine_peaks();
//   for (const StepReport& step : function.report(x).steps) {
//     std::printf("%s: at least %f ms\n", step.label.c_str(), bound_ms(step.cost, peaks).value());
//   }
#ifndef SINTER_MACHINE_H_
#define SINTER_MACHINE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sinter/cost.h"

namespace sinter {

struct MachinePeaks {
  std::string device;  // "cpu", "cuda:0"
  int threads = 1;     // of the CPU, that were used

  // A second, of each unit (Cost::work): vectors by loops that stay in registers, contractions by
  // the faster of such loops and large matrix products. 0: not measured.
  std::array<double, kUnitCount> rates = {};

  // Copies of several sizes, ascending; rates fall with size. Empty: not measured.
  struct Copy {
    std::int64_t bytes = 0;       // read and written
    double bytes_per_second = 0;  // read and written
  };
  std::vector<Copy> copies;

  double start_ms = 0;  // of one kernel after another
  double team_ms = 0;   // of a team of that many threads, and its end; 0 for a GPU

  // Operations on one element that, as the fuser assumes, take as long as starting a kernel: a
  // constant of each kind of device, so that programs do not depend on measurements.
  double assumed_start_operations = 0;

  double rate(Unit unit) const { return rates[static_cast<std::size_t>(unit)]; }
  // Of the operations of 32 bits that take as long as starting a kernel.
  double start_operations() const { return 1e-3 * start_ms * rate(Unit::vector_32); }
  // Bytes a second for something that reads and writes so many: as the largest copy that is no
  // larger, or the smallest. 0: not measured.
  double bandwidth(double bytes) const;
};

// Of the current device with thread_count() threads, measured at the first call for these: some
// tenths of a second. An emulated device has none: nothing but names is set. Throws Error when the
// device cannot be used.
MachinePeaks machine_peaks();

// Measures again and keeps the better of each figure, for when the machine may have been busy.
MachinePeaks measure_machine();

// Milliseconds that a step of this cost takes at least: arithmetic at the peaks of its units, bytes
// at the bandwidth of a copy of as many, or the starts of its kernels, whichever is longest. Of a
// program, the sum of its steps' bounds. Nothing where a peak that it needs is not known.
std::optional<double> bound_ms(const Cost& cost, const MachinePeaks& peaks);

}  // namespace sinter

#endif  // SINTER_MACHINE_H_
