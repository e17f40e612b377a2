#include "compile/watch.h"

#include <cmath>
#include <cstring>
#include <optional>

namespace sinter::compile_detail {

namespace {

template <class T>
bool all_finite(const void* memory, std::int64_t count) {
  const T* const values = static_cast<const T*>(memory);
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) return false;
  }
  return true;
}

bool is_finite(const ir::Argument& argument, const void* memory) {
  const std::int64_t count = argument.layout.shape.elements();
  if (argument.dtype == Dtype::f32) return all_finite<float>(memory, count);
  if (argument.dtype == Dtype::f64) return all_finite<double>(memory, count);
  return true;
}

std::string describe(const ir::Step& step) {
  std::string text = step.scope.empty() ? step.label : step.scope + ": " + step.label;
  const std::string place = step.location.to_string();
  return place.empty() ? text : text + " (" + place + ")";
}

template <class T>
bool are_close(const void* a, const void* b, std::int64_t count, double relative, double absolute) {
  const T* const x = static_cast<const T*>(a);
  const T* const y = static_cast<const T*>(b);
  for (std::int64_t i = 0; i < count; ++i) {
    if (std::isnan(x[i]) && std::isnan(y[i])) continue;
    if (x[i] == y[i]) continue;
    const double distance = std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
    if (!(distance <= relative * std::abs(static_cast<double>(y[i])) + absolute)) return false;
  }
  return true;
}

bool agree(const ir::TensorType& type, const void* a, const void* b) {
  if (type.dtype == Dtype::f32) return are_close<float>(a, b, type.elements(), 1e-3, 1e-5);
  if (type.dtype == Dtype::f64) return are_close<double>(a, b, type.elements(), 1e-9, 1e-12);
  return std::memcmp(a, b, static_cast<std::size_t>(type.bytes())) == 0;
}

[[noreturn]] void raise_difference(const std::string& name, const std::string& what) {
  raise({.where = name,
         .what = what + " differs between the compiled step and the same ops run one by one",
         .got = {},
         .expected = {},
         .hint = "SINTER_CHECK=2 compares them; this is a bug of the compiler: please report it"});
}

}  // namespace

std::string first_nonfinite_step(const ir::Program& program, backend::Backend& device,
                                 backend::Session& session, const backend::Bindings& bindings) {
  std::optional<std::size_t> first;
  session.run_watched(bindings, [&](int index, std::span<void* const> outputs) {
    if (first) return;
    const ir::Step& step = program.steps[static_cast<std::size_t>(index)];
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto elements = static_cast<std::size_t>(step.outputs[i].layout.shape.elements());
      const HostBytes host(device, outputs[i], elements * size_of(step.outputs[i].dtype));
      if (!is_finite(step.outputs[i], host.data())) first = static_cast<std::size_t>(index);
    }
  });
  return first ? describe(program.steps[*first]) : "";
}

EagerResult run_eagerly(const CompiledFunction::Function& function,
                        const std::vector<Tensor>& arguments, const StateList& states) {
  const SavedStates saved(states);
  EagerResult result;
  std::vector<Tensor> on_device;  // arguments may lie in host memory, which ops do not take
  for (const Tensor& argument : arguments) on_device.push_back(to_device(argument));
  result.results = function(on_device);
  for (const auto& state : states) {
    Payload copy = allocate_payload(state->type, state->storage->backend());
    state->storage->backend()->copy(copy.memory(), state->memory(),
                                    static_cast<std::size_t>(state->type.bytes()));
    result.states.push_back(std::move(copy));
  }
  return result;
}

void check_against_eager(const std::string& name, const EagerResult& expected,
                         const std::vector<Tensor>& results, const StateList& states) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Payload& a = results[i].impl()->payload;
    const Payload& b = expected.results[i].impl()->payload;
    if (!agree(a.type, HostBytes(a).data(), HostBytes(b).data())) {
      raise_difference(name, "result " + std::to_string(i));
    }
  }
  for (std::size_t i = 0; i < states.size(); ++i) {
    const HostBytes state(*states[i]->storage->backend(), states[i]->memory(),
                          static_cast<std::size_t>(states[i]->type.bytes()));
    if (!agree(states[i]->type, state.data(), HostBytes(expected.states[i]).data())) {
      raise_difference(name, "State " + states[i]->name);
    }
  }
}

}  // namespace sinter::compile_detail
