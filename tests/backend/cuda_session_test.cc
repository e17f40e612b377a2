// Programs on a CUDA device: launched once, captured, replayed; slots, States, errors.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <numeric>

#include "../ir/test_programs.h"
#include "backend/cpu/backend.h"
#include "backend/cuda/session.h"
#include "base/switches.h"
#include "fake_cuda.h"
#include "fake_kernels.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {
namespace {

using Values = std::array<float, 64>;

// The one group of these tests: out = a + b over 64 elements.
void run_sum(const std::string& kernel, void* const* arguments) {
  static const GroupSource source = group_source(ir::testing::sum_group(64));
  ASSERT_EQ(source.launches.size(), 1u);
  ASSERT_EQ(kernel, source.launches[0].kernel);
  const auto* const a = static_cast<const float*>(arguments[1]);
  const auto* const b = static_cast<const float*>(arguments[2]);
  auto* const out = static_cast<float*>(arguments[3]);
  for (int i = 0; i < 64; ++i) out[i] = a[i] + b[i];
}

class CudaSessionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    setenv("SINTER_CACHE", "", 1);  // nothing is kept from what the fake compiles
    reload_switches();
  }
  CudaSessionTest() {
    fake_cuda().reset();
    fake_cuda().run_kernel = run_cpu_kernel;
    fake_cuda().run_module = run_sum;
    for (std::size_t i = 0; i < input_.size(); ++i) {
      input_[i] = static_cast<float>(i) / 8 - 3;
      state_[i] = 1 / (static_cast<float>(i) + 1);
    }
    backend_.emplace(sinter_cuda_api(), 0);
    device_input_ = upload(input_);
    device_state_ = upload(state_);
    device_output_ = upload({});
  }
  ~CudaSessionTest() override {
    for (void* memory : memory_) backend_->release(memory, sizeof(Values));
  }

  void* upload(const Values& values) {
    void* const memory = backend_->allocate(sizeof(values));
    memory_.push_back(memory);
    backend_->copy_to_device(memory, values.data(), sizeof(values));
    return memory;
  }
  Values download(const void* memory) {
    Values values{};
    backend_->copy_to_host(values.data(), memory, sizeof(values));
    return values;
  }

  // The same program's output and State after `runs` runs on the CPU.
  std::pair<Values, Values> expected(int runs) {
    cpu::CpuBackend cpu;
    auto program = std::make_shared<ir::Program>(ir::testing::small_program());
    ir::Step& matmul = program->steps[2];
    matmul.workspace_bytes = 1 << 16;  // enough for the CPU's kernel on any machine
    program->arena_bytes = matmul.workspace.offset + matmul.workspace_bytes;
    const auto session = cpu.prepare(program)->new_session();
    Values state = state_;
    Values output{};
    const std::array<void*, 1> inputs = {input_.data()};
    const std::array<void*, 1> outputs = {output.data()};
    const std::array<void*, 1> states = {state.data()};
    for (int i = 0; i < runs; ++i) session->run({inputs, outputs, states});
    return {output, state};
  }

  std::shared_ptr<const CudaCode> code_of(const ir::Program& program) {
    return std::make_shared<const CudaCode>(*backend_, std::make_shared<ir::Program>(program));
  }
  std::unique_ptr<CudaSession> prepare(const ir::Program& program) {
    return std::make_unique<CudaSession>(code_of(program), nullptr);
  }
  void run(CudaSession& session) { session.run({inputs_(), outputs_(), states_()}); }
  std::span<void* const> inputs_() { return {&device_input_, 1}; }
  std::span<void* const> outputs_() { return {&device_output_, 1}; }
  std::span<void* const> states_() { return {&device_state_, 1}; }

  template <class Function>
  static std::string error_of(Function&& function) {
    try {
      function();
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing was thrown";
  }

  std::optional<CudaBackend> backend_;
  Values input_{};
  Values state_{};
  void* device_input_ = nullptr;
  void* device_state_ = nullptr;
  void* device_output_ = nullptr;
  std::vector<void*> memory_;
};

TEST_F(CudaSessionTest, TheFirstRunLaunchesStepsTheNextOnesReplayAGraph) {
  const auto session = prepare(ir::testing::small_program());
  for (int runs = 1; runs <= 4; ++runs) {
    run(*session);
    const auto [output, state] = expected(runs);
    EXPECT_EQ(download(device_output_), output) << runs;
    EXPECT_EQ(download(device_state_), state) << runs;
  }
  EXPECT_EQ(fake_cuda().module_launches, 4);
  EXPECT_EQ(fake_cuda().kernel_launches, 1);
  EXPECT_EQ(fake_cuda().graph_launches, 3);
  EXPECT_EQ(fake_cuda().captures, 1);
}

