#include <algorithm>
#include <cmath>

#include "recipes/image.h"
#include "sinter/autograd.h"
#include "sinter/ops.h"

namespace sinter::recipes {
namespace {

constexpr std::int64_t kEvaluationBatch = 256;

// Pooling comes before normalisation, which then has a quarter of the elements to do.
nn::Sequential make_cnn(const ImageSpec& spec) {
  const nn::Conv2dModuleOptions same{.padding = {1, 1}, .bias = false};
  const std::int64_t positions = (spec.height / 4) * (spec.width / 4);
  nn::Sequential model;
  model.append("conv1", nn::Conv2d(spec.channels, 32, 3, same))
      .append("pool1", nn::MaxPool2d(2))
      .append("norm1", nn::BatchNorm2d(32))
      .append("relu1", nn::ReLU())
      .append("conv2", nn::Conv2d(32, 64, 3, same))
      .append("norm2", nn::BatchNorm2d(64))
      .append("relu2", nn::ReLU())
      .append("conv3", nn::Conv2d(64, 64, 3, same))
      .append("pool3", nn::MaxPool2d(2))
      .append("norm3", nn::BatchNorm2d(64))
      .append("relu3", nn::ReLU())
      .append("flatten", nn::Flatten())
      .append("dropout1", nn::Dropout(spec.dropout))
      .append("fc1", nn::Linear(positions * 64, 128, {.bias = false}))
      .append("norm4", nn::BatchNorm1d(128))
      .append("relu4", nn::ReLU())
      .append("dropout2", nn::Dropout(spec.dropout))
      .append("fc2", nn::Linear(128, spec.classes));
  return model;
}

nn::Sequential make_mlp(const ImageSpec& spec) {
  nn::Sequential model;
  model.append("flatten", nn::Flatten())
      .append("fc1", nn::Linear(spec.height * spec.width * spec.channels, 512))
      .append("relu1", nn::ReLU())
      .append("dropout1", nn::Dropout(spec.dropout))
      .append("fc2", nn::Linear(512, 512))
      .append("relu2", nn::ReLU())
      .append("dropout2", nn::Dropout(spec.dropout))
      .append("fc3", nn::Linear(512, spec.classes));
  return model;
}

nn::Sequential make_linear(const ImageSpec& spec) {
  nn::Sequential model;
  model.append("flatten", nn::Flatten())
      .append("fc", nn::Linear(spec.height * spec.width * spec.channels, spec.classes));
  return model;
}

}  // namespace

nn::Sequential make_image_model(const ImageSpec& spec) {
  if (spec.model == "linear") return make_linear(spec);
  if (spec.model == "mlp") return make_mlp(spec);
  if (spec.height < 4 || spec.width < 4) {
    raise({.where = "cnn",
           .what = "the images are too small",
           .got = std::to_string(spec.height) + " x " + std::to_string(spec.width),
           .expected = "at least 4 x 4",
           .hint = "--model mlp takes any size"});
  }
  return make_cnn(spec);
}

ImageClassifier::ImageClassifier(const nn::Sequential& model)
    : model_(model),
      evaluate_(
          [this](const std::vector<Tensor>& batch) {
            const Tensor logits = model_(batch[0]);
            return std::vector<Tensor>{cross_entropy(logits, batch[1]), logits};
          },
          "evaluation"),
      predict_(
          [this](const std::vector<Tensor>& batch) {
            return std::vector<Tensor>{softmax(model_(batch[0]))};
          },
          "prediction") {}

train::Metrics ImageClassifier::evaluate(const std::shared_ptr<const data::Dataset>& dataset) {
  const TrainingScope evaluating(false);
  const NoGradScope untracked;
  data::Loader loader(dataset, {.batch = kEvaluationBatch, .epochs = 1});
  double loss = 0;
  std::int64_t right = 0;
  for (const auto& [images, labels] : loader) {
    const std::vector<Tensor> results = evaluate_.call({images, labels});
    const std::int64_t rows = labels.elements();
    const std::int64_t classes = results[1].dim(1);
    loss += static_cast<double>(results[0].item<float>()) * static_cast<double>(rows);
    const Tensor host_logits = to_host(results[1]);
    const auto* logits = reinterpret_cast<const float*>(host_logits.data());
    const auto* wanted = reinterpret_cast<const std::int32_t*>(labels.data());
    for (std::int64_t i = 0; i < rows; ++i, logits += classes) {
      if (std::max_element(logits, logits + classes) - logits == wanted[i]) ++right;
    }
  }
  const auto count = static_cast<double>(dataset->size());
  return {{"loss", loss / count}, {"accuracy", static_cast<double>(right) / count}};
}

std::vector<float> ImageClassifier::probabilities(const Tensor& images) {
  const TrainingScope evaluating(false);
  const NoGradScope untracked;
  return predict_.call({images})[0].to_vector<float>();
}

}  // namespace sinter::recipes
