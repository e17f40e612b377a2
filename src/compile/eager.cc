// Ops called directly go through the same passes as whole steps.
#include "backend/registry.h"
#include "compile/program_maker.h"
#include "ops/list.h"
#include "tensor/recorder.h"
#include "tensor/storage.h"

namespace sinter {

std::shared_ptr<const backend::Code> make_eager_program(const ir::Graph& graph) {
  backend::Backend& backend = backend::default_backend();
  // The passes record graphs of their own, whatever the thread records.
  const RecorderScope no_recorder(nullptr);
  const std::string name = std::string("eager-") + ir::find(op_list(), graph.nodes.front().op).name;
  auto program =
      std::make_shared<const ir::Program>(compile_detail::make_program(graph, backend, name, {}));
  return with_pool_released([&] { return backend.prepare(program); });
}

}  // namespace sinter
