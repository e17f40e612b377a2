#include "compile/program_maker.h"

#include "compile/pass.h"
#include "compile/rewrites.h"
#include "ops/list.h"

namespace sinter::compile_detail {

ir::Program make_program(const ir::Graph& traced, backend::Backend& backend,
                         const std::string& name, const std::set<std::uint64_t>& parameters,
                         const ProgramOptions& options) {
  const ir::OpList ops = op_list();
  PassRunner runner(name);
  ir::Graph graph = traced;
  runner.begin(graph, ops);
  graph = runner.run("expand", graph, [&](const ir::Graph& g) { return expand(g, ops); });
  if (runner.is_enabled("rewrite")) {
    graph = runner.run("rewrite", graph, [&](const ir::Graph& g) {
      return rewrite(g, ops, [&](const char* rule) { return runner.is_enabled(rule); });
    });
  }
  if (runner.is_enabled("trim_scans")) {
    graph = runner.run("trim_scans", graph, [&](const ir::Graph& g) { return trim_scans(g, ops); });
  }
  if (runner.is_enabled("simplify")) {
    graph = runner.run("simplify", graph, [&](const ir::Graph& g) { return simplify(g, ops); });
  }
  if (options.precision != Dtype::f32) {
    graph = runner.run("lower_precision", graph, [&](const ir::Graph& g) {
      return lower_precision(g, ops, options.precision, options.low_copy_of);
    });
  }
  graph = runner.run("materialize", graph,
                     [&](const ir::Graph& g) { return materialize(g, ops, backend); });
  Fusion fusion;
  runner.time("fuse", [&] {
    fusion = fuse(graph, ops, backend.fusion_limits(), runner.is_enabled("fuse"));
  });
  if (runner.is_enabled("epilogues")) {
    runner.time("epilogues", [&] { give_epilogues(graph, ops, backend, fusion); });
  }
  ir::Program program;
  runner.time("plan", [&] {
    const BodyPlanner plan_body = [&](const ir::Graph& body) {
      return std::make_shared<const ir::Program>(
          make_program(body, backend, name + "-scan", {},
                       {.precision = options.precision, .low_copy_of = {}, .is_body = true}));
    };
    program = plan(graph, fusion, ops, backend, parameters, plan_body, options.is_body);
  });
  runner.finish(program, ops);
  return program;
}

}  // namespace sinter::compile_detail
