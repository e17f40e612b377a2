#include "compile/scan/body_trace.h"

#include <mutex>
#include <unordered_map>

#include "ops/list.h"
#include "sinter/autograd.h"
#include "tensor/apply.h"
#include "tensor/known_result.h"

namespace sinter::compile_detail {

namespace {

class BodyTracer : public Tracer {
 public:
  BodyTracer() : outer_(current_recorder()), tracking_(tracking_enabled()) {}

  Tensor add_stand_in(const BodyArgument& argument) {
    Tensor tensor = with_origins(add_argument(argument.type), argument.origins);
    if (tracking_ && is_floating(argument.type.dtype)) tensor = watch(tensor);
    mark(tensor.impl()->payload.value, tensor.impl()->is_tracked());
    return tensor;
  }

  TracedBody finish_body(const std::vector<Tensor>& outputs) {
    note_uses(outputs);
    Trace trace = finish(outputs);
    return {std::make_shared<const ir::Graph>(std::move(trace.graph)), outputs,
            std::move(trace.captured), std::move(detached_)};
  }

  std::vector<Payload> record(const ir::Op& op, std::span<const Tensor> inputs,
                              const ir::Attributes& attributes,
                              std::span<const ir::TensorType> types, SourceLocation location,
                              std::span<const std::shared_ptr<const ir::Graph>> bodies) override {
    const bool tracked = note_uses(inputs);
    std::vector<Payload> results = Tracer::record(op, inputs, attributes, types, location, bodies);
    for (const Payload& result : results) mark(result.value, tracked);
    return results;
  }

  // The State is read around the scan, once.
  Payload read(const std::shared_ptr<StateImpl>& state) override {
    const auto known = states_.find(state->id);
    if (known != states_.end()) return payload(known->second);
    Tensor outside;
    {
      const RecorderScope scope(outer_);
      outside = read_state(state);
    }
    const ir::ValueId value = value_of(outside);
    states_[state->id] = value;
    return payload(value);
  }

  void assign(const std::shared_ptr<StateImpl>& state, const Tensor&) override {
    raise({.where = "scan",
           .what = "the body assigns State " + state->name,
           .got = {},
           .expected = {},
           .hint = "make it a carry, and assign what the scan returns"});
  }

 protected:
  ir::ValueId capture(const Tensor& tensor) override {
    const TensorImpl& impl = *tensor.impl();
    const Payload& source = impl.payload;
    const Key key{source.storage.get(), source.is_symbolic() ? source.value : source.offset,
                  source.trace,         impl.record.get(),
                  impl.result,          impl.leaf};
    const auto found = captured_.find(key);
    if (found != captured_.end() && graph().type_of(found->second) == source.type) {
      return found->second;
    }
    const ir::ValueId value = add_captured(tensor);
    captured_[key] = value;
    mark(value, impl.is_tracked());
    return value;
  }

 private:
  // Memory or value, and history: detached handles of one value are another constant.
  using Key = std::tuple<const void*, std::int64_t, std::uint64_t, const void*, std::int32_t,
                         std::uint64_t>;

  void mark(ir::ValueId value, bool tracked) {
    has_history_.resize(graph().values.size());
    has_history_[static_cast<std::size_t>(value)] = tracked ? 1 : 0;
  }

  // Whether a result made of `used` has a history when the body is replayed.
  bool note_uses(std::span<const Tensor> used) {
    if (!tracking_) return false;
    bool any = false;
    for (std::size_t i = 0; i < used.size(); ++i) {
      const auto value = static_cast<std::size_t>(value_of(used[i]));
      if (has_history_[value] == 0) continue;
      if (used[i].impl()->is_tracked()) {
        any = true;
      } else {
        detached_.push_back(static_cast<std::int64_t>(graph().nodes.size()));
        detached_.push_back(static_cast<std::int64_t>(i));
      }
    }
    return any;
  }

  Recorder* const outer_;
  const bool tracking_;
  std::map<Key, ir::ValueId> captured_;
  std::map<std::uint64_t, ir::ValueId> states_;
  std::vector<std::uint8_t> has_history_;  // by value
  std::vector<std::int64_t> detached_;
};

// Bodies in use, found by how much they hold.
class BodyTable {
 public:
  std::shared_ptr<const ir::Graph> unique(const std::shared_ptr<const ir::Graph>& body) {
    const std::lock_guard lock(mutex_);
    const std::size_t key = body->nodes.size() * 1000003 + body->values.size();
    auto [entry, end] = bodies_.equal_range(key);
    while (entry != end) {
      const std::shared_ptr<const ir::Graph> known = entry->second.lock();
      if (known == nullptr) {
        entry = bodies_.erase(entry);
        continue;
      }
      if (ir::first_difference(*known, *body) < 0) return known;
      ++entry;
    }
    bodies_.emplace(key, body);
    return body;
  }

