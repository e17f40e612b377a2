#include "backend/cuda/session.h"

#include <algorithm>
#include <utility>

#include "ir/scan.h"

namespace sinter::backend::cuda {

namespace {

// Up to so many launches, enqueueing them costs no more than the copies around a graph.
constexpr std::int64_t kFewLaunches = 4;
constexpr std::int64_t kAlignment = 256;

std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::int64_t count_launches(const ir::Program& program) {
  std::int64_t count = 0;
  for (const ir::Step& step : program.steps) {
    if (step.is_in_place) continue;
    count += step.body == nullptr
                 ? 1
                 : ir::scan_attributes(step.attributes).length * count_launches(*step.body);
  }
  return count;
}

}  // namespace

CudaSession::CudaSession(std::shared_ptr<const CudaCode> code, std::byte* arena)
    : code_(std::move(code)),
      backend_(code_->backend()),
      program_(code_->program()),
      uses_graph_(count_launches(program_) > kFewLaunches),
      memory_(nullptr, MemoryDeleter{&backend_}),
      input_slots_(program_.inputs.size()),
      output_slots_(program_.outputs.size()),
      inputs_(program_.inputs.size()),
      graph_(nullptr, GraphDeleter{&backend_.api()}) {
  const std::lock_guard lock(backend_.mutex());
  backend_.check_usable();
  allocate_memory(arena);
  if (arena == nullptr) arena = memory_.get();
  code_->clear_zeros(arena);
  steps_ = std::make_unique<Steps>(*code_, code_->steps(), arena);
}

CudaSession::~CudaSession() {
  const std::lock_guard lock(backend_.mutex());
  graph_.reset();
  steps_.reset();
}

void CudaSession::allocate_memory(std::byte* arena) {
  std::int64_t bytes = arena == nullptr ? aligned(program_.arena_bytes) : 0;
  std::vector<std::pair<void**, std::int64_t>> slots;
  const auto add = [&](std::vector<void*>& table, const std::vector<ir::TensorType>& types) {
    for (std::size_t i = 0; i < types.size(); ++i) {
      slots.emplace_back(&table[i], bytes);
      bytes += aligned(types[i].bytes());
    }
  };
  if (uses_graph_) {
    add(input_slots_, program_.inputs);
    add(output_slots_, program_.outputs);
  }
  if (arena != nullptr && bytes == 0) return;
  memory_.reset(static_cast<std::byte*>(
      backend_.allocate_for(static_cast<std::size_t>(bytes), "a program's buffers")));
  for (const auto& [slot, offset] : slots) *slot = memory_.get() + offset;
}

void* CudaSession::staged_input(std::size_t input, const Bindings& bindings) {
  void* const given = bindings.inputs[input];
  const auto bytes = static_cast<std::size_t>(program_.inputs[input].bytes());
  const bool is_on_host = !bindings.host_inputs.empty() && bindings.host_inputs[input] != 0;
  if (!uses_graph_ && !is_on_host) return given;
  void*& slot = input_slots_[input];
  if (slot == nullptr) {
    late_slots_.emplace_back(static_cast<std::byte*>(backend_.allocate(bytes)),
                             MemoryDeleter{&backend_});
    slot = late_slots_.back().get();
  }
  if (is_on_host) {
    backend_.copy_to_device(slot, given, bytes);
  } else {
    backend_.copy(slot, given, bytes);
  }
  return slot;
}

Bindings CudaSession::stage(const Bindings& bindings) {
  for (std::size_t i = 0; i < inputs_.size(); ++i) inputs_[i] = staged_input(i, bindings);
  return {.inputs = inputs_,
          .outputs = uses_graph_ ? std::span<void* const>(output_slots_) : bindings.outputs,
          .states = bindings.states};
}

void CudaSession::copy_results(const Bindings& bindings) {
  if (!uses_graph_) return;
  for (std::size_t i = 0; i < output_slots_.size(); ++i) {
    backend_.copy(bindings.outputs[i], output_slots_[i],
                  static_cast<std::size_t>(program_.outputs[i].bytes()));
  }
}

void CudaSession::capture(const Bindings& staged) {
  const SinterCudaApi& api = backend_.api();
  graph_.reset();
  steps_->bind(staged);
  backend_.check(api.begin_capture(backend_.context()), "capturing a program");
  steps_->launch_all();
  SinterCudaGraph* graph = nullptr;
  backend_.check(api.end_capture(backend_.context(), &graph), "capturing a program");
  graph_.reset(graph);
  captured_states_.assign(staged.states.begin(), staged.states.end());
  ++capture_count_;
}

void CudaSession::run(const Bindings& bindings) {
  const std::lock_guard lock(backend_.mutex());
  backend_.check_usable();
  const Bindings staged = stage(bindings);
  if (code_->has_kernels()) backend_.note_kernels();
  if (!uses_graph_ || !has_run_) {
    steps_->bind(staged);
    steps_->launch_all();
    has_run_ = true;
  } else {
    const bool is_captured =
        graph_ != nullptr &&
        std::equal(captured_states_.begin(), captured_states_.end(), staged.states.begin());
    if (!is_captured) capture(staged);
    backend_.check(backend_.api().launch_graph(backend_.context(), graph_.get()),
                   "running a program");
  }
  copy_results(bindings);
}

void CudaSession::run_watched(const Bindings& bindings,
                              const std::function<void(int, std::span<void* const>)>& after) {
  const std::lock_guard lock(backend_.mutex());
  backend_.check_usable();
  steps_->bind(stage(bindings));
  if (code_->has_kernels()) backend_.note_kernels();
  for (std::size_t i = 0; i < steps_->size(); ++i) {
    steps_->launch(i);
    backend_.synchronize();
    after(static_cast<int>(i), steps_->outputs(i));
  }
  copy_results(bindings);
}

void CudaSession::run_some(const Bindings& bindings, std::span<const std::uint8_t> chosen) {
  const std::lock_guard lock(backend_.mutex());
  backend_.check_usable();
  steps_->bind(stage(bindings));
  if (code_->has_kernels()) backend_.note_kernels();
  for (std::size_t i = 0; i < steps_->size(); ++i) {
    if (chosen[i] != 0) steps_->launch(i);
  }
  backend_.synchronize();
}

std::vector<double> CudaSession::time_steps(const Bindings& bindings, int repeats) {
  const std::lock_guard lock(backend_.mutex());
  backend_.check_usable();
  const SinterCudaApi& api = backend_.api();
  steps_->bind(stage(bindings));
  if (code_->has_kernels()) backend_.note_kernels();
  // On the CPU a kernel takes far longer than the host's part of its launch.
  if (backend_.device().is_emulated != 0) repeats = 1;
  std::vector<double> times;
  for (std::size_t i = 0; i < steps_->size(); ++i) {
    // The first run is the step itself: it finds what the steps before have left.
    steps_->launch(i);
    backend_.check(api.start_timer(backend_.context()), "timing a step");
    for (int repeat = 0; repeat < repeats; ++repeat) steps_->launch(i);
    double seconds = 0;
    backend_.check(api.stop_timer(backend_.context(), &seconds), "timing a step");
    times.push_back(1000 * seconds / repeats);
  }
  copy_results(bindings);
  return times;
}

}  // namespace sinter::backend::cuda
