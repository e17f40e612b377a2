#include "recipes/image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "recipes/embedded_images.h"

namespace sinter::recipes {
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
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"recipe\":\"image\"", "\"recipe\":\"speech\""},
           {"\"height\":28", "\"height\":-1"},
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

TEST(ImageClassifier, metrics_are_those_of_all_rows_whatever_the_batches) {
  // 300 rows are a full batch of 256 and a part of one.
  manual_seed(1);
  const nn::Sequential model = make_image_model({.model = "linear"});
  auto images = std::make_shared<data::Images>(make_glyphs(GlyphSplit::test, 300));
  const auto dataset = std::make_shared<data::ImageDataset>(images, data::Normalization{});
  ImageClassifier classifier(model);
  const train::Metrics metrics = classifier.evaluate(dataset);
  double loss = 0;
  int right = 0;
  for (std::int32_t row = 0; row < 300; ++row) {
    const std::array<std::int32_t, 1> rows = {row};
    const std::vector<float> shares = classifier.probabilities(dataset->batch(rows, {}).inputs);
    const auto label = static_cast<std::size_t>(images->labels[static_cast<std::size_t>(row)]);
    loss -= std::log(static_cast<double>(shares[label]));
    const auto best = std::max_element(shares.begin(), shares.end()) - shares.begin();
    right += best == static_cast<std::ptrdiff_t>(label) ? 1 : 0;
  }
  EXPECT_NEAR(metrics[0].value, loss / 300, 1e-5);
  EXPECT_NEAR(metrics[1].value, right / 300.0, 1e-12);
}

}  // namespace
}  // namespace sinter::recipes
