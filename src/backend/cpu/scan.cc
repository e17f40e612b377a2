#include "backend/cpu/scan.h"

#include <cstring>

namespace sinter::backend::cpu {

ScanRunner::ScanRunner(Backend& backend, const ir::Step& step, std::byte* workspace)
    : addresses_(step, workspace), body_(backend, step.body, workspace) {}

void ScanRunner::run(void* const* inputs, void* const* outputs) {
  if (addresses_.length() == 0) {
    for (std::size_t i = 0; i < addresses_.carry_bytes().size(); ++i) {
      const std::size_t bytes = addresses_.carry_bytes()[i];
      if (bytes > 0) std::memcpy(outputs[i], inputs[i], bytes);
    }
  }
  for (std::int64_t t = 0; t < addresses_.length(); ++t) {
    addresses_.bind_step(t, inputs, outputs);
    body_.run({addresses_.inputs(), addresses_.outputs(), {}});
  }
}

}  // namespace sinter::backend::cpu
