// How fast the structured CPU kernels are: contractions against the machine's peak, everything else
// against the bandwidth of copies in memory (sinter/machine.h), measured in this process with the
// same threads. Best of many runs; prints a table.
//
//   kernels_bench [part of a name]
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/cpu/kernels/kernel.h"
#include "base/parallel.h"
#include "sinter/machine.h"

namespace sinter::backend::cpu {
namespace {

using ir::OpId;
using Integers = std::vector<std::int64_t>;

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// With one thread its CPU time, which other programs on a busy machine hardly lengthen.
double seconds_now() {
  return seconds_of(thread_count() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC);
}

template <class F>
double best_seconds(F&& body) {
  body();
  double best = 1e30;
  const double end = seconds_now() + 0.5;
  for (int runs = 0; runs < 10 || seconds_now() < end; ++runs) {
    const double begin = seconds_now();
    body();
    best = std::min(best, seconds_now() - begin);
  }
  return best;
}

struct FreeAligned {
  void operator()(void* memory) const { ::operator delete (memory, std::align_val_t{64}); }
};
using Memory = std::unique_ptr<void, FreeAligned>;

Memory allocate(std::int64_t bytes) {
  const auto size = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 64));
  Memory memory(::operator new (size, std::align_val_t{64}));
  std::memset(memory.get(), 0, size);
  return memory;
}

struct Operand {
  Dtype dtype;
  ir::Layout layout;
};

Operand dense(Dtype dtype, const Shape& shape) { return {dtype, ir::dense_layout(shape)}; }
Operand f32(const Shape& shape) { return dense(Dtype::f32, shape); }
// The transpose of a dense (columns, rows) matrix.
Operand transposed(std::int64_t rows, std::int64_t columns) {
  return {Dtype::f32, {.shape = {rows, columns}, .offset = 0, .strides = {1, rows}}};
}

// Small numbers for f32, small ids for integers.
void fill(const Operand& operand, void* memory, std::int64_t ids) {
  const std::int64_t count = operand.layout.shape.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const auto bits = static_cast<std::int64_t>(static_cast<std::uint32_t>(i) * 2654435761U >> 8);
    if (operand.dtype == Dtype::f32) {
      static_cast<float*>(memory)[i] = static_cast<float>(bits % 1000) / 1000.0F - 0.5F;
    } else if (operand.dtype == Dtype::i64) {
      static_cast<std::int64_t*>(memory)[i] = bits % ids;
    } else if (operand.dtype == Dtype::u8) {
      static_cast<std::uint8_t*>(memory)[i] = static_cast<std::uint8_t>(bits % ids);
    }
  }
}

struct Work {
  const char* name;
  OpId op;
  ir::Attributes attributes;
  std::vector<Operand> inputs, outputs;
  double flops = 0;      // 0: measured against bandwidth
  std::int64_t ids = 1;  // integer inputs lie in [0, ids)
};

double time_of(const Work& work) {
  std::vector<Dtype> input_dtypes, output_dtypes;
  std::vector<ir::Layout> inputs, outputs;
  std::vector<Memory> memories;
  std::vector<void*> from, to;
  for (const Operand& input : work.inputs) {
    input_dtypes.push_back(input.dtype);
    inputs.push_back(input.layout);
    memories.push_back(
        allocate(input.layout.shape.elements() * static_cast<std::int64_t>(size_of(input.dtype))));
    fill(input, memories.back().get(), work.ids);
    from.push_back(memories.back().get());
  }
  for (const Operand& output : work.outputs) {
    output_dtypes.push_back(output.dtype);
    outputs.push_back(output.layout);
    memories.push_back(allocate(output.layout.shape.elements() *
                                static_cast<std::int64_t>(size_of(output.dtype))));
    to.push_back(memories.back().get());
  }
  const KernelCall call{work.op, work.attributes, input_dtypes, inputs, output_dtypes, outputs};
  const auto kernel = find_kernel(work.op)->prepare(call);
  const Memory workspace = allocate(kernel->workspace_bytes());
  return best_seconds([&] { kernel->run(from.data(), to.data(), workspace.get()); });
}

