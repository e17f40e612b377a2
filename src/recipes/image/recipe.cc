#include "recipes/image/embedded.h"
#include "recipes/image/image.h"
#include "sinter/settings.h"

namespace sinter::recipes::image {
namespace {

constexpr std::int64_t kMostRows = 1 << 24;

class Image : public train::Recipe {
 public:
  std::string name() const override { return "image"; }
  std::string text() const override {
    return "classes of images: MNIST and its relatives, or drawn letters";
  }
  std::string predict_text() const override {
    return "idx files, .safetensors files with a tensor \"images\", or JSON lines "
           "{\"pixels\": [...]} with values from 0 to 255";
  }

  train::Config settings() const override {
    train::Config config;
    train::add_data_setting(&config, "folder of idx files; empty: drawn letters");
    train::add_model_setting(&config, {"cnn", "mlp", "linear"});
    train::add_weight_settings(&config);
    train::add_precision_setting(&config);
    train::add_training_settings(&config, {.epochs = 5, .batch = 128, .rows = "images"});
    train::add_optimizer_settings(&config, {.lr = 3e-3, .weight_decay = 0.02});
    const auto real = [&](const char* key, double value, train::Setting::Range range,
                          const char* text) {
      config.add({.key = key, .value = value, .text = text, .range = range});
    };
    real("dropout", 0.2, {0, 0.95}, "share of activations that are left out");
    real("shift", 2, {0, 1000}, "augmentation: pixels");
    real("rotate", 0.12, {0, 1}, "augmentation: radians");
    real("scale", 0.1, {0, 0.9}, "augmentation: share of the size");
    real("shear", 0.1, {0, 1}, "augmentation: pixels per pixel");
    real("validation", 0.08, {0, 0.9}, "share of the training images");
    const auto count = [&](const char* key, std::int64_t value, train::Setting::Range range) {
      config.add({.key = key, .value = value, .text = "drawn letters", .range = range});
    };
    count("embedded_train", 20000, {10, kMostRows});
    count("embedded_test", 5000, {1, kMostRows});
    return config;
  }

  train::Task prepare(const train::Config& config, const std::string& description) const override {
    const auto data = std::make_shared<ImageData>(config);
    const ImageSpec spec = description.empty()
                               ? data->measure()
                               : spec_from_json(description, "the model's description");
    train::Task task = classification_task(make_image_model(spec), "images", "labels");
    task.metrics = {train::accuracy()};
    task.objective = "accuracy";
    task.unit = "samples";
    task.data = [data, spec](train::Split split) { return data->split(split, spec); };
    if (description.empty()) {
      data->split(train::Split::test, spec);  // a missing file is found before the training
      task.baseline = data->baseline();
      task.baseline_text = "always the most frequent class";
    }
    task.description = to_json(spec);
    add_image_prediction(spec, &task);
    return task;
  }

  std::vector<train::Workload> workloads() const override { return image_workloads(); }
};

}  // namespace

const train::Recipe& recipe() {
  static const Image the_recipe;
  return the_recipe;
}

}  // namespace sinter::recipes::image
