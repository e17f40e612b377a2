// Networks: modules with named parameters.
#ifndef SINTER_NN_H_
#define SINTER_NN_H_

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sinter/error.h"
#include "sinter/named_state.h"
#include "sinter/random.h"
#include "sinter/tensor.h"

namespace sinter {

// Sets the seed from which this thread's modules draw their initial weights and the seeds of their
// generators, in the order of their construction: the same seed and the same model give the same
// bits. A thread starts with seed 0.
void manual_seed(std::uint64_t seed);
// The next seed of that stream, for a Generator of one's own.
std::uint64_t next_seed();

namespace nn {

// A part of a network: a function of a tensor with named parameters and named children. Modules are
// handles: a copy shares parameters, children and name with the original. One's own module is a
// struct that registers its children as it makes them, and its forward:
//
//   struct Net : nn::Module {
//     nn::Conv2d conv1 = add("conv1", nn::Conv2d(1, 32, 3));
//     nn::Linear fc = add("fc", nn::Linear(32, 10));
//     Tensor forward(const Tensor& x) const override { return fc(mean(relu(conv1(x)), {1, 2})); }
//   };
//
// Its States are then named "conv1.weight", "conv1.bias", "fc.weight", ... as in PyTorch.
class Module {
 public:
  virtual ~Module() = default;

  // forward(x); what it records belongs to this module's name in plans, profiles and errors, and
  // what a module of the library does in it to the line of this call.
  Tensor operator()(const Tensor& x, SourceLocation location = SourceLocation::current()) const;

  // What the module computes. A module that takes something other than one tensor leaves this one,
  // which throws Error, and has an operator() of its own, within scoped().
  virtual Tensor forward(const Tensor& x) const;

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

  // For files: what is known of the order of features that pass through a Sequential. A module that
  // keeps channels innermost (or flattens them) says so; the default knows nothing.
  struct Features {
    std::int64_t channels = 0;  // innermost; 0: not known
    bool flattened = false;     // image positions and channels have become one axis
  };
  virtual Features follow(const Features& before) const;

 protected:
  Module();
  Module(const Module&) = default;
  Module& operator=(const Module&) = default;

  // Registration. Throws Error for an empty name, one with a dot, or one that is taken.
  State add_parameter(const std::string& name, const Tensor& initial,
                      const FileLayout& layout = {});
  State add_statistic(const std::string& name, const Tensor& initial);
  Generator add_generator(const std::string& name, const Generator& generator);
  // An existing State under a name here too: tied parameters.
  State add_tied(const std::string& name, const State& state, const FileLayout& layout = {});
  template <std::derived_from<Module> M>
  M add(const std::string& name, M module) {
    add_child(name, module);
    return module;
  }

  // Runs `function` as a part of this module, as operator() above runs forward; for modules of
  // several tensors:
  //   Tensor operator()(const Tensor& q, const Tensor& k,
  //                     SourceLocation location = SourceLocation::current()) const {
  //     return scoped([&] { return matmul(softmax(matmul(q, transpose(k))), k); }, location);
  //   }
  template <class Function>
  auto scoped(const Function& function, SourceLocation location = SourceLocation::current()) const {
    const LocationScope line(location);
    const ModuleScope scope(name());
    return function();
  }

  void set_layout(const State& state, const FileLayout& layout) const;
  // Throws Error for this module: "block1.conv1 (Conv2d): what; got ...; expected ...; hint".
  [[noreturn]] void fail(const char* type, const std::string& what, const std::string& got,
                         const std::string& expected, const std::string& hint = "") const;

 private:
  friend class Sequential;
  struct Registry;

  void add_child(const std::string& name, const Module& module);
  void add_entry(const std::string& name, const State& state, StateRole role,
                 const FileLayout& layout);

  std::shared_ptr<Registry> registry_;
};

struct LinearOptions {
  bool bias = true;
  // {H, W, C} of the image that was flattened into this layer's inputs; files then hold the columns
  // in PyTorch's order (C, H, W). A Sequential finds out by itself behind a Conv2d and a Flatten.
  std::array<std::int64_t, 3> image{0, 0, 0};
};

// x (..., in) -> x weight^T + bias (..., out). weight (out, in), bias (out,).
class Linear : public Module {
 public:
  Linear(std::int64_t in, std::int64_t out, const LinearOptions& options = {});
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override;

