#include "backend/cpu/vendor/onednn.h"

#include <array>
#include <cassert>
#include <cstring>
#include <string>
#include <utility>

#include "base/cache_limits.h"
#include "base/free_list.h"
#include "base/lru_cache.h"
#include "base/parallel.h"
#include "sinter/error.h"

namespace sinter::backend::cpu::onednn {

namespace {

constexpr std::size_t kMaxArguments = 4;

[[noreturn]] void raise_status(const char* where, const char* message, int status) {
  raise({.where = where,
         .what = std::string("oneDNN failed: ") + message,
         .got = "status " + std::to_string(status),
         .expected = {},
         .hint = {}});
}

// oneDNN 2.x describes an operation by a `desc` of its own, from which the primitive's descriptor
// is made; in 3.x that descriptor takes the same arguments itself.
#if DNNL_VERSION_MAJOR < 3
template <class Primitive, class... Hint>
struct Maker {
  template <class... Arguments>
  static typename Primitive::primitive_desc make(const Hint&... hint,
                                                 const Arguments&... arguments) {
    return {typename Primitive::desc(arguments...), user_scratchpad(), engine(), hint...};
  }
};
#else
template <class Primitive, class... Hint>
struct Maker {
  template <class... Arguments>
  static typename Primitive::primitive_desc make(const Hint&... hint,
                                                 const Arguments&... arguments) {
    return {engine(), arguments..., hint..., user_scratchpad()};
  }
};
#endif

dnnl_status_t set_address(dnnl_memory_t memory, void* address, dnnl_stream_t stream) {
#if DNNL_VERSION_MAJOR < 3
  return dnnl_memory_set_data_handle_v2(memory, address, stream);  // fills padding, on this stream
#else
  static_cast<void>(stream);
  return dnnl_memory_set_data_handle(memory, address);
#endif
}

// A stream belongs to one thread.
dnnl_stream_t this_threads_stream() {
  thread_local const dnnl::stream stream(engine());
  return stream.get();
}

void append(std::string& key, std::int64_t value) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  key.append(bytes, sizeof(bytes));
}

void append(std::string& key, const Dtype dtype, const ir::Layout& layout) {
  append(key, static_cast<std::int64_t>(dtype));
  append(key, layout.shape.rank());
  for (const std::int64_t length : layout.shape) append(key, length);
  for (const std::int64_t stride : layout.strides) append(key, stride);
}

struct AppendValue {
  std::string& key;
  void operator()(std::int64_t value) const { append(key, value); }
  void operator()(double value) const {
    std::int64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    append(key, bits);
  }
  void operator()(const std::vector<std::int64_t>& values) const {
    append(key, static_cast<std::int64_t>(values.size()));
    for (const std::int64_t value : values) append(key, value);
  }
};

// Equal for equal calls and for no others: offsets do not matter, the addresses hold them.
// Primitives bake in the number of threads that oneDNN is told.
std::string key_of(const char* recipe, const KernelCall& call) {
  std::string key(recipe);
  key.push_back('\0');
  append(key, static_cast<std::int64_t>(call.op));
  append(key, parallel::foreign_team_size());
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    append(key, call.input_dtypes[i], call.inputs[i]);
  }
  for (std::size_t i = 0; i < call.outputs.size(); ++i) {
    append(key, call.output_dtypes[i], call.outputs[i]);
  }
  for (const auto& [name, value] : call.attributes.entries()) std::visit(AppendValue{key}, value);
  return key;
}

LruCache<const Recipe>& cache() {
  static auto* const instance = [] {
    // oneDNN's own cache knows primitives but not how large they are; calls that are kept hold
    // theirs anyway.
    dnnl::set_primitive_cache_capacity(limits::kVendorPrimitives);
    return new LruCache<const Recipe>(limits::kVendorCalls);
  }();
  return *instance;
}

// Memory objects for all arguments of a recipe's stages, in order.
using Memories = std::vector<dnnl::memory>;

