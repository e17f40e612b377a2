// Graphs: what a capture made, in an order to run it in.
#include <algorithm>
#include <map>
#include <queue>

#include "backend/cuda/emulated/stream.h"

namespace sinter_emulated {
namespace {

std::map<GraphExec*, std::shared_ptr<GraphExec>>& execs() {
  static auto& the_execs = *new std::map<GraphExec*, std::shared_ptr<GraphExec>>;
  return the_execs;
}

// The tasks in an order that the dependencies allow: of those that could run, the one that was
// captured last. Work of one stream stays in its order; what only the order of calls put in order
// does not.
std::vector<Task> order(const Graph& graph) {
  std::vector<std::size_t> waits_for(graph.nodes.size());
  std::vector<std::vector<std::size_t>> next(graph.nodes.size());
  std::priority_queue<std::size_t> ready;
  for (std::size_t node = 0; node < graph.nodes.size(); ++node) {
    waits_for[node] = graph.nodes[node].dependencies.size();
    for (const std::size_t before : graph.nodes[node].dependencies) next[before].push_back(node);
    if (waits_for[node] == 0) ready.push(node);
  }
  std::vector<Task> tasks;
  while (!ready.empty()) {
    const std::size_t node = ready.top();
    ready.pop();
    tasks.push_back(graph.nodes[node].task);
    for (const std::size_t after : next[node]) {
      if (--waits_for[after] == 0) ready.push(after);
    }
  }
  return tasks;
}

}  // namespace
}  // namespace sinter_emulated

using namespace sinter_emulated;

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return call("cudaGraphGetNodes", InCapture::kAllowed, [&] {
    if (graph == nullptr || count == nullptr) return cudaErrorInvalidValue;
    if (nodes != nullptr) {
      *count = std::min(*count, graph->nodes.size());
      for (std::size_t i = 0; i < *count; ++i) nodes[i] = &graph->nodes[i];
    } else {
      *count = graph->nodes.size();
    }
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long flags) {
  return call("cudaGraphInstantiate", InCapture::kUnsafe, [&] {
    if (exec == nullptr || graph == nullptr || flags != 0) return cudaErrorInvalidValue;
    auto made = std::make_shared<GraphExec>();
    made->tasks = order(*graph);
    *exec = made.get();
    execs()[made.get()] = std::move(made);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
  return call("cudaGraphUpload", InCapture::kAllowed, [&] {
    if (execs().count(exec) == 0 || find_stream(stream) == nullptr) return cudaErrorInvalidValue;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream) {
  return call("cudaGraphLaunch", InCapture::kAllowed, [&] {
    const auto found = execs().find(handle);
    if (found == execs().end()) return cudaErrorInvalidValue;
    // Kept until it has run, though it may be destroyed before.
    return submit(stream, [exec = found->second] {
      for (const Task& task : exec->tasks) {
        if (sticky_error() != cudaSuccess) return;
        task();
      }
    });
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call("cudaGraphDestroy", InCapture::kAllowed, [&] {
    if (graph == nullptr) return cudaErrorInvalidValue;
    delete graph;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return call("cudaGraphExecDestroy", InCapture::kAllowed,
              [&] { return execs().erase(exec) == 1 ? cudaSuccess : cudaErrorInvalidValue; });
}
