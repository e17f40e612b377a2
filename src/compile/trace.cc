#include "compile/trace.h"

#include "ops/list.h"
#include "sinter/autograd.h"
#include "sinter/ops.h"
#include "tensor/apply.h"

namespace sinter::compile_detail {

Tracer::Tracer() : id_(next_id()) {}

Tracer::Tracer(ir::Graph room) : Tracer() { trace_.graph = std::move(room); }

Payload Tracer::payload(ir::ValueId value) const {
  Payload payload;
  payload.type = trace_.graph.type_of(value);
  payload.value = value;
  payload.trace = id_;
  return payload;
}

Tensor Tracer::add_argument(const ir::TensorType& type) {
  ++argument_count_;
  return make_tensor(payload(trace_.graph.add_input(type)));
}

Tensor Tracer::add_state_in(std::uint64_t state, const ir::TensorType& type) {
  const ir::ValueId value = trace_.graph.add_state_in(state, type);
  current_[state] = value;
  return make_tensor(payload(value));
}

void Tracer::add_state_out(std::uint64_t state, const Tensor& value) {
  set_state(state, value_of(value));
}

ir::ValueId Tracer::value_of(const Tensor& tensor) {
  const Payload& source = tensor.impl()->payload;
  return source.is_symbolic() && source.trace == id_ ? source.value : capture(tensor);
}

ir::ValueId Tracer::add_captured(const Tensor& tensor) {
  trace_.captured.push_back(tensor);
  return trace_.graph.add_input(tensor.impl()->payload.type);
}

ir::ValueId Tracer::capture(const Tensor& tensor) {
  const Payload& source = tensor.impl()->payload;
  if (source.is_symbolic()) {
    raise({.where = "compile",
           .what = "a Tensor of another traced function is used in this one",
           .got = tensor.to_string(),
           .expected = {},
           .hint = "return it from there, or keep it in a State"});
  }
  const std::pair<const void*, std::int64_t> key{source.storage.get(), source.offset};
  const auto found = captured_.find(key);
  if (found != captured_.end() && trace_.graph.type_of(found->second) == source.type) {
    return found->second;
  }
  const ir::ValueId value = add_captured(tensor);
  captured_[key] = value;
  return value;
}

std::vector<Payload> Tracer::record(const ir::Op& op, std::span<const Tensor> inputs,
                                    const ir::Attributes& attributes,
                                    std::span<const ir::TensorType> types, SourceLocation location,
                                    std::span<const std::shared_ptr<const ir::Graph>> bodies) {
  ir::Node node;
  node.op = op.id;
  node.attributes = attributes;
  node.bodies.assign(bodies.begin(), bodies.end());
  node.location = origin_ != nullptr ? origin_->location : location;
  node.scope = origin_ != nullptr ? origin_->scope : current_module_scope();
  for (const Tensor& input : inputs) node.inputs.push_back(value_of(input));
  const std::int32_t index = trace_.graph.add_node(std::move(node), {types.begin(), types.end()});
  std::vector<Payload> results;
  for (const ir::ValueId value : trace_.graph.nodes[static_cast<std::size_t>(index)].results) {
    results.push_back(payload(value));
  }
  return results;
}

Payload Tracer::read(const std::shared_ptr<StateImpl>& state) {
  if (state->arena != nullptr) {
    const Tensor arena = make_tensor(read(state->arena));
    const NoGradScope no_grad;
    const std::int64_t begin = state->arena_offset;
    const Tensor part = slice(arena, 0, begin, begin + state->type.elements());
    return reshape(part, state->type.shape).impl()->payload;
  }
  const auto found = current_.find(state->id);
  if (found != current_.end()) return payload(found->second);
  trace_.states[state->id] = state;
  const ir::ValueId value = trace_.graph.add_state_in(state->id, state->type);
  current_[state->id] = value;
  return payload(value);
}

void Tracer::assign(const std::shared_ptr<StateImpl>& state, const Tensor& value) {
  if (state->arena != nullptr) {
    // The arena with the part replaced.
    const NoGradScope no_grad;
    const Tensor arena = make_tensor(read(state->arena));
    const std::int64_t begin = state->arena_offset;
    const std::int64_t end = begin + state->type.elements();
    const std::int64_t length = arena.elements();
    const Tensor before = slice(arena, 0, 0, begin);
    const Tensor after = slice(arena, 0, end, length);
    assign(state->arena, pack({before, value, after}, {0, begin, end}, length));
    return;
  }
  trace_.states[state->id] = state;
  set_state(state->id, value_of(value));
}

void Tracer::set_state(std::uint64_t id, ir::ValueId value) {
  current_[id] = value;
  for (ir::StateUse& use : trace_.graph.state_out) {
    if (use.state == id) {
      use.value = value;
      return;
    }
  }
  trace_.graph.state_out.push_back({id, value});
}

Trace Tracer::finish(const std::vector<Tensor>& outputs) {
  for (const Tensor& output : outputs) {
    if (!output.defined()) {
      raise({.where = "compile",
             .what = "the function returned an empty Tensor handle",
             .got = {},
             .expected = {},
             .hint = {}});
    }
    trace_.graph.outputs.push_back(value_of(output));
  }
  return std::move(trace_);
}

}  // namespace sinter::compile_detail
