#include "tensor/apply.h"

#include <atomic>

#include "ir/internal_error.h"
#include "tensor/eager.h"
#include "tensor/impl.h"
#include "tensor/known_result.h"
#include "tensor/recorder.h"

namespace sinter {

namespace {

bool any_tracked(std::span<const Tensor> inputs) {
  for (const Tensor& input : inputs) {
    if (input.impl()->is_tracked()) return true;
  }
  return false;
}

void check_handles(const ir::Op& op, std::span<const Tensor> inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) {
      raise({.where = op.name,
             .what = "input " + std::to_string(i) + " is an empty Tensor handle",
             .got = {},
             .expected = {},
             .hint = "a default-constructed Tensor, or a gradient that does not exist"});
    }
  }
}

std::vector<ir::TensorType> infer(const ir::Op& op, std::span<const Tensor> inputs,
                                  const ir::Attributes& attributes, SourceLocation location,
                                  std::span<const std::shared_ptr<const ir::Graph>> bodies) {
  std::vector<ir::TensorType> types;
  types.reserve(inputs.size());
  for (const Tensor& input : inputs) types.push_back(input.impl()->payload.type);
  std::vector<const ir::Graph*> graphs;
  graphs.reserve(bodies.size());
  for (const auto& body : bodies) graphs.push_back(body.get());
  try {
    ir::check_inputs(op, types);
    return op.infer({types, attributes, graphs});
  } catch (const Error& error) {
    rethrow_with_location(error, location);
  }
}

std::uint64_t next_sequence() {
  static std::atomic<std::uint64_t> counter{0};
  return ++counter;
}

std::shared_ptr<Record> make_record(const ir::Op& op, std::span<const Tensor> inputs,
                                    const ir::Attributes& attributes, SourceLocation location,
                                    std::span<const std::shared_ptr<const ir::Graph>> bodies,
                                    std::vector<Payload> results) {
  auto record = std::make_shared<Record>();
  record->op = &op;
  record->inputs.assign(inputs.begin(), inputs.end());
  record->attributes = attributes;
  record->bodies.assign(bodies.begin(), bodies.end());
  record->results = std::move(results);
  record->sequence = next_sequence();
  record->location = location;
  record->scope = current_module_scope();
  return record;
}

}  // namespace

std::shared_ptr<const ir::AxisOrigins> origins_after(ir::AxisRule rule,
                                                     std::span<const Tensor> inputs,
                                                     const ir::Attributes& attributes,
                                                     const Shape& result) {
  bool any = rule == ir::AxisRule::image;
  for (const Tensor& input : inputs) any = any || input.impl()->origins != nullptr;
  if (!any) return nullptr;
  std::vector<ir::AxisSource> sources;
  sources.reserve(inputs.size());
  for (const Tensor& input : inputs) {
    sources.push_back({input.impl()->payload.type.shape, input.impl()->origins.get()});
  }
  const ir::AxisOrigins origins = ir::follow_axes(rule, sources, attributes, result);
  return origins.any() ? std::make_shared<const ir::AxisOrigins>(origins) : nullptr;
}

Tensor apply_known(const ir::Op& op, std::span<const Tensor> inputs,
                   const ir::Attributes& attributes, SourceLocation location, const Tensor& value) {
  auto impl = std::make_shared<TensorImpl>();
  impl->payload = value.impl()->payload;
  impl->origins = origins_after(op.axes, inputs, attributes, impl->payload.type.shape);
  if (tracking_enabled() && any_tracked(inputs)) {
    impl->record = make_record(op, inputs, attributes, location, {}, {impl->payload});
  }
  return Tensor(std::move(impl));
}

// An error of an op names the user's line, which the op itself does not know.
void rethrow_with_location(const Error& error, SourceLocation location) {
  const std::string place = location.to_string();
  throw Error(place.empty() ? error.what() : std::string(error.what()) + " [" + place + "]");
}

std::vector<Tensor> apply(const ir::Op& op, std::span<const Tensor> inputs,
                          const ir::Attributes& attributes, SourceLocation location,
                          std::span<const std::shared_ptr<const ir::Graph>> bodies) {
  if (!ir::are_complete(op, attributes)) {
    return apply(op, inputs, ir::completed(op, attributes), location, bodies);
  }
  location = users_location(location);
  check_handles(op, inputs);
  const bool tracked = tracking_enabled() && any_tracked(inputs);
  // A composite without a gradient of its own is differentiated through its composition.
  if (tracked && op.compose != nullptr && op.gradient == nullptr) {
    infer(op, inputs, attributes, location, bodies);
    const LocationScope line(location);
    return op.compose(inputs, attributes);
  }
  const std::vector<ir::TensorType> types = infer(op, inputs, attributes, location, bodies);
  Recorder* const recorder = current_recorder();
  std::vector<Payload> payloads =
      recorder != nullptr ? recorder->record(op, inputs, attributes, types, location, bodies)
                          : run_eager(op, inputs, attributes, types, location, bodies);

  std::shared_ptr<Record> record;
  if (tracked) record = make_record(op, inputs, attributes, location, bodies, payloads);
  std::vector<Tensor> results;
  results.reserve(payloads.size());
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    auto impl = std::make_shared<TensorImpl>();
    impl->payload = std::move(payloads[i]);
    impl->record = record;
    impl->result = static_cast<std::int32_t>(i);
    impl->origins = origins_after(op.axes, inputs, attributes, types[i].shape);
    results.emplace_back(std::move(impl));
  }
  return results;
}

bool is_tracing() { return current_recorder() != nullptr; }

}  // namespace sinter
