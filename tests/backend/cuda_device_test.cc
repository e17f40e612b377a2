// What the CUDA library has besides kernels: copies, captures, compiled modules, reports of bad
// ids, and what it says when things go wrong.
#include "cuda_device.h"

#include <cstring>
#include <numeric>
#include <thread>

namespace sinter::backend::cuda {
namespace {

using cpu::make_value;
using cpu::random_value;
using cpu::Value;
using Integers = std::vector<std::int64_t>;

std::string said() { return api().last_error(); }

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<unsigned char> numbers(std::size_t bytes, unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<unsigned char> values(bytes);
  for (unsigned char& value : values) value = static_cast<unsigned char>(generator());
  return values;
}

TEST(CudaDevice, DescribesItself) {
  EXPECT_EQ(api().abi, kSinterCudaAbi);
  EXPECT_EQ(api().size, static_cast<std::int32_t>(sizeof(SinterCudaApi)));
  std::int32_t count = 0;
  expect_ok(api().count_devices(&count));
  ASSERT_GE(count, 1);
  SinterCudaDevice about;
  expect_ok(api().describe_device(0, &about));
  EXPECT_NE(about.name[0], '\0');
  EXPECT_GE(about.major, 8);
  EXPECT_GT(about.multiprocessors, 0);
  EXPECT_GT(about.memory_total, 0U);
  EXPECT_LE(about.memory_free, about.memory_total);
  EXPECT_TRUE(contains(about.driver, "."));
  EXPECT_TRUE(contains(about.runtime, "."));
  EXPECT_NE(api().describe_device(count, &about), kSinterCudaOk);
  EXPECT_FALSE(said().empty());
}

TEST(CudaDevice, CopiesInAnyNumberOfBytes) {
  const Device device;
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{255}, std::size_t{256}, std::size_t{4097},
        std::size_t{1} << 20, (std::size_t{1} << 20) + 1, std::size_t{20} << 20}) {
    SCOPED_TRACE(bytes);
    const auto sent = numbers(bytes, 1);
    DeviceBuffer a(device, sent.data(), bytes);
    const DeviceBuffer b(device, bytes);
    expect_ok(api().copy(device.get(), b.at(0), a.at(0), bytes));
    std::vector<unsigned char> got(bytes);
    b.read(got.data());
    EXPECT_EQ(got, sent);
  }
}

TEST(CudaDevice, KeepsManySmallCopiesApart) {
  const Device device;
  constexpr std::size_t kCount = 3000;
  const DeviceBuffer buffer(device, kCount * sizeof(std::size_t));
  for (std::size_t i = 0; i < kCount; ++i) {
    std::size_t value = i * i;
    expect_ok(api().copy_in(device.get(), buffer.at(i * sizeof(value)), &value, sizeof(value)));
    value = 0;  // may change at once
  }
  std::vector<std::size_t> got(kCount);
  buffer.read(got.data());
  for (std::size_t i = 0; i < kCount; ++i) ASSERT_EQ(got[i], i * i);
}

