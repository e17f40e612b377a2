// Memory, questions of the planner, and what happens when a device fails.
#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "backend/cpu/kernels/kernel.h"
#include "backend/cuda/backend.h"
#include "backend/cuda/call.h"
#include "fake_cuda.h"
#include "fake_kernels.h"
#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {
namespace {

class CudaBackendTest : public testing::Test {
 protected:
  void SetUp() override { fake_cuda().reset(); }
};

template <class Function>
std::string error_of(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

void expect_says(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST_F(CudaBackendTest, MemoryGoesThereAndBack) {
  {
    CudaBackend backend(sinter_cuda_api(), 1);
    EXPECT_STREQ(backend.name(), "cuda:1");
    EXPECT_FALSE(backend.is_host());
    EXPECT_EQ(backend.architecture(), 860);
    std::array<int, 100> from{};
    std::array<int, 100> to{};
    std::iota(from.begin(), from.end(), 1);
    void* const a = backend.allocate(sizeof(from));
    void* const b = backend.allocate(sizeof(from));
    backend.copy_to_device(a, from.data(), sizeof(from));
    backend.copy(b, a, sizeof(from));
    backend.copy_to_host(to.data(), b, sizeof(to));
    EXPECT_EQ(to, from);
    backend.release(a, sizeof(from));
    backend.release(b, sizeof(from));
  }
  EXPECT_EQ(fake_cuda().memory_used, 0u);
}

TEST_F(CudaBackendTest, OutOfMemorySaysWhatIsNeededAndWhatThereIs) {
  fake_cuda().memory_total = 1000;
  CudaBackend backend(sinter_cuda_api(), 0);
  void* const some = backend.allocate(300);
  const std::string text = error_of([&] { backend.allocate(800); });
  expect_says(text,
              "cuda:0: out of memory; got a request for 800 bytes; expected at most the 700 "
              "bytes that are free of the 1000 bytes that the device has");
  expect_says(text, "a smaller batch needs less");
  backend.release(some, 300);
  backend.release(backend.allocate(800), 800);
}

TEST_F(CudaBackendTest, UnsupportedArchitecture) {
  fake_cuda().context_status = kSinterCudaNoKernel;
  fake_cuda().text = "compute capability 7.5";
  const std::string text = error_of([] { CudaBackend backend(sinter_cuda_api(), 0); });
  expect_says(text,
              "cuda:0: the CUDA library has no code for this GPU's architecture (compute "
              "capability 7.5)");
  expect_says(text, "8.0 (Ampere) and newer");
}

TEST_F(CudaBackendTest, ALostDeviceStaysLost) {
  CudaBackend backend(sinter_cuda_api(), 0);
  void* const memory = backend.allocate(64);
  std::array<char, 64> bytes{};
  fake_cuda().lost = true;
  fake_cuda().text = "unspecified launch failure";
  expect_says(error_of([&] { backend.copy_to_host(bytes.data(), memory, 64); }),
              "the device is lost (unspecified launch failure)");
  fake_cuda().reset();  // whatever the library says now
  for (const auto& call : std::vector<std::function<void()>>{
           [&] { backend.allocate(64); }, [&] { backend.copy(memory, memory, 64); },
           [&] { backend.copy_to_device(memory, bytes.data(), 64); },
           [&] { backend.synchronize(); }}) {
    expect_says(error_of(call), "cuda:0: the device is lost");
  }
  expect_says(error_of([&] { backend.synchronize(); }), "the CPU stays usable");
  backend.release(memory, 64);
}

TEST_F(CudaBackendTest, StepNumbersAreUsedAgain) {
  CudaBackend backend(sinter_cuda_api(), 0);
  const std::vector<StepName> two(2);
  EXPECT_EQ(backend.add_steps(two), 0);
  EXPECT_EQ(backend.add_steps({}), 2);
  EXPECT_EQ(backend.add_steps(two), 3);
  backend.remove_steps(0);
  EXPECT_EQ(backend.add_steps(std::vector<StepName>(3)), 5);
  EXPECT_EQ(backend.add_steps(std::vector<StepName>(1)), 0);
  EXPECT_EQ(backend.add_steps(std::vector<StepName>(1)), 1);
}

TEST_F(CudaBackendTest, EveryKernelOfTheCpuHasAName) {
  for (int i = 0; i < ir::kOpCount; ++i) {
    const auto op = static_cast<ir::OpId>(i);
    EXPECT_EQ(kernel_name(op) != nullptr, cpu::find_kernel(op) != nullptr) << i;
  }
}

TEST_F(CudaBackendTest, CallsCrossWhole) {
  const ir::Attributes attributes{
      {"axis", std::int64_t{3}}, {"share", 0.25}, {"sizes", std::vector<std::int64_t>{4, 5, 6}}};
  const std::array<Dtype, 2> dtypes = {Dtype::f32, Dtype::i64};
  const std::array<ir::Layout, 2> layouts = {ir::Layout{{2, 3}, 7, {1, 2}}, ir::dense_layout({4})};
  const KernelCall call{
      ir::OpId::gather,           attributes, dtypes, layouts, std::span(dtypes).first(1),
      std::span(layouts).first(1)};
  const CudaCall made(call);
  EXPECT_STREQ(made.get()->op, "gather");
  ASSERT_EQ(made.get()->input_count, 2);
  EXPECT_EQ(made.get()->inputs[0].strides[1], 2);
  EXPECT_EQ(made.get()->inputs[1].dtype, static_cast<int>(Dtype::i64));
  EXPECT_EQ(made.get()->output_count, 1);
  EXPECT_EQ(to_attributes(*made.get()), attributes);

  CudaBackend backend(sinter_cuda_api(), 0);
  EXPECT_TRUE(backend.accepts(call, 0));  // the fake takes any matrix,
  EXPECT_TRUE(backend.accepts(call, 1));  // and dense layouts are not asked about
  EXPECT_EQ(backend.prepare(call, {}, nullptr)->workspace_bytes, 64);
}

// A product of (4, 6) and (6, 5), and a bias that may follow on it.
struct Product {
  ir::Step step() const {
    ir::Step step;
    step.op = ir::OpId::matmul;
    step.label = "matmul";
    const auto argument = [](ir::BufferKind kind, std::int32_t index, const Shape& shape) {
      return ir::Argument{{kind, index, 0}, Dtype::f32, ir::dense_layout(shape)};
    };
    step.inputs = {argument(ir::BufferKind::input, 0, {4, 6}),
                   argument(ir::BufferKind::input, 1, {6, 5})};
    step.outputs = {argument(ir::BufferKind::output, 0, {4, 5})};
    return step;
  }
  ir::Step with_bias() const {
    ir::Step whole = step();
    whole.inputs.push_back(
        {{ir::BufferKind::input, 2, 0}, Dtype::f32, ir::Layout{{4, 5}, 0, {0, 1}}});
    whole.result = {Dtype::f32, {4, 5}};
    whole.epilogue = std::make_shared<ir::Group>(bias());
    return whole;
  }
  static ir::Group bias() {
    ir::Group group;
    group.space = {4, 5};
    group.operands = {
        {Dtype::f32, false, {5, 1}}, {Dtype::f32, false, {0, 1}}, {Dtype::f32, true, {5, 1}}};
    group.body = {{ir::ScalarOp::load, Dtype::f32, -1, -1, -1, 0},
                  {ir::ScalarOp::load, Dtype::f32, -1, -1, -1, 1},
                  {ir::ScalarOp::add, Dtype::f32, 0, 1, -1, 0},
                  {ir::ScalarOp::store, Dtype::f32, 2, -1, -1, 2}};
    return group;
  }
  static std::shared_ptr<ir::Program> program(const ir::Step& step) {
    auto program = std::make_shared<ir::Program>();
    program->inputs = {{Dtype::f32, {4, 6}}, {Dtype::f32, {6, 5}}, {Dtype::f32, {5}}};
    program->outputs = {{Dtype::f32, {4, 5}}};
    program->steps = {step};
    return program;
  }
};

TEST_F(CudaBackendTest, KernelsAreChosenByName) {
  CudaBackend backend(sinter_cuda_api(), 0);
  const OwnedCall call(Product().step());
  EXPECT_EQ(backend.candidates(call.get()), std::vector<std::string>{""});
  fake_cuda().kernels = {"first", "second"};
  EXPECT_EQ(backend.candidates(call.get()), (std::vector<std::string>{"first", "second"}));
  EXPECT_TRUE(backend.prepare(call.get(), "second", nullptr).has_value());
  expect_says(error_of([&] { backend.prepare(call.get(), "third", nullptr); }),
              "cuda:0: matmul: there is no CUDA kernel for this call (no such kernel)");
}

TEST_F(CudaBackendTest, EpiloguesCrossWhereTheyHaveAFormAndAreTaken) {
  CudaBackend backend(sinter_cuda_api(), 0);
  const OwnedCall call(Product().step());
  ir::Group epilogue = Product::bias();
  EXPECT_FALSE(backend.prepare(call.get(), "", &epilogue).has_value());
  fake_cuda().takes_epilogues = true;
  EXPECT_EQ(backend.prepare(call.get(), "", &epilogue)->workspace_bytes, 128);
  epilogue.body[2].op = ir::ScalarOp::sub;
  EXPECT_FALSE(backend.prepare(call.get(), "", &epilogue).has_value());
}

// The kernel's name and what follows reach the library, with the epilogue's operands behind the
// call's inputs and in place of its outputs.
TEST_F(CudaBackendTest, StepsRunTheirKernelWithItsEpilogue) {
  fake_cuda().kernels = {"first", "second"};
  fake_cuda().takes_epilogues = true;
  fake_cuda().substituted_because = "none is passed over";
  std::string name;
  SinterCudaEpilogue epilogue{};
  std::vector<void*> addresses;
  fake_cuda().run_kernel = [&](const SinterCudaCall& call, void* const* inputs,
                               void* const* outputs, void*) {
    name = call.kernel;
    epilogue = *call.epilogue;
    EXPECT_EQ(call.input_count, 2);
    EXPECT_EQ(call.output_count, 1);
    addresses = {inputs[0], inputs[1], inputs[2], outputs[0]};
  };
  CudaBackend backend(sinter_cuda_api(), 0);
  ir::Step step = Product().with_bias();
  step.kernel = "second";
  const auto code = backend.prepare(Product::program(step));
  std::array<float, 64> memory{};
  const std::vector<void*> inputs = {&memory[0], &memory[10], &memory[20]};
  const std::vector<void*> outputs = {&memory[30]};
  code->run_once({inputs, outputs, {}}, nullptr);
  EXPECT_EQ(name, "second");
  EXPECT_EQ(epilogue.bias, 0);
  EXPECT_EQ(epilogue.residual, -1);
  EXPECT_EQ(epilogue.scale, 1.0F);
  EXPECT_EQ(epilogue.activation, kSinterCudaNoActivation);
  EXPECT_EQ(addresses, (std::vector<void*>{inputs[0], inputs[1], inputs[2], outputs[0]}));
  EXPECT_EQ(code->group_report().substituted,
            std::vector<std::string>{"matmul: none is passed over"});
  EXPECT_EQ(code->group_report().groups, 0);
}

TEST_F(CudaBackendTest, AnEpilogueWithoutAFormIsOurMistake) {
  CudaBackend backend(sinter_cuda_api(), 0);
  ir::Step step = Product().with_bias();
  ir::Group other = *step.epilogue;
  other.body[2].op = ir::ScalarOp::mul;
  step.epilogue = std::make_shared<ir::Group>(other);
  EXPECT_THROW(backend.prepare(Product::program(step)), ir::InternalError);
}

}  // namespace
}  // namespace sinter::backend::cuda
