// The table of rewrites: a pattern of a few nodes, and what computes the same with fewer. This is
// the one place of the compiler that names ops.
#ifndef SINTER_COMPILE_REWRITES_H_
#define SINTER_COMPILE_REWRITES_H_

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ir/graph.h"
#include "sinter/tensor.h"

namespace sinter::compile_detail {

// A node that is about to be recorded again. Its inputs, and what they are made of, have been
// through the table.
struct RewriteSite {
  const ir::Graph& recorded;   // the new graph so far; `inputs` are values of it
  const ir::Node& node;        // of the old graph
  const ir::TensorType& type;  // of the node's result
  std::span<const Tensor> inputs;
  bool is_only_reader;  // of its first input
  // A Tensor for a value of the new graph.
  const std::function<Tensor(ir::ValueId)>& tensor;
};

struct Rewrite {
  const char* name;  // for SINTER_DISABLE
  const char* doc;
  ir::OpId op;  // of the nodes to try
  // What replaces the node's one result, with the same bits; nothing where the pattern is absent.
  std::optional<Tensor> (*apply)(const RewriteSite& site);
};

std::span<const Rewrite> rewrites();

// The graph with every rewrite for which `is_enabled` is true applied wherever it fits, the first
// of the table first.
ir::Graph rewrite(const ir::Graph& graph, ir::OpList ops,
                  const std::function<bool(const char* name)>& is_enabled);

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_REWRITES_H_
