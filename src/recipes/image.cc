#include "recipes/image.h"

#include <fnmatch.h>

#include <algorithm>
#include <optional>

#include "recipes/embedded_images.h"
#include "sinter/io.h"
#include "sinter/ops.h"
#include "train/suggest.h"

namespace sinter::recipes {
namespace {

constexpr std::int64_t kMostRows = 1 << 24;

// The order in which rows are split off for validation has nothing to do with a run's seed: runs
// with several seeds validate on the same rows.
constexpr std::uint64_t kSplitSeed = 0;

struct Splits {
  data::Images train;
  data::Images validation;
};

Splits read_train(const train::Config& config) {
  data::Images all = config.text("data").empty()
                         ? make_glyphs(GlyphSplit::train, config.integer("embedded_train"))
                         : data::read_idx_images(config.text("data"), "train");
  all = data::shuffled(all, kSplitSeed);
  const auto held =
      static_cast<std::int64_t>(config.real("validation") * static_cast<double>(all.size()));
  if (held < 1 || held >= all.size()) {
    raise({.where = "data",
           .what = "there are too few images to hold some back for validation",
           .got = std::to_string(all.size()),
           .expected = {},
           .hint = {}});
  }
  return {.train = all.part(0, all.size() - held),
          .validation = all.part(all.size() - held, all.size())};
}

data::Images read_test(const train::Config& config) {
  return config.text("data").empty()
             ? make_glyphs(GlyphSplit::test, config.integer("embedded_test"))
             : data::read_idx_images(config.text("data"), "t10k");
}

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

class PreparedImage : public Prepared {
 public:
  explicit PreparedImage(const train::Config& config) : config_(config) {
    Splits splits = read_train(config);
    spec_ = {.model = config.text("model"),
             .height = splits.train.height,
             .width = splits.train.width,
             .channels = splits.train.channels,
             .classes = std::max(splits.train.classes, splits.validation.classes),
             .dropout = config.real("dropout"),
             .normalization = data::measure_normalization(splits.train)};
    data_bytes_ =
        static_cast<std::int64_t>(splits.train.pixels.size() + splits.validation.pixels.size());
    const data::Augmentation augmentation{.shift = config.real("shift"),
                                          .rotate = config.real("rotate"),
                                          .scale = config.real("scale"),
                                          .shear = config.real("shear")};
    train_rows_ = splits.train.size();
    train_ = std::make_shared<data::ImageDataset>(
        std::make_shared<data::Images>(std::move(splits.train)), spec_.normalization, augmentation);
    validation_ = std::make_shared<data::ImageDataset>(
        std::make_shared<data::Images>(std::move(splits.validation)), spec_.normalization);
    // Read now, so that a missing file is found before the training; looked at once, at the end.
    test_ = read_test_data();
    manual_seed(static_cast<std::uint64_t>(config.integer("seed")));
    model_ = make_image_model(spec_);
    if (!config.text("init").empty()) io::load_weights(config.text("init"), model_.states());
    choose_trained();
  }

  train::Job job() override {
    const std::int64_t batch = config_.integer("batch");
    std::int64_t steps = config_.integer("steps");
    if (steps == 0) steps = config_.integer("epochs") * (train_rows_ / batch);
    if (steps == 0) {
      raise({.where = "batch",
             .what = "a batch has more images than there are",
             .got = std::to_string(batch),
             .expected = "at most " + std::to_string(train_rows_),
             .hint = "choose a smaller --batch"});
    }
    optimizer_.emplace(trained_, optim::AdamWOptions{.lr = config_.real("lr"),
                                                     .weight_decay = config_.real("weight_decay")});
    // A cycle needs a few steps to rise in.
    constexpr std::int64_t kShortestCycle = 10;
    if (steps >= kShortestCycle) optimizer_->set_schedule(optim::OneCycle(steps));
    classifier_.emplace(model_);
    return {.states = model_.states(),
            .optimizer = &*optimizer_,
            .loss = [this](const Tensor& images,
                           const Tensor& labels) { return cross_entropy(model_(images), labels); },
            .data = train_,
            .batch = batch,
            .seed = static_cast<std::uint64_t>(config_.integer("seed")),
            .steps = steps,
            .validate = [this] { return classifier_->evaluate(validation_); },
            .test = [this] { return classifier_->evaluate(test_); }};
  }

  std::string description() const override { return to_json(spec_); }
  std::int64_t parameter_count() const override { return model_.parameter_count(); }
  Frozen frozen() const override { return frozen_; }
  std::int64_t data_bytes() const override { return data_bytes_; }

