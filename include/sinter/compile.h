// Whole steps as one program: traced once, fused, planned, and run without allocating.
#ifndef SINTER_COMPILE_H_
#define SINTER_COMPILE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "sinter/cost.h"
#include "sinter/tensor.h"
#include "sinter/view.h"

namespace sinter {

// Planned bytes by what they hold; known before the first step runs.
struct MemoryReport {
  std::int64_t parameters = 0;
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;  // moments, statistics, counters: all States that are not parameters
  std::int64_t activations = 0;
  std::int64_t workspace = 0;
  std::int64_t data = 0;  // inputs and outputs of a step
  std::int64_t total = 0;
};

// What a step of a program is.
enum class StepKind : std::uint8_t {
  fused,        // a group of pointwise ops and reductions
  contraction,  // a matrix product or convolution
  other,        // any other kernel
};

struct StepReport {
  std::string label;  // "conv", "fused: add relu"
  std::string scope;  // the module of its first op
  StepKind kind = StepKind::other;
  Cost cost;  // of one call; bound_ms() in machine.h says how long it takes at least
};

struct ProgramReport {
  MemoryReport memory;
  int kernels = 0;        // steps that do work, per call
  double flops = 0;       // per call
  double bytes = 0;       // read and written per call, counting each step's arguments once
  double compile_ms = 0;  // trace, passes, emission, primitives
  int groups = 0;         // fused groups, those in bodies of scans included
  // Of these the ones that run without machine code of their own, more slowly: "fused: add: why".
  // With SINTER_DEBUG=1 they are printed when the program is made.
  std::vector<std::string> interpreted;
  // Steps whose first choice of a kernel this machine's libraries do not have: "conv: what runs,
  // and why". Printed likewise.
  std::vector<std::string> substituted;
  // Which kernels run the steps for which there are several, in order of their first step, and how
  // many steps each: "matmul by onednn: 8". Other kernels may give other bits.
  std::vector<std::string> chosen;
  std::vector<StepReport> steps;  // those that do work, in their order
  std::string text;               // the program, a step a line
};

// Time of one call and of its parts, each the median over repeated runs that take turns.
struct StepTimes {
  double whole_ms = 0;
  double contraction_ms = 0;  // matmuls and convolutions alone
  struct Part {
    std::string label;
    std::string scope;
    StepKind kind = StepKind::other;
    double ms = 0;
    double flops = 0;
    double bytes = 0;
    Cost cost = {};
  };
  std::vector<Part> steps;
};

struct CompileOptions {
  // That are kept, one a signature; at least 1. Where lengths vary from call to call, pad them to
  // few buckets (collate.h) and keep as many programs as buckets.
  int programs = 16;
  // Whether the function is traced again now and then and compared. Not needed for one that reads
  // no C++ value that changes; then it is traced again only after configuration_changed().
  bool retraces = true;
  // Of contractions (matrix products, convolutions and their gradients): f32, bf16 or f16. In the
  // 16-bit types they take rounded operands and add up in f32; what leads from one to the next is
  // kept in 16 bits, all else computes in f32, and States stay f32 (contractions read rounded
  // copies of them, which the program keeps up to date). f64 stays f64.
  Dtype precision = Dtype::f32;
};

// A function of tensors made ready to be called as one program per signature: shapes, dtypes and
// mode (training, tracking) of its arguments. Programs are cached; beyond CompileOptions::programs
// the one that was used longest ago goes.
// The first call of a signature traces: it runs the function once on stand-ins for the arguments.
// C++ values that the function reads are baked in, so it is traced again now and then and compared:
// an Error names the first op that differs and its line, or the captured Tensor that is another
// one. That happens before calls 2, 4, 8, 16, ..., before the call after those in which calls have
// taken a hundred times as long as a trace (so at most one percent of the time is spent on it),
// as soon as the last other handle of a captured Tensor is gone (another one was assigned to the
// variable), and before every call under SINTER_CHECK=1. After configuration_changed()
// (state_scope.h) the function may record something else, and is compiled anew where it does.
// Code of the function that has effects of its own has them at each trace. An exception in the
// function leaves every State as it was.
//
// Threads: any number may call at once. Traces take turns, and so do calls of programs that write
// States; calls that only read them run side by side, each on a memory of its own (as planned; kept
// for the next call), with the bits that they have alone.
class CompiledFunction {
 public:
  using Function = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

