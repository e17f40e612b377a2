#include <atomic>
#include <cstring>

#include "backend/registry.h"
#include "sinter/state_arena.h"
#include "tensor/impl.h"

namespace sinter {

namespace {

constexpr std::int64_t kAlignmentBytes = 64;

void check_member(const State& state, const State& first) {
  if (state.impl()->arena != nullptr) {
    raise({.where = "State " + state.name(),
           .what = "is in another optimizer already",
           .got = {},
           .expected = {},
           .hint = "give each parameter to one optimizer"});
  }
  const backend::Backend& device = backend::default_backend();
  if (state.impl()->storage->backend() != &device) {
    raise({.where = "State " + state.name(),
           .what = "lies on another device than its optimizer would",
           .got = state.impl()->storage->backend()->name(),
           .expected = device.name(),
           .hint = "set_device() before the model is made"});
  }
  if (state.dtype() != first.dtype()) {
    raise({.where = "State " + state.name(),
           .what = "parameters of one optimizer must have one dtype",
           .got = std::string(name_of(state.dtype())),
           .expected = std::string(name_of(first.dtype())),
           .hint = {}});
  }
}

std::atomic<std::uint64_t> moves{0};

}  // namespace

std::uint64_t moved_states_version() { return moves.load(std::memory_order_acquire); }

State make_arena(const std::vector<State>& states, std::vector<std::int64_t>* offsets) {
  if (states.empty()) {
    raise({.where = "optimizer",
           .what = "no parameters given",
           .got = {},
           .expected = {},
           .hint = {}});
  }
  const Dtype dtype = states.front().dtype();
  const std::int64_t unit = kAlignmentBytes / static_cast<std::int64_t>(size_of(dtype));
  offsets->clear();
  std::int64_t elements = 0;
  for (std::size_t i = 0; i < states.size(); ++i) {
    check_member(states[i], states.front());
    for (std::size_t j = 0; j < i; ++j) {
      if (states[j] == states[i]) {
        raise({.where = "State " + states[i].name(),
               .what = "given twice to one optimizer",
               .got = {},
               .expected = {},
               .hint = "a tied parameter is one parameter; Module::parameters() lists it once"});
      }
    }
    offsets->push_back(elements);
    elements += (states[i].shape().elements() + unit - 1) / unit * unit;
  }
  const State arena(filled({elements}, dtype,
                           [&](std::byte* memory) {
                             std::memset(memory, 0,
                                         static_cast<std::size_t>(elements) * size_of(dtype));
                           }),
                    "arena");
  arena.impl()->is_parameter = true;
  for (std::size_t i = 0; i < states.size(); ++i) {
    StateImpl& member = *states[i].impl();
    const std::int64_t offset = (*offsets)[i] * static_cast<std::int64_t>(size_of(dtype));
    arena.impl()->storage->backend()->copy(arena.impl()->memory() + offset, member.memory(),
                                           static_cast<std::size_t>(member.type.bytes()));
    member.storage = arena.impl()->storage;
    member.offset = offset;
    member.arena = arena.impl();
    member.arena_offset = (*offsets)[i];
    member.is_parameter = true;
  }
  moves.fetch_add(1, std::memory_order_acq_rel);
  return arena;
}

}  // namespace sinter
