// Functions of batches, compiled.
#ifndef SINTER_TRAIN_BATCH_FUNCTION_H_
#define SINTER_TRAIN_BATCH_FUNCTION_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sinter/batch.h"
#include "sinter/compile.h"

namespace sinter::train {

// A CompiledFunction that takes a batch: its tensors, and its weight as an input. Every call has
// the tensors of the first, by name and in order; Error otherwise.
class BatchFunction {
 public:
  using Function = std::function<std::vector<Tensor>(const Batch&)>;

  BatchFunction(Function function, std::string name, const CompileOptions& options = {});
  BatchFunction(const BatchFunction&) = delete;
  BatchFunction& operator=(const BatchFunction&) = delete;

  std::vector<Tensor> call(const Batch& batch) { return compiled_.call(arguments(batch)); }
  // Op by op, without a program.
  std::vector<Tensor> direct(const Batch& batch) { return function_(batch); }
  ProgramReport report(const Batch& batch) { return compiled_.report(arguments(batch)); }
  StepTimes measure(const Batch& batch, int repeats) {
    return compiled_.measure(arguments(batch), repeats);
  }
  std::string find_first_nonfinite(const Batch& batch) {
    return compiled_.find_first_nonfinite(arguments(batch));
  }

 private:
  std::vector<Tensor> arguments(const Batch& batch);

  Function function_;
  std::string name_;
  std::vector<std::string> names_;  // of the first batch
  CompiledFunction compiled_;
};

}  // namespace sinter::train

#endif  // SINTER_TRAIN_BATCH_FUNCTION_H_