TEST_F(CudaSessionTest, RunsOnlyEnqueue) {
  const auto session = prepare(ir::testing::small_program());
  for (int i = 0; i < 3; ++i) run(*session);
  EXPECT_EQ(fake_cuda().waits, 0);
}

TEST_F(CudaSessionTest, NothingIsAllocatedByRuns) {
  const auto session = prepare(ir::testing::small_program());
  const std::uint64_t before = fake_cuda().memory_used;
  for (int i = 0; i < 3; ++i) run(*session);
  EXPECT_EQ(fake_cuda().memory_used, before);
}

TEST_F(CudaSessionTest, SessionsOfOneCodeHaveGraphsAndMemoriesOfTheirOwn) {
  const auto code = code_of(ir::testing::small_program());
  CudaSession first(code, nullptr);
  CudaSession second(code, nullptr);
  for (int runs = 1; runs <= 3; ++runs) {
    run(runs % 2 == 0 ? second : first);
    const auto [output, state] = expected(runs);
    EXPECT_EQ(download(device_output_), output) << runs;
    EXPECT_EQ(download(device_state_), state) << runs;
  }
  EXPECT_EQ(first.capture_count(), 1);
  EXPECT_EQ(second.capture_count(), 0);
}

TEST_F(CudaSessionTest, RunsOnAnArenaOfTheCallers) {
  const auto code = code_of(ir::testing::small_program());
  auto* const arena =
      static_cast<std::byte*>(backend_->allocate(static_cast<std::size_t>(code->arena_bytes())));
  CudaSession session(code, arena);
  run(session);
  code->run_once({inputs_(), outputs_(), states_()}, arena);
  const auto [output, state] = expected(2);
  EXPECT_EQ(download(device_output_), output);
  EXPECT_EQ(download(device_state_), state);
  EXPECT_EQ(fake_cuda().captures, 0);
  backend_->release(arena, 0);
}

TEST_F(CudaSessionTest, InputsAndOutputsMayMoveStatesCaptureAgain) {
  const auto session = prepare(ir::testing::small_program());
  run(*session);
  run(*session);
  device_input_ = upload(input_);
  device_output_ = upload({});
  run(*session);
  EXPECT_EQ(session->capture_count(), 1);
  EXPECT_EQ(download(device_output_), expected(3).first);

  void* const before = device_state_;
  const Values left = download(before);
  device_state_ = upload(left);
  run(*session);
  run(*session);
  EXPECT_EQ(session->capture_count(), 2);
  EXPECT_EQ(download(device_state_), expected(5).second);
  EXPECT_EQ(download(before), left) << "the old State was written";
}

TEST_F(CudaSessionTest, InputsInHostMemoryAreTakenDirectly) {
  const auto session = prepare(ir::testing::small_program());
  Values batch = input_;
  void* const host = batch.data();
  const std::array<std::uint8_t, 1> flags = {1};
  for (int i = 0; i < 3; ++i) {
    batch = input_;
    session->run({{&host, 1}, outputs_(), states_(), flags});
    batch.fill(1e9F);  // it may change at once
  }
  EXPECT_EQ(download(device_output_), expected(3).first);
  EXPECT_EQ(download(device_state_), expected(3).second);
}

TEST_F(CudaSessionTest, AProgramOfFewLaunchesWorksWhereItsArgumentsLie) {
  ir::Program program = ir::testing::small_program();
  program.steps.resize(1);
  const ir::Argument x = program.steps[0].inputs[0];
  program.steps = {ir::testing::sum_step(
      x, x, ir::testing::argument(ir::testing::external(ir::BufferKind::output), {64}))};
  const auto session = prepare(program);
  const int copies = fake_cuda().copies;
  run(*session);
  run(*session);
  EXPECT_EQ(fake_cuda().graph_launches, 0);
  EXPECT_EQ(fake_cuda().copies, copies);
  const Values output = download(device_output_);
  for (std::size_t i = 0; i < output.size(); ++i) EXPECT_EQ(output[i], 2 * input_[i]);

  void* const host = input_.data();
  const std::array<std::uint8_t, 1> flags = {1};
  session->run({{&host, 1}, outputs_(), states_(), flags});
  EXPECT_EQ(download(device_output_), output);
}

