// Programs watched while they run: the search for the first value that is not finite, and the
// comparison with the same function run op by op (SINTER_CHECK).
#ifndef SINTER_COMPILE_WATCH_H_
#define SINTER_COMPILE_WATCH_H_

#include <string>
#include <vector>

#include "compile/state_use.h"
#include "ir/program.h"
#include "sinter/compile.h"

namespace sinter::compile_detail {

// Runs the program step by step; names the first whose floating results hold a NaN or an infinity:
// "conv1: fused: add relu (model.cc:12)"; "" when there is none. Every step runs.
std::string first_nonfinite_step(const ir::Program& program, backend::Backend& device,
                                 backend::Session& session, const backend::Bindings& bindings);

// What a function gives and leaves in the States when it runs op by op.
struct EagerResult {
  std::vector<Tensor> results;
  std::vector<Payload> states;
};
// Leaves the States as they were.
EagerResult run_eagerly(const CompiledFunction::Function& function,
                        const std::vector<Tensor>& arguments, const StateList& states);
// Throws Error naming the first result or State that is further from the expected one than
// contractions can explain: |a - b| <= 1e-3 |b| + 1e-5 for f32 (1e-9 and 1e-12 for f64); others
// must be equal.
void check_against_eager(const std::string& name, const EagerResult& expected,
                         const std::vector<Tensor>& results, const StateList& states);

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_WATCH_H_