  train::Metrics evaluate(const std::string& weights, const std::string& split) override {
    std::shared_ptr<const data::Dataset> dataset;
    if (split == "test") {
      dataset = test_;
    } else {
      dataset = split == "train" ? train_ : validation_;
    }
    io::load_weights(weights, model_.states());
    ImageClassifier classifier(model_);
    return classifier.evaluate(dataset);
  }

 private:
  // All parameters but the ones that `freeze` names.
  void choose_trained() {
    const std::string& pattern = config_.text("freeze");
    std::vector<std::string> names;
    for (const NamedState& named : model_.states()) {
      if (named.role != StateRole::parameter) continue;
      names.push_back(named.name);
      if (!pattern.empty() && fnmatch(pattern.c_str(), named.name.c_str(), 0) == 0) {
        ++frozen_.tensors;
        frozen_.elements += named.state.shape().elements();
      } else {
        trained_.push_back(named.state);
      }
    }
    if (!pattern.empty() && frozen_.tensors == 0) {
      raise({.where = "--freeze",
             .what = "no parameter of the model matches the pattern",
             .got = "'" + pattern + "'",
             .expected = train::list_text(names),
             .hint = {}});
    }
    if (trained_.empty()) {
      raise({.where = "--freeze",
             .what = "nothing would be left to train",
             .got = "'" + pattern + "'",
             .expected = "a pattern that some parameter does not match, such as 'conv*'",
             .hint = {}});
    }
  }

  std::shared_ptr<const data::Dataset> read_test_data() const {
    data::Images images = read_test(config_);
    check_fits(images, spec_, config_.text("data").empty() ? "test" : config_.text("data"));
    return std::make_shared<data::ImageDataset>(std::make_shared<data::Images>(std::move(images)),
                                                spec_.normalization);
  }

  train::Config config_;
  ImageSpec spec_;
  std::int64_t train_rows_ = 0;
  std::int64_t data_bytes_ = 0;
  std::shared_ptr<const data::Dataset> train_;
  std::shared_ptr<const data::Dataset> validation_;
  std::shared_ptr<const data::Dataset> test_;
  nn::Sequential model_;
  std::vector<State> trained_;
  Frozen frozen_;
  std::optional<optim::AdamW> optimizer_;
  std::optional<ImageClassifier> classifier_;
};

}  // namespace

train::Config image_config() {
  using Range = train::Config::Range;
  train::Config config;
  const auto text = [&](const char* key, const char* value, const char* comment,
                        std::vector<std::string> names = {}) {
    config.add({.key = key,
                .value = std::string(value),
                .comment = comment,
                .range = {},
                .names = std::move(names)});
  };
  const auto integer = [&](const char* key, std::int64_t value, Range range, const char* comment) {
    config.add({.key = key, .value = value, .comment = comment, .range = range, .names = {}});
  };
  const auto real = [&](const char* key, double value, Range range, const char* comment) {
    config.add({.key = key, .value = value, .comment = comment, .range = range, .names = {}});
  };
  text("data", "", "folder of idx files; empty: drawn letters");
  text("model", "cnn", "", {"cnn", "mlp", "linear"});
  text("init", "", "weights to begin with");
  text("freeze", "", "pattern of parameters that stay as they are");
  text("precision", "f32", "", {"f32"});
  integer("seed", 1, {0, 9e15}, "");
  integer("epochs", 5, {1, 1e6}, "");
  integer("steps", 0, {0, 1e12}, "updates in all; 0: by epochs");
  integer("batch", 128, {1, 65536}, "images");
  real("lr", 3e-3, {0, 1e30}, "highest learning rate of the cycle");
  real("weight_decay", 0.02, {0, 1e6}, "");
  real("dropout", 0.2, {0, 0.95}, "");
  real("shift", 2, {0, 1000}, "augmentation: pixels");
  real("rotate", 0.12, {0, 1}, "augmentation: radians");
  real("scale", 0.1, {0, 0.9}, "augmentation: share of the size");
  real("shear", 0.1, {0, 1}, "augmentation: pixels per pixel");
  real("validation", 0.08, {0, 0.9}, "share of the training images");
  integer("embedded_train", 20000, {10, kMostRows}, "drawn letters");
  integer("embedded_test", 5000, {1, kMostRows}, "drawn letters");
  return config;
}

std::unique_ptr<Prepared> prepare_image(const train::Config& config) {
  return std::make_unique<PreparedImage>(config);
}

}  // namespace sinter::recipes
