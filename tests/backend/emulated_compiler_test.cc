// The emulated NVRTC, and libraries of run-time compiled kernels.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "emulated_fixture.h"
#include "sinter_emulated/compiler.h"

namespace {

using sinter_emulated::nvrtc_functions;

struct Compiled {
  nvrtcResult result;
  std::string log;
  std::string image;
};

Compiled compile(const std::string& source,
                 std::vector<const char*> options = {"--gpu-architecture=sm_90", "--std=c++20",
                                                     "--fmad=false"}) {
  const sinter_emulated::NvrtcFunctions* nvrtc = nvrtc_functions();
  nvrtcProgram program = nullptr;
  Compiled compiled;
  EXPECT_EQ(nvrtc->nvrtcCreateProgram(&program, source.c_str(), "group.cu", 0, nullptr, nullptr),
            NVRTC_SUCCESS);
  compiled.result = nvrtc->nvrtcCompileProgram(program, int(options.size()), options.data());
  std::size_t bytes = 0;
  EXPECT_EQ(nvrtc->nvrtcGetProgramLogSize(program, &bytes), NVRTC_SUCCESS);
  compiled.log.resize(bytes);
  EXPECT_EQ(nvrtc->nvrtcGetProgramLog(program, compiled.log.data()), NVRTC_SUCCESS);
  compiled.log.pop_back();
  EXPECT_EQ(nvrtc->nvrtcGetCUBINSize(program, &bytes), NVRTC_SUCCESS);
  compiled.image.resize(bytes);
  if (bytes > 0) {
    EXPECT_EQ(nvrtc->nvrtcGetCUBIN(program, compiled.image.data()), NVRTC_SUCCESS);
  }
  EXPECT_EQ(nvrtc->nvrtcDestroyProgram(&program), NVRTC_SUCCESS);
  EXPECT_EQ(program, nullptr);
  return compiled;
}

cudaError_t load(cudaLibrary_t* library, const std::string& image) {
  return cudaLibraryLoadData(library, image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
}

// What a fused group looks like: a sum over rows, by all means that such kernels use.
constexpr const char* kRowSums = R"(
struct Arguments {
  const float* in;
  float* out;
  long long width;
};
__device__ float twice(float x) { return fmaf(x, 2.0f, 0.0f); }
extern "C" __global__ void __launch_bounds__(128) row_sums(const Arguments arguments) {
  // __shared__ in a comment is none
  __shared__ float partial[4];
  __shared__ __align__(16) double
      unused[2][3];
  extern __shared__ float row[];
  const float* in = arguments.in + blockIdx.x * arguments.width;
  float sum = 0.0f;
  for (long long i = threadIdx.x; i < arguments.width; i += blockDim.x) {
    row[i] = rintf(in[i]);
    sum += twice(row[i]);
  }
  for (int by = 16; by > 0; by >>= 1) sum += __shfl_down_sync(0xffffffffu, sum, by);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    const bool is_fresh = __double_as_longlong(unused[1][2]) == -1;
    arguments.out[blockIdx.x] = is_fresh ? partial[0] + partial[1] + partial[2] + partial[3] : 0.0f;
    unused[1][2] = 0.0;
  }
}
struct Bits { int* values; };
extern "C" __global__ void bits(const Bits b) {
  b.values[0] = __float_as_int(__int_as_float(b.values[0]) + 1.0f);
}
)";

struct RowSums {
  const float* in;
  float* out;
  long long width;
};

