// Right numbers whatever teams OpenMP gives, in forked processes, and without executable memory.
// ctest runs this program under several environments too (CMakeLists.txt), among them some in which
// OpenMP gives fewer threads than it says.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <thread>

#include "compile/training_steps.h"
#include "sinter/compile.h"
#include "sinter/system.h"

namespace sinter {
namespace {

// Multiples of 1/8 from -1 to 1: sums of some thousand products are exact in f32.
Tensor eighths(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) value = static_cast<float>(static_cast<int>(random() % 17) - 8) / 8;
  return tensor(values, shape);
}

double distance(const Tensor& f32, const Tensor& f64) {
  const std::vector<float> a = f32.to_vector<float>();
  const std::vector<double> b = f64.to_vector<double>();
  double largest = a.size() == b.size() ? 0 : HUGE_VAL;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

Tensor f64(const Tensor& x) { return cast(x, Dtype::f64); }

struct Product {
  std::int64_t m, k, n;
};
// Large enough for several threads, and in the ways in which oneDNN cuts them: by rows, by columns,
// by the length of the sums.
constexpr Product kProducts[] = {{128, 784, 64}, {37, 300, 257}, {8, 2048, 200}, {1, 2000, 1100}};

double product_error(const Product& p, unsigned seed = 1) {
  const Tensor a = eighths({p.m, p.k}, seed), b = eighths({p.k, p.n}, seed + 1);
  return distance(matmul(a, b), matmul(f64(a), f64(b)));
}

// The largest error of y, dx and dw, as shares of about the largest value.
double convolution_error(std::int64_t channels, std::int64_t outputs) {
  const Tensor x = eighths({6, 13, 13, channels}, 3), w = eighths({outputs, 3, 3, channels}, 4);
  const Tensor dy = eighths({6, 13, 13, outputs}, 5);
  const auto run = [](const Tensor& image, const Tensor& weight, const Tensor& factor) {
    const Tensor watched_x = watch(image), watched_w = watch(weight);
    const Tensor y = conv2d(watched_x, watched_w, {.padding = {1, 1}});
    const auto d = gradients(sum(y * factor), {watched_x, watched_w});
    return std::vector<Tensor>{y, d[0], d[1]};
  };
  const auto got = run(x, w, dy), expected = run(f64(x), f64(w), f64(dy));
  double largest = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    largest = std::max(largest, distance(got[i], expected[i]));
  }
  return largest / static_cast<double>(9 * std::max(channels, outputs));
}

// Losses of the first steps, trained afresh.
std::vector<float> losses(ModelStep model, const std::vector<Tensor>& batch) {
  auto step = compile([&](const Tensor& x, const Tensor& y) { return model({x, y})[0]; });
  std::vector<float> values;
  for (int i = 0; i < 5; ++i) values.push_back(step(batch[0], batch[1]).item<float>());
  return values;
}
std::vector<float> mlp_losses() {
  std::mt19937 random(1);
  return losses(mlp_step(), mlp_batch(700, random));
}
std::vector<float> cnn_losses() {
  std::mt19937 random(2);
  return losses(cnn_step(), cnn_batch(90, random));
}

class Teams : public testing::Test {
 protected:
  ~Teams() override { set_thread_count(before_); }
  const int before_ = thread_count();
};

TEST_F(Teams, ProductsAreRight) {
  for (const Product& p : kProducts) EXPECT_EQ(product_error(p), 0) << p.m << " " << p.k;
}

TEST_F(Teams, ConvolutionsAreRight) {
  EXPECT_LT(convolution_error(1, 32), 1e-5);
  EXPECT_LT(convolution_error(32, 64), 1e-5);
  EXPECT_LT(convolution_error(20, 12), 1e-5);
}

TEST_F(Teams, TrainingRepeats) {
  EXPECT_EQ(mlp_losses(), mlp_losses());
  EXPECT_EQ(cnn_losses(), cnn_losses());
}

TEST_F(Teams, InsideAParallelRegionOfTheProgramTheNumbersAreTheSame) {
  const std::vector<float> outside = mlp_losses();
  std::vector<float> inside;
  double error = 0;
#pragma omp parallel num_threads(2)
#pragma omp single
  {
    inside = mlp_losses();
    for (const Product& p : kProducts) error = std::max(error, product_error(p));
  }
  EXPECT_EQ(error, 0);
  ASSERT_EQ(inside.size(), outside.size());
  for (std::size_t i = 0; i < inside.size(); ++i) EXPECT_NEAR(inside[i], outside[i], 1e-4);
}

// A program is prepared once and run where other teams are.
TEST_F(Teams, AProgramRunsWithAnotherTeamThanItWasMadeFor) {
  const Tensor a = eighths({200, 300}, 1), b = eighths({300, 250}, 2);
  const Tensor expected = matmul(f64(a), f64(b));
  auto product = compile([](const Tensor& x, const Tensor& y) { return matmul(x, y); });
  for (const int threads : {2, 1, 4, 1, 3, 2}) {
    set_thread_count(threads);
    EXPECT_EQ(distance(product(a, b), expected), 0) << threads;
    EXPECT_EQ(distance(matmul(a, b), expected), 0) << threads;
    double inside = 0;
#pragma omp parallel num_threads(2)
#pragma omp single
    inside = distance(product(a, b), expected);
    EXPECT_EQ(inside, 0) << threads;
  }
}

TEST_F(Teams, ThreadsOfTheProgramHaveTheirOwn) {
  std::vector<std::thread> threads;
  std::vector<double> errors(3);
  for (std::size_t t = 0; t < errors.size(); ++t) {
    threads.emplace_back([&errors, t] {
      for (unsigned i = 0; i < 4; ++i) {
        for (const Product& p : kProducts) {
          errors[t] = std::max(errors[t], product_error(p, i));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const double error : errors) EXPECT_EQ(error, 0);
}

// Machine code of its own for each factor.
bool kernels_compute(int first_factor) {
  for (int factor = first_factor; factor < first_factor + 40; ++factor) {
    auto scaled = compile([&](const Tensor& x) { return sum(x * factor + 1.0); });
    if (scaled(ones({10})).item<float>() != static_cast<float>(10 * factor + 10)) return false;
  }
  return true;
}

// Starts a child that ends with status 0 when `work` gives true, 14 (SIGALRM) or so when it hangs.
pid_t start_child(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child != 0) return child;
  alarm(60);
  bool is_right = false;
  try {
    is_right = work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
  }
  _exit(is_right ? 0 : 1);
}
void expect_success(pid_t child) {
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Teams, AForkedProcessComputes) {
  set_thread_count(2);
  ASSERT_EQ(product_error(kProducts[0]), 0);
  const std::vector<float> expected = mlp_losses();
  expect_success(start_child([] { return product_error(kProducts[0]) == 0; }));
  expect_success(start_child([] { return convolution_error(32, 64) < 1e-5; }));
  expect_success(start_child([] { return sum(exp(zeros({1 << 21}))).item<float>() == 1 << 21; }));
  expect_success(start_child([] {
    set_thread_count(3);
    return product_error(kProducts[1]) == 0;
  }));
  expect_success(start_child([&] {
    const std::vector<float> got = mlp_losses();
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (std::abs(got[i] - expected[i]) > 1e-4F) return false;
    }
    return true;
  }));
  EXPECT_EQ(mlp_losses(), expected);
}

// Machine code made before and after a fork is each process's own: neither writes over the other's.
TEST_F(Teams, ParentAndChildMakeKernelsOfTheirOwn) {
  ASSERT_TRUE(kernels_compute(100));
  int to_parent[2], to_child[2];
  ASSERT_EQ(pipe(to_parent), 0);
  ASSERT_EQ(pipe(to_child), 0);
  char byte = 0;
  const pid_t child = start_child([&] {
    const bool before = kernels_compute(200);
    return write(to_parent[1], &byte, 1) == 1 && read(to_child[0], &byte, 1) == 1 && before &&
           kernels_compute(200) && kernels_compute(100);
  });
  EXPECT_EQ(read(to_parent[0], &byte, 1), 1);
  EXPECT_TRUE(kernels_compute(300));
  EXPECT_EQ(write(to_child[1], &byte, 1), 1);
  expect_success(child);
  EXPECT_TRUE(kernels_compute(100));
  EXPECT_TRUE(kernels_compute(300));
  for (const int end : {to_parent[0], to_parent[1], to_child[0], to_child[1]}) close(end);
}

#if defined(__x86_64__)
// From now on this process, and what it becomes, gets no executable memory but that of files.
bool forbid_executable_memory() {
  constexpr auto kArgument = [](unsigned n) {
    return static_cast<unsigned>(offsetof(seccomp_data, args) + 8 * n);
  };
  constexpr unsigned kDenied = SECCOMP_RET_ERRNO | EACCES;
  sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 8, 0),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 2),
                          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArgument(2)),
                          BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 5, 6),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5),
                          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArgument(2)),
                          BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 3),
                          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kArgument(3)),
                          BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS | MAP_SHARED, 0, 1),
                          BPF_STMT(BPF_RET | BPF_K, kDenied),
                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

