// Modules: parts of a network with named parameters. The layers are in nn.h.
#ifndef SINTER_MODULE_H_
#define SINTER_MODULE_H_

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sinter/error.h"
#include "sinter/named_state.h"
#include "sinter/ops.h"  // in which one's own forward is written
#include "sinter/random.h"
#include "sinter/tensor.h"

namespace sinter::nn {

// In which order files hold a layer's parameters along its features, which are the innermost axis
// of what the layer is given: the columns of a linear layer's weight. It matters where the features
// are a flattened image. In memory these are its positions one after the other, each with all its
// channels; in files, as PyTorch has it, the channels one after the other.
class FeatureOrder {
 public:
  // Not stated. A Sequential finds out for the first Linear behind a convolution and a Flatten; any
  // other layer throws Error when it is given a flattened image, as its files could not be right.
  FeatureOrder() = default;

  // An image of so many positions (H * W) and channels. Throws Error unless both are positive.
  static FeatureOrder flattened(std::int64_t positions, std::int64_t channels);
  // Files hold what memory holds, whatever the features are.
  static FeatureOrder in_memory();

  bool is_stated() const { return kind_ != Kind::unstated; }
  bool is_flattened() const { return kind_ == Kind::flattened; }
  // 0 unless is_flattened().
  std::int64_t positions() const { return positions_; }
  std::int64_t channels() const { return channels_; }

 private:
  enum class Kind : std::uint8_t { unstated, in_memory, flattened };

  Kind kind_ = Kind::unstated;
  std::int64_t positions_ = 0;
  std::int64_t channels_ = 0;
};

// A part of a network: named parameters, named children, and a name of its own for plans, profiles
// and errors. Modules are handles: a copy shares parameters, children and name with the original.
// Whether modules train or evaluate is the thread's (TrainingScope in tensor.h).
//
// A Module computes nothing by itself: one's own derives from UnaryModule, or from ModuleOf for
// other inputs and results (both below).
class Module {
 public:
  virtual ~Module() = default;

  // The trained States of this module and its children, each once (tied ones at their first place),
  // own ones first, in the order of registration.
  std::vector<State> parameters() const;
  // All States in the same order, with names as in the module tree: parameters, running statistics
  // and the positions of random generators. A tied State has the name of its first place.
  std::vector<NamedState> states() const;
  // The number of trained elements.
  std::int64_t parameter_count() const;

  // The name in the parent, "conv1"; "" for a root.
  const std::string& name() const;
  // The name from the root, "block1.conv1", as errors show it; "" for a root.
  const std::string& path() const;

 protected:
  Module();
  Module(const Module&) = default;
  Module& operator=(const Module&) = default;

  // Registration. Throws Error for an empty name, one with a dot, or one that is taken. `layout`:
  // how files hold the State, where that is not as in memory.
  State add_parameter(const std::string& name, const Tensor& initial,
                      const FileLayout& layout = {});
  State add_statistic(const std::string& name, const Tensor& initial,
                      const FileLayout& layout = {});
  Generator add_generator(const std::string& name, const Generator& generator);
  // An existing State under a name here too: tied parameters.
  State add_tied(const std::string& name, const State& state, const FileLayout& layout = {});
  template <std::derived_from<Module> M>
  M add(const std::string& name, M module) {
    add_child(name, module);
    return module;
  }

  // A parameter or statistic whose axis `axis` runs along the features of what the module is given.
  // The module calls set_feature_order() once all are registered, and check_features() with what it
  // is given, so that files are in PyTorch's order or the user hears of it.
  State add_feature_parameter(const std::string& name, const Tensor& initial, int axis);
  State add_feature_statistic(const std::string& name, const Tensor& initial, int axis);
  // Gives those their layouts. Throws Error, naming `type`, where a flattened image has another
  // number of elements than they have.
  void set_feature_order(const char* type, const FeatureOrder& order);
  // Throws Error, naming `type`, where the innermost axis of x is a flattened image and the order
  // is not stated, or stated to be that of another image.
  void check_features(const char* type, const Tensor& x) const;

