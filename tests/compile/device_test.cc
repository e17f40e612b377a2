// Devices through the layers: where Tensors and States live, what runs where, and what is refused.
// The CUDA library is the fake one (backend/fake_cuda.h), on which structured kernels compute and
// fused groups do nothing.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <thread>

#include "../backend/fake_cuda.h"
#include "../backend/fake_kernels.h"
#include "base/switches.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/data.h"
#include "sinter/ops.h"
#include "sinter/optim.h"
#include "sinter/scan.h"
#include "sinter/state_arena.h"
#include "sinter/system.h"

namespace sinter {
namespace {

using backend::cuda::FakeCuda;

class DeviceTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    setenv("SINTER_CUDA_LIBRARY", SINTER_FAKE_CUDA, 1);
    setenv("SINTER_CACHE", "", 1);  // nothing is kept from what the fake compiles
    unsetenv("SINTER_DEVICE");
    reload_switches();
  }
  void SetUp() override {
    fake().reset();
    fake().run_kernel = backend::cuda::run_cpu_kernel;
    set_device("cpu");
  }
  void TearDown() override {
    set_device("cpu");
    fake().reset();
  }

  static FakeCuda& fake() {
    static FakeCuda* const state = [] {
      void* const handle = dlopen(SINTER_FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
      return reinterpret_cast<FakeCuda* (*)()>(dlsym(handle, "fake_cuda_state"))();
    }();
    return *state;
  }
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

// Small enough that products of many stay finite.
Tensor matrix(float first) {
  std::vector<float> values(16);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = (first + static_cast<float>(i % 5) / 4 - static_cast<float>(i % 3)) / 8;
  }
  return tensor(values, {4, 4});
}

TEST_F(DeviceTest, SelectsByName) {
  EXPECT_EQ(current_device(), "cpu");
  set_device("cuda");
  EXPECT_EQ(current_device(), "cuda:0");
  set_device("cuda:1");
  EXPECT_EQ(current_device(), "cuda:1");
  expect_says(error_of([] { set_device("cuda:7"); }),
              "cuda:7: there is no such GPU; expected cuda:0 to cuda:1");
  for (const char* name : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "CPU", ""}) {
    EXPECT_FALSE(is_device_name(name)) << name;
    expect_says(error_of([&] { set_device(name); }), "expected auto, cpu, cuda or cuda:N");
  }
  EXPECT_EQ(current_device(), "cuda:1");
  set_device("auto");
  EXPECT_EQ(current_device(), "cpu") << "an emulated GPU is used only when it is named";
  EXPECT_EQ(system_info().device, "cpu");
}

TEST_F(DeviceTest, TheSwitchSaysWhatAutoMeans) {
  setenv("SINTER_DEVICE", "cuda:1", 1);
  reload_switches();
  set_device("auto");
  EXPECT_EQ(current_device(), "cuda:1");
  unsetenv("SINTER_DEVICE");
  reload_switches();
}

TEST_F(DeviceTest, ScopesAreOfTheirThread) {
  const DeviceScope outer("cuda:1");
  {
    const DeviceScope inner("cpu");
    EXPECT_EQ(current_device(), "cpu");
  }
  EXPECT_EQ(current_device(), "cuda:1");
  std::thread([] { EXPECT_EQ(current_device(), "cpu"); }).join();
}

TEST_F(DeviceTest, DevicesAreListed) {
  const DeviceList list = devices();
  ASSERT_EQ(list.devices.size(), 3u);
  EXPECT_EQ(list.devices[0].name, "cpu");
  EXPECT_GT(list.devices[0].memory_total, 0);
  EXPECT_EQ(list.devices[2].name, "cuda:1");
  EXPECT_EQ(list.devices[2].model, "Fake GPU 1");
  EXPECT_EQ(list.devices[2].architecture, "sm_86");
  EXPECT_TRUE(list.devices[2].emulated);
  EXPECT_EQ(list.why_no_cuda, "");
  EXPECT_EQ(list.cuda_compiler, "fake 1.0");
  EXPECT_EQ(describe_device("cuda").name, "cuda:0");
  set_device("cuda");
  EXPECT_EQ(system_info().isa, "sm_86");
  fake().count_status = kSinterCudaOldDriver;
  fake().text = "too old";
  expect_says(devices().why_no_cuda, "the NVIDIA driver is too old");
}

