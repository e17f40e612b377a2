// Ops called directly go through the same passes as whole steps.
#include "backend/registry.h"
#include "compile/program_maker.h"
#include "ops/list.h"
#include "tensor/recorder.h"

namespace sinter {

std::unique_ptr<backend::Executable> make_eager_executable(const ir::Graph& graph) {
  backend::Backend& backend = backend::default_backend();
  // The passes record graphs of their own, whatever the thread records.
  const RecorderScope no_recorder(nullptr);
  const std::string name = std::string("eager-") + ir::find(op_list(), graph.nodes.front().op).name;
  return backend.prepare(
      std::make_shared<ir::Program>(compile_detail::make_program(graph, backend, name, {})));
}

}  // namespace sinter
