// A recipe of one's own: data and network are here, everything else - options with help, progress,
// resume, memory plan, metrics, summary, compare and predict - is the library's.
//
//   own_recipe train rings --out run --epochs 5      own_recipe train rings --help
//   echo '{"points": [0.6, 0.4]}' | own_recipe predict run
#include <sinter/sinter.h>

namespace si = sinter;
namespace train = sinter::train;

// Points of a square, labelled 1 where they lie in a ring.
std::shared_ptr<const si::data::Dataset> points(std::uint64_t seed, std::int64_t count) {
  si::Generator random(seed);
  const si::Tensor points = random.uniform({count, 2}) * 2.0 - 1.0;
  const si::Tensor radius = si::sqrt(si::sum(points * points, {1}));
  const si::Tensor labels = si::cast(si::abs(radius - 0.7) < 0.2, si::Dtype::i32);
  return std::make_shared<si::data::TensorDataset>(
      si::Batch{{"points", points}, {"labels", labels}});
}

class Rings : public train::Recipe {
 public:
  std::string name() const override { return "rings"; }
  std::string text() const override { return "which points of a square lie in a ring"; }

  train::Config settings() const override {
    train::Config config;
    train::add_training_settings(&config, {.epochs = 10, .batch = 64, .rows = "points"});
    train::add_optimizer_settings(&config, {.lr = 5e-2});
    config.add({.key = "width", .value = std::int64_t{64}, .text = "hidden neurons"});
    return config;
  }

  train::Task prepare(const train::Config& config, const std::string&) const override {
    const std::int64_t width = config.integer("width");
    const si::nn::Sequential model{si::nn::Linear(2, width), si::nn::ReLU(),
                                   si::nn::Linear(width, 2)};
    train::Task task;
    task.states = model.states();
    task.forward = [model](const si::Batch& batch) {
      const si::Tensor logits = model(batch["points"]);
      return si::Batch{{"logits", logits}, {"probabilities", si::softmax(logits)}};
    };
    task.loss = [](const si::Batch& outputs, const si::Batch& batch) {
      return si::cross_entropy(outputs["logits"], batch["labels"]);
    };
    task.metrics = {train::accuracy("logits", "labels")};
    task.objective = "accuracy";
    task.inputs = {{.name = "points", .shape = {2}}};
    task.data = [](train::Split split) {
      return points(static_cast<std::uint64_t>(split) + 1,
                    split == train::Split::train ? 4096 : 1024);
    };
    return task;
  }
};

int main(int argc, char** argv) {
  const Rings rings;
  return si::run_command(argc, argv, {&rings});
}
