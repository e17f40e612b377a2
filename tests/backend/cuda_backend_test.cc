// Memory, questions of the planner, and what happens when a device fails.
#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "backend/cpu/kernels/kernel.h"
#include "backend/cuda/backend.h"
#include "backend/cuda/call.h"
#include "fake_cuda.h"
#include "fake_kernels.h"
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

}  // namespace
}  // namespace sinter::backend::cuda
