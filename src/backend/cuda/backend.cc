#include "backend/cuda/backend.h"

#include <array>
#include <exception>
#include <utility>

#include "backend/cuda/call.h"
#include "backend/cuda/code.h"
#include "backend/cuda/groups/groups.h"
#include "backend/cuda/status.h"
#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {

namespace {

std::string bytes_text(std::uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

}  // namespace

CudaBackend::CudaBackend(const SinterCudaApi* api, int device)
    : api_(api), name_("cuda:" + std::to_string(device)) {
  check(api_->describe_device(device, &device_));
  check(api_->create_context(device, &context_));
}

CudaBackend::~CudaBackend() {
  if (context_ != nullptr) api_->destroy_context(context_);
}

void CudaBackend::check_usable() const {
  if (lost_.empty()) return;
  raise({.where = name_,
         .what = lost_,
         .got = {},
         .expected = {},
         .hint = hint_for(kSinterCudaDeviceLost)});
}

void CudaBackend::check(int status, const std::string& place) {
  if (status == kSinterCudaOk) return;
  const std::lock_guard lock(mutex_);
  const std::string said = api_->last_error();
  if (status == kSinterCudaDeviceLost) lost_ = problem_text(status, said.c_str());
  raise_status(status, place.empty() ? name_ : name_ + ": " + place, said.c_str());
}

void* CudaBackend::allocate(std::size_t bytes) { return allocate_for(bytes, ""); }

void* CudaBackend::allocate_for(std::size_t bytes, const std::string& purpose) {
  const std::lock_guard lock(mutex_);
  check_usable();
  void* memory = nullptr;
  const int status = api_->allocate(context_, bytes == 0 ? 1 : bytes, &memory);
  if (status != kSinterCudaOutOfMemory) {
    check(status, "allocating memory");
    return memory;
  }
  SinterCudaDevice now = device_;
  const int described = api_->describe_device(std::stoi(name_.substr(5)), &now);
  raise({.where = name_,
         .what = purpose.empty() ? "out of memory" : "not enough memory for " + purpose,
         .got = "a request for " + bytes_text(bytes),
         .expected = described != kSinterCudaOk
                         ? ""
                         : "at most the " + bytes_text(now.memory_free) + " that are free of the " +
                               bytes_text(now.memory_total) + " that the device has",
         .hint = hint_for(status)});
}

void CudaBackend::release(void* memory, std::size_t) {
  const std::lock_guard lock(mutex_);
  if (lost_.empty()) api_->release(context_, memory);
}

void CudaBackend::copy_to_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  const std::lock_guard lock(mutex_);
  check_usable();
  check(api_->copy_in(context_, to, from, bytes), "copying to the device");
}

void CudaBackend::copy_to_host(void* to, const void* from, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  check_usable();
  if (bytes > 0) check(api_->copy_out(context_, to, from, bytes), "copying from the device");
  throw_kernel_error();
}

void CudaBackend::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  const std::lock_guard lock(mutex_);
  check_usable();
  check(api_->copy(context_, to, from, bytes), "copying on the device");
}

void CudaBackend::synchronize() {
  const std::lock_guard lock(mutex_);
  check_usable();
  check(api_->synchronize(context_));
  throw_kernel_error();
}

bool CudaBackend::accepts(const KernelCall& call, int input) {
  if (ir::is_dense(call.inputs[static_cast<std::size_t>(input)])) return true;
  const CudaCall made(call);
  std::int32_t accepted = 0;
  const std::lock_guard lock(mutex_);
  check(api_->accepts(made.get(), input, &accepted), made.get()->op);
  return accepted != 0;
}

bool CudaBackend::group_accepts(const ir::Layout& layout) { return takes_operand(layout); }

// Every thread computes what it needs; a launch takes as long as some ten million instructions; and
// fewer rows than this go to several blocks each, which a pass over the points does better.
FusionLimits CudaBackend::fusion_limits() const {
  return {.operands = 128,
          .min_rows = 64,
          .kernel_instructions = std::int64_t{1} << 23,
          .hoists = false,
          .stores_rows_of_maps = false,
          .folds_one_axis = false};
}

