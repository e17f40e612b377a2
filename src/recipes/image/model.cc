#include "recipes/image/image.h"
#include "sinter/ops.h"

namespace sinter::recipes::image {
namespace {

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

train::Task classification_task(const nn::Sequential& model, const std::string& inputs,
                                const std::string& targets) {
  train::Task task;
  task.states = model.states();
  task.forward = [model, inputs](const Batch& batch) {
    const Tensor logits = model(batch[inputs]);
    return Batch{{"logits", logits}, {"probabilities", softmax(logits)}};
  };
  task.loss = [targets](const Batch& outputs, const Batch& batch) {
    return cross_entropy(outputs["logits"], batch[targets]);
  };
  return task;
}

}  // namespace sinter::recipes::image