  // Throws Error for options out of range.
  explicit CompiledFunction(Function function, std::string name = "step",
                            const CompileOptions& options = {});
  ~CompiledFunction();
  CompiledFunction(CompiledFunction&&) noexcept;
  CompiledFunction& operator=(CompiledFunction&&) noexcept;

  std::vector<Tensor> call(const std::vector<Tensor>& arguments);
  // The same on memory of the caller's: result i is copied to results[i], in host memory. Allocates
  // nothing once as many calls of this signature as now have been made at once, unless it is traced
  // again or watched (SINTER_CHECK). Throws Error, before anything runs, when the sizes are not
  // those of the results, and in a trace.
  void call_into(std::span<const View> arguments, std::span<const std::span<std::byte>> results);
  // Makes the program for these arguments without running it.
  ProgramReport report(const std::vector<Tensor>& arguments);
  // Runs the program `repeats` times in parts and measures them. Leaves every State as it was.
  StepTimes measure(const std::vector<Tensor>& arguments, int repeats);
  // Runs the program for these arguments step by step and names the first one whose result holds a
  // NaN or an infinity while its inputs did not: "conv1: fused add relu (model.cc:12)"; "" when
  // there is none. Leaves every State as it was.
  std::string find_first_nonfinite(const std::vector<Tensor>& arguments);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

namespace detail {

inline std::vector<Tensor> to_list(Tensor result) { return {std::move(result)}; }
inline std::vector<Tensor> to_list(std::vector<Tensor> results) { return results; }
template <class... T>
std::vector<Tensor> to_list(std::tuple<T...> results) {
  return std::apply([](auto&... each) { return std::vector<Tensor>{each...}; }, results);
}

template <class Result>
Result from_list(std::vector<Tensor> list) {
  if constexpr (std::is_same_v<Result, Tensor>) {
    return std::move(list.at(0));
  } else if constexpr (std::is_same_v<Result, std::vector<Tensor>>) {
    return list;
  } else {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return Result{std::move(list.at(I))...};
    }
    (std::make_index_sequence<std::tuple_size_v<Result>>{});
  }
}

template <class F, std::size_t... I>
auto call_with_list(F& function, const std::vector<Tensor>& list, std::index_sequence<I...>) {
  return function(list.at(I)...);
}

struct AnyTensor {
  operator const Tensor&() const;  // never defined: only for counting parameters
};

template <class F, class... A>
constexpr int parameter_count() {
  if constexpr (std::is_invocable_v<F&, A...>) {
    return static_cast<int>(sizeof...(A));
  } else {
    static_assert(sizeof...(A) < 16, "compile() takes a function of up to 15 Tensors");
    return parameter_count<F, A..., AnyTensor>();
  }
}

template <class F, std::size_t... I>
auto result_of(std::index_sequence<I...>)
    -> std::invoke_result_t<F&, decltype((void)I, std::declval<const Tensor&>())...>;

}  // namespace detail

// What compile() returns for a function F of `const Tensor&`s: called like F itself.
template <class F>
class Compiled {
 public:
  static constexpr int kParameters = detail::parameter_count<F>();
  using Indices = std::make_index_sequence<kParameters>;
  using Result = decltype(detail::result_of<F>(Indices{}));

  Compiled(F function, std::string name, const CompileOptions& options)
      : function_(
            [function = std::move(function)](const std::vector<Tensor>& list) mutable {
              return detail::to_list(detail::call_with_list(function, list, Indices{}));
            },
            std::move(name), options) {}

  template <class... T>
  Result operator()(const T&... arguments) {
    static_assert(sizeof...(T) == kParameters, "wrong number of arguments");
    return detail::from_list<Result>(function_.call({Tensor(arguments)...}));
  }
  template <class... T>
  ProgramReport report(const T&... arguments) {
    return function_.report({Tensor(arguments)...});
  }
  CompiledFunction& function() { return function_; }

 private:
  CompiledFunction function_;
};

// Compiles a function of Tensors that returns a Tensor, a std::vector<Tensor>, or a std::tuple of
// Tensors. The function may read and assign States; Tensors that it captures become inputs by
// reference.
template <class F>
Compiled<F> compile(F function, std::string name = "step", const CompileOptions& options = {}) {
  return Compiled<F>(std::move(function), std::move(name), options);
}

}  // namespace sinter

#endif  // SINTER_COMPILE_H_
