#include "workloads.h"

#include <array>
#include <vector>

#include "sinter/ops.h"
#include "train/suggest.h"

namespace sinter::cli {
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

Tensor labels(std::int64_t batch, Generator& generator) {
  return cast(floor(generator.uniform({batch}) * 10), Dtype::i32);
}

data::Batch vectors(std::int64_t batch, Generator& generator) {
  const Tensor inputs = generator.normal({batch, 784});
  return {inputs, labels(batch, generator)};
}

data::Batch images(std::int64_t batch, Generator& generator) {
  const Tensor inputs = generator.normal({batch, 28, 28, 1});
  return {inputs, labels(batch, generator)};
}

}  // namespace

std::span<const Workload> workload_list() {
  static constexpr std::array<Workload, 2> workloads = {
      Workload{.name = "mlp", .units = "samples", .batch = 128, .model = make_mlp, .data = vectors},
      Workload{.name = "cnn", .units = "samples", .batch = 128, .model = make_cnn, .data = images}};
  return workloads;
}

const Workload& find_workload(const std::string& name) {
  std::vector<std::string> names;
  for (const Workload& workload : workload_list()) {
    if (name == workload.name) return workload;
    names.push_back(workload.name);
  }
  raise({.where = "sinter bench",
         .what = "there is no workload '" + name + "'",
         .got = {},
         .expected = train::list_text(names),
         .hint = train::suggestion(name, names)});
}

}  // namespace sinter::cli
