// How many answers a second one model gives to threads that ask at once, beside one thread alone:
//   predictor_bench RUN [--threads N] [--seconds S] [--rows N]
// prints a JSON object. RUN: the folder of a run whose rows are one array (`image`), or its
// model.safetensors. Every answer is compared with the first one's bits.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "sinter/recipes.h"
#include "sinter/system.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Asked {
  std::int64_t calls = 0;
  std::int64_t wrong = 0;  // answers of other bits
  std::string error;
};

struct Request {
  std::vector<std::uint8_t> values;
  std::vector<std::int64_t> shape;
  std::vector<float> expected;
};

void ask_until(Clock::time_point end, const sinter::Predictor& model, const Request& request,
               Asked* asked) {
  try {
    std::vector<float> answers(request.expected.size());
    const sinter::Shape shape(request.shape);
    while (Clock::now() < end) {
      model.predict(sinter::view(request.values, shape), answers);
      ++asked->calls;
      if (answers != request.expected) ++asked->wrong;
    }
  } catch (const std::exception& error) {
    asked->error = error.what();
  }
}

Asked measure(int threads, double seconds, const sinter::Predictor& model,
              const std::vector<Request>& requests) {
  std::vector<Asked> each(static_cast<std::size_t>(threads));
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  std::vector<std::thread> callers;
  for (std::size_t i = 0; i < each.size(); ++i) {
    callers.emplace_back(ask_until, end, std::cref(model), std::cref(requests[i % requests.size()]),
                         &each[i]);
  }
  for (std::thread& caller : callers) caller.join();
  Asked all;
  for (const Asked& one : each) {
    all.calls += one.calls;
    all.wrong += one.wrong;
    if (!one.error.empty()) all.error = one.error;
  }
  return all;
}

// Different rows for each thread, with what one thread gets for them.
std::vector<Request> requests_for(const sinter::Predictor& model, std::int64_t rows, int threads) {
  std::vector<Request> requests;
  for (int i = 0; i < threads; ++i) {
    Request request;
    request.shape = model.row_shape().to_vector();
    request.shape.insert(request.shape.begin(), rows);
    const sinter::Shape shape(request.shape);
    for (std::int64_t at = 0; at < shape.elements(); ++at) {
      request.values.push_back(static_cast<std::uint8_t>((at * 37 + i * 11) % 256));
    }
    request.expected = model.predict(sinter::view(request.values, shape)).to_vector<float>();
    requests.push_back(std::move(request));
  }
  return requests;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "predictor_bench RUN [--threads N] [--seconds S] [--rows N]\n");
    return 2;
  }
  int threads = 8;
  double seconds = 10;
  std::int64_t rows = 1;
  for (int i = 2; i + 1 < count; i += 2) {
    const std::string name = arguments[i];
    if (name == "--threads") threads = std::atoi(arguments[i + 1]);
    if (name == "--seconds") seconds = std::atof(arguments[i + 1]);
    if (name == "--rows") rows = std::atoi(arguments[i + 1]);
  }
  try {
    const sinter::Predictor model = sinter::load(arguments[1]);
    const std::vector<Request> requests = requests_for(model, rows, threads);
    measure(1, std::min(1.0, seconds), model, requests);  // warm
    const Asked before = measure(1, seconds, model, requests);
    const Asked many = measure(threads, seconds, model, requests);
    const Asked after = measure(1, seconds, model, requests);
    const double one = static_cast<double>(before.calls + after.calls) / 2;
    const sinter::SystemInfo info = sinter::system_info();
    fmt::print(
        "{{\"rows\":{},\"threads\":{},\"cpus\":{},\"isa\":\"{}\",\"seconds\":{},"
        "\"calls_per_s_one\":{:.1f},\"calls_per_s\":{:.1f},\"ratio\":{:.3f},"
        "\"other_bits\":{},\"error\":\"{}\"}}\n",
        rows, threads, sinter::thread_count(), info.isa, seconds, one / seconds,
        static_cast<double>(many.calls) / seconds, static_cast<double>(many.calls) / one,
        before.wrong + many.wrong + after.wrong, many.error);
    return many.wrong == 0 && many.error.empty() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