  // What a Sequential may conclude about the channels that come out, before the module has ever
  // run. A module that says nothing is right too: a Linear behind it is then told its order.
  enum class ChannelFlow : std::uint8_t {
    unknown,
    keep,      // as they came in: channel i of the result belongs to channel i of x
    make,      // a number of new ones, innermost
    flatten,   // with the positions they become one axis
    read,      // into features of other meaning; the module's order can be found out
    children,  // as its children say, which come one after the other
  };
  void set_channel_flow(ChannelFlow flow, std::int64_t channels = 0);

  // Runs `function` as a part of this module: what it records belongs to the module's name in
  // plans, profiles and errors, and what a module of the library does in it to the line `location`.
  // ModuleOf calls forward() so; for other functions of a module, or overloads:
  //   Tensor embed(const Tensor& ids, SourceLocation location = SourceLocation::current()) const {
  //     return scoped([&] { return table(ids) * scale; }, location);
  //   }
  template <class Function>
  auto scoped(const Function& function, SourceLocation location = SourceLocation::current()) const {
    const LocationScope line(location);
    const ModuleScope scope(name());
    return function();
  }

  // Throws Error for this module: "block1.conv1 (Conv2d): what; got ...; expected ...; hint".
  [[noreturn]] void fail(const char* type, const std::string& what, const std::string& got,
                         const std::string& expected, const std::string& hint = "") const;

 private:
  friend class Sequential;
  struct Registry;

  void add_child(const std::string& name, const Module& module);
  void add_entry(const std::string& name, const State& state, StateRole role,
                 const FileLayout& layout);
  void add_feature_entry(int axis);
  // Finds out orders, as far as channels are known that come in through `children`.
  void find_feature_orders();

  std::shared_ptr<Registry> registry_;
};

// A module that is a function of what it is given. One's own is a struct that registers its
// children and parameters as it makes them, and its forward:
//
//   // Two streams, each scaled by a gate that sees both.
//   struct Cross : nn::ModuleOf<std::pair<Tensor, Tensor>(const Tensor&, const Tensor&)> {
//     nn::Linear gate = add("gate", nn::Linear(8, 4));
//     std::pair<Tensor, Tensor> forward(const Tensor& a, const Tensor& b) const override {
//       const Tensor g = sigmoid(gate(concatenate({a, b}, -1)));
//       return {a * g, b * (1.0 - g)};
//     }
//   };
//   Cross cross = add("cross", Cross());  // within another module
//   const auto [a, b] = cross(x, y);
//
// Its States are then named "cross.gate.weight", "cross.gate.bias", as in PyTorch.
template <class Signature>
class ModuleOf;

template <class Result, class... Arguments>
class ModuleOf<Result(Arguments...)> : public Module {
 public:
  // forward(); call this one, which gives what forward records the module's name and this line.
  Result operator()(Arguments... arguments,
                    SourceLocation location = SourceLocation::current()) const {
    return scoped([&]() -> Result { return forward(std::forward<Arguments>(arguments)...); },
                  location);
  }

  // What the module computes.
  virtual Result forward(Arguments... arguments) const = 0;
};

// One tensor in, one out: what a Sequential takes.
//
//   struct Net : nn::UnaryModule {
//     nn::Conv2d conv1 = add("conv1", nn::Conv2d(1, 32, 3));
//     nn::Linear fc = add("fc", nn::Linear(32, 10));
//     Tensor forward(const Tensor& x) const override { return fc(mean(relu(conv1(x)), {1, 2})); }
//   };
using UnaryModule = ModuleOf<Tensor(const Tensor&)>;

// One that leaves every channel in its place: an activation, a norm, a pool. A Sequential then
// knows the channels behind it.
class ChannelwiseModule : public UnaryModule {
 protected:
  ChannelwiseModule() { set_channel_flow(ChannelFlow::keep); }
};

}  // namespace sinter::nn

#endif  // SINTER_MODULE_H_