class RecipeKernel final : public PreparedKernel {
 public:
  RecipeKernel(const char* where, std::shared_ptr<const Recipe> recipe)
      : where_(where), recipe_(std::move(recipe)) {
    free_.give(make_memories());
  }

  // A run only sets the addresses of memory objects that were made before; runs at the same time
  // each have a set of them.
  void run(void* const* inputs, void* const* outputs, void* workspace) const override {
    const dnnl_stream_t stream = this_threads_stream();
    std::unique_ptr<Memories> memories = free_.take();
    if (memories == nullptr) memories = make_memories();
    std::size_t next = 0;
    for (const Stage& stage : recipe_->stages) {
      std::array<dnnl_exec_arg_t, kMaxArguments> arguments;
      std::size_t count = 0;
      for (const Argument& argument : stage.arguments) {
        const dnnl_memory_t memory = (*memories)[next++].get();
        check(set_address(memory, address(argument, inputs, outputs, workspace), stream),
              "setting an address");
        arguments[count++] = {argument.id, memory};
      }
      check(dnnl_primitive_execute(stage.primitive.get(), stream, static_cast<int>(count),
                                   arguments.data()),
            "running a primitive");
    }
    check(dnnl_stream_wait(stream), "waiting");
    free_.give(std::move(memories));
  }

  std::int64_t workspace_bytes() const override { return recipe_->workspace_bytes; }
  const char* substituted_because() const override { return recipe_->substituted_because; }

 private:
  static void* address(const Argument& argument, void* const* inputs, void* const* outputs,
                       void* workspace) {
    switch (argument.place) {
      case Place::input:
        return inputs[argument.where];
      case Place::output:
        return outputs[argument.where];
      case Place::workspace:
        break;
    }
    return static_cast<char*>(workspace) + argument.where;
  }

  void check(dnnl_status_t status, const char* what) const {
    if (status != dnnl_success) raise_status(where_, what, status);
  }

  std::unique_ptr<Memories> make_memories() const {
    auto memories = std::make_unique<Memories>();
    for (const Stage& stage : recipe_->stages) {
      assert(stage.arguments.size() <= kMaxArguments);
      for (const Argument& argument : stage.arguments) {
        memories->emplace_back(argument.desc, engine(), nullptr);
      }
    }
    return memories;
  }

  const char* where_;
  std::shared_ptr<const Recipe> recipe_;
  mutable FreeList<Memories> free_{limits::kIdleSessions};
};

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

const dnnl::primitive_attr& user_scratchpad() {
  static const dnnl::primitive_attr instance = [] {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attributes;
  }();
  return instance;
}

dnnl::memory::data_type data_type_of(Dtype dtype) {
  if (dtype == Dtype::bf16) return dnnl::memory::data_type::bf16;
  return dtype == Dtype::f16 ? dnnl::memory::data_type::f16 : dnnl::memory::data_type::f32;
}

dnnl::memory::desc plain(Dtype dtype, const dnnl::memory::dims& lengths,
                         const dnnl::memory::dims& strides) {
  return {lengths, data_type_of(dtype), strides};
}

#if DNNL_VERSION_MAJOR < 3
dnnl::memory::dims dims_of(const dnnl::memory::desc& desc) { return desc.dims(); }
dnnl::memory::data_type data_type_of(const dnnl::memory::desc& desc) { return desc.data_type(); }
#else
dnnl::memory::dims dims_of(const dnnl::memory::desc& desc) { return desc.get_dims(); }
dnnl::memory::data_type data_type_of(const dnnl::memory::desc& desc) {
  return desc.get_data_type();
}
#endif

bool multiplies_bf16() {
  // Sets of instructions are bits, and the environment (ONEDNN_MAX_CPU_ISA) may take some away.
  static const bool can = [] {
    const auto wanted = static_cast<unsigned>(dnnl_cpu_isa_avx512_core_bf16);
    return (static_cast<unsigned>(dnnl_get_effective_cpu_isa()) & wanted) == wanted;
  }();
  return can;
}

