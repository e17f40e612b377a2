#include "compile/state_use.h"

namespace sinter::compile_detail {

BoundProgram::BoundProgram(const std::vector<Tensor>& arguments,
                           const std::vector<Tensor>& captured, const std::vector<Payload>& outputs,
                           const StateList& states) {
  for (const Tensor& argument : arguments) {
    if (argument.impl()->payload.is_symbolic()) {
      raise({.where = "compile",
             .what = "an argument is a Tensor of a traced function",
             .got = argument.to_string(),
             .expected = {},
             .hint = "return it from there first"});
    }
    inputs_.push_back(argument.impl()->payload.memory());
  }
  for (const Tensor& tensor : captured) inputs_.push_back(tensor.impl()->payload.memory());
  for (const Payload& output : outputs) outputs_.push_back(output.memory());
  for (const auto& state : states) states_.push_back(state->memory());
}

RunningStates::RunningStates(const StateList& states, const std::string& name) : states_(states) {
  for (const auto& state : states_) {
    if (state->in_use.exchange(true)) {
      const std::string taken = state->name;
      for (std::size_t i = 0; i < marked_; ++i) states_[i]->in_use = false;
      raise({.where = name,
             .what = "State " + taken + " is used by another running step",
             .got = {},
             .expected = {},
             .hint = "a State belongs to one running step at a time"});
    }
    ++marked_;
  }
}

RunningStates::~RunningStates() {
  for (std::size_t i = 0; i < marked_; ++i) states_[i]->in_use = false;
}

SavedStates::SavedStates(const StateList& states) : states_(states) {
  for (const auto& state : states_) {
    copies_.push_back(allocate_payload(state->type));
    state->storage->backend()->copy(copies_.back().memory(), state->memory(),
                                    static_cast<std::size_t>(state->type.bytes()));
  }
}

SavedStates::~SavedStates() {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    states_[i]->storage->backend()->copy(states_[i]->memory(), copies_[i].memory(),
                                         static_cast<std::size_t>(states_[i]->type.bytes()));
    states_[i]->count_write();  // snapshots taken meanwhile hold something else
  }
}

}  // namespace sinter::compile_detail
