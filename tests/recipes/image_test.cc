#include "recipes/image/image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "recipes/image/embedded.h"
#include "sinter/ops.h"
#include "sinter/recipes.h"

namespace sinter::recipes::image {
namespace {

TEST(Glyphs, are_the_same_at_every_call_and_a_prefix_of_more) {
  const data::Images a = make_glyphs(GlyphSplit::train, 50);
  const data::Images b = make_glyphs(GlyphSplit::train, 20);
  EXPECT_TRUE(std::equal(b.pixels.begin(), b.pixels.end(), a.pixels.begin()));
  EXPECT_TRUE(std::equal(b.labels.begin(), b.labels.end(), a.labels.begin()));
  EXPECT_NE(make_glyphs(GlyphSplit::test, 50).pixels, a.pixels);
}

TEST(Glyphs, have_all_classes_in_about_equal_numbers) {
  std::array<int, kGlyphClasses> counts{};
  for (const std::int32_t label : make_glyphs(GlyphSplit::train, 2000).labels) {
    ++counts.at(static_cast<std::size_t>(label));
  }
  for (const int count : counts) EXPECT_NEAR(count, 200, 60);
}

TEST(Glyphs, keep_their_bits) {
  // FNV-1a of the first images: a change here changes every figure that was measured on them.
  std::uint64_t hash = 14695981039346656037u;
  for (const std::uint8_t pixel : make_glyphs(GlyphSplit::train, 100).pixels) {
    hash = (hash ^ pixel) * 1099511628211u;
  }
  EXPECT_EQ(hash, 6874097953307379742u);
}

TEST(ImageSpec, goes_through_its_text) {
  const ImageSpec spec{.model = "mlp",
                       .height = 8,
                       .width = 9,
                       .channels = 3,
                       .classes = 4,
                       .dropout = 0.25,
                       .normalization = {0.1, 1.0 / 3}};
  const ImageSpec read = spec_from_json(to_json(spec), "here");
  EXPECT_EQ(to_json(read), to_json(spec));
  EXPECT_EQ(read.normalization.deviation, 1.0 / 3);
}

TEST(ImageSpec, a_lying_text_is_an_error) {
  const std::string good = to_json({.model = "mlp"});
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"\"height\":28", "\"height\":-1"},
                                                        {"\"height\":28", "\"height\":99999999"},
                                                        {"\"height\":28", "\"height\":\"x\""},
                                                        {"\"classes\":10,", ""},
                                                        {"{", ""}}) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    EXPECT_THROW(spec_from_json(text, "here"), Error) << text;
  }
  EXPECT_THROW(spec_from_json("", "here"), Error);
}

TEST(ImageModel, every_model_gives_logits_of_every_class) {
  manual_seed(1);
  const TrainingScope evaluating(false);
  for (const char* name : {"cnn", "mlp", "linear"}) {
    const ImageSpec spec{.model = name, .height = 9, .width = 12, .channels = 2, .classes = 3};
    const nn::Sequential model = make_image_model(spec);
    const Tensor images =
        tensor(std::vector<float>(static_cast<std::size_t>(5 * 9 * 12 * 2), 0.5F), {5, 9, 12, 2});
    EXPECT_EQ(model(images).shape(), (Shape{5, 3})) << name;
  }
  EXPECT_THROW(make_image_model({.model = "cnn", .height = 3}), Error);
}

TEST(ImageTask, metrics_are_those_of_all_rows_whatever_the_batches) {
  // 300 rows are a full batch of 256 and a part of one.
  train::Config config = train::find_recipe(all(), "image").settings();
  config.set("model", "linear", "here");
  config.set("embedded_train", "100", "here");
  config.set("embedded_test", "300", "here");
  manual_seed(1);
  const train::Task task = train::find_recipe(all(), "image").prepare(config, "");
  const auto rows = task.data(train::Split::test);
  const train::MetricValues metrics = train::make_evaluator(task).evaluate(rows);
  double loss = 0;
  int right = 0;
  const TrainingScope evaluating(false);
  for (std::int32_t row = 0; row < 300; ++row) {
    const std::array<std::int32_t, 1> one = {row};
    const Batch batch = rows->batch(one, {});
    const auto shares = task.forward(batch)["probabilities"].to_vector<float>();
    const auto label = static_cast<std::size_t>(batch["labels"].to_vector<std::int32_t>()[0]);
    loss -= std::log(static_cast<double>(shares[label]));
    const auto best = std::max_element(shares.begin(), shares.end()) - shares.begin();
    right += best == static_cast<std::ptrdiff_t>(label) ? 1 : 0;
  }
  EXPECT_NEAR(*train::find_metric(metrics, "loss"), loss / 300, 1e-5);
  EXPECT_NEAR(*train::find_metric(metrics, "accuracy"), right / 300.0, 1e-12);
}

TEST(ImageTask, is_made_again_from_its_description_without_data) {
  train::Config config = train::find_recipe(all(), "image").settings();
  config.set("model", "mlp", "here");
  config.set("embedded_train", "100", "here");
  const train::Task first = train::find_recipe(all(), "image").prepare(config, "");
  config.set("data", "nowhere", "here");
  config.set("model", "cnn", "here");
  const train::Task again = train::find_recipe(all(), "image").prepare(config, first.description);
  ASSERT_EQ(again.states.size(), first.states.size());
  EXPECT_EQ(again.description, first.description);
  EXPECT_THROW(again.data(train::Split::test), Error);
}

}  // namespace
}  // namespace sinter::recipes::image