TEST_F(CudaSessionTest, WatchedRunsGiveEveryStepsOutputs) {
  const auto session = prepare(ir::testing::small_program());
  run(*session);
  run(*session);
  std::vector<int> steps;
  Values last{};
  session->run_watched({inputs_(), outputs_(), states_()},
                       [&](int step, std::span<void* const> outputs) {
                         steps.push_back(step);
                         ASSERT_EQ(outputs.size(), 1u);
                         last = download(outputs[0]);
                       });
  EXPECT_EQ(steps, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(last, expected(3).second);
  EXPECT_EQ(download(device_output_), expected(3).first);
  EXPECT_GE(fake_cuda().waits, 5);
}

TEST_F(CudaSessionTest, PartsRunAlone) {
  const auto session = prepare(ir::testing::small_program());
  const std::array<std::uint8_t, 5> chosen = {0, 0, 1, 0, 0};
  session->run_some({inputs_(), outputs_(), states_()}, chosen);
  EXPECT_EQ(fake_cuda().kernel_launches, 1);
  EXPECT_EQ(fake_cuda().module_launches, 0);
  EXPECT_GE(fake_cuda().waits, 1);
}

TEST_F(CudaSessionTest, KernelErrorsAreThrownAtTheNextWaitWithTheirStep) {
  ir::Program program = ir::testing::small_program();
  ir::Step& step = program.steps[2];
  step.op = ir::OpId::gather;
  step.label = "gather";
  step.scope = "embedding";
  step.location = {"model.cc", 12};
  fake_cuda().run_kernel = nullptr;
  const auto other = prepare(ir::testing::small_program());  // takes the first step numbers
  const auto session = prepare(program);
  for (int i = 0; i < 2; ++i) {  // plain, then in a graph
    run(*session);
    fake_cuda().kernel_error = {
        .step = fake_cuda().last_step, .reserved = 0, .position = 5, .value = 70, .limit = 65};
    EXPECT_EQ(error_of([&] { download(device_output_); }),
              "gather: the id at position 5 is not a row of the table; got 70; expected 0 to 64; "
              "in embedding: gather (model.cc:12)");
    EXPECT_EQ(error_of([&] { download(device_output_); }), "nothing was thrown");
  }
}

TEST_F(CudaSessionTest, AnErrorOutlivesTheProgramThatMadeIt) {
  auto session = prepare(ir::testing::small_program());
  run(*session);
  fake_cuda().kernel_error = {
      .step = fake_cuda().last_step, .reserved = 0, .position = 0, .value = -1, .limit = 3};
  session.reset();
  EXPECT_NE(error_of([&] { backend_->synchronize(); }).find("got -1; expected 0 to 2"),
            std::string::npos);
}

TEST_F(CudaSessionTest, LaunchFailureNamesTheStepAndTheDeviceGoesOn) {
  const auto session = prepare(ir::testing::small_program());
  fake_cuda().launch_status = kSinterCudaLaunchFailed;
  fake_cuda().launches_left = 1;
  fake_cuda().text = "invalid configuration";
  const std::string text = error_of([&] { run(*session); });
  EXPECT_NE(text.find("cuda:0: fc1: fused: add (mlp.cc:14): the device found a fault (invalid "
                      "configuration)"),
            std::string::npos)
      << text;
  const Values before = download(device_state_);
  EXPECT_EQ(before, state_);
  run(*session);
  EXPECT_EQ(download(device_output_), expected(1).first);
}

TEST_F(CudaSessionTest, NoCompilerSaysWhatToInstall) {
  fake_cuda().compile_status = kSinterCudaNoCompiler;
  fake_cuda().text = "libnvrtc.so.13: cannot open shared object file";
  const std::string text = error_of([&] { prepare(ir::testing::small_program()); });
  EXPECT_NE(text.find("NVRTC was not found (libnvrtc.so.13"), std::string::npos) << text;
  EXPECT_NE(text.find("install the CUDA toolkit"), std::string::npos) << text;
}

TEST_F(CudaSessionTest, OutOfMemoryAtStartNamesBothSizes) {
  ir::Program program = ir::testing::small_program();
  program.arena_bytes = std::int64_t{1} << 40;
  const std::string text = error_of([&] { prepare(program); });
  EXPECT_NE(text.find("not enough memory for a program's buffers; got a request for 10995116"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("of the 1073741824 bytes that the device has"), std::string::npos) << text;
}

TEST_F(CudaSessionTest, ProgramsAndTheirMemoryGoTogether) {
  const std::uint64_t before = fake_cuda().memory_used;
  {
    const auto session = prepare(ir::testing::small_program());
    EXPECT_GT(fake_cuda().memory_used, before);
  }
  EXPECT_EQ(fake_cuda().memory_used, before);
}

TEST_F(CudaSessionTest, ALostDeviceEndsNothingElse) {
  auto session = prepare(ir::testing::small_program());
  run(*session);
  fake_cuda().launch_status = kSinterCudaDeviceLost;
  EXPECT_NE(error_of([&] { run(*session); }).find("the device is lost"), std::string::npos);
  EXPECT_NE(error_of([&] { run(*session); }).find("the device is lost"), std::string::npos);
  session.reset();
  EXPECT_EQ(expected(1).first, expected(1).first);  // the CPU goes on
}

}  // namespace
}  // namespace sinter::backend::cuda
