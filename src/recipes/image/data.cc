#include <algorithm>
#include <vector>

#include "recipes/image/embedded.h"
#include "recipes/image/image.h"

namespace sinter::recipes::image {
namespace {

using train::Split;

// The order in which rows are split off for validation has nothing to do with a run's seed: runs
// with several seeds validate on the same rows.
constexpr std::uint64_t kSplitSeed = 0;

std::size_t index_of(Split split) { return static_cast<std::size_t>(split); }

void check_fits(const data::Images& images, const ImageSpec& spec, const std::string& where) {
  if (images.height != spec.height || images.width != spec.width ||
      images.channels != spec.channels) {
    raise({.where = where,
           .what = "the images do not have the size that the model was made for",
           .got = Shape{images.height, images.width, images.channels}.to_string(),
           .expected = Shape{spec.height, spec.width, spec.channels}.to_string(),
           .hint = {}});
  }
  for (const std::int32_t label : images.labels) {
    if (label >= 0 && label < spec.classes) continue;
    raise({.where = where,
           .what = "a label is none that the model knows",
           .got = std::to_string(label),
           .expected = "0 to " + std::to_string(spec.classes - 1),
           .hint = {}});
  }
}

}  // namespace

void ImageData::read_train() {
  data::Images all = config_.text("data").empty()
                         ? make_glyphs(GlyphSplit::train, config_.integer("embedded_train"))
                         : data::read_idx_images(config_.text("data"), "train");
  all = data::shuffled(all, kSplitSeed);
  const auto held =
      static_cast<std::int64_t>(config_.real("validation") * static_cast<double>(all.size()));
  if (held < 1 || held >= all.size()) {
    raise({.where = "data",
           .what = "there are too few images to hold some back for validation",
           .got = std::to_string(all.size()),
           .expected = {},
           .hint = {}});
  }
  images_[index_of(Split::train)] = std::make_shared<data::Images>(all.part(0, all.size() - held));
  images_[index_of(Split::validation)] =
      std::make_shared<data::Images>(all.part(all.size() - held, all.size()));
}

const data::Images& ImageData::images(Split split) {
  if (images_[index_of(split)] == nullptr) {
    if (split == Split::test) {
      images_[index_of(split)] = std::make_shared<data::Images>(
          config_.text("data").empty()
              ? make_glyphs(GlyphSplit::test, config_.integer("embedded_test"))
              : data::read_idx_images(config_.text("data"), "t10k"));
    } else {
      read_train();
    }
  }
  return *images_[index_of(split)];
}

ImageSpec ImageData::measure() {
  const data::Images& train = images(Split::train);
  return {.model = config_.text("model"),
          .height = train.height,
          .width = train.width,
          .channels = train.channels,
          .classes = std::max(train.classes, images(Split::validation).classes),
          .dropout = config_.real("dropout"),
          .normalization = data::measure_normalization(train)};
}

std::shared_ptr<const data::Dataset> ImageData::split(Split split, const ImageSpec& spec) {
  std::shared_ptr<const data::Dataset>& dataset = datasets_[index_of(split)];
  if (dataset != nullptr) return dataset;
  const std::string& path = config_.text("data");
  check_fits(images(split), spec, path.empty() ? train::name_of(split) : path);
  const bool augmented = split == Split::train;
  dataset = std::make_shared<data::ImageDataset>(
      images_[index_of(split)], spec.normalization,
      augmented ? data::Augmentation{.shift = config_.real("shift"),
                                     .rotate = config_.real("rotate"),
                                     .scale = config_.real("scale"),
                                     .shear = config_.real("shear")}
                : data::Augmentation{});
  return dataset;
}

double ImageData::baseline() {
  const data::Images& test = images(Split::test);
  std::vector<std::int64_t> counts(
      static_cast<std::size_t>(std::max<std::int64_t>(test.classes, 1)));
  for (const std::int32_t label : test.labels) ++counts[static_cast<std::size_t>(label)];
  const std::int64_t most = *std::max_element(counts.begin(), counts.end());
  return static_cast<double>(most) / static_cast<double>(std::max<std::int64_t>(test.size(), 1));
}

}  // namespace sinter::recipes::image