TEST(CudaDevice, MixesLargeAndSmallCopies) {
  const Device device;
  std::mt19937 generator(3);
  std::vector<std::vector<unsigned char>> sent;
  std::vector<DeviceBuffer> buffers;
  for (unsigned i = 0; i < 60; ++i) {
    sent.push_back(numbers(generator() % (i % 3 == 0 ? 3'000'000 : 5'000), i));
    buffers.emplace_back(device, sent.back().data(), sent.back().size());
  }
  for (std::size_t i = 0; i < sent.size(); ++i) {
    std::vector<unsigned char> got(sent[i].size());
    buffers[i].read(got.data());
    ASSERT_EQ(got, sent[i]);
  }
}

TEST(CudaDevice, MeasuresTime) {
  const Device device;
  double seconds = -1;
  EXPECT_EQ(api().stop_timer(device.get(), &seconds), kSinterCudaBadCall);
  expect_ok(api().start_timer(device.get()));
  expect_ok(api().stop_timer(device.get(), &seconds));
  EXPECT_GE(seconds, 0);
}

// ---- captures ----

TEST(CudaCapture, ReplaysWithWhatMemoryHoldsThen) {
  const Device device;
  const Value position = make_value<std::int64_t>({2}, Integers{7, 0});
  PreparedCall draw(device, "uniform", {{"shape", Integers{1000}}}, {position},
                    {{Dtype::f32, {1000}}});
  const DeviceBuffer copied(device, 4000);
  expect_ok(api().begin_capture(device.get()));
  expect_ok(draw.launch());
  expect_ok(api().copy(device.get(), copied.at(0), draw.output(0), 4000));
  SinterCudaGraph* graph = nullptr;
  expect_ok(api().end_capture(device.get(), &graph));
  for (std::int64_t offset : {0, 250, 1 << 20}) {
    const std::int64_t at[2] = {7, offset};
    draw.input(0).write(at);
    expect_ok(api().launch_graph(device.get(), graph));
    const Value moved = make_value<std::int64_t>({2}, Integers{7, offset});
    const cpu::Call want(ir::OpId::uniform, {{"shape", Integers{1000}}}, {moved},
                         {{Dtype::f32, {1000}}});
    std::vector<float> got(1000);
    copied.read(got.data());
    EXPECT_EQ(got, want.run(*want.prepare())[0].elements<float>());
  }
  api().destroy_graph(graph);
}

TEST(CudaCapture, RunsNothingUntilItIsLaunched) {
  const Device device;
  const unsigned char ones[8] = {1, 1, 1, 1, 1, 1, 1, 1}, zeros[8] = {};
  DeviceBuffer a(device, ones, 8), b(device, zeros, 8);
  expect_ok(api().begin_capture(device.get()));
  expect_ok(api().copy(device.get(), b.at(0), a.at(0), 8));
  SinterCudaGraph* graph = nullptr;
  expect_ok(api().end_capture(device.get(), &graph));
  unsigned char got[8];
  b.read(got);
  EXPECT_EQ(0, std::memcmp(got, zeros, 8));
  expect_ok(api().launch_graph(device.get(), graph));
  b.read(got);
  EXPECT_EQ(0, std::memcmp(got, ones, 8));
  api().destroy_graph(graph);
}

TEST(CudaCapture, RefusesWhatWaits) {
  const Device device;
  DeviceBuffer a(device, 8), b(device, 8);
  expect_ok(api().begin_capture(device.get()));
  unsigned char bytes[8] = {};
  SinterCudaKernelError error;
  EXPECT_EQ(api().copy_in(device.get(), a.at(0), bytes, 8), kSinterCudaBadCall);
  EXPECT_TRUE(contains(said(), "copy_in while launches are captured")) << said();
  EXPECT_EQ(api().copy_out(device.get(), bytes, a.at(0), 8), kSinterCudaBadCall);
  EXPECT_EQ(api().synchronize(device.get()), kSinterCudaBadCall);
  EXPECT_EQ(api().take_kernel_error(device.get(), &error), kSinterCudaBadCall);
  EXPECT_EQ(api().begin_capture(device.get()), kSinterCudaBadCall);
  // The capture goes on.
  expect_ok(api().copy(device.get(), b.at(0), a.at(0), 8));
  SinterCudaGraph* graph = nullptr;
  expect_ok(api().end_capture(device.get(), &graph));
  expect_ok(api().launch_graph(device.get(), graph));
  expect_ok(api().synchronize(device.get()));
  api().destroy_graph(graph);
}

TEST(CudaCapture, EndsWithAFailingLaunch) {
  const Device device;
  DeviceBuffer a(device, 8), b(device, 8);
  expect_ok(api().begin_capture(device.get()));
  expect_ok(api().copy(device.get(), b.at(0), a.at(0), 8));
  EXPECT_NE(api().copy(device.get(), b.at(0), nullptr, 8), kSinterCudaOk);
  SinterCudaGraph* graph = nullptr;
  EXPECT_EQ(api().end_capture(device.get(), &graph), kSinterCudaBadCall);
  EXPECT_TRUE(contains(said(), "no capture to end")) << said();
  EXPECT_EQ(graph, nullptr);
  expect_ok(api().synchronize(device.get()));
  expect_ok(api().begin_capture(device.get()));
  expect_ok(api().copy(device.get(), b.at(0), a.at(0), 8));
  expect_ok(api().end_capture(device.get(), &graph));
  api().destroy_graph(graph);
}

TEST(CudaCapture, MayBeLeftUnfinished) {
  const Device device;
  expect_ok(api().begin_capture(device.get()));
}

// ---- reports ----

SinterCudaKernelError taken(const Device& device) {
  SinterCudaKernelError error{};
  expect_ok(api().take_kernel_error(device.get(), &error));
  return error;
}

Value table() { return random_value<float>({4, 64}, 1); }

Value ids(std::int64_t count, const std::vector<std::pair<std::size_t, std::int64_t>>& bad) {
  Integers values(static_cast<std::size_t>(count), 1);
  for (const auto& [at, id] : bad) values[at] = id;
  return make_value<std::int64_t>({count}, values);
}

TEST(CudaReports, NameTheFirstIdOutOfRangeAndGoOnWithZeros) {
  const Device device;
  const PreparedCall gather(device, "gather", {}, {table(), ids(5000, {{1234, 4}, {4000, -1}})},
                            {{Dtype::f32, {5000, 64}}});
  EXPECT_EQ(taken(device).step, -1);
  expect_ok(gather.launch(17));
  const SinterCudaKernelError error = taken(device);
  EXPECT_EQ(error.step, 17);
  EXPECT_EQ(error.position, 1234);
  EXPECT_EQ(error.value, 4);
  EXPECT_EQ(error.limit, 4);
  EXPECT_EQ(taken(device).step, -1) << "it is forgotten once taken";
  const auto rows = gather.results()[0].elements<float>();
  const auto values = table().elements<float>();
  for (std::size_t i = 0; i < 64; ++i) {
    ASSERT_EQ(rows[1234 * 64 + i], 0);
    ASSERT_EQ(rows[4000 * 64 + i], 0);
    ASSERT_EQ(rows[1235 * 64 + i], values[64 + i]);
  }
}

TEST(CudaReports, KeepTheLowestStepWhateverCameFirst) {
  const Device device;
  const PreparedCall late(device, "gather", {}, {table(), ids(3, {{0, 9}})},
                          {{Dtype::f32, {3, 64}}});
  const PreparedCall early(
      device, "segment_sum", {{"segments", std::int64_t{4}}},
      {random_value<float>({300, 2}, 1), ids(300, {{299, -7}, {200, 1LL << 40}})},
      {{Dtype::f32, {4, 2}}});
  expect_ok(late.launch(8));
  expect_ok(early.launch(3));
  expect_ok(late.launch(8));
  const SinterCudaKernelError error = taken(device);
  EXPECT_EQ(error.step, 3);
  EXPECT_EQ(error.position, 200);
  EXPECT_EQ(error.value, 1LL << 40);
  EXPECT_EQ(error.limit, 4);
  // The other rows are summed as if those two were not there.
  const auto x = random_value<float>({300, 2}, 1).elements<float>();
  float sum = 0;
  for (std::size_t i = 0; i < 300; ++i) sum += i == 299 || i == 200 ? 0 : x[2 * i];
  EXPECT_EQ(early.results()[0].data<float>()[2], sum);
}

TEST(CudaReports, LookAtIdsOfEmptyRowsToo) {
  const Device device;
  const PreparedCall gather(device, "gather", {},
                            {random_value<float>({4, 0}, 1), ids(1, {{0, -1}})},
                            {{Dtype::f32, {1, 0}}});
  expect_ok(gather.launch(2));
  EXPECT_EQ(taken(device).value, -1);
  const PreparedCall sum(device, "segment_sum", {{"segments", std::int64_t{0}}},
                         {random_value<float>({1, 3}, 1), ids(1, {{0, 0}})},
                         {{Dtype::f32, {0, 3}}});
  expect_ok(sum.launch(2));
  EXPECT_EQ(taken(device).limit, 0);
}

TEST(CudaReports, ComeFromReplaysToo) {
  const Device device;
  PreparedCall gather(device, "gather", {}, {table(), ids(3, {})}, {{Dtype::f32, {3, 64}}});
  expect_ok(api().begin_capture(device.get()));
  expect_ok(gather.launch(5));
  SinterCudaGraph* graph = nullptr;
  expect_ok(api().end_capture(device.get(), &graph));
  expect_ok(api().launch_graph(device.get(), graph));
  EXPECT_EQ(taken(device).step, -1);
  const std::int64_t bad[3] = {1, 2, 44};
  gather.input(1).write(bad);
  expect_ok(api().launch_graph(device.get(), graph));
  const SinterCudaKernelError error = taken(device);
  EXPECT_EQ(error.position, 2);
  EXPECT_EQ(error.value, 44);
  api().destroy_graph(graph);
}

// ---- modules ----

constexpr const char* kSource = R"(
struct Params { float* x; int count; float factor; };
extern "C" __global__ void scale(Params p) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < p.count) p.x[i] = p.x[i] * p.factor;
}
)";
struct ScaleParams {
  void* x;
  int count;
  float factor;
};

