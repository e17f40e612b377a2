#include "compile/program_maker.h"

#include "compile/pass.h"
#include "compile/rewrites.h"
#include "ops/list.h"

namespace sinter::compile_detail {

ir::Program make_program(const ir::Graph& traced, backend::Backend& backend,
                         const std::string& name, const std::set<std::uint64_t>& parameters) {
  const ir::OpList ops = op_list();
  PassRunner runner(name);
  ir::Graph graph = traced;
  runner.begin(graph, ops);
  graph = runner.run("expand", graph, [&](const ir::Graph& g) { return expand(g, ops); });
  graph = runner.run("rewrite", graph, [&](const ir::Graph& g) {
    return rewrite(g, ops, [&](const char* rule) { return runner.is_enabled(rule); });
  });
  if (runner.is_enabled("trim_scans")) {
    graph = runner.run("trim_scans", graph, [&](const ir::Graph& g) { return trim_scans(g, ops); });
  }
  if (runner.is_enabled("simplify")) {
    graph = runner.run("simplify", graph, [&](const ir::Graph& g) { return simplify(g, ops); });
  }
  graph = runner.run("materialize", graph,
                     [&](const ir::Graph& g) { return materialize(g, ops, backend); });
  Fusion fusion;
  runner.time("fuse", [&] {
    fusion = fuse(graph, ops, backend.fusion_limits(), runner.is_enabled("fuse"));
  });
  ir::Program program;
  runner.time("plan", [&] {
    program = plan(graph, fusion, ops, backend, parameters, [&](const ir::Graph& body) {
      return std::make_shared<const ir::Program>(make_program(body, backend, name + "-scan", {}));
    });
  });
  runner.finish(program, ops);
  return program;
}

}  // namespace sinter::compile_detail