  const State& weight() const { return weights_.front(); }
  const State& bias() const { return weights_.back(); }  // REQUIRES: has_bias()
  bool has_bias() const { return weights_.size() == 2; }

 private:
  std::int64_t in_, out_;
  bool has_image_;
  std::vector<State> weights_;
};

// As those of conv in ops.h: a list has a number for each spatial axis, or a single one for all.
struct ConvModuleOptions {
  std::vector<std::int64_t> stride{1};
  std::vector<std::int64_t> padding{0};
  std::vector<std::int64_t> dilation{1};
  std::int64_t groups = 1;
  bool bias = true;
};
using Conv2dModuleOptions = ConvModuleOptions;

// As those of conv_transpose in ops.h.
struct ConvTransposeModuleOptions {
  std::vector<std::int64_t> stride{1};
  std::vector<std::int64_t> padding{0};
  std::vector<std::int64_t> output_padding{0};
  std::vector<std::int64_t> dilation{1};
  std::int64_t groups = 1;
  bool bias = true;
};

// What the convolutions have in common, which take images (N, spatial..., in) to (N, ..., out).
class AnyConv : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override;

  const State& weight() const { return weights_.front(); }
  const State& bias() const { return weights_.back(); }  // REQUIRES: has_bias()
  bool has_bias() const { return weights_.size() == 2; }

 protected:
  using Numbers = std::vector<std::int64_t>;
  struct Kind {
    int rank;  // spatial axes
    bool is_transposed;
  };

  // The weight (first, kernel..., last / groups), first and last being the channels that the kind
  // has there. `kernel` is a list as those of the options.
  AnyConv(Kind kind, std::int64_t in, std::int64_t out, const Numbers& kernel,
          const ConvTransposeModuleOptions& options);

 private:
  const char* type() const;
  void check(const Numbers& kernel) const;
  Shape weight_shape(const Numbers& kernel) const;

  Kind kind_;
  std::int64_t in_, out_;
  ConvTransposeModuleOptions options_;
  std::vector<State> weights_;
};

// conv of ops.h. weight (out, kernel..., in / groups), in files (out, in / groups, kernel...); bias
// (out,).
template <int rank>
class Conv : public AnyConv {
 public:
  Conv(std::int64_t in, std::int64_t out, std::int64_t kernel,
       const ConvModuleOptions& options = {})
      : Conv(in, out, Numbers{kernel}, options) {}
  Conv(std::int64_t in, std::int64_t out, const std::vector<std::int64_t>& kernel,
       const ConvModuleOptions& options = {})
      : AnyConv({rank, false}, in, out, kernel,
                {.stride = options.stride,
                 .padding = options.padding,
                 .dilation = options.dilation,
                 .groups = options.groups,
                 .bias = options.bias}) {}
};
using Conv1d = Conv<1>;
using Conv2d = Conv<2>;
using Conv3d = Conv<3>;

// conv_transpose of ops.h. weight (in, kernel..., out / groups), in files (in, out / groups,
// kernel...); bias (out,).
template <int rank>
class ConvTranspose : public AnyConv {
 public:
  ConvTranspose(std::int64_t in, std::int64_t out, std::int64_t kernel,
                const ConvTransposeModuleOptions& options = {})
      : ConvTranspose(in, out, Numbers{kernel}, options) {}
  ConvTranspose(std::int64_t in, std::int64_t out, const std::vector<std::int64_t>& kernel,
                const ConvTransposeModuleOptions& options = {})
      : AnyConv({rank, true}, in, out, kernel, options) {}
};
using ConvTranspose1d = ConvTranspose<1>;
using ConvTranspose2d = ConvTranspose<2>;
using ConvTranspose3d = ConvTranspose<3>;

struct BatchNormOptions {
  double epsilon = 1e-5;
  double momentum = 0.1;  // the share of the newest batch in the running statistics
};

// x (..., channels) normalised per channel over all other axes, then times weight plus bias. In
// training with the batch's own statistics, which the running ones then follow (the variance
// unbiased); in evaluation with the running ones. (Ioffe and Szegedy 2015.)
class BatchNorm : public Module {
 public:
  explicit BatchNorm(std::int64_t channels, const BatchNormOptions& options = {});
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override { return before; }