TEST_F(Emulated, CompilesAndRunsText) {
  const Compiled compiled = compile(kRowSums);
  ASSERT_EQ(compiled.result, NVRTC_SUCCESS) << compiled.log;
  cudaLibrary_t library = nullptr;
  ASSERT_EQ(load(&library, compiled.image), cudaSuccess);
  cudaKernel_t row_sums = nullptr;
  cudaKernel_t bits = nullptr;
  ASSERT_EQ(cudaLibraryGetKernel(&row_sums, library, "row_sums"), cudaSuccess);
  ASSERT_EQ(cudaLibraryGetKernel(&bits, library, "bits"), cudaSuccess);
  cudaKernel_t none = nullptr;
  EXPECT_EQ(cudaLibraryGetKernel(&none, library, "col_sums"), cudaErrorSymbolNotFound);
  const Buffer<float> in(iota<float>(3 * 200));
  const Buffer<float> out(3);
  RowSums sums{in.data(), out.data(), 200};
  void* arguments[] = {&sums};
  ASSERT_EQ(cudaLaunchKernel(row_sums, 3, 128, arguments, 800, nullptr), cudaSuccess);
  const Buffer<int> value(std::vector<int>{0x40000000});
  int* address = value.data();
  void* bits_arguments[] = {&address};
  ASSERT_EQ(cudaLaunchKernel(bits, 1, 1, bits_arguments, 0, nullptr), cudaSuccess);
  address = nullptr;                                   // arguments were copied
  ASSERT_EQ(cudaLibraryUnload(library), cudaSuccess);  // the launches keep what they need
  EXPECT_EQ(out.read(), (std::vector<float>{39800.0F, 119800.0F, 199800.0F}));
  EXPECT_EQ(value.read()[0], 0x40400000);
  EXPECT_EQ(cudaLaunchKernel(row_sums, 3, 128, arguments, 800, nullptr),
            cudaErrorInvalidDeviceFunction);
  EXPECT_EQ(cudaLibraryUnload(library), cudaErrorInvalidResourceHandle);
}

TEST_F(Emulated, LibrariesWithKernelsOfOneName) {
  cudaLibrary_t libraries[3] = {};
  cudaKernel_t kernels[3] = {};
  for (int i = 0; i < 3; ++i) {
    const Compiled compiled = compile("extern \"C\" __global__ void f(int* x) { *x = *x * 10 + " +
                                      std::to_string(i + 1) + "; }");
    ASSERT_EQ(load(&libraries[i], compiled.image), cudaSuccess);
    ASSERT_EQ(cudaLibraryGetKernel(&kernels[i], libraries[i], "f"), cudaSuccess);
  }
  const Buffer<int> value(std::vector<int>{0});
  int* address = value.data();
  void* arguments[] = {&address};
  for (cudaKernel_t kernel : kernels) {
    ASSERT_EQ(cudaLaunchKernel(kernel, 1, 1, arguments, 0, nullptr), cudaSuccess);
  }
  EXPECT_EQ(value.read()[0], 123);
  for (cudaLibrary_t library : libraries) EXPECT_EQ(cudaLibraryUnload(library), cudaSuccess);
}