Work matmul(const char* name, const Operand& a, const Operand& b) {
  const std::int64_t m = a.layout.shape[0], k = a.layout.shape[1], n = b.layout.shape[1];
  return {name, OpId::matmul, {}, {a, b}, {f32({m, n})}, 2.0 * static_cast<double>(m * k * n)};
}

// A linear layer (batch, in) -> (batch, out) with weights (out, in), and its gradients.
void add_linear(std::vector<Work>& works, const char* const (&names)[3], std::int64_t in,
                std::int64_t out) {
  constexpr std::int64_t kBatch = 128;
  works.push_back(matmul(names[0], f32({kBatch, in}), transposed(in, out)));
  works.push_back(matmul(names[1], f32({kBatch, out}), f32({out, in})));
  works.push_back(matmul(names[2], transposed(out, kBatch), f32({kBatch, in})));
}

void add_convolution(std::vector<Work>& works, const char* const (&names)[3], std::int64_t size,
                     std::int64_t c, std::int64_t o) {
  const Operand x = f32({128, size, size, c}), y = f32({128, size, size, o}), w = f32({o, 3, 3, c});
  const ir::Attributes attributes{
      {"stride", Integers{1, 1}}, {"padding", Integers{1, 1}}, {"dilation", Integers{1, 1}}};
  ir::Attributes with_size = attributes, with_kernel = attributes;
  with_size.add("size", Integers{size, size});
  with_kernel.add("kernel", Integers{3, 3});
  const double flops = 2.0 * 9 * static_cast<double>(128 * size * size * c * o);
  works.push_back({names[0], OpId::conv, attributes, {x, w}, {y}, flops});
  works.push_back({names[1], OpId::conv_input_gradient, with_size, {y, w}, {x}, flops});
  works.push_back({names[2], OpId::conv_weight_gradient, with_kernel, {x, y}, {w}, flops});
}

void add_pooling(std::vector<Work>& works) {
  const Operand x = f32({128, 28, 28, 32}), y = f32({128, 14, 14, 32});
  const Operand index = dense(Dtype::u8, {128, 14, 14, 32});
  const ir::Attributes attributes{
      {"kernel", Integers{2, 2}}, {"stride", Integers{2, 2}}, {"padding", Integers{0, 0}}};
  ir::Attributes with_size = attributes;
  with_size.add("size", Integers{28, 28});
  works.push_back({"max_pool", OpId::max_pool, attributes, {x}, {y, index}});
  works.push_back({"max_pool_gradient", OpId::max_pool_gradient, with_size, {y, index}, {x}, 0, 4});
  works.push_back({"max_pool_gather", OpId::max_pool_gather, attributes, {x, index}, {y}, 0, 4});
}

void add_movement(std::vector<Work>& works) {
  const Operand wide = f32({2048, 4096});
  works.push_back({"copy, dense", OpId::copy, {}, {wide}, {wide}});
  works.push_back(
      {"copy, transposed", OpId::copy, {}, {transposed(4096, 2048)}, {f32({4096, 2048})}});
  const Operand nchw{
      Dtype::f32,
      {.shape = {128, 64, 14, 14}, .offset = 0, .strides = {64 * 14 * 14, 1, 14 * 64, 64}}};
  works.push_back({"copy, NHWC to NCHW", OpId::copy, {}, {nchw}, {f32({128, 64, 14, 14})}});
  works.push_back({"pad NHWC by 1",
                   OpId::pad,
                   {{"low", Integers{0, 1, 1, 0}}, {"high", Integers{0, 1, 1, 0}}},
                   {f32({128, 28, 28, 32})},
                   {f32({128, 30, 30, 32})}});
  works.push_back({"pack two",
                   OpId::pack,
                   {{"offsets", Integers{0, 2097152}}, {"elements", std::int64_t{4194304}}},
                   {f32({2097152}), f32({2097152})},
                   {f32({4194304})}});
  const Operand ids = dense(Dtype::i64, {16384}), rows = f32({16384, 256});
  works.push_back(
      {"gather 16 Ki rows of 256", OpId::gather, {}, {f32({50000, 256}), ids}, {rows}, 0, 50000});
  works.push_back({"segment_sum of them",
                   OpId::segment_sum,
                   {{"segments", std::int64_t{50000}}},
                   {rows, ids},
                   {f32({50000, 256})},
                   0,
                   50000});
  const Operand position = dense(Dtype::i64, {2});
  const ir::Attributes shape{{"shape", Integers{4194304}}};
  ir::Attributes with_p = shape;
  with_p.add("p", 0.9);
  works.push_back({"uniform", OpId::uniform, shape, {position}, {f32({4194304})}});
  works.push_back(
      {"bernoulli", OpId::bernoulli, with_p, {position}, {dense(Dtype::boolean, {4194304})}});
}

