// From a traced Graph to a Program: the list of passes.
#ifndef SINTER_COMPILE_PROGRAM_MAKER_H_
#define SINTER_COMPILE_PROGRAM_MAKER_H_

#include <cstdint>
#include <set>
#include <string>

#include "backend/backend.h"
#include "compile/pass.h"
#include "ir/graph.h"
#include "ir/program.h"

namespace sinter::compile_detail {

// How a program computes.
struct ProgramOptions {
  Dtype precision = Dtype::f32;  // of contractions: f32, bf16 or f16
  LowCopyOf low_copy_of = {};    // see lower_precision()
  bool is_body = false;          // of a scan
};

// `name` is for dumps and messages; `parameters` are the States that the memory plan counts as
// such.
ir::Program make_program(const ir::Graph& graph, backend::Backend& backend, const std::string& name,
                         const std::set<std::uint64_t>& parameters,
                         const ProgramOptions& options = {});

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_PROGRAM_MAKER_H_