 private:
  std::mutex mutex_;
  std::unordered_multimap<std::size_t, std::weak_ptr<const ir::Graph>> bodies_;
};

bool keeps(const ir::Node& node) {
  return ir::find(op_list(), node.op).kind == ir::OpKind::contraction;
}

BodyTable& body_table() {
  static BodyTable* const table = new BodyTable;
  return *table;
}

}  // namespace

TracedBody trace_body(
    std::span<const BodyArgument> arguments,
    const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& function) {
  BodyTracer tracer;
  std::vector<Tensor> stand_ins;
  for (const BodyArgument& each : arguments) stand_ins.push_back(tracer.add_stand_in(each));
  const RecorderScope scope(&tracer);
  return tracer.finish_body(function(stand_ins));
}

std::vector<ir::ValueId> kept_values(const ir::Graph& body) {
  std::vector<ir::ValueId> kept;
  for (const ir::Node& node : body.nodes) {
    if (keeps(node)) kept.push_back(node.results.front());
  }
  return kept;
}

std::vector<Tensor> replay_body(const ir::Graph& body, std::span<const std::int64_t> detached,
                                const std::vector<Tensor>& inputs, std::span<const Tensor> kept) {
  std::vector<Tensor> tensors(body.values.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    tensors[static_cast<std::size_t>(body.inputs[i])] = inputs[i];
  }
  std::size_t next_kept = 0;
  std::size_t next = 0;  // in `detached`, which ascends
  const auto use = [&](ir::ValueId value, std::size_t node, std::size_t input) {
    const Tensor& tensor = tensors[static_cast<std::size_t>(value)];
    if (next >= detached.size() || detached[next] != static_cast<std::int64_t>(node) ||
        detached[next + 1] != static_cast<std::int64_t>(input)) {
      return tensor;
    }
    next += 2;
    return detach(tensor);
  };
  for (std::size_t i = 0; i < body.nodes.size(); ++i) {
    const ir::Node& node = body.nodes[i];
    std::vector<Tensor> used;
    for (std::size_t j = 0; j < node.inputs.size(); ++j) used.push_back(use(node.inputs[j], i, j));
    const ir::Op& op = ir::find(op_list(), node.op);
    if (keeps(node)) {
      tensors[static_cast<std::size_t>(node.results.front())] =
          apply_known(op, used, node.attributes, node.location, kept[next_kept++]);
      continue;
    }
    const std::vector<Tensor> results =
        apply(op, used, node.attributes, node.location, node.bodies);
    for (std::size_t j = 0; j < results.size(); ++j) {
      tensors[static_cast<std::size_t>(node.results[j])] = results[j];
    }
  }
  std::vector<Tensor> outputs;
  for (std::size_t i = 0; i < body.outputs.size(); ++i) {
    outputs.push_back(use(body.outputs[i], body.nodes.size(), i));
  }
  return outputs;
}

namespace {

BodyArgument argument_of(const Tensor& tensor) {
  return {tensor.impl()->payload.type, tensor.impl()->origins};
}

// One step of a sequence.
BodyArgument step_of(const Tensor& sequence) {
  const ir::TensorType& type = sequence.impl()->payload.type;
  const std::vector<std::int64_t> lengths(type.shape.begin() + 1, type.shape.end());
  const Shape shape(lengths);
  return {{type.dtype, shape}, origins_after(ir::AxisRule::aligned, {&sequence, 1}, {}, shape)};
}

}  // namespace

std::vector<Tensor> apply_scan(
    const ScanInputs& inputs,
    const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& body,
    SourceLocation location) {
  std::vector<BodyArgument> arguments;
  for (const Tensor& carry : inputs.carries) arguments.push_back(argument_of(carry));
  for (const Tensor& sequence : inputs.sequences) arguments.push_back(step_of(sequence));
  for (const Tensor& constant : inputs.constants) arguments.push_back(argument_of(constant));
  TracedBody traced = trace_body(arguments, body);

  std::vector<Tensor> all = inputs.carries;
  all.insert(all.end(), inputs.sequences.begin(), inputs.sequences.end());
  all.insert(all.end(), inputs.constants.begin(), inputs.constants.end());
  all.insert(all.end(), traced.captured.begin(), traced.captured.end());
  bool tracked = false;
  for (const Tensor& input : all) tracked = tracked || input.impl()->is_tracked();

  const std::size_t carries = inputs.carries.size();
  std::int64_t saved = 0;
  if (tracked && tracking_enabled()) {
    // What its gradient starts each step from: the carries that the step began with, and more.
    ir::Graph saving = *traced.graph;
    const std::vector<ir::ValueId> kept = kept_values(saving);
    saving.outputs.insert(saving.outputs.end(), saving.inputs.begin(),
                          saving.inputs.begin() + static_cast<std::ptrdiff_t>(carries));
    saving.outputs.insert(saving.outputs.end(), kept.begin(), kept.end());
    saved = static_cast<std::int64_t>(carries + kept.size());
    traced.graph = std::make_shared<const ir::Graph>(std::move(saving));
  }
  const ir::Attributes attributes{{"length", inputs.length},
                                  {"carries", static_cast<std::int64_t>(carries)},
                                  {"reverse", std::int64_t{inputs.reverse ? 1 : 0}},
                                  {"saved", saved},
                                  {"detached", traced.detached}};
  const std::shared_ptr<const ir::Graph> unique = body_table().unique(traced.graph);
  std::vector<Tensor> results =
      apply(ir::find(op_list(), ir::OpId::scan), all, attributes, location, {{unique}});
  results.resize(results.size() - static_cast<std::size_t>(saved));
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Tensor& of_a_step = traced.outputs[i];
    results[i] = with_origins(
        results[i], origins_after(ir::AxisRule::aligned, {&of_a_step, 1}, {}, results[i].shape()));
  }
  return results;
}

}  // namespace sinter::compile_detail