std::vector<Work> all_works() {
  std::vector<Work> works;
  add_convolution(works, {"conv1", "conv1 dx", "conv1 dw"}, 28, 1, 32);
  add_convolution(works, {"conv2", "conv2 dx", "conv2 dw"}, 14, 32, 64);
  add_linear(works, {"3136->128", "3136->128 dx", "3136->128 dw"}, 3136, 128);
  add_linear(works, {"784->512", "784->512 dx", "784->512 dw"}, 784, 512);
  add_linear(works, {"512->512", "512->512 dx", "512->512 dw"}, 512, 512);
  add_linear(works, {"512->10", "512->10 dx", "512->10 dw"}, 512, 10);
  add_pooling(works);
  add_movement(works);
  return works;
}

// Bytes that a kernel must read and write at least. Of a gathered table only the rows taken count.
double bytes_of(const Work& work) {
  double bytes = 0;
  const auto add = [&](const Operand& operand) {
    bytes += static_cast<double>(operand.layout.shape.elements()) *
             static_cast<double>(size_of(operand.dtype));
  };
  for (const Operand& output : work.outputs) add(output);
  if (work.op == OpId::gather) return 2 * bytes;
  for (const Operand& input : work.inputs) add(input);
  return bytes;
}

void print_preparation_time() {
  const Operand x = f32({128, 14, 14, 32}), y = f32({128, 14, 14, 64}), w = f32({64, 3, 3, 32});
  const ir::Attributes attributes{
      {"stride", Integers{1, 1}}, {"padding", Integers{1, 1}}, {"dilation", Integers{1, 1}}};
  const Dtype dtypes[] = {Dtype::f32, Dtype::f32};
  const ir::Layout inputs[] = {x.layout, w.layout}, outputs[] = {y.layout};
  const KernelCall call{OpId::conv, attributes, dtypes, inputs, {dtypes, 1}, outputs};
  const double again = best_seconds([&] { find_kernel(OpId::conv)->prepare(call); });
  std::printf("preparing conv2 again: %.1f us\n", again * 1e6);
}

int run(const std::string& part) {
  const MachinePeaks peaks = machine_peaks();
  const double peak = peaks.rate(Unit::contraction_f32);
  const double bandwidth = peaks.copies.back().bytes_per_second;
  std::printf("%d threads; peak %.0f GFLOP/s, %.1f GB/s (copies in memory)\n", thread_count(),
              peak * 1e-9, bandwidth * 1e-9);
  for (const Work& work : all_works()) {
    if (std::string(work.name).find(part) == std::string::npos) continue;
    const double seconds = time_of(work);
    const double bytes = bytes_of(work) / seconds;
    if (work.flops > 0) {
      std::printf("%-26s %9.1f us  %7.1f GFLOP/s  %4.0f %% of peak  (%.1f GB/s)\n", work.name,
                  seconds * 1e6, work.flops / seconds * 1e-9, 100 * work.flops / seconds / peak,
                  bytes * 1e-9);
    } else {
      std::printf("%-26s %9.1f us  %7.1f GB/s     %4.0f %% of bandwidth\n", work.name,
                  seconds * 1e6, bytes * 1e-9, 100 * bytes / bandwidth);
    }
    std::fflush(stdout);
  }
  print_preparation_time();
  return 0;
}

}  // namespace
}  // namespace sinter::backend::cpu

int main(int count, char** arguments) {
  return sinter::backend::cpu::run(count > 1 ? arguments[1] : "");
}
