// When a compiled function has to be traced again, to see whether it would still record the same.
#ifndef SINTER_COMPILE_TRACE_WATCH_H_
#define SINTER_COMPILE_TRACE_WATCH_H_

#include <cstdint>
#include <vector>

#include "sinter/tensor.h"

namespace sinter::compile_detail {

// C++ code that was traced cannot be seen to change: a number that it captures by reference, a
// branch on a counter. So it is traced again and compared before calls 2, 4, 8, 16, ..., whenever
// calls have taken a hundred times as long as a trace since (at most one percent of their time),
// when the configuration has changed (state_scope.h), and when the owner of a captured Tensor has
// let go of it, as happens when another one is assigned to its variable.
class TraceWatch {
 public:
  // Notes a trace that took `milliseconds`; `configuration` is the version of before.
  void traced(double milliseconds, const std::vector<Tensor>& captured,
              std::uint64_t configuration);
  // Notes a call that took `milliseconds`.
  void called(double milliseconds) { milliseconds_since_ += milliseconds; }

  // Whether to trace before call number `call`, counted from 1 (the call that follows the first
  // trace).
  bool is_due(std::int64_t call, const std::vector<Tensor>& captured) const;
  // Whether something else may be recorded by right: the configuration is another one.
  bool is_reconfigured() const;
  // After call `call` was found due and the trace to be the same.
  void checked(std::int64_t call);

 private:
  bool has_lost_owner(const std::vector<Tensor>& captured) const;

  std::uint64_t configuration_ = 0;
  std::int64_t next_call_ = 2;
  double trace_milliseconds_ = 0;
  double milliseconds_since_ = 0;
  std::vector<long> owners_;  // of each captured Tensor, this program included
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_TRACE_WATCH_H_
