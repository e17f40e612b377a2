// What is not arithmetic: an op called directly, a training step too small for threads, making a
// program.
//   calls_bench [--rounds N] [--busy N]
// prints a JSON object. --busy: how many processes that never wait run beside the second half of
// the tiny steps.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "sinter/sinter.h"

extern char** environ;

namespace {

namespace si = sinter;
using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// Microseconds of one call, of each of `rounds` series.
std::vector<double> series(int rounds, int calls, const std::function<void()>& call) {
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) {
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) call();
    times.push_back(microseconds_since(start) / calls);
  }
  return times;
}

double least(const std::vector<double>& times) {
  return *std::min_element(times.begin(), times.end());
}
double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

std::string least_and_median(const std::vector<double>& times) {
  return fmt::format("{{\"min\":{:.4f},\"median\":{:.4f}}}", least(times), median(times));
}

// Ops whose work is a few elements, so that the call is the time.
std::string direct(int rounds) {
  const si::Tensor a = si::full({4}, 1.5), b = si::full({4}, 2.5), m = si::full({4, 4}, 0.5);
  const std::pair<const char*, std::function<si::Tensor()>> calls[] = {
      {"add", [&] { return a + b; }},
      {"relu", [&] { return si::relu(a); }},
      {"exp", [&] { return si::exp(a); }},
      {"sum", [&] { return si::sum(a); }},
      {"matmul", [&] { return si::matmul(m, m); }},
      {"reshape",
       [&] {
         return si::reshape(m, {2, 8});
       }},
  };
  std::string text;
  for (const auto& [name, call] : calls) {
    const auto run = [&call = call] { call(); };
    series(1, 1000, run);
    text += fmt::format("{}\"{}\":{}", text.empty() ? "" : ",", name,
                        least_and_median(series(rounds, 5000, run)));
  }
  return "{" + text + "}";
}

void append(std::vector<si::State>* list, const std::vector<si::State>& more) {
  list->insert(list->end(), more.begin(), more.end());
}

// A training step 2-64-2 on 32 rows with AdamW, by one thread and by two.
std::string tiny(int rounds, int busy, const char* self) {
  const si::nn::Linear first(2, 64), second(64, 2);
  std::vector<si::State> parameters = first.parameters();
  append(&parameters, second.parameters());
  si::optim::AdamW optimizer(parameters, {.lr = 1e-3});
  auto step = si::compile([&](const si::Tensor& x, const si::Tensor& y) {
    const si::Tensor loss = si::cross_entropy(second(si::relu(first(x))), y);
    optimizer.step(si::gradients(loss, parameters));
    return loss;
  });
  const si::Tensor x = si::full({32, 2}, 0.5), y = si::full({32}, 1, si::Dtype::i32);
  const auto run = [&] { step(x, y); };
  const auto measure = [&] {
    std::vector<double> times[2];
    for (int threads : {1, 2}) {
      si::set_thread_count(threads);
      series(2, 500, run);
    }
    for (int round = 0; round < rounds; ++round) {
      for (int threads : {1, 2}) {
        si::set_thread_count(threads);
        times[threads - 1].push_back(series(1, 2000, run)[0]);
      }
    }
    return fmt::format("{{\"threads_1\":{},\"threads_2\":{}}}", least_and_median(times[0]),
                       least_and_median(times[1]));
  };
  const std::string quiet = measure();
  std::vector<pid_t> children;
  for (int i = 0; i < busy; ++i) {
    std::string name = self, word = "--spin";
    char* arguments[] = {name.data(), word.data(), nullptr};
    pid_t child = 0;
    if (posix_spawn(&child, self, nullptr, nullptr, arguments, environ) == 0) {
      children.push_back(child);
    }
  }
  const std::string beside = measure();
  for (const pid_t child : children) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  return fmt::format("{{\"quiet\":{},\"busy_processes\":{},\"beside_them\":{}}}", quiet,
                     children.size(), beside);
}

// A loss and its gradients through `blocks` equal blocks: layer norm, two products, residual.
double milliseconds_to_make(int blocks) {
  std::vector<si::nn::Linear> layers;
  std::vector<si::nn::LayerNorm> norms;
  std::vector<si::State> parameters;
  for (int i = 0; i < blocks; ++i) {
    norms.emplace_back(si::Shape{32});
    append(&parameters, norms.back().parameters());
    for (const auto& [from, to] : {std::pair(32, 64), std::pair(64, 32)}) {
      layers.emplace_back(from, to);
      append(&parameters, layers.back().parameters());
    }
  }
  si::optim::AdamW optimizer(parameters, {.lr = 1e-3});
  auto step = si::compile([&](const si::Tensor& input) {
    si::Tensor x = input;
    for (std::size_t i = 0; i < norms.size(); ++i) {
      x = x + layers[2 * i + 1](si::gelu(layers[2 * i](norms[i](x))));
    }
    const si::Tensor loss = si::mean(x * x);
    optimizer.step(si::gradients(loss, parameters));
    return loss;
  });
  return step.report(si::full({16, 32}, 0.25)).compile_ms;
}

std::string making(int rounds) {
  constexpr int kBlocks[] = {12, 24, 48};
  std::vector<double> times[3];
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 3; ++i) times[i].push_back(milliseconds_to_make(kBlocks[i]));
  }
  std::string text;
  for (int i = 0; i < 3; ++i)
    text += fmt::format("\"{}\":{},", kBlocks[i], least_and_median(times[i]));
  return fmt::format("{{{}\"48_over_12\":{:.2f}}}", text, least(times[2]) / least(times[0]));
}

}  // namespace

int main(int count, char** arguments) {
  int rounds = 20, busy = 2;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--spin") {
      for (volatile unsigned turn = 0;;) static_cast<void>(turn);
    }
    if (name == "--rounds" && i + 1 < count) rounds = std::max(1, std::atoi(arguments[++i]));
    if (name == "--busy" && i + 1 < count) busy = std::atoi(arguments[++i]);
  }
  si::set_device("cpu");
  const si::SystemInfo info = si::system_info();
  fmt::print("{{\"isa\":\"{}\",\"cpus\":{},", info.isa, si::thread_count());
  fmt::print("\"direct_us\":{},", direct(rounds));
  fmt::print("\"tiny_step_us\":{},", tiny(rounds, busy, arguments[0]));
  fmt::print("\"making_ms\":{}}}\n", making(rounds));
  return 0;
}
