#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "backend/registry.h"
#include "sinter/state_scope.h"
#include "sinter/tensor.h"
#include "tensor/impl.h"
#include "tensor/recorder.h"

namespace sinter {

namespace {

thread_local AssignmentScope* innermost_scope = nullptr;
std::atomic<std::uint64_t> configuration{0};

// States read in a tracking thread are leaves that gradients can be taken of.
Tensor make_leaf(Payload payload, std::uint64_t id) {
  auto impl = std::make_shared<TensorImpl>();
  if (tracking_enabled() && is_floating(payload.type.dtype)) impl->leaf = id;
  impl->payload = std::move(payload);
  return Tensor(std::move(impl));
}

// Takes a State's memory while it lives.
class Use {
 public:
  Use(StateImpl& state, bool writes) : owner_(state.arena ? *state.arena : state), writes_(writes) {
    int others = 0;
    if (begin_use(owner_, writes, &others)) return;
    raise({.where = "State " + state.name,
           .what = std::string(writes ? "assigned" : "read") + " while a running step " +
                   (others < 0 ? "writes" : "reads") + " it",
           .got = {},
           .expected = {},
           .hint =
               "any number of steps may read a State at once, but one that writes it runs alone"});
  }
  ~Use() { end_use(owner_, writes_); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  StateImpl& owner_;
  bool writes_;
};

// The value at this moment, in memory that later assignments do not change.
Payload snapshot_of(StateImpl& state) {
  const Use reading(state, false);
  const std::lock_guard lock(state.snapshot_mutex);
  if (state.snapshot.storage == nullptr || state.snapshot_version != state.total_version()) {
    Payload copy = allocate_payload(state.type, state.storage->backend());
    copy.storage->backend()->copy(copy.memory(), state.memory(),
                                  static_cast<std::size_t>(state.type.bytes()));
    state.snapshot = std::move(copy);
    state.snapshot_version = state.total_version();
  }
  return state.snapshot;
}

}  // namespace

bool begin_use(StateImpl& owner, bool writes, int* others) {
  int& seen = *others;
  seen = 0;
  while (writes ? seen == 0 : seen >= 0) {
    const int next = writes ? StateImpl::kWriter : seen + 1;
    if (owner.users.compare_exchange_weak(seen, next)) return true;
  }
  return false;
}

void end_use(StateImpl& owner, bool writes) {
  if (writes) {
    owner.users = 0;
  } else {
    --owner.users;
  }
}

State::State(const Tensor& initial, std::string name) : impl_(std::make_shared<StateImpl>()) {
  if (!initial.defined()) {
    raise({.where = "State " + name,
           .what = "made from an empty Tensor handle",
           .got = {},
           .expected = {},
           .hint = {}});
  }
  if (initial.impl()->payload.is_symbolic()) {
    raise({.where = "State " + name,
           .what = "made from a value that does not exist yet, inside a traced function",
           .got = {},
           .expected = {},
           .hint = "make States before compile()"});
  }
  const Payload& source = initial.impl()->payload;
  Payload own = allocate_payload(source.type);
  copy_memory(*own.storage->backend(), own.memory(), *source.storage->backend(), source.memory(),
              static_cast<std::size_t>(source.type.bytes()));
  impl_->id = next_id();
  impl_->name = std::move(name);
  impl_->type = source.type;
  impl_->storage = own.storage;
}

Tensor State::value() const { return read_state(impl_); }

Tensor read_state(const std::shared_ptr<StateImpl>& state) {
  if (Recorder* const recorder = current_recorder()) {
    return make_leaf(recorder->read(state), state->id);
  }
  return make_leaf(snapshot_of(*state), state->id);
}

void State::assign(const Tensor& value) const {
  if (value.shape() != shape() || value.dtype() != dtype()) {
    raise({.where = "State " + impl_->name,
           .what = "the assigned value has another type",
           .got = value.to_string(),
           .expected = impl_->type.to_string(),
           .hint = {}});
  }
  AssignmentScope::note(*this);
  if (Recorder* const recorder = current_recorder()) {
    recorder->assign(impl_, value);
    return;
  }
  const Payload& source = value.impl()->payload;
  if (source.is_symbolic()) {
    raise({.where = "State " + impl_->name,
           .what = "assigned a Tensor of a traced function outside of it",
           .got = {},
           .expected = {},
           .hint = "return it from the function"});
  }
  {
    const Use writing(*impl_, true);
    copy_memory(*impl_->storage->backend(), impl_->memory(), *source.storage->backend(),
                source.memory(), static_cast<std::size_t>(impl_->type.bytes()));
    impl_->count_write();
  }
  if (impl_->is_configuration) configuration_changed();
}

const Shape& State::shape() const { return impl_->type.shape; }
Dtype State::dtype() const { return impl_->type.dtype; }
std::uint64_t State::id() const { return impl_->id; }
const std::string& State::name() const { return impl_->name; }
void State::set_name(std::string name) const { impl_->name = std::move(name); }

AssignmentScope::AssignmentScope() : previous_(innermost_scope) { innermost_scope = this; }
AssignmentScope::~AssignmentScope() { innermost_scope = previous_; }

AssignmentScope::Pause::Pause() : previous_(innermost_scope) { innermost_scope = nullptr; }
AssignmentScope::Pause::~Pause() { innermost_scope = previous_; }

void AssignmentScope::note(const State& state) {
  for (AssignmentScope* scope = innermost_scope; scope != nullptr; scope = scope->previous_) {
    scope->add(state);
  }
}

void AssignmentScope::add(const State& state) {
  const bool known = std::any_of(assigned_.begin(), assigned_.end(),
                                 [&](const Assigned& other) { return other.state == state; });
  if (known) return;
  const bool tracked = tracking_enabled();
  set_tracking(false);
  try {
    assigned_.push_back({state, state.value()});
  } catch (...) {
    set_tracking(tracked);
    throw;
  }
  set_tracking(tracked);
}

void configuration_changed() { ++configuration; }
std::uint64_t configuration_version() { return configuration; }
void mark_as_configuration(const State& state) { state.impl()->is_configuration = true; }
Tensor value_between_steps(const State& state) { return make_tensor(snapshot_of(*state.impl())); }

}  // namespace sinter
