// The body of a scan, recorded into a graph of its own and brought to life again.
#ifndef SINTER_COMPILE_SCAN_BODY_TRACE_H_
#define SINTER_COMPILE_SCAN_BODY_TRACE_H_

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "compile/trace.h"

namespace sinter::compile_detail {

// A recorded body. Its inputs are the given ones, then one per Tensor that it uses from around it.
struct TracedBody {
  std::shared_ptr<const ir::Graph> graph;
  std::vector<Tensor> outputs;   // as handles of the trace, for what is known of them
  std::vector<Tensor> captured;  // Tensors of the code around
  // Uses of a value whose history was cut (detach, NoGradScope), in pairs: the node and which of
  // its inputs; the number of nodes stands for the outputs. A graph does not know of histories.
  std::vector<std::int64_t> detached;
};

// What a stand-in for an argument has of it.
struct BodyArgument {
  ir::TensorType type;
  std::shared_ptr<const ir::AxisOrigins> origins;
};

// Records `function` once, on watched stand-ins for `arguments` when the thread tracks. Equal
// bodies are one graph, so that programs made for it are found again.
TracedBody trace_body(
    std::span<const BodyArgument> arguments,
    const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& function);

// The values that a scan keeps of every step for its gradient, beside the carries: the results of
// contractions, which cost too much to be computed twice. In the order of their nodes.
std::vector<ir::ValueId> kept_values(const ir::Graph& body);

// Applies the nodes of `body` to `inputs`; gives its outputs. `kept`: what kept_values() are.
std::vector<Tensor> replay_body(const ir::Graph& body, std::span<const std::int64_t> detached,
                                const std::vector<Tensor>& inputs, std::span<const Tensor> kept);

// A scan with its three kinds of inputs given; `body` maps those of one step, in this order, to
// `carries.size()` carries and what is stacked. Nothing is checked: see sinter/scan.h.
struct ScanInputs {
  std::vector<Tensor> carries;
  std::vector<Tensor> sequences;
  std::vector<Tensor> constants;
  std::int64_t length = 0;
  bool reverse = false;
};
// The last carries, then what is stacked.
std::vector<Tensor> apply_scan(
    const ScanInputs& inputs,
    const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& body,
    SourceLocation location);

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_SCAN_BODY_TRACE_H_