TEST_F(DeviceTest, TensorsLiveOnTheCurrentDevice) {
  const Tensor before = matrix(1);
  set_device("cuda");
  const Tensor there = matrix(1);
  EXPECT_EQ(device_of(before), "cpu");
  EXPECT_EQ(device_of(there), "cuda:0");
  EXPECT_EQ(there.to_vector<float>(), before.to_vector<float>());
  EXPECT_EQ(scalar(2.5).item<float>(), 2.5F);
  const std::string text = error_of([&] { there.data(); });
  expect_says(text, "f32(4, 4) is not in host memory; got a Tensor on cuda:0");
  expect_says(text, "to_vector()");
  EXPECT_EQ(to_device(there).impl(), there.impl());
  EXPECT_EQ(device_of(to_device(before)), "cuda:0");
  const Tensor back = to_host(there);
  EXPECT_EQ(device_of(back), "cpu");
  EXPECT_NE(back.data(), nullptr);
  EXPECT_EQ(back.to_vector<float>(), before.to_vector<float>());
}

TEST_F(DeviceTest, OpsRunOnTheCurrentDevice) {
  const Tensor expected = matmul(matrix(1), matrix(2));
  set_device("cuda");
  const Tensor product = matmul(matrix(1), matrix(2));
  EXPECT_EQ(device_of(product), "cuda:0");
  EXPECT_EQ(product.to_vector<float>(), expected.to_vector<float>());
  EXPECT_EQ(fake().kernel_launches, 1);
}

TEST_F(DeviceTest, MixedDevicesInOneOpAreNamed) {
  const Tensor here = matrix(1);
  set_device("cuda");
  const Tensor there = matrix(2);
  const std::string text = error_of([&] { matmul(there, here); });
  expect_says(text, "matmul");
  expect_says(text, "input 1 lies on another device than the op runs on; got cpu; expected cuda:0");
  expect_says(text, "to_device()");
  EXPECT_EQ(matmul(there, to_device(here)).shape(), (Shape{4, 4}));
  set_device("cpu");
  expect_says(error_of([&] { matmul(here, there); }), "got cuda:0; expected cpu");
}

TEST_F(DeviceTest, StatesStayWhereTheyWereMade) {
  const Tensor host = matrix(3);
  set_device("cuda");
  const State state(matrix(1), "w");
  EXPECT_EQ(device_of(state.value()), "cuda:0");
  const Tensor snapshot = state.value();
  state.assign(host);  // values may come from anywhere
  EXPECT_EQ(state.value().to_vector<float>(), host.to_vector<float>());
  EXPECT_NE(snapshot.to_vector<float>(), host.to_vector<float>());
  set_device("cpu");
  EXPECT_EQ(device_of(state.value()), "cuda:0");
  std::vector<std::int64_t> offsets;
  expect_says(error_of([&] { make_arena({state}, &offsets); }),
              "State w: lies on another device than its optimizer would; got cuda:0; expected cpu");
}

// Six products in a row, so that the program is captured, and a State.
Tensor products(const Tensor& x, const State& w) {
  Tensor y = matmul(x, w.value());
  for (int i = 0; i < 5; ++i) y = matmul(y, w.value());
  w.assign(y);
  return y;
}

std::vector<std::vector<float>> run_products(int* traces) {
  const State w(matrix(0.125F), "w");
  auto step = compile([&, traces](const Tensor& x) {
    ++*traces;
    return products(x, w);
  });
  std::vector<std::vector<float>> results;
  for (int i = 0; i < 4; ++i) {
    const Tensor x = [&] {
      const DeviceScope host("cpu");
      return matrix(0.0625F * static_cast<float>(i));
    }();
    results.push_back(step(x).to_vector<float>());
  }
  results.push_back(w.value().to_vector<float>());
  return results;
}