  const State& weight() const { return weight_; }
  const State& bias() const { return bias_; }
  const State& running_mean() const { return running_mean_; }
  const State& running_variance() const { return running_variance_; }

 private:
  std::int64_t channels_;
  BatchNormOptions options_;
  State weight_, bias_, running_mean_, running_variance_;
};
using BatchNorm1d = BatchNorm;
using BatchNorm2d = BatchNorm;

// Each row of x (..., shape...) normalised over the axes of `shape`, then times weight plus bias,
// both of that shape; in evaluation as in training. (Ba, Kiros and Hinton 2016.)
class LayerNorm : public Module {
 public:
  explicit LayerNorm(const Shape& shape, double epsilon = 1e-5);
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override { return before; }

  const State& weight() const { return weight_; }
  const State& bias() const { return bias_; }

 private:
  double epsilon_;
  State weight_, bias_;
};

// In training each element zeroed with probability p and the others divided by 1 - p; in evaluation
// x. Owns a generator whose seed comes from manual_seed's stream, or draws from the given one.
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);
  Dropout(double p, const Generator& generator);
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override { return before; }

 private:
  double p_;
  Generator generator_;
};

// Rows of weight (count, size) by ids (i32 or i64): ids.shape + (size). Initially standard normal.
class Embedding : public Module {
 public:
  Embedding(std::int64_t count, std::int64_t size);
  Tensor forward(const Tensor& ids) const override;

  const State& weight() const { return weight_; }

 private:
  std::int64_t count_;
  State weight_;
};

// One function of each element.
class ReLU : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override { return before; }
};
class GELU : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override { return before; }
};
class Tanh : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override { return before; }
};
class Sigmoid : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override { return before; }
};

// softmax of ops.h along one axis.
class Softmax : public Module {
 public:
  explicit Softmax(int axis = -1) : axis_(axis) {}
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override { return before; }

 private:
  int axis_;
};

// max_pool2d of ops.h on (N, H, W, C). A stride of 0 means the kernel's length.
class MaxPool2d : public Module {
 public:
  explicit MaxPool2d(std::int64_t kernel, std::int64_t stride = 0, std::int64_t padding = 0);
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override { return before; }

 private:
  std::int64_t kernel_, stride_, padding_;
};

// (N, ...) -> (N, everything else).
class Flatten : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override;
};

// Modules one after the other, named "0", "1", ... or as given to append.
class Sequential : public Module {
 public:
  Sequential() = default;
  template <std::derived_from<Module>... M>
  explicit Sequential(M... modules) {
    (append(std::move(modules)), ...);
  }

  template <std::derived_from<Module> M>
  Sequential& append(M module) {
    return append(std::to_string(size()), std::move(module));
  }
  template <std::derived_from<Module> M>
  Sequential& append(const std::string& name, M module) {
    append_module(name, std::make_shared<M>(std::move(module)));
    return *this;
  }
  std::size_t size() const;
  // REQUIRES: index < size().
  const Module& operator[](std::size_t index) const;

  Tensor forward(const Tensor& x) const override;
  Features follow(const Features& before) const override;

 private:
  void append_module(const std::string& name, std::shared_ptr<Module> module);

  // Shared like the registry, so that copies stay handles on one thing.
  std::shared_ptr<std::vector<std::shared_ptr<Module>>> modules_ =
      std::make_shared<std::vector<std::shared_ptr<Module>>>();
};

// Initial weights: f32, uniform between -bound and bound, from manual_seed's stream.
Tensor uniform_weights(const Shape& shape, double bound);

}  // namespace nn
}  // namespace sinter

#endif  // SINTER_NN_H_
