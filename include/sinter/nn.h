// Networks: the layers, which are modules (module.h).
#ifndef SINTER_NN_H_
#define SINTER_NN_H_

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sinter/module.h"
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

struct LinearOptions {
  bool bias = true;
  // Of the weight's columns in files. A Sequential finds out by itself behind a convolution and a
  // Flatten, where all modules between are of the library or ChannelwiseModules.
  FeatureOrder order = {};
};

// x (..., in) -> x weight^T + bias (..., out). weight (out, in), bias (out,).
class Linear : public UnaryModule {
 public:
  Linear(std::int64_t in, std::int64_t out, const LinearOptions& options = {});
  Tensor forward(const Tensor& x) const override;

  const State& weight() const { return weights_.front(); }
  const State& bias() const { return weights_.back(); }  // REQUIRES: has_bias()
  bool has_bias() const { return weights_.size() == 2; }

 private:
  std::int64_t in_;
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
class AnyConv : public UnaryModule {
 public:
  Tensor forward(const Tensor& x) const override;

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
  double momentum = 0.1;    // the share of the newest batch in the running statistics
  FeatureOrder order = {};  // where the channels are a flattened image
};

// x (..., channels) normalised per channel over all other axes, then times weight plus bias. In
// training with the batch's own statistics, which the running ones then follow (the variance
// unbiased); in evaluation with the running ones. (Ioffe and Szegedy 2015.)
class BatchNorm : public ChannelwiseModule {
 public:
  explicit BatchNorm(std::int64_t channels, const BatchNormOptions& options = {});
  Tensor forward(const Tensor& x) const override;

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
// both of that shape; in evaluation as in training. `order`: where the innermost axis is a
// flattened image. (Ba, Kiros and Hinton 2016.)
class LayerNorm : public ChannelwiseModule {
 public:
  explicit LayerNorm(const Shape& shape, double epsilon = 1e-5, const FeatureOrder& order = {});
  Tensor forward(const Tensor& x) const override;

  const State& weight() const { return weight_; }
  const State& bias() const { return bias_; }

 private:
  double epsilon_;
  State weight_, bias_;
};

// In training each element zeroed with probability p and the others divided by 1 - p; in evaluation
// x. Owns a generator whose seed comes from manual_seed's stream, or draws from the given one.
class Dropout : public ChannelwiseModule {
 public:
  explicit Dropout(double p = 0.5);
  Dropout(double p, const Generator& generator);
  Tensor forward(const Tensor& x) const override;

 private:
  double p_;
  Generator generator_;
};

// Rows of weight (count, size) by ids (i32 or i64): ids.shape + (size). Initially standard normal.
class Embedding : public UnaryModule {
 public:
  Embedding(std::int64_t count, std::int64_t size);
  Tensor forward(const Tensor& ids) const override;

  const State& weight() const { return weight_; }

 private:
  std::int64_t count_;
  State weight_;
};

// One function of each element.
class ReLU : public ChannelwiseModule {
 public:
  Tensor forward(const Tensor& x) const override;
};
class GELU : public ChannelwiseModule {
 public:
  Tensor forward(const Tensor& x) const override;
};
class Tanh : public ChannelwiseModule {
 public:
  Tensor forward(const Tensor& x) const override;
};
class Sigmoid : public ChannelwiseModule {
 public:
  Tensor forward(const Tensor& x) const override;
};

// softmax of ops.h along one axis.
class Softmax : public ChannelwiseModule {
 public:
  explicit Softmax(int axis = -1) : axis_(axis) {}
  Tensor forward(const Tensor& x) const override;

 private:
  int axis_;
};

// max_pool2d of ops.h on (N, H, W, C). A stride of 0 means the kernel's length.
class MaxPool2d : public ChannelwiseModule {
 public:
  explicit MaxPool2d(std::int64_t kernel, std::int64_t stride = 0, std::int64_t padding = 0);
  Tensor forward(const Tensor& x) const override;

 private:
  std::int64_t kernel_, stride_, padding_;
};

// (N, ...) -> (N, everything else).
class Flatten : public UnaryModule {
 public:
  Flatten();
  Tensor forward(const Tensor& x) const override;
};

// Modules one after the other, named "0", "1", ... or as given to append.
// Written with braces, Sequential{Linear(2, 8), ReLU()}, its modules are made from left to right,
// and so draw the same initial weights with every compiler; in parentheses C++ leaves that order
// open.
class Sequential : public UnaryModule {
 public:
  Sequential();
  template <std::derived_from<UnaryModule>... M>
  explicit Sequential(M... modules) : Sequential() {
    (append(std::move(modules)), ...);
  }

  template <std::derived_from<UnaryModule> M>
  Sequential& append(M module) {
    return append(std::to_string(size()), std::move(module));
  }
  template <std::derived_from<UnaryModule> M>
  Sequential& append(const std::string& name, M module) {
    append_module(name, std::make_shared<M>(std::move(module)));
    return *this;
  }
  std::size_t size() const;
  // REQUIRES: index < size().
  const UnaryModule& operator[](std::size_t index) const;

  Tensor forward(const Tensor& x) const override;

 private:
  void append_module(const std::string& name, std::shared_ptr<UnaryModule> module);

  // Shared like the registry, so that copies stay handles on one thing.
  std::shared_ptr<std::vector<std::shared_ptr<UnaryModule>>> modules_ =
      std::make_shared<std::vector<std::shared_ptr<UnaryModule>>>();
};

// Initial weights: f32, uniform between -bound and bound, from manual_seed's stream.
Tensor uniform_weights(const Shape& shape, double bound);

}  // namespace nn
}  // namespace sinter

#endif  // SINTER_NN_H_