TEST_F(Emulated, FaultsInCompiledTextNameTheKernel) {
  const Compiled compiled = compile(R"(struct P { int a; };
extern "C" __global__ void half_waits(P p) {
  if (threadIdx.x < 16)
    __syncthreads();
}
)");
  ASSERT_EQ(compiled.result, NVRTC_SUCCESS) << compiled.log;
  cudaLibrary_t library = nullptr;
  cudaKernel_t kernel = nullptr;
  ASSERT_EQ(load(&library, compiled.image), cudaSuccess);
  ASSERT_EQ(cudaLibraryGetKernel(&kernel, library, "half_waits"), cudaSuccess);
  int p = 0;
  void* arguments[] = {&p};
  ASSERT_EQ(cudaLaunchKernel(kernel, 1, 32, arguments, 0, nullptr), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
  EXPECT_EQ(sinter_emulated::last_fault(),
            "half_waits, block (0, 0, 0), thread (0, 0, 0): waits for ever at the barrier of "
            "group.cu:4: 16 of 32 threads came, thread (16, 0, 0) has exited");
  EXPECT_EQ(cudaDeviceReset(), cudaSuccess);
  EXPECT_EQ(cudaLibraryUnload(library), cudaSuccess);
}

TEST_F(Emulated, CompileErrorsAreTold) {
  const Compiled compiled = compile("extern \"C\" __global__ void broken(int x) {\n  y = 1;\n}\n");
  EXPECT_EQ(compiled.result, NVRTC_ERROR_COMPILATION);
  EXPECT_NE(compiled.log.find("group.cu:2"), std::string::npos) << compiled.log;
  EXPECT_EQ(compiled.image, "");
  // There is nothing but the device language.
  EXPECT_EQ(compile("#include <cmath>\n", {"--gpu-architecture=sm_90"}).result,
            NVRTC_ERROR_COMPILATION);
}

TEST_F(Emulated, OptionsAreChecked) {
  const char* text = "extern \"C\" __global__ void f(int* x) { *x = 1; }";
  EXPECT_EQ(compile(text, {"--gpu-architecture=sm_90", "--use_fast_math"}).result,
            NVRTC_ERROR_INVALID_OPTION);
  EXPECT_EQ(compile(text, {"--gpu-architecture=sm_90", "--ftz=true"}).result,
            NVRTC_ERROR_INVALID_OPTION);
  EXPECT_EQ(compile(text, {"--fmad=false"}).result, NVRTC_ERROR_INVALID_OPTION);
}

// a * b + c rounds twice only where --fmad=false says so.
TEST_F(Emulated, ContractionIsNvrtcsDefault) {
  const char* text = R"(
struct P { float a, b, c; float* out; };
extern "C" __global__ void f(const P p) { *p.out = p.a * p.b + p.c; }
)";
  struct P {
    float a, b, c;
    float* out;
  };
  for (const bool contracts : {false, true}) {
    std::vector<const char*> options{"--gpu-architecture=sm_90"};
    if (!contracts) options.push_back("--fmad=false");
    const Compiled compiled = compile(text, options);
    ASSERT_EQ(compiled.result, NVRTC_SUCCESS) << compiled.log;
    cudaLibrary_t library = nullptr;
    cudaKernel_t kernel = nullptr;
    ASSERT_EQ(load(&library, compiled.image), cudaSuccess);
    ASSERT_EQ(cudaLibraryGetKernel(&kernel, library, "f"), cudaSuccess);
    const Buffer<float> out(1);
    P p{1.0F + 0x1p-12F, 1.0F + 0x1p-12F, -1.0F - 0x1p-11F, out.data()};
    void* arguments[] = {&p};
    ASSERT_EQ(cudaLaunchKernel(kernel, 1, 1, arguments, 0, nullptr), cudaSuccess);
    EXPECT_EQ(out.read()[0], contracts ? 0x1p-24F : 0.0F);
    EXPECT_EQ(cudaLibraryUnload(library), cudaSuccess);
  }
}

TEST_F(Emulated, DamagedImagesAreRefused) {
  std::string image = compile("extern \"C\" __global__ void f(int* x) { *x = 1; }").image;
  cudaLibrary_t library = nullptr;
  std::string other = image;
  other[0] ^= 1;
  EXPECT_EQ(load(&library, other), cudaErrorInvalidKernelImage);
  for (const std::size_t at : {sizeof(std::uint64_t), std::size_t{100}, image.size() - 1}) {
    other = image;
    other[at] ^= 1;
    EXPECT_EQ(load(&library, other), cudaErrorInvalidKernelImage) << at;
  }
  EXPECT_EQ(library, nullptr);
  EXPECT_EQ(load(&library, image), cudaSuccess);
  EXPECT_EQ(cudaLibraryUnload(library), cudaSuccess);
}

TEST_F(Emulated, TheCompilerIsMissingOnDemand) {
  ASSERT_NE(nvrtc_functions(), nullptr);
  sinter_emulated::set_failures("no_compiler");
  EXPECT_EQ(nvrtc_functions(), nullptr);
  EXPECT_NE(std::string(sinter_emulated::compiler_version()).find("emulated "), std::string::npos);
}

}  // namespace
