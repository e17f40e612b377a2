#include "compile/program_cache.h"

#include <algorithm>
#include <utility>

#include "backend/registry.h"
#include "compile/compiled_program.h"
#include "sinter/autograd.h"

namespace sinter::compile_detail {

Request request_for(std::span<const InputRef> arguments) {
  return {.device = &backend::default_backend(),
          .arguments = arguments,
          .training = is_training(),
          .tracking = is_tracking()};
}

Signature::Signature(const Request& request)
    : device(request.device), training(request.training), tracking(request.tracking) {
  for (const InputRef& argument : request.arguments) arguments.push_back(argument.type);
}

bool answers(const Signature& signature, const Request& request) {
  return signature.device == request.device && signature.training == request.training &&
         signature.tracking == request.tracking &&
         std::equal(signature.arguments.begin(), signature.arguments.end(),
                    request.arguments.begin(), request.arguments.end(),
                    [](const ir::TensorType& type, const InputRef& argument) {
                      return type == argument.type;
                    });
}

std::shared_ptr<CompiledProgram> ProgramCache::find(const Request& request) {
  forget_moved();
  const auto found = std::find_if(programs_.begin(), programs_.end(), [&](const auto& program) {
    return answers(program->signature, request);
  });
  if (found == programs_.end()) return nullptr;
  programs_.splice(programs_.begin(), programs_, found);
  return programs_.front();
}

void ProgramCache::add(std::shared_ptr<CompiledProgram> program) {
  const auto& signature = program->signature;
  programs_.remove_if([&](const auto& other) {
    return other->signature.device == signature.device &&
           other->signature.training == signature.training &&
           other->signature.tracking == signature.tracking &&
           other->signature.arguments == signature.arguments;
  });
  programs_.push_front(std::move(program));
  if (programs_.size() > most_) programs_.pop_back();
}

void ProgramCache::forget_moved() {
  const std::uint64_t moves = moved_states_version();
  if (moves == moves_seen_) return;
  programs_.remove_if([](const auto& program) {
    return std::any_of(program->states.begin(), program->states.end(),
                       [](const auto& state) { return state->arena != nullptr; });
  });
  moves_seen_ = moves;
}

}  // namespace sinter::compile_detail