TEST_F(DeviceTest, CompiledStepsTakeBatchesFromHostMemory) {
  int traces = 0;
  const auto expected = run_products(&traces);
  set_device("cuda");
  EXPECT_EQ(run_products(&traces), expected);
  EXPECT_EQ(fake().graph_launches, 3);
  EXPECT_EQ(fake().captures, 1);
}

TEST_F(DeviceTest, ProgramsAreOfOneDevice) {
  int traces = 0;
  auto twice = compile([&](const Tensor& x) {
    ++traces;
    return matmul(x, x);
  });
  const std::vector<float> expected = twice(matrix(1)).to_vector<float>();
  set_device("cuda");
  const Tensor there = twice(matrix(1));
  EXPECT_EQ(device_of(there), "cuda:0");
  EXPECT_EQ(there.to_vector<float>(), expected);
  set_device("cuda:1");
  EXPECT_EQ(device_of(twice(matrix(1))), "cuda:1");
  EXPECT_EQ(traces, 3);
  const std::string text = error_of([&] { twice(there); });
  expect_says(text, "input 0: lies on another device than the compiled function; got cuda:0");
  expect_says(text, "expected cuda:1 or cpu");
  set_device("cpu");
  expect_says(error_of([&] { twice(there); }), "got cuda:0; expected cpu");
}

TEST_F(DeviceTest, CompiledStepsRefuseStatesOfAnotherDevice) {
  const State w(matrix(1), "w");
  set_device("cuda");
  auto step = compile([&](const Tensor& x) { return matmul(x, w); });
  expect_says(
      error_of([&] { step(matrix(2)); }),
      "State w: lies on another device than the compiled function; got cpu; expected cuda:0");
}

TEST_F(DeviceTest, ScansRunStepByStepWithAlternatingCarries) {
  const auto run = [](std::int64_t length, bool reverse) {
    std::vector<float> values(static_cast<std::size_t>(length) * 16);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(i % 7) / 16 - static_cast<float>(i % 3) / 32;
    }
    const Tensor sequence = tensor(values, {length, 4, 4});
    auto function = compile([reverse](const Tensor& start, const Tensor& xs) {
      const ScanResult result = scan(
          [](const std::vector<Tensor>& carry, const std::vector<Tensor>& x) {
            const Tensor next = matmul(carry[0], x[0]);
            return ScanStep{{next}, {matmul(next, next)}};
          },
          {start}, {xs}, {.reverse = reverse});
      return std::vector<Tensor>{result.carries[0], result.ys[0]};
    });
    std::vector<float> all;
    for (int i = 0; i < 3; ++i) {
      for (const Tensor& result : function(matrix(0.25F * static_cast<float>(i)), sequence)) {
        const std::vector<float> part = result.to_vector<float>();
        all.insert(all.end(), part.begin(), part.end());
      }
    }
    return all;
  };
  for (const std::int64_t length : {1, 2, 5}) {
    for (const bool reverse : {false, true}) {
      set_device("cpu");
      const std::vector<float> expected = run(length, reverse);
      set_device("cuda");
      EXPECT_EQ(run(length, reverse), expected) << length << (reverse ? " reverse" : "");
    }
  }
  EXPECT_GT(fake().captures, 0);
}

TEST_F(DeviceTest, KernelErrorsNameOpStepAndLineWhenTheResultIsRead) {
  set_device("cuda");
  const Tensor table = matrix(1);
  const Tensor ids = tensor(std::vector<std::int32_t>{0, 3}, {2});
  auto look_up = compile([](const Tensor& t, const Tensor& i) {
    const ModuleScope scope("embedding");
    return gather(t, i);
  });
  const Tensor rows = look_up(table, ids);
  fake().kernel_error = {
      .step = fake().last_step, .reserved = 0, .position = 1, .value = 70, .limit = 4};
  const std::string text = error_of([&] { rows.to_vector<float>(); });
  expect_says(text,
              "gather: the id at position 1 is not a row of the table; got 70; expected 0 to 3");
  expect_says(text, "in embedding: gather (device_test.cc:");
  EXPECT_EQ(rows.to_vector<float>().size(), 8u);
}