std::vector<std::string> CudaBackend::candidates(const KernelCall& call) {
  const CudaCall made(call);
  std::array<const char*, kSinterCudaMaxCandidates> names{};
  std::int32_t count = 0;
  const std::lock_guard lock(mutex_);
  check_usable();
  check(api_->candidates(context_, made.get(), names.data(), &count), made.get()->op);
  return {names.begin(), names.begin() + count};
}

std::optional<PreparedCall> CudaBackend::prepare(const KernelCall& call,
                                                 const std::string& candidate,
                                                 const ir::Group* epilogue) {
  std::optional<EpilogueForm> form;
  if (epilogue != nullptr) {
    form = form_of(call, *epilogue);
    if (!form) return std::nullopt;
  }
  const CudaCall made(call, candidate, form ? &*form : nullptr);
  PreparedCall prepared;
  const std::lock_guard lock(mutex_);
  check_usable();
  const int status = api_->workspace_bytes(context_, made.get(), &prepared.workspace_bytes);
  if (status == kSinterCudaNotTaken) return std::nullopt;
  check(status, made.get()->op);
  return prepared;
}

std::int64_t CudaBackend::workspace_bytes(const ir::Group& group) {
  return group_workspace_bytes(group);
}

std::shared_ptr<const Code> CudaBackend::prepare(std::shared_ptr<const ir::Program> program) {
  return std::make_shared<const CudaCode>(*this, std::move(program));
}

std::int32_t CudaBackend::add_steps(std::vector<StepName> names) {
  const std::lock_guard lock(mutex_);
  // The lowest numbers that are free, so that they stay small: kernels pack them with a position.
  constexpr std::size_t kMostSteps = std::size_t{1} << 24;
  if (names.empty()) names.emplace_back();  // every program has a number of its own
  std::size_t first = 0;
  for (const auto& [taken, others] : steps_) {
    if (first + names.size() <= static_cast<std::size_t>(taken)) break;
    first = static_cast<std::size_t>(taken) + others.size();
  }
  if (first + names.size() > kMostSteps) {
    throw ir::InternalError("cuda: more steps than kernels can tell apart");
  }
  const auto number = static_cast<std::int32_t>(first);
  steps_.emplace(number, std::move(names));
  return number;
}

void CudaBackend::remove_steps(std::int32_t first) noexcept {
  const std::lock_guard lock(mutex_);
  if (lost_.empty() && api_->synchronize(context_) == kSinterCudaOk) {
    try {
      const std::string error = take_kernel_error();
      if (pending_error_.empty()) pending_error_ = error;
    } catch (const std::exception&) {
      // A lost device: the next call says so.
    }
  }
  steps_.erase(first);
}

// The message of an error that kernels found; empty when they found none.
std::string CudaBackend::take_kernel_error() {
  if (!has_kernels_) return "";
  has_kernels_ = false;
  SinterCudaKernelError error{.step = -1, .reserved = 0, .position = 0, .value = 0, .limit = 0};
  check(api_->take_kernel_error(context_, &error));
  if (error.step < 0) return "";
  StepName name{.op = "kernel", .place = "step " + std::to_string(error.step)};
  const auto after = steps_.upper_bound(error.step);
  if (after != steps_.begin()) {
    const auto& [first, names] = *std::prev(after);
    const auto position = static_cast<std::size_t>(error.step - first);
    if (position < names.size()) name = names[position];
  }
  std::string what = "the id at position " + std::to_string(error.position);
  if (name.op == "gather") what += " is not a row of the table";
  if (name.op == "segment_sum") what += " is not a segment";
  return name.op + ": " + what + "; got " + std::to_string(error.value) + "; expected 0 to " +
         std::to_string(error.limit - 1) + "; in " + name.place;
}

void CudaBackend::throw_kernel_error() {
  std::string error = take_kernel_error();
  if (!pending_error_.empty()) error = std::exchange(pending_error_, {});
  if (!error.empty()) throw Error(error);
}

}  // namespace sinter::backend::cuda
