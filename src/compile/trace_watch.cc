#include "compile/trace_watch.h"

#include "base/switches.h"
#include "sinter/state_scope.h"
#include "tensor/impl.h"

namespace sinter::compile_detail {

namespace {

constexpr double kRunsPerTrace = 100;  // in time

// Copies of a handle share one TensorImpl, views and watched Tensors its memory only.
long owners_of(const Tensor& tensor) {
  return tensor.impl().use_count() + tensor.impl()->payload.storage.use_count();
}

}  // namespace

void TraceWatch::traced(double milliseconds, const std::vector<Tensor>& captured,
                        std::uint64_t configuration) {
  trace_milliseconds_ = milliseconds;
  milliseconds_since_ = 0;
  configuration_ = configuration;
  owners_.clear();
  for (const Tensor& tensor : captured) owners_.push_back(owners_of(tensor));
}

bool TraceWatch::is_due(std::int64_t call, const std::vector<Tensor>& captured) const {
  if (is_reconfigured()) return true;
  if (call < 2) return false;
  return switches().check >= 1 || call >= next_call_ ||
         milliseconds_since_ > kRunsPerTrace * trace_milliseconds_ || has_lost_owner(captured);
}

bool TraceWatch::is_reconfigured() const { return configuration_ != configuration_version(); }

void TraceWatch::checked(std::int64_t call) {
  if (call >= next_call_) next_call_ *= 2;
}

// Handles may come and go elsewhere: only fewer than ever before say something.
bool TraceWatch::has_lost_owner(const std::vector<Tensor>& captured) const {
  for (std::size_t i = 0; i < captured.size(); ++i) {
    if (owners_of(captured[i]) < owners_[i]) return true;
  }
  return false;
}

}  // namespace sinter::compile_detail
