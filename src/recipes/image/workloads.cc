#include "recipes/image/image.h"
#include "sinter/ops.h"

namespace sinter::recipes::image {
namespace {

nn::Sequential make_mlp() {
  return nn::Sequential{nn::Linear(784, 512), nn::ReLU(), nn::Linear(512, 512), nn::ReLU(),
                        nn::Linear(512, 10)};
}

nn::Sequential make_cnn() {
  const nn::Conv2dModuleOptions same{.padding = {1, 1}};
  return nn::Sequential{nn::Conv2d(1, 32, 3, same),
                        nn::ReLU(),
                        nn::MaxPool2d(2),
                        nn::Conv2d(32, 64, 3, same),
                        nn::ReLU(),
                        nn::MaxPool2d(2),
                        nn::Flatten(),
                        nn::Linear(3136, 128),
                        nn::ReLU(),
                        nn::Linear(128, 10)};
}

Batch synthetic(const Shape& shape, Generator& generator) {
  const Tensor inputs = generator.normal(shape);
  const Tensor targets = cast(floor(generator.uniform({shape[0]}) * 10), Dtype::i32);
  return {{"inputs", inputs}, {"targets", targets}};
}

// Images lie in files as PyTorch has them.
FileLayout image_layout(const std::string& name, const Tensor& tensor) {
  return name == "inputs" ? FileLayout::channels_last(tensor.shape()) : FileLayout();
}

}  // namespace

std::vector<train::Workload> image_workloads() {
  return {{.name = "mlp",
           .task = [] { return classification_task(make_mlp(), "inputs", "targets"); },
           .synthetic =
               [](std::int64_t batch, Generator& generator) {
                 return synthetic({batch, 784}, generator);
               }},
          {.name = "cnn",
           .task = [] { return classification_task(make_cnn(), "inputs", "targets"); },
           .synthetic =
               [](std::int64_t batch, Generator& generator) {
                 return synthetic({batch, 28, 28, 1}, generator);
               },
           .layout = image_layout}};
}

}  // namespace sinter::recipes::image