std::vector<unsigned char> compiled(const char* source) {
  SinterCudaDevice about;
  expect_ok(api().describe_device(0, &about));
  const void* image = nullptr;
  std::size_t bytes = 0;
  expect_ok(api().compile(source, about.major * 100 + about.minor * 10, &image, &bytes));
  const auto* begin = static_cast<const unsigned char*>(image);
  return {begin, begin + bytes};
}

TEST(CudaModule, IsCompiledLoadedAndLaunched) {
  char version[64] = {};
  expect_ok(api().compiler_version(version, sizeof(version)));
  EXPECT_NE(version[0], '\0');
  const Device device;
  const auto image = compiled(kSource);
  ASSERT_FALSE(image.empty());
  SinterCudaModule* module = nullptr;
  expect_ok(api().load_module(device.get(), image.data(), image.size(), &module));
  std::vector<float> values(1000);
  std::iota(values.begin(), values.end(), 0.0F);
  DeviceBuffer x(device, values.data(), 4000);
  const ScaleParams params{x.at(0), 1000, 3};
  const SinterCudaLaunch launch{{4, 1, 1}, {256, 1, 1}, 0};
  expect_ok(api().launch_module(device.get(), module, "scale", &launch, &params, sizeof(params)));
  expect_ok(api().begin_capture(device.get()));
  expect_ok(api().launch_module(device.get(), module, "scale", &launch, &params, sizeof(params)));
  SinterCudaGraph* graph = nullptr;
  expect_ok(api().end_capture(device.get(), &graph));
  expect_ok(api().launch_graph(device.get(), graph));
  std::vector<float> got(1000);
  x.read(got.data());
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(got[i], values[i] * 9);
  EXPECT_NE(api().launch_module(device.get(), module, "none", &launch, &params, sizeof(params)),
            kSinterCudaOk);
  EXPECT_TRUE(contains(said(), "none")) << said();
  api().destroy_graph(graph);
  api().destroy_module(module);
}