class Rows : public data::Dataset {
 public:
  std::int64_t size() const override { return 8; }
  Batch batch(std::span<const std::int32_t> rows, const data::Draw&) const override {
    const auto count = static_cast<std::int64_t>(rows.size());
    return {{"inputs", tensor(std::vector<float>(rows.size(), 1), {count})},
            {"targets", tensor(std::vector<std::int32_t>(rows.begin(), rows.end()), {count})}};
  }
};

TEST_F(DeviceTest, BatchesOfALoaderLieInHostMemory) {
  set_device("cuda");
  data::Loader loader(std::make_shared<Rows>(), {.batch = 4, .epochs = 1});
  int batches = 0;
  for (const Batch& batch : loader) {
    EXPECT_EQ(device_of(batch["inputs"]), "cpu");
    EXPECT_EQ(device_of(batch["targets"]), "cpu");
    ++batches;
  }
  EXPECT_EQ(batches, 2);
  EXPECT_EQ(fake().copies_in, 0);
}

TEST_F(DeviceTest, FreeBlocksOfThePoolGoBackBeforeMemoryRunsOut) {
  set_device("cuda");
  const std::uint64_t mebibyte = std::uint64_t{1} << 20;
  fake().memory_total = fake().memory_used + 6 * mebibyte;
  tensor(std::vector<float>(mebibyte), {1024, 1024});  // 4 MiB, which the pool keeps
  const Tensor other = tensor(std::vector<float>(mebibyte * 5 / 4), {1280, 1024});
  EXPECT_EQ(other.elements(), 1280 * 1024);
  const std::string text = error_of([&] { tensor(std::vector<float>(mebibyte), {1024, 1024}); });
  expect_says(text, "cuda:0: out of memory; got a request for 4194304 bytes");
}

TEST_F(DeviceTest, WatchedAndMeasuredProgramsWait) {
  set_device("cuda");
  const State w(matrix(0.125F), "w");
  CompiledFunction step(
      [&](const std::vector<Tensor>& x) { return std::vector<Tensor>{products(x[0], w)}; });
  const std::vector<float> before = w.value().to_vector<float>();
  EXPECT_EQ(step.find_first_nonfinite({matrix(1)}), "");
  const Tensor bad = tensor(std::vector<float>(16, std::numeric_limits<float>::infinity()), {4, 4});
  expect_says(step.find_first_nonfinite({bad}), "matmul");
  EXPECT_GE(step.measure({matrix(1)}, 3).steps.size(), 6u);
  EXPECT_EQ(w.value().to_vector<float>(), before);
}

TEST_F(DeviceTest, ALostDeviceLeavesTheCpuUsable) {
  set_device("cuda:1");
  const State w(matrix(0.125F), "w");
  CompiledFunction step(
      [&](const std::vector<Tensor>& x) { return std::vector<Tensor>{products(x[0], w)}; });
  step.call({matrix(1)});
  fake().launch_status = kSinterCudaDeviceLost;
  fake().text = "unspecified launch failure";
  const Tensor x = matrix(1);
  const std::string text = error_of([&] { step.call({x}); });
  expect_says(text, "the device is lost (unspecified launch failure)");
  expect_says(text, "the CPU stays usable");
  expect_says(error_of([&] { step.find_first_nonfinite({x}); }), "the device is lost");
  expect_says(error_of([&] { w.value().to_vector<float>(); }), "the device is lost");
  expect_says(error_of([&] {
                set_device("cuda:1");
                matrix(1);
              }),
              "the device is lost");
  set_device("cpu");
  const State mine(matrix(0.125F), "mine");
  auto on_cpu = compile([&](const Tensor& y) { return products(y, mine); });
  EXPECT_EQ(on_cpu(matrix(1)).shape(), (Shape{4, 4}));
}

}  // namespace
}  // namespace sinter