constexpr int kNoFilter = 77;

// This program again, under the filter, with the numbers' tests; what it says on standard error.
int run_without_executable_memory(const char* isa, std::string* said) {
  char name[] = "/tmp/sinter-teams-XXXXXX";
  const int file = mkstemp(name);
  const pid_t child = fork();
  if (child == 0) {
    setenv("SINTER_ISA", isa, 1);
    dup2(file, 2);
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 1);
    if (!forbid_executable_memory()) _exit(kNoFilter);
    execl("/proc/self/exe", "teams_test",
          "--gtest_filter=Teams.ProductsAreRight:Teams.ConvolutionsAreRight:Teams.TrainingRepeats",
          nullptr);
    _exit(1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  close(file);
  std::stringstream text;
  text << std::ifstream(name).rdbuf();
  unlink(name);
  *said = text.str();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Teams, EverythingRunsWithoutExecutableMemory) {
  std::string said;
  const int status = run_without_executable_memory("auto", &said);
  if (status == kNoFilter) GTEST_SKIP() << "system calls cannot be filtered here";
  EXPECT_EQ(status, 0) << said;
  const std::string warning = "sinter: warning: this process may not make machine code (";
  EXPECT_TRUE(says(said, warning)) << said;
  EXPECT_EQ(said.find(warning), said.rfind(warning)) << said;  // once
  // Who asks for that is not told.
  EXPECT_EQ(run_without_executable_memory("interpreter", &said), 0) << said;
  EXPECT_EQ(said, "");
}
#endif

}  // namespace
}  // namespace sinter
