#include "backend/null/backend.h"

#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "backend/addresses.h"
#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::backend::null {

namespace {

constexpr std::align_val_t kAlignment{64};
// More than any machine has; the sanitizers' allocators stop the program at such a request.
constexpr std::size_t kMostBytes = std::size_t{1} << 40;

void check(const char* what, std::span<void* const> addresses,
           const std::vector<ir::TensorType>& types) {
  if (addresses.size() != types.size()) {
    throw ir::InternalError("null: " + std::to_string(addresses.size()) + " " + what +
                            "s are bound, the program has " + std::to_string(types.size()));
  }
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (addresses[i] == nullptr && types[i].elements() > 0) {
      throw ir::InternalError("null: " + std::string(what) + " " + std::to_string(i) +
                              " is not bound");
    }
  }
}

}  // namespace

void count(const ir::Step& step, NullCounts& counts) {
  if (step.is_in_place) return;
  ++counts.steps;
  if (step.group != nullptr) {
    ++counts.groups;
    counts.group_instructions += static_cast<std::int64_t>(step.group->body.size());
  } else {
    ++counts.kernels[static_cast<std::size_t>(step.op)];
  }
  counts.flops += step.cost.flops;
  counts.bytes += step.cost.bytes;
}

namespace {

void check_bindings(const ir::Program& program, const Bindings& bindings) {
  std::vector<ir::TensorType> states;
  for (const auto& slot : program.states) states.push_back(slot.type);
  check("input", bindings.inputs, program.inputs);
  check("output", bindings.outputs, program.outputs);
  check("state", bindings.states, states);
}

}  // namespace

class NullSession : public Session {
 public:
  NullSession(NullBackend& backend, std::shared_ptr<const ir::Program> program, std::byte* arena)
      : backend_(backend), program_(std::move(program)), addresses_(*program_), arena_(arena) {}

  ~NullSession() override {
    if (own_arena_ != nullptr) backend_.release(own_arena_, arena_bytes());
  }

  void run(const Bindings& bindings) override {
    check_bindings(*program_, bindings);
    ++backend_.counts_.runs;
    for (const ir::Step& step : program_->steps) count(step, backend_.counts_);
  }

  // Only a watcher looks into the arena, so only this makes one.
  void run_watched(const Bindings& bindings,
                   const std::function<void(int, std::span<void* const>)>& after) override {
    check_bindings(*program_, bindings);
    if (arena_ == nullptr) {
      arena_ = own_arena_ = static_cast<std::byte*>(backend_.allocate(arena_bytes()));
    }
    ++backend_.counts_.runs;
    std::vector<void*> table(addresses_.size());
    addresses_.bind_arena(arena_, table.data());
    addresses_.bind(bindings, table.data());
    for (std::size_t i = 0; i < program_->steps.size(); ++i) {
      count(program_->steps[i], backend_.counts_);
      after(static_cast<int>(i), addresses_.outputs(i, table.data()));
    }
  }

  void run_some(const Bindings& bindings, std::span<const std::uint8_t> chosen) override {
    check_bindings(*program_, bindings);
    if (chosen.size() != program_->steps.size()) {
      throw ir::InternalError("null: the choice is not one of " +
                              std::to_string(program_->steps.size()) + " steps");
    }
    ++backend_.counts_.runs;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      if (chosen[i] != 0) count(program_->steps[i], backend_.counts_);
    }
  }

 private:
  std::size_t arena_bytes() const { return static_cast<std::size_t>(program_->arena_bytes); }

  NullBackend& backend_;
  std::shared_ptr<const ir::Program> program_;
  AddressPlan addresses_;
  std::byte* arena_;
  std::byte* own_arena_ = nullptr;
};

namespace {

class NullCode : public Code {
 public:
  NullCode(NullBackend& backend, std::shared_ptr<const ir::Program> program)
      : backend_(backend), program_(std::move(program)) {}

  std::int64_t arena_bytes() const override { return program_->arena_bytes; }
  std::unique_ptr<Session> new_session(std::byte* arena) const override {
    return std::make_unique<NullSession>(backend_, program_, arena);
  }
  void run_once(const Bindings& bindings, std::byte* arena) const override {
    NullSession(backend_, program_, arena).run(bindings);
  }

 private:
  NullBackend& backend_;
  std::shared_ptr<const ir::Program> program_;
};

}  // namespace

void* NullBackend::allocate(std::size_t bytes) {
  void* memory = bytes > kMostBytes ? nullptr : ::operator new(bytes, kAlignment, std::nothrow);
  if (memory == nullptr) {
    raise({.where = "null",
           .what = "no memory",
           .got = "a request for " + std::to_string(bytes) + " bytes",
           .expected = {},
           .hint = {}});
  }
  std::memset(memory, 0, bytes);
  return memory;
}

void NullBackend::release(void* memory, std::size_t) { ::operator delete(memory, kAlignment); }

void NullBackend::copy_to_device(void* to, const void* from, std::size_t bytes) {
  copy(to, from, bytes);
}

void NullBackend::copy_to_host(void* to, const void* from, std::size_t bytes) {
  copy(to, from, bytes);
}

void NullBackend::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memmove(to, from, bytes);
}

bool NullBackend::accepts(const KernelCall& call, int input) {
  if (like_ != nullptr) return like_->accepts(call, input);
  const ir::Layout& layout = call.inputs[static_cast<std::size_t>(input)];
  if (ir::is_dense(layout) || call.op == ir::OpId::copy) return true;
  const std::size_t rank = layout.strides.size();
  return call.op == ir::OpId::matmul && rank >= 2 &&
         (layout.strides[rank - 1] == 1 || layout.strides[rank - 2] == 1);
}

FusionLimits NullBackend::fusion_limits() const {
  return like_ != nullptr ? like_->fusion_limits() : FusionLimits();
}

// A vector runs along the innermost axis, or holds one element of it many times.
bool NullBackend::group_accepts(const ir::Layout& layout) {
  if (like_ != nullptr) return like_->group_accepts(layout);
  for (int axis = layout.shape.rank() - 1; axis >= 0; --axis) {
    if (layout.shape[axis] == 1) continue;
    const std::int64_t stride = layout.strides[static_cast<std::size_t>(axis)];
    return stride == 0 || stride == 1;
  }
  return true;
}

std::vector<std::string> NullBackend::candidates(const KernelCall& call) {
  return like_ == nullptr ? Backend::candidates(call) : like_->candidates(call);
}

std::optional<PreparedCall> NullBackend::prepare(const KernelCall& call,
                                                 const std::string& candidate,
                                                 const ir::Group* epilogue) {
  if (like_ != nullptr) return like_->prepare(call, candidate, epilogue);
  if (epilogue != nullptr) return std::nullopt;
  return PreparedCall{};
}

std::int64_t NullBackend::workspace_bytes(const ir::Group& group) {
  return like_ == nullptr ? 0 : like_->workspace_bytes(group);
}

std::shared_ptr<const Code> NullBackend::prepare(std::shared_ptr<const ir::Program> program) {
  ir::verify(*program, ops_);
  return std::make_shared<const NullCode>(*this, std::move(program));
}

}  // namespace sinter::backend::null
