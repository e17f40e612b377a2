#include "backend/addresses.h"

namespace sinter::backend {

namespace {

std::span<void* const> memory_of(ir::BufferKind kind, const Bindings& bindings) {
  if (kind == ir::BufferKind::input) return bindings.inputs;
  return kind == ir::BufferKind::output ? bindings.outputs : bindings.states;
}

}  // namespace

AddressPlan::AddressPlan(const ir::Program& program) {
  for (const ir::Step& step : program.steps) {
    steps_.push_back({size_, step.inputs.size(), step.outputs.size(), step.workspace.offset});
    for (const ir::Argument& argument : step.inputs) add(argument);
    for (const ir::Argument& argument : step.outputs) add(argument);
  }
}

void AddressPlan::add(const ir::Argument& argument) {
  const std::int64_t offset =
      argument.buffer.offset +
      argument.layout.offset * static_cast<std::int64_t>(size_of(argument.dtype));
  const Place place{size_++, argument.buffer.kind, static_cast<std::size_t>(argument.buffer.index),
                    offset};
  (place.kind == ir::BufferKind::arena ? in_arena_ : external_).push_back(place);
}

void AddressPlan::bind_arena(std::byte* arena, void** table) const {
  for (const Place& place : in_arena_) table[place.position] = arena + place.offset;
}

void AddressPlan::bind(const Bindings& bindings, void** table) const {
  for (const Place& place : external_) {
    void* const memory = memory_of(place.kind, bindings)[place.index];
    table[place.position] = static_cast<std::byte*>(memory) + place.offset;
  }
}

}  // namespace sinter::backend
