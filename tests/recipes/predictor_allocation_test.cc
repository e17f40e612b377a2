// A Predictor allocates nothing once it has predicted a shape.
#include <gtest/gtest.h>

#include "base/counting_malloc.h"
#include "base/switches.h"
#include "sinter/predictor.h"
#include "sinter/random.h"
#include "sinter/recipes.h"

namespace sinter {
namespace {

Predictor predictor_of(const std::string& model) {
  const train::Recipe& image = train::find_recipe(recipes::all(), "image");
  train::Config config = image.settings();
  config.set("model", model, "here");
  config.set("embedded_train", "60", "here");
  config.set("embedded_test", "20", "here");
  manual_seed(3);
  return Predictor(image.prepare(config, ""));
}

struct Counts {
  std::int64_t all = 0;
  std::int64_t large = 0;
};

// By 40 calls, after the first one.
Counts counts_of(const Predictor& model, std::int64_t images) {
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(images * 28 * 28), 77);
  std::vector<float> answers(static_cast<std::size_t>(images * 10));
  const auto call = [&] { model.predict(view(pixels, {images, 28, 28, 1}), answers); };
  call();
  const Counts before{all_allocations(), large_allocations()};
  count_small_allocations(true);
  for (int i = 0; i < 40; ++i) call();
  count_small_allocations(false);
  return {all_allocations() - before.all, large_allocations() - before.large};
}

// oneDNN included.
TEST(PredictorAllocations, NoneIsLarge) {
  for (const char* model : {"linear", "mlp", "cnn"}) {
    const Predictor predictor = predictor_of(model);
    for (const std::int64_t images : {1, 5, 40}) {
      EXPECT_EQ(counts_of(predictor, images).large, 0) << model << " " << images;
    }
  }
}

// Without it (its runs take small blocks): no allocation of any size.
TEST(PredictorAllocations, OwnKernelsTakeNothingAtAll) {
  if (!switches().disabled("onednn")) GTEST_SKIP() << "SINTER_DISABLE=onednn is not set";
  for (const char* model : {"linear", "mlp", "cnn"}) {
    const Predictor predictor = predictor_of(model);
    for (const std::int64_t images : {1, 5}) {
      EXPECT_EQ(counts_of(predictor, images).all, 0) << model << " " << images;
    }
  }
}

}  // namespace
}  // namespace sinter
