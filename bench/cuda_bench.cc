// What a CUDA device can do at most, and what Sinter's matrix product does on it: the bandwidth of
// copies, the rate of fused multiply-adds of f32 that stay in registers, and matmul at several
// sizes. All by the device's own clock, best of several; prints one JSON object.
//
//   cuda_bench [--small]      small: sizes for the emulated device
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "backend/cuda/api.h"
#include "backend/cuda/library.h"
#include "sinter/dtype.h"

namespace sinter::backend::cuda {
namespace {

[[noreturn]] void fail(const char* what, const char* why) {
  std::fprintf(stderr, "cuda_bench: %s: %s\n", what, why);
  std::exit(1);
}

const SinterCudaApi& api() {
  const Library& found = library();
  if (found.api == nullptr) fail("no CUDA library", found.problem.c_str());
  return *found.api;
}

void check(std::int32_t status, const char* what) {
  if (status != kSinterCudaOk) fail(what, api().last_error());
}

class Bench {
 public:
  explicit Bench(bool is_small) : is_small_(is_small) {
    check(api().describe_device(0, &device_), "describing the device");
    check(api().create_context(0, &context_), "opening the device");
  }
  ~Bench() { api().destroy_context(context_); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void print() {
    std::printf(
        "{\"device\":\"%s\",\"emulated\":%s,\"architecture\":\"sm_%d\",\"driver\":\"%s\","
        "\"runtime\":\"%s\",\"multiprocessors\":%d,\"memory_bytes\":%llu,\n",
        device_.name, device_.is_emulated != 0 ? "true" : "false",
        10 * device_.major + device_.minor, device_.driver, device_.runtime,
        device_.multiprocessors, static_cast<unsigned long long>(device_.memory_total));
    print_copies();
    print_fma();
    print_products();
    std::printf("}\n");
  }

 private:
  // Device memory that is given back with its owner.
  class Memory {
   public:
    Memory(SinterCudaContext* context, std::size_t bytes) : context_(context) {
      check(api().allocate(context, bytes, &address_), "allocating memory");
    }
    ~Memory() { api().release(context_, address_); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    void* get() const { return address_; }

   private:
    SinterCudaContext* context_;
    void* address_ = nullptr;
  };

  // Seconds of one call, the best of several times `repeats` in a row.
  template <class F>
  double best_seconds(int repeats, F&& enqueue) {
    enqueue();
    check(api().synchronize(context_), "running");
    double best = 1e30;
    for (int turn = 0; turn < (is_small_ ? 1 : 5); ++turn) {
      check(api().start_timer(context_), "timing");
      for (int i = 0; i < repeats; ++i) enqueue();
      double seconds = 0;
      check(api().stop_timer(context_, &seconds), "timing");
      best = std::min(best, seconds / repeats);
    }
    return best;
  }

  void print_copies() {
    std::vector<std::size_t> sizes = {std::size_t{1} << 22, std::size_t{1} << 26,
                                      std::size_t{1} << 30};
    if (is_small_) sizes = {std::size_t{1} << 22};
    double best = 0;
    std::printf("\"copies\":[");
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const Memory from(context_, sizes[i]), to(context_, sizes[i]);
      const double seconds = best_seconds(is_small_ ? 1 : 10, [&] {
        check(api().copy(context_, to.get(), from.get(), sizes[i]), "copying");
      });
      const double rate = 2 * static_cast<double>(sizes[i]) / seconds;
      // What a cache holds says nothing about memory.
      if (i + 1 == sizes.size()) best = rate;
      std::printf("%s{\"bytes\":%zu,\"gb_per_s\":%.2f}", i > 0 ? "," : "", sizes[i], rate * 1e-9);
    }
    std::printf("],\n\"copy_gb_per_s\":%.2f,\n", best * 1e-9);
  }

  void print_fma() {
    constexpr const char* kText = R"cuda(
struct Arguments { float* to; int rounds; };
extern "C" __global__ void fma_rate(Arguments a) {
  const float scale = 0.999f, step = 0.001f * (float)threadIdx.x;
  float x[16];
  for (int j = 0; j < 16; ++j) x[j] = (float)j;
#pragma unroll 4
  for (int i = 0; i < a.rounds; ++i) {
    for (int j = 0; j < 16; ++j) x[j] = fmaf(x[j], scale, step);
  }
  float sum = 0;
  for (int j = 0; j < 16; ++j) sum += x[j];
  a.to[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
)cuda";
    struct Arguments {
      void* to;
      int rounds;
    };
    constexpr std::uint32_t kBlock = 256;
    const auto grid =
        static_cast<std::uint32_t>(is_small_ ? 2 : 16 * std::max(device_.multiprocessors, 1));
    const void* image = nullptr;
    std::size_t bytes = 0;
    check(api().compile(kText, 100 * device_.major + 10 * device_.minor, &image, &bytes),
          "compiling");
    SinterCudaModule* module = nullptr;
    check(api().load_module(context_, image, bytes, &module), "loading");
    const Memory to(context_, std::size_t{4} * grid * kBlock);
    const Arguments arguments{.to = to.get(), .rounds = is_small_ ? 16 : 8192};
    const SinterCudaLaunch launch{.grid = {grid, 1, 1}, .block = {kBlock, 1, 1}, .shared_bytes = 0};
    const double seconds = best_seconds(1, [&] {
      check(
          api().launch_module(context_, module, "fma_rate", &launch, &arguments, sizeof(arguments)),
          "launching");
    });
    check(api().synchronize(context_), "running");
    api().destroy_module(module);
    std::printf("\"fma_gflop_per_s\":%.1f,\n",
                2.0 * 16 * arguments.rounds * grid * kBlock / seconds * 1e-9);
  }

  static SinterCudaTensor matrix(std::int64_t rows, std::int64_t columns, bool is_transposed) {
    SinterCudaTensor tensor{};
    tensor.dtype = static_cast<std::int32_t>(Dtype::f32);
    tensor.rank = 2;
    tensor.shape[0] = rows;
    tensor.shape[1] = columns;
    tensor.strides[0] = is_transposed ? 1 : columns;
    tensor.strides[1] = is_transposed ? rows : 1;
    return tensor;
  }

  struct Product {
    const char* what;
    std::int64_t m, k, n;
    bool a_transposed, b_transposed;
  };

  double product_seconds(const Product& product) {
    const SinterCudaTensor inputs[] = {matrix(product.m, product.k, product.a_transposed),
                                       matrix(product.k, product.n, product.b_transposed)};
    const SinterCudaTensor output = matrix(product.m, product.n, false);
    const SinterCudaCall call{.op = "matmul",
                              .input_count = 2,
                              .output_count = 1,
                              .attribute_count = 0,
                              .inputs = inputs,
                              .outputs = &output,
                              .attributes = nullptr};
    std::int64_t workspace_bytes = 0;
    check(api().workspace_bytes(&call, &workspace_bytes), "asking for a workspace");
    SinterCudaKernel* kernel = nullptr;
    check(api().prepare_kernel(context_, &call, &kernel), "preparing matmul");
    const auto bytes = [](std::int64_t rows, std::int64_t columns) {
      return static_cast<std::size_t>(4 * rows * columns);
    };
    const Memory a(context_, bytes(product.m, product.k));
    const Memory b(context_, bytes(product.k, product.n));
    const Memory c(context_, bytes(product.m, product.n));
    const Memory workspace(context_,
                           static_cast<std::size_t>(std::max<std::int64_t>(workspace_bytes, 1)));
    // Numbers like those of a network: power, and with it the clock, depends on them.
    fill(a.get(), product.m * product.k);
    fill(b.get(), product.k * product.n);
    void* const from[] = {a.get(), b.get()};
    void* const to[] = {c.get()};
    const double flops = 2.0 * static_cast<double>(product.m * product.k * product.n);
    const double seconds =
        best_seconds(is_small_      ? 1
                     : flops > 1e11 ? 2
                                    : 20,
                     [&] {
                       check(api().launch_kernel(context_, kernel, 0, from, to, workspace.get()),
                             "launching matmul");
                     });
    api().destroy_kernel(kernel);
    return seconds;
  }

  void fill(void* to, std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    std::uint32_t state = 1;
    for (float& value : values) {
      state = state * 1664525U + 1013904223U;
      value = static_cast<float>(state >> 8) / 16777216.0F - 0.5F;
    }
    check(api().copy_in(context_, to, values.data(), 4 * values.size()), "filling a matrix");
  }

  void print_products() {
    std::vector<Product> products = {
        {"square", 1024, 1024, 1024, false, false},
        {"square", 4096, 4096, 4096, false, false},
        {"square", 8192, 8192, 8192, false, false},
        {"mlp 784->512, batch 128", 128, 784, 512, false, true},
        {"mlp 784->512 dx, batch 128", 128, 512, 784, false, false},
        {"mlp 784->512 dw, batch 128", 512, 128, 784, true, false},
        {"mlp 784->512, batch 4096", 4096, 784, 512, false, true},
        {"mlp 784->512 dw, batch 4096", 512, 4096, 784, true, false},
        {"mlp 512->10, batch 4096", 4096, 512, 10, false, true},
    };
    if (is_small_) products = {{"square", 96, 96, 96, false, false}};
    std::printf("\"matmul\":[");
    for (std::size_t i = 0; i < products.size(); ++i) {
      const Product& product = products[i];
      const double seconds = product_seconds(product);
      const double flops = 2.0 * static_cast<double>(product.m * product.k * product.n);
      std::printf(
          "%s\n {\"what\":\"%s\",\"m\":%lld,\"k\":%lld,\"n\":%lld,\"ms\":%.5f,"
          "\"gflop_per_s\":%.2f}",
          i > 0 ? "," : "", product.what, static_cast<long long>(product.m),
          static_cast<long long>(product.k), static_cast<long long>(product.n), 1000 * seconds,
          flops / seconds * 1e-9);
      std::fflush(stdout);
    }
    std::printf("]");
  }

  bool is_small_;
  SinterCudaDevice device_{};
  SinterCudaContext* context_ = nullptr;
};

}  // namespace
}  // namespace sinter::backend::cuda

int main(int count, char** arguments) {
  const bool is_small = count > 1 && std::string(arguments[1]) == "--small";
  sinter::backend::cuda::Bench(is_small).print();
  return 0;
}
