// The check that a node's results are what its op infers; verify() and parse_graph() share it.
#ifndef SINTER_IR_NODE_CHECK_H_
#define SINTER_IR_NODE_CHECK_H_

#include <string>
#include <vector>

#include "ir/graph.h"

namespace sinter::ir {

// What is wrong with the node, on one line; "" when nothing is. Only the node's op (REQUIRES: one
// of `ops`), attributes and bodies are read.
std::string check_types(const Node& node, const std::vector<TensorType>& inputs,
                        const std::vector<TensorType>& results, OpList ops);

}  // namespace sinter::ir

#endif  // SINTER_IR_NODE_CHECK_H_
