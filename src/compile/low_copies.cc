#include "compile/low_copies.h"

#include <mutex>
#include <string>

#include "sinter/autograd.h"
#include "sinter/ops.h"
#include "tensor/recorder.h"

namespace sinter::compile_detail {

namespace {

// Never the number of a State's writes.
constexpr std::uint64_t kNever = ~std::uint64_t{0};

LowCopy* find(StateImpl& state, const StateImpl& copy) {
  for (LowCopy& known : state.low_copies) {
    if (known.state.get() == &copy) return &known;
  }
  return nullptr;  // the State has moved into an arena meanwhile
}

std::shared_ptr<StateImpl> copy_of(StateImpl& state, Dtype dtype) {
  const std::lock_guard lock(state.low_mutex);
  for (const LowCopy& known : state.low_copies) {
    if (known.state->type.dtype == dtype) return known.state;
  }
  auto copy = std::make_shared<StateImpl>();
  copy->id = next_id();
  copy->name = state.name + " in " + std::string(name_of(dtype));
  copy->type = {dtype, state.type.shape};
  copy->storage = allocate_payload(copy->type, state.storage->backend()).storage;
  copy->is_parameter = state.is_parameter;
  state.low_copies.push_back({copy, kNever});
  return copy;
}

}  // namespace

std::uint64_t LowCopies::add(const std::shared_ptr<StateImpl>& state, Dtype dtype) {
  std::shared_ptr<StateImpl> copy = copy_of(*state, dtype);
  const std::uint64_t id = copy->id;
  if (states_.emplace(id, copy).second) pairs_.push_back({state, std::move(copy)});
  return id;
}

void LowCopies::refresh() const {
  for (const auto& [state, copy] : pairs_) {
    const std::lock_guard lock(state->low_mutex);
    LowCopy* const known = find(*state, *copy);
    if (known == nullptr || known->version == state->total_version()) continue;
    const RecorderScope no_recorder(nullptr);
    const NoGradScope untracked;
    Payload exact;
    exact.type = state->type;
    exact.storage = state->storage;
    exact.offset = state->offset;
    const Tensor rounded = cast(make_tensor(std::move(exact)), copy->type.dtype);
    copy->storage->backend()->copy(copy->memory(), rounded.impl()->payload.memory(),
                                   static_cast<std::size_t>(copy->type.bytes()));
    known->version = state->total_version();
  }
}

void LowCopies::note_run() const {
  for (const auto& [state, copy] : pairs_) {
    const std::lock_guard lock(state->low_mutex);
    if (LowCopy* const known = find(*state, *copy)) known->version = state->total_version();
  }
}

}  // namespace sinter::compile_detail