TEST(CudaModule, ThatDoesNotCompileSaysWhy) {
  const void* image = nullptr;
  std::size_t bytes = 0;
  EXPECT_EQ(
      api().compile("extern \"C\" __global__ void f(int) { not_there(); }", 800, &image, &bytes),
      kSinterCudaCompileError);
  EXPECT_EQ(image, nullptr);
  EXPECT_TRUE(contains(said(), "not_there")) << said();
  EXPECT_FALSE(contains(said(), "\n"));
}

TEST(CudaModule, OfOtherBytesIsABadImage) {
  const Device device;
  SinterCudaModule* module = nullptr;
  const auto noise = numbers(4096, 9);
  EXPECT_EQ(api().load_module(device.get(), noise.data(), noise.size(), &module),
            kSinterCudaBadImage);
  EXPECT_EQ(module, nullptr);
  EXPECT_EQ(api().load_module(device.get(), noise.data(), 0, &module), kSinterCudaBadImage);
  expect_ok(api().synchronize(device.get()));
}

// ---- errors ----

TEST(CudaErrors, AreKeptForEachThread) {
  const Device device;
  std::int64_t bytes = 0;
  const TableCall call("nothing", {}, {}, {});
  EXPECT_EQ(api().workspace_bytes(device.get(), call.get(), &bytes), kSinterCudaBadCall);
  EXPECT_TRUE(contains(said(), "nothing"));
  std::string other = "not looked at";
  std::thread([&] { other = said(); }).join();
  EXPECT_EQ(other, "");
}

TEST(CudaErrors, OfTooMuchMemoryLeaveTheContextUsable) {
  const Device device;
  void* memory = &memory;
  EXPECT_EQ(api().allocate(device.get(), std::size_t{1} << 50, &memory), kSinterCudaOutOfMemory);
  EXPECT_EQ(memory, nullptr);
  EXPECT_TRUE(contains(said(), "cudaMalloc of 1125899906842624 bytes")) << said();
  const DeviceBuffer buffer(device, 100);
  expect_ok(api().synchronize(device.get()));
}

// Fails as `list` says while it lives; what went wrong is forgotten behind it.
class Failing {
 public:
  explicit Failing(const char* list) : possible_(set_failures(list)) {}
  ~Failing() { set_failures(""); }
  Failing(const Failing&) = delete;
  Failing& operator=(const Failing&) = delete;
  bool possible() const { return possible_; }

 private:
  bool possible_;
};

