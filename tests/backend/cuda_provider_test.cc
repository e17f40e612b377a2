// Kernels of a vendor's library behind the table: chosen by name, with epilogues, captured; and our
// own where the library cannot be used. The vendor is made up (made_up.cc).
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "base/half.h"
#include "cuda_device.h"

namespace sinter::backend::cuda {
namespace {

using cpu::empty_value;
using cpu::random_value;
using cpu::Value;
using Numbers = std::vector<float>;

constexpr SinterCudaEpilogue kNothing = {.scale = 1,
                                         .bias = -1,
                                         .residual = -1,
                                         .bias_dtype = static_cast<int>(Dtype::f32),
                                         .residual_dtype = static_cast<int>(Dtype::f32),
                                         .output_dtype = static_cast<int>(Dtype::f32),
                                         .activation = kSinterCudaNoActivation,
                                         .has_mask = 0};

constexpr std::int64_t kRows = 7, kDepth = 9, kColumns = 5;

// A product of two matrices with all memory on the device.
class Product {
 public:
  explicit Product(const Device& device)
      : device_(device),
        a_(random_value<float>({kRows, kDepth}, 1)),
        b_(random_value<float>({kDepth, kColumns}, 2)),
        bias_(random_value<float>({kColumns}, 3)),
        residual_(random_value<float>({kRows, kColumns}, 4)) {}
  ~Product() {
    if (kernel_ != nullptr) api().destroy_kernel(kernel_);
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  // Of the kernel of a name, with an epilogue.
  std::int32_t prepare(const char* kernel, std::optional<SinterCudaEpilogue> epilogue = {}) {
    epilogue_ = epilogue;
    const TableCall call("matmul", {}, {a_, b_}, {{Dtype::f32, {kRows, kColumns}}}, kernel,
                         epilogue_ ? &*epilogue_ : nullptr);
    std::int64_t bytes = 0;
    const std::int32_t status = api().workspace_bytes(device_.get(), call.get(), &bytes);
    EXPECT_EQ(api().prepare_kernel(device_.get(), call.get(), &kernel_), status);
    if (status != kSinterCudaOk) return status;
    workspace_.emplace(device_, static_cast<std::size_t>(bytes));
    place(a_);
    place(b_);
    const bool bias_last = epilogue_ && epilogue_->bias > epilogue_->residual;
    if (epilogue_ && epilogue_->bias >= 0 && !bias_last) place(bias_);
    if (epilogue_ && epilogue_->residual >= 0) place(residual_);
    if (bias_last) place(bias_);
    for (const std::size_t size : {sizeof(float), sizeof(bool)}) {
      outputs_.emplace_back(device_, size * kRows * kColumns);
      to_.push_back(outputs_.back().at(0));
    }
    return status;
  }

  const char* substituted_because() const { return api().substituted_because(kernel_); }
  void write_a(const Value& a) { inputs_[0].write(a.buffer->data()); }
  void launch() const {
    expect_ok(api().launch_kernel(device_.get(), kernel_, 0, from_.data(), to_.data(),
                                  workspace_->at(0)));
  }
  template <class T>
  std::vector<T> output(std::size_t i = 0) const {
    std::vector<unsigned char> bytes(outputs_[i].size());
    outputs_[i].read(bytes.data());
    std::vector<T> values(kRows * kColumns);
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    std::vector<unsigned char> scratch(workspace_->size());
    workspace_->read(scratch.data());  // for its guard
    return values;
  }

  const Value& a() const { return a_; }
  const Value& b() const { return b_; }
  float bias(std::size_t place) const { return bias_.data<float>()[place % kColumns]; }
  float residual(std::size_t place) const { return residual_.data<float>()[place]; }

 private:
  void place(const Value& value) {
    inputs_.emplace_back(device_, value.buffer->data(), value.buffer->size());
    from_.push_back(inputs_.back().at(0));
  }

  const Device& device_;
  Value a_, b_, bias_, residual_;
  std::optional<SinterCudaEpilogue> epilogue_;
  std::vector<DeviceBuffer> inputs_, outputs_;
  std::optional<DeviceBuffer> workspace_;
  std::vector<void*> from_, to_;
  SinterCudaKernel* kernel_ = nullptr;
};

// Sums from the last k to the first, as the made-up library has them, or from the first.
Numbers product_of(const Value& a, const Value& b, bool from_last) {
  Numbers y(kRows * kColumns, 0.0F);
  for (std::int64_t i = 0; i < kRows * kColumns * kDepth; ++i) {
    const std::int64_t step = i % kDepth, place = i / kDepth;
    const std::int64_t k = from_last ? kDepth - 1 - step : step;
    y[static_cast<std::size_t>(place)] += a.data<float>()[place / kColumns * kDepth + k] *
                                          b.data<float>()[k * kColumns + place % kColumns];
  }
  return y;
}

std::vector<std::string> candidates(const Device& device, const TableCall& call) {
  const char* names[kSinterCudaMaxCandidates];
  std::int32_t count = -1;
  expect_ok(api().candidates(device.get(), call.get(), names, &count));
  return {names, names + count};
}

std::vector<std::string> matmul_candidates(const Device& device, Dtype dtype, const Shape& a,
                                           const Shape& b, const Shape& y) {
  return candidates(device, TableCall("matmul", {}, {empty_value(dtype, a), empty_value(dtype, b)},
                                      {{dtype, y}}));
}

using Names = std::vector<std::string>;

TEST(CudaProvider, StandsBeforeOurOwnWhereItServes) {
  const Device device;
  EXPECT_EQ(matmul_candidates(device, Dtype::f32, {2, 3}, {3, 4}, {2, 4}),
            (Names{"made_up", "own"}));
  EXPECT_EQ(matmul_candidates(device, Dtype::f64, {2, 3}, {3, 4}, {2, 4}), Names{""});
  EXPECT_EQ(matmul_candidates(device, Dtype::f32, {5, 2, 3}, {5, 3, 4}, {5, 2, 4}), Names{""});
  EXPECT_EQ(matmul_candidates(device, Dtype::f32, {2, 0}, {0, 4}, {2, 4}), Names{""});
  const TableCall other("gather", {},
                        {empty_value(Dtype::f32, {2, 2}), empty_value(Dtype::i32, {2})},
                        {{Dtype::f32, {2, 2}}});
  EXPECT_EQ(candidates(device, other), Names{""});
}

TEST(CudaProvider, RunsByItsNameAndWhereNoneIsGiven) {
  const Device device;
  for (const char* const name : {"made_up", ""}) {
    Product product(device);
    expect_ok(product.prepare(name));
    product.launch();
    EXPECT_EQ(product.output<float>(), product_of(product.a(), product.b(), true));
    EXPECT_EQ(product.substituted_because(), nullptr);
  }
  Product own(device);
  expect_ok(own.prepare("own"));
  own.launch();
  const Numbers values = own.output<float>();
  const Numbers others = product_of(own.a(), own.b(), true);
  EXPECT_NE(values, others);  // or nothing tells the two apart
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], others[i], 1e-5);
  EXPECT_EQ(own.substituted_because(), nullptr);
}

TEST(CudaProvider, NamesThatAreNoneAreRefused) {
  const Device device;
  Product product(device);
  EXPECT_EQ(product.prepare("nobody"), kSinterCudaBadCall);
  EXPECT_EQ(std::string(api().last_error()),
            "matmul: there is no kernel \"nobody\" for such a call");
  SinterCudaEpilogue epilogue = kNothing;
  epilogue.activation = 7;
  EXPECT_EQ(product.prepare("made_up", epilogue), kSinterCudaBadCall);
  epilogue = kNothing;
  epilogue.output_dtype = 99;
  EXPECT_EQ(product.prepare("made_up", epilogue), kSinterCudaBadCall);
  const std::pair<std::int32_t, std::int32_t> inputs[] = {{0, 0}, {1, 1},  {1, -1}, {-1, 1},
                                                          {2, 0}, {-2, 0}, {1, 2}};
  for (const auto& [bias, residual] : inputs) {
    epilogue = kNothing;
    epilogue.bias = bias;
    epilogue.residual = residual;
    EXPECT_EQ(product.prepare("made_up", epilogue), kSinterCudaBadCall) << bias << residual;
  }
}

// Every form, against the product without one and the same arithmetic on it.
TEST(CudaProvider, EpiloguesAreExact) {
  const Device device;
  for (unsigned choice = 0; choice < 128; ++choice) {
    const auto has = [&](unsigned bit) { return (choice >> bit & 1U) != 0; };
    SCOPED_TRACE(choice);
    SinterCudaEpilogue epilogue = kNothing;
    if (has(0)) epilogue.scale = -0.75F;
    if (has(1)) epilogue.bias = 0;
    if (has(2)) epilogue.residual = has(1) ? 1 : 0;
    if (has(1) && has(2) && has(6)) std::swap(epilogue.bias, epilogue.residual);
    if (has(3)) epilogue.activation = kSinterCudaRelu;
    if (has(4)) epilogue.has_mask = has(3) ? 1 : 0;
    if (has(5)) epilogue.output_dtype = static_cast<int>(Dtype::bf16);
    Product product(device);
    expect_ok(product.prepare("made_up", epilogue));
    product.launch();
    const Numbers before = product_of(product.a(), product.b(), true);
    Numbers expected(before.size());
    std::vector<std::uint16_t> halves;
    std::vector<std::uint8_t> mask;
    for (std::size_t i = 0; i < before.size(); ++i) {
      float value = before[i] * epilogue.scale;
      if (has(1)) value += product.bias(i);
      if (has(2)) value += product.residual(i);
      mask.push_back(value <= 0 ? 1 : 0);
      expected[i] = has(3) && value < 0 ? 0 : value;
      halves.push_back(bf16_from_f32(expected[i]));
    }
    if (has(5)) {
      EXPECT_EQ(product.output<std::uint16_t>(), halves);
    } else {
      EXPECT_EQ(product.output<float>(), expected);
    }
    if (epilogue.has_mask != 0) {
      EXPECT_EQ(product.output<std::uint8_t>(1), mask);
    }
  }
}

TEST(CudaProvider, EpiloguesThatAKernelDoesNotKnowAreNotTaken) {
  const Device device;
  Product product(device);
  EXPECT_EQ(product.prepare("own", kNothing), kSinterCudaNotTaken);
  SinterCudaEpilogue epilogue = kNothing;
  epilogue.output_dtype = static_cast<int>(Dtype::f16);
  EXPECT_EQ(product.prepare("made_up", epilogue), kSinterCudaNotTaken);
  epilogue = kNothing;
  epilogue.bias = 0;
  epilogue.bias_dtype = static_cast<int>(Dtype::bf16);
  EXPECT_EQ(product.prepare("made_up", epilogue), kSinterCudaNotTaken);
  expect_ok(api().synchronize(device.get()));
  expect_ok(product.prepare("made_up", kNothing));
}

TEST(CudaProvider, IsCapturedAndReplayed) {
  const Device device;
  SinterCudaEpilogue epilogue = kNothing;
  epilogue.bias = 0;
  epilogue.activation = kSinterCudaRelu;
  epilogue.has_mask = 1;
  Product product(device);
  expect_ok(product.prepare("made_up", epilogue));
  expect_ok(api().begin_capture(device.get()));
  product.launch();
  SinterCudaGraph* graph = nullptr;
  expect_ok(api().end_capture(device.get(), &graph));
  for (unsigned seed = 10; seed < 13; ++seed) {
    const Value a = random_value<float>({kRows, kDepth}, seed);
    product.write_a(a);
    expect_ok(api().launch_graph(device.get(), graph));
    Numbers expected = product_of(a, product.b(), true);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] += product.bias(i);
      if (expected[i] < 0) expected[i] = 0;
    }
    EXPECT_EQ(product.output<float>(), expected);
  }
  api().destroy_graph(graph);
}

