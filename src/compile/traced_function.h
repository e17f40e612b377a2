// The function that is compiled, and whether it still records what it did.
#ifndef SINTER_COMPILE_TRACED_FUNCTION_H_
#define SINTER_COMPILE_TRACED_FUNCTION_H_

#include <string>
#include <vector>

#include "compile/program_cache.h"
#include "compile/trace.h"
#include "sinter/compile.h"

namespace sinter::compile_detail {

// What a trace left.
struct Recording {
  ir::Graph graph;
  ir::Graph room;  // empty, with the capacity of `graph`: for the next trace
};

class TracedFunction {
 public:
  TracedFunction(CompiledFunction::Function function, std::string name)
      : function_(std::move(function)), name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const CompiledFunction::Function& function() const { return function_; }

  // Runs the function once on stand-ins for arguments of these types.
  Trace trace(const Signature& signature, ir::Graph room = {}) const;

  // Traces again and compares: what the function computes must not depend on C++ values that
  // change. Gives whether it is the same, and then sets *captured to the Tensors that the function
  // captures now. Throws Error, naming the first difference, when it is not, unless it may differ.
  bool is_unchanged(const Signature& signature, bool may_differ, Recording* recording,
                    std::vector<Tensor>* captured) const;

 private:
  [[noreturn]] void raise_changed(const ir::Graph& before, const ir::Graph& after,
                                  std::size_t node) const;

  CompiledFunction::Function function_;
  std::string name_;
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_TRACED_FUNCTION_H_
