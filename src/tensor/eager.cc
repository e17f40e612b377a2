#include "tensor/eager.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "backend/registry.h"
#include "base/cache_limits.h"
#include "base/lru_cache.h"
#include "tensor/recorder.h"

namespace sinter {

namespace {

struct CachedProgram {
  std::shared_ptr<const backend::Code> code;
  // The key names bodies by address, so they live as long as it does.
  std::vector<std::shared_ptr<const ir::Graph>> bodies;
};

class KeyBuilder {
 public:
  KeyBuilder() { key_.reserve(kUsualBytes); }
  template <class T>
  void add(const T& value) {
    key_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void add(const ir::TensorType& type) {
    add(type.dtype);
    add(type.shape.rank());
    for (const std::int64_t length : type.shape) add(length);
  }
  void add(const ir::AttributeValue& value) {
    add(value.index());
    if (const auto* integer = std::get_if<std::int64_t>(&value)) add(*integer);
    if (const auto* real = std::get_if<double>(&value)) add(*real);
    if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&value)) {
      add(integers->size());
      for (const std::int64_t each : *integers) add(each);
    }
  }
  std::string take() { return std::move(key_); }

 private:
  static constexpr std::size_t kUsualBytes = 256;  // taken from the heap once, not as it grows

  std::string key_;
};

std::string key_of(const ir::Op& op, std::span<const Tensor> inputs,
                   const ir::Attributes& attributes,
                   std::span<const std::shared_ptr<const ir::Graph>> bodies) {
  KeyBuilder key;
  key.add(&backend::default_backend());
  key.add(op.id);
  for (const Tensor& input : inputs) key.add(input.impl()->payload.type);
  // Values say all: apply() has completed them, so they stand in the order of the op's schema.
  for (const auto& [name, value] : attributes.entries()) key.add(value);
  for (const auto& body : bodies) key.add(body.get());
  return key.take();
}

ir::Graph one_node_graph(const ir::Op& op, std::span<const Tensor> inputs,
                         const ir::Attributes& attributes, std::span<const ir::TensorType> types,
                         SourceLocation location,
                         std::span<const std::shared_ptr<const ir::Graph>> bodies) {
  ir::Graph graph;
  ir::Node node;
  node.op = op.id;
  node.attributes = attributes;
  node.bodies.assign(bodies.begin(), bodies.end());
  node.location = location;
  for (const Tensor& input : inputs) {
    node.inputs.push_back(graph.add_input(input.impl()->payload.type));
  }
  const auto index = graph.add_node(std::move(node), {types.begin(), types.end()});
  graph.outputs = graph.nodes[static_cast<std::size_t>(index)].results;
  return graph;
}

using ProgramCache = LruCache<CachedProgram>;

ProgramCache& cache() {
  static auto* const instance = new ProgramCache(limits::kEagerPrograms);
  return *instance;
}

// The memory in which a thread's ops run, one after the other: a block of each device that grows to
// what they need. On a device that works on its own time the next op is enqueued behind this one.
class Scratch {
 public:
  // 64-byte aligned memory for one call, which *borrowed may hold.
  std::byte* take(backend::Backend* device, std::size_t bytes, std::optional<Storage>* borrowed) {
    if (bytes == 0) return nullptr;
    if (bytes > limits::kEagerScratchBytes) return borrowed->emplace(device, bytes).memory();
    const auto found = std::find_if(blocks_.begin(), blocks_.end(),
                                    [&](const auto& block) { return block->backend() == device; });
    if (found != blocks_.end() && (*found)->bytes() >= bytes) return (*found)->memory();
    auto block = std::make_unique<Storage>(device, std::max(std::bit_ceil(bytes), kLeastBytes));
    std::byte* const memory = block->memory();
    if (found != blocks_.end()) {
      *found = std::move(block);
    } else {
      blocks_.push_back(std::move(block));
    }
    return memory;
  }

 private:
  static constexpr std::size_t kLeastBytes = 16384;

  std::vector<std::unique_ptr<Storage>> blocks_;
};

void run_program(const backend::Code& code, const backend::Bindings& bindings) {
  thread_local Scratch scratch;
  std::optional<Storage> borrowed;
  const auto bytes = static_cast<std::size_t>(code.arena_bytes());
  code.run_once(bindings, scratch.take(&backend::default_backend(), bytes, &borrowed));
}

bool shares_memory(const ir::Op& op, const Payload& input, const ir::TensorType& type,
                   const ir::Attributes& attributes, Payload* result) {
  if (op.kind != ir::OpKind::view) return false;
  const auto layout = op.view(ir::dense_layout(input.type.shape), type, attributes);
  if (!layout || !ir::is_dense(*layout)) return false;
  *result = input;
  result->type = type;
  result->offset += layout->offset * static_cast<std::int64_t>(size_of(type.dtype));
  return true;
}

// Ops run on the current device, and their inputs lie there.
void check_devices(const ir::Op& op, std::span<const Tensor> inputs, SourceLocation location) {
  const backend::Backend* const device = &backend::default_backend();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const backend::Backend* const own = inputs[i].impl()->payload.storage->backend();
    if (own == device) continue;
    const std::string place = location.to_string();
    raise({.where = place.empty() ? op.name : op.name + (" [" + place + "]"),
           .what = "input " + std::to_string(i) + " lies on another device than the op runs on",
           .got = own->name(),
           .expected = device->name(),
           .hint = "to_device() copies it there; set_device() chooses where ops run"});
  }
}

}  // namespace

std::size_t eager_program_count() { return cache().size(); }

std::vector<Payload> run_eager(const ir::Op& op, std::span<const Tensor> inputs,
                               const ir::Attributes& attributes,
                               std::span<const ir::TensorType> types, SourceLocation location,
                               std::span<const std::shared_ptr<const ir::Graph>> bodies) {
  for (const Tensor& input : inputs) {
    if (input.impl()->payload.is_symbolic()) {
      raise({.where = op.name,
             .what = "a Tensor of a traced function is used outside of it",
             .got = {},
             .expected = {},
             .hint = "return it from the function, or assign it to a State"});
    }
  }
  check_devices(op, inputs, location);
  if (inputs.size() == 1) {
    Payload shared;
    if (shares_memory(op, inputs[0].impl()->payload, types[0], attributes, &shared))
      return {shared};
  }
  std::string key = key_of(op, inputs, attributes, bodies);
  std::shared_ptr<CachedProgram> program = cache().find(key);
  if (program == nullptr) {
    program = std::make_shared<CachedProgram>();
    program->code =
        make_eager_program(one_node_graph(op, inputs, attributes, types, location, bodies));
    program->bodies.assign(bodies.begin(), bodies.end());
    program = cache().add(std::move(key), program);
  }
  std::vector<Payload> results;
  std::vector<void*> input_memory;
  std::vector<void*> output_memory;
  results.reserve(types.size());
  input_memory.reserve(inputs.size());
  output_memory.reserve(types.size());
  for (const Tensor& input : inputs) input_memory.push_back(input.impl()->payload.memory());
  for (const ir::TensorType& type : types) {
    results.push_back(allocate_payload(type));
    output_memory.push_back(results.back().memory());
  }
  run_program(*program->code, {input_memory, output_memory, {}});
  return results;
}

}  // namespace sinter
