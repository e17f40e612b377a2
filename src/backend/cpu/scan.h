// Runs the body of a scan once for each step.
#ifndef SINTER_BACKEND_CPU_SCAN_H_
#define SINTER_BACKEND_CPU_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <vector>

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
  void copy_carries(void* const* inputs, void* const* outputs) const;
  // Where the steps read and write: `left` steps follow this one.
  void bind_step(void* const* inputs, void* const* outputs, std::int64_t position,
                 std::int64_t left);

  ir::ScanAttributes scan_;
  CpuExecutable body_;
  std::vector<std::byte*> second_;  // the other buffer of each carry
  std::vector<std::size_t> carry_bytes_;
  std::vector<std::int64_t> input_strides_;  // bytes from step to step; 0 for a constant
  std::vector<std::int64_t> output_strides_;
  std::vector<void*> step_inputs_;
  std::vector<void*> step_outputs_;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_SCAN_H_
