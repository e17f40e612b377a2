// parse_graph: a graph that verifies and is the same when it is printed and read again, or Error.
#include "../ir/test_ops.h"
#include "ir/graph.h"
#include "memory_file.h"
#include "sinter/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const sinter::ir::OpList ops = sinter::ir::testing::test_ops();
  sinter::ir::Graph graph;
  try {
    graph = sinter::ir::parse_graph({reinterpret_cast<const char*>(data), bytes}, ops);
  } catch (const sinter::Error&) {
    return 0;
  }
  verify(graph, ops);  // an exception ends the process
  const sinter::ir::Graph again = sinter::ir::parse_graph(to_text(graph, ops), ops);
  sinter::fuzz::promise(first_difference(graph, again) == -1, "the same when read again");
  return 0;
}
