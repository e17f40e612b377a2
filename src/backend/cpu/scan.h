// Runs the body of a scan once for each step.
#ifndef SINTER_BACKEND_CPU_SCAN_H_
#define SINTER_BACKEND_CPU_SCAN_H_

#include <cstddef>

#include "backend/cpu/executor.h"
#include "ir/scan.h"

namespace sinter::backend::cpu {

class ScanRunner {
 public:
  // `workspace`: what ir::scan_workspace() describes.
  ScanRunner(Backend& backend, const ir::Step& step, std::byte* workspace);

  // Addresses of the scan's inputs and outputs. Allocates nothing.
  void run(void* const* inputs, void* const* outputs);

  const CpuExecutable& body() const { return body_; }

 private:
  ir::ScanAddresses addresses_;
  CpuExecutable body_;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_SCAN_H_
