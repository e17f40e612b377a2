// A trained network in a program of one's own: predict RUN, the folder of a run of `image` or its
// model.safetensors.
#include <sinter/sinter.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

namespace si = sinter;

// Any number of threads may ask one model; each computes for itself.
void ask(const si::Predictor& model, int thread) {
  const std::vector<std::uint8_t> pixels(28 * 28, static_cast<std::uint8_t>(20 * thread));
  std::vector<float> shares(10);
  model.predict(si::view(pixels, {1, 28, 28, 1}), shares);
  const auto best = std::max_element(shares.begin(), shares.end()) - shares.begin();
  std::printf("thread %d: class %d\n", thread, static_cast<int>(best));
}

int main(int count, char** arguments) {
  if (count < 2) return std::puts("predict RUN"), 2;
  try {
    const si::Predictor model = si::load(arguments[1]);
    std::vector<std::uint8_t> pixels(28 * 28);
    const si::Tensor shares = model.predict(si::view(pixels, {1, 28, 28, 1}));
    std::printf("a black image is of %d classes\n", static_cast<int>(shares.dim(1)));
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&model, i] { ask(model, i); });
    for (std::thread& thread : threads) thread.join();
  } catch (const si::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