// Where the library is missing, too old or lacks a function: SINTER_TEST_PROBLEM is the end of what
// is said then.
TEST(CudaWithoutProvider, OurOwnKernelsRunAndSayWhy) {
  const char* const problem = std::getenv("SINTER_TEST_PROBLEM");
  ASSERT_NE(problem, nullptr);
  const Device device;
  EXPECT_EQ(matmul_candidates(device, Dtype::f32, {2, 3}, {3, 4}, {2, 4}), Names{""});
  for (const char* const name : {"", "own"}) {
    Product product(device);
    expect_ok(product.prepare(name));
    product.launch();
    const Numbers expected = product_of(product.a(), product.b(), false);
    const Numbers values = product.output<float>();
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1e-5);
    ASSERT_NE(product.substituted_because(), nullptr);
    const std::string said = product.substituted_because();
    EXPECT_EQ(said.find("made_up is passed over: "), 0U) << said;
    EXPECT_TRUE(said.ends_with(problem)) << said;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  }
  Product product(device);
  EXPECT_EQ(product.prepare("", kNothing), kSinterCudaNotTaken);
  EXPECT_EQ(product.prepare("made_up"), kSinterCudaBadCall);
}

TEST(CudaWithoutProvider, OtherCallsSayNothing) {
  const Device device;
  const TableCall call("matmul", {},
                       {empty_value(Dtype::f64, {2, 2}), empty_value(Dtype::f64, {2, 2})},
                       {{Dtype::f64, {2, 2}}});
  SinterCudaKernel* kernel = nullptr;
  expect_ok(api().prepare_kernel(device.get(), call.get(), &kernel));
  EXPECT_EQ(api().substituted_because(kernel), nullptr);
  api().destroy_kernel(kernel);
}

TEST(CudaNoProvider, WhereNobodyAskedForOneNothingIsSaid) {
  const Device device;
  EXPECT_EQ(matmul_candidates(device, Dtype::f32, {2, 3}, {3, 4}, {2, 4}), Names{""});
  Product product(device);
  expect_ok(product.prepare(""));
  EXPECT_EQ(product.substituted_because(), nullptr);
}

}  // namespace
}  // namespace sinter::backend::cuda