dnnl::matmul::primitive_desc matmul(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                                    const dnnl::memory::desc& y) {
  return Maker<dnnl::matmul>::make(a, b, y);
}

dnnl::convolution_forward::primitive_desc forward(const Convolution& c) {
  return Maker<dnnl::convolution_forward>::make(dnnl::prop_kind::forward_training, c.algorithm, c.x,
                                                c.w, c.y, c.stride, c.dilation, c.padding_low,
                                                c.padding_high);
}

namespace {

// The convolution that a gradient belongs to, of which oneDNN wants a description: all in the type
// of the operands, in which the gradient itself need not be.
dnnl::convolution_forward::primitive_desc forward_of(Convolution c) {
  const auto retyped = [](const dnnl::memory::desc& desc, dnnl::memory::data_type type) {
    return dnnl::memory::desc(dims_of(desc), type, dnnl::memory::format_tag::any);
  };
  const dnnl::memory::data_type type = data_type_of(c.y);
  if (data_type_of(c.w) != type) c.w = retyped(c.w, type);
  if (data_type_of(c.x) != type) c.x = retyped(c.x, type);
  return forward(c);
}

}  // namespace

dnnl::convolution_backward_data::primitive_desc input_gradient(const Convolution& c) {
  return Maker<dnnl::convolution_backward_data, dnnl::convolution_forward::primitive_desc>::make(
      forward_of(c), c.algorithm, c.x, c.w, c.y, c.stride, c.dilation, c.padding_low,
      c.padding_high);
}

dnnl::convolution_backward_weights::primitive_desc weight_gradient(const Convolution& c) {
  return Maker<dnnl::convolution_backward_weights, dnnl::convolution_forward::primitive_desc>::make(
      forward_of(c), c.algorithm, c.x, c.w, c.y, c.stride, c.dilation, c.padding_low,
      c.padding_high);
}

std::int64_t Recipe::reserve(const dnnl::memory::desc& desc) {
  const std::int64_t offset = workspace_bytes;
  workspace_bytes += (static_cast<std::int64_t>(desc.get_size()) + 63) / 64 * 64;
  return offset;
}

void Recipe::add(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad,
                 std::vector<Argument> arguments) {
  if (scratchpad.get_size() != 0) {
    arguments.push_back({DNNL_ARG_SCRATCHPAD, scratchpad, Place::workspace, reserve(scratchpad)});
  }
  stages.push_back({primitive, std::move(arguments)});
}

void Recipe::add_reorder(const Argument& from, const Argument& to) {
  const dnnl::reorder::primitive_desc desc(engine(), from.desc, engine(), to.desc,
                                           user_scratchpad());
  Argument source = from;
  source.id = DNNL_ARG_FROM;
  Argument target = to;
  target.id = DNNL_ARG_TO;
  add(dnnl::reorder(desc), desc.scratchpad_desc(), {source, target});
}

std::shared_ptr<const Recipe> find_recipe(const char* name, const KernelCall& call,
                                          const MakeRecipe& make) {
  std::string key = key_of(name, call);
  if (std::shared_ptr<const Recipe> known = cache().find(key)) return known;
  auto recipe = std::make_shared<Recipe>();
  try {
    make(call, *recipe);
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return nullptr;
    raise_status(name, error.message, error.status);
  }
  return cache().add(std::move(key), std::move(recipe));
}

std::unique_ptr<PreparedKernel> run_recipe(const char* where,
                                           std::shared_ptr<const Recipe> recipe) {
  try {
    return std::make_unique<RecipeKernel>(where, std::move(recipe));
  } catch (const dnnl::error& error) {
    raise_status(where, error.message, error.status);
  }
}

}  // namespace sinter::backend::cpu::onednn
