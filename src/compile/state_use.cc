#include "compile/state_use.h"

namespace sinter::compile_detail {

namespace {

[[noreturn]] void raise_device(const std::string& where, const std::string& what,
                               const backend::Backend& got, const backend::Backend& expected,
                               const std::string& hint) {
  raise({.where = where,
         .what = what,
         .got = got.name(),
         .expected = expected.is_host() ? expected.name() : std::string(expected.name()) + hint,
         .hint = "to_device() copies a Tensor; set_device() before the model is made"});
}

}  // namespace

InputRef input_ref(const Tensor& tensor) {
  const Payload& payload = tensor.impl()->payload;
  if (payload.is_symbolic()) {
    raise({.where = "compile",
           .what = "an argument is a Tensor of a traced function",
           .got = tensor.to_string(),
           .expected = {},
           .hint = "return it from there first"});
  }
  return {payload.type, payload.memory(), payload.storage->backend()};
}

void BoundProgram::bind(std::span<const InputRef> arguments, const std::vector<Tensor>& captured,
                        std::span<void* const> outputs, const StateList& states) {
  inputs_.clear();
  host_inputs_.clear();
  states_.clear();
  for (const InputRef& argument : arguments) add_input(argument.memory, *argument.device);
  for (const Tensor& tensor : captured) {
    const Payload& payload = tensor.impl()->payload;
    add_input(payload.memory(), *payload.storage->backend());
  }
  outputs_.assign(outputs.begin(), outputs.end());
  for (const auto& state : states) {
    const backend::Backend& own = *state->storage->backend();
    if (&own != &device_) {
      raise_device("State " + state->name, "lies on another device than the compiled function", own,
                   device_, "");
    }
    states_.push_back(state->memory());
  }
}

void BoundProgram::add_input(void* memory, const backend::Backend& own) {
  if (&own != &device_ && !own.is_host()) {
    raise_device("input " + std::to_string(inputs_.size()),
                 "lies on another device than the compiled function", own, device_, " or cpu");
  }
  if (!device_.is_host()) host_inputs_.push_back(own.is_host() ? 1 : 0);
  inputs_.push_back(memory);
}

RunningStates::RunningStates(const StateList& states, const ir::Program& program,
                             const std::string& name)
    : states_(states), program_(program) {
  for (; marked_ < states_.size(); ++marked_) {
    const bool writes = program_.states[marked_].written;
    int others = 0;
    if (begin_use(*states_[marked_], writes, &others)) continue;
    const std::string taken = states_[marked_]->name;
    release();
    raise({.where = name,
           .what = "State " + taken + " is " + (others < 0 ? "written" : "read") +
                   " by another running step",
           .got = {},
           .expected = {},
           .hint = writes ? "this step writes it, and has to have it alone meanwhile"
                          : "any number of steps may read a State at once, but one that writes it "
                            "runs alone"});
  }
}

RunningStates::~RunningStates() { release(); }

void RunningStates::release() {
  while (marked_ > 0) {
    --marked_;
    end_use(*states_[marked_], program_.states[marked_].written);
  }
}

SavedStates::SavedStates(const StateList& states, const ir::Program& program) {
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (program.states[i].written) states_.push_back(states[i]);
  }
  save();
}

SavedStates::SavedStates(const StateList& states) : states_(states) { save(); }

void SavedStates::save() {
  for (const auto& state : states_) {
    copies_.push_back(allocate_payload(state->type, state->storage->backend()));
    state->storage->backend()->copy(copies_.back().memory(), state->memory(),
                                    static_cast<std::size_t>(state->type.bytes()));
  }
}

SavedStates::~SavedStates() {
  try {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      states_[i]->storage->backend()->copy(states_[i]->memory(), copies_[i].memory(),
                                           static_cast<std::size_t>(states_[i]->type.bytes()));
      states_[i]->count_write();  // snapshots taken meanwhile hold something else
    }
  } catch (const Error&) {
    // The device is lost, and the States with it; whoever uses them next is told so.
  }
}

}  // namespace sinter::compile_detail
