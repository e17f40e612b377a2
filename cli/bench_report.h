// What `sinter bench` found, as a table and as JSON.
#ifndef SINTER_CLI_BENCH_REPORT_H_
#define SINTER_CLI_BENCH_REPORT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "base/json.h"
#include "sinter/compile.h"
#include "sinter/machine.h"
#include "sinter/recipe.h"

namespace sinter::cli {

struct Timing {
  double first_step_ms = 0;
  std::vector<double> steps;  // ms, ascending
  std::int64_t allocations = 0;
  // How much the resident memory grew from before the model was made to after at least 100 steps,
  // without the batches that the plan does not hold: what is planned, libraries' pages, machine
  // code, stacks of threads. And how much of that stayed when all was destroyed: the part that no
  // plan holds. -1: not known, or the device is a GPU.
  std::int64_t resident_growth = -1;
  std::int64_t resident_kept = -1;
  std::optional<ProgramReport> report;  // not when eager
  StepTimes parts;

  double median() const { return steps[steps.size() / 2]; }
};

// A workload as it was timed.
struct BenchResult {
  const train::Workload& workload;
  std::int64_t batch = 0;
  double units = 0;   // of a step
  std::string dtype;  // in which products are multiplied
  const Timing& timing;
  const MachinePeaks& peaks;  // of the device
};

OrderedJson to_json(const BenchResult& result, bool with_parts);
void print_table_head();
void print_row(const BenchResult& result);
void print_parts(const BenchResult& result);

}  // namespace sinter::cli

#endif  // SINTER_CLI_BENCH_REPORT_H_