void expect_no_context(const char* failures, SinterCudaStatus status, const char* text) {
  const Failing failing(failures);
  if (!failing.possible()) GTEST_SKIP() << "a real device does not fail on demand";
  SinterCudaContext* context = nullptr;
  EXPECT_EQ(api().create_context(0, &context), status) << failures << ": " << said();
  EXPECT_EQ(context, nullptr);
  EXPECT_TRUE(contains(said(), text)) << said();
}

TEST(CudaErrors, OfTheDriverAreToldApart) {
  expect_no_context("no_driver", kSinterCudaNoDriver, "");
  expect_no_context("old_driver", kSinterCudaOldDriver, "");
  expect_no_context("no_device", kSinterCudaNoDriver, "");
}

TEST(CudaErrors, OfMemoryAtTheStartLeaveNothingBehind) {
  expect_no_context("cudaMalloc:1", kSinterCudaOutOfMemory, "cudaMalloc");
  expect_no_context("cudaMallocHost:1", kSinterCudaOutOfMemory, "cudaMallocHost");
  expect_no_context("cudaMallocHost:2", kSinterCudaOutOfMemory, "cudaMallocHost");
  expect_no_context("cudaStreamCreate:1", kSinterCudaDeviceLost, "cudaStreamCreate");
  expect_no_context("cudaEventCreate:20", kSinterCudaDeviceLost, "cudaEventCreate");
  const Device device;
  expect_ok(api().synchronize(device.get()));
}

TEST(CudaErrors, OfAMissingArchitectureSaySo) {
  const Device device;
  const PreparedCall gather(device, "gather", {}, {table(), ids(3, {})}, {{Dtype::f32, {3, 64}}});
  const Failing failing("no_device_code");
  if (!failing.possible()) GTEST_SKIP() << "a real device does not fail on demand";
  EXPECT_EQ(gather.launch(), kSinterCudaNoKernel) << said();
}

TEST(CudaErrors, OfTheCompilerSaySo) {
  const Failing failing("no_compiler");
  if (!failing.possible()) GTEST_SKIP() << "a real device does not fail on demand";
  char version[64];
  EXPECT_EQ(api().compiler_version(version, sizeof(version)), kSinterCudaNoCompiler);
  const void* image = nullptr;
  std::size_t bytes = 0;
  EXPECT_EQ(api().compile(kSource, 800, &image, &bytes), kSinterCudaNoCompiler);
}

void expect_lost(const char* failures) {
  SinterCudaContext* context = nullptr;
  expect_ok(api().create_context(0, &context));
  {
    const Device device;
    const PreparedCall gather(device, "gather", {}, {table(), ids(3, {})}, {{Dtype::f32, {3, 64}}});
    const Failing failing(failures);
    if (!failing.possible()) {
      api().destroy_context(context);
      GTEST_SKIP() << "a real device does not fail on demand";
    }
    expect_ok(gather.launch());
    EXPECT_EQ(api().synchronize(device.get()), kSinterCudaDeviceLost);
    const std::string reason = said();
    EXPECT_EQ(gather.launch(), kSinterCudaDeviceLost);
    EXPECT_TRUE(contains(said(), "the device was lost earlier: " + reason)) << said();
    SinterCudaGraph* graph = nullptr;
    EXPECT_EQ(api().begin_capture(device.get()), kSinterCudaDeviceLost);
    EXPECT_EQ(api().end_capture(device.get(), &graph), kSinterCudaDeviceLost);
  }
  api().destroy_context(context);
}

TEST(CudaErrors, OfAKernelLoseTheDevice) {
  expect_lost("launch:1");
  expect_lost("device_lost:1");
}

TEST(CudaErrors, DuringACaptureEndIt) {
  const Device device;
  const PreparedCall gather(device, "gather", {}, {table(), ids(3, {})}, {{Dtype::f32, {3, 64}}});
  SinterCudaGraph* graph = nullptr;
  {
    expect_ok(api().begin_capture(device.get()));
    const Failing failing("no_device_code");
    if (!failing.possible()) GTEST_SKIP() << "a real device does not fail on demand";
    EXPECT_EQ(gather.launch(), kSinterCudaNoKernel) << said();
    EXPECT_EQ(api().end_capture(device.get(), &graph), kSinterCudaBadCall);
  }
  expect_ok(api().begin_capture(device.get()));
  expect_ok(gather.launch());
  expect_ok(api().end_capture(device.get(), &graph));
  expect_ok(api().launch_graph(device.get(), graph));
  expect_ok(api().synchronize(device.get()));
  api().destroy_graph(graph);
}

}  // namespace
}  // namespace sinter::backend::cuda
