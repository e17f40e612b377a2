#include <algorithm>
#include <cmath>

#include "recipes/tabular/tabular.h"
#include "sinter/nn.h"
#include "sinter/ops.h"

namespace sinter::recipes::tabular {
namespace {

// Columns of words become vectors, which stand beside the numbers in front of the layers.
class TabularNet : public nn::ModuleOf<Batch(const Batch&)> {
 public:
  explicit TabularNet(const TabularSpec& spec) : is_class_(spec.target.is_class()) {
    std::int64_t features = spec.number_count();
    for (const WordColumn& column : spec.words) {
      const auto count = static_cast<std::int64_t>(column.words.size()) + 1;
      // As fastai chooses it: 600 at most.
      const auto size = std::min<std::int64_t>(
          600, std::lround(1.6 * std::pow(static_cast<double>(count), 0.56)));
      embeddings_.push_back(
          add("embedding" + std::to_string(embeddings_.size() + 1), nn::Embedding(count, size)));
      features += size;
    }
    const std::int64_t outputs =
        is_class_ ? static_cast<std::int64_t>(spec.target.classes.size()) : 1;
    nn::Sequential layers;
    if (spec.model != "linear") {
      for (std::int64_t i = 1; i <= spec.layers; ++i) {
        const std::string number = std::to_string(i);
        layers.append("fc" + number, nn::Linear(features, spec.width))
            .append("relu" + number, nn::ReLU())
            .append("dropout" + number, nn::Dropout(spec.dropout));
        features = spec.width;
      }
    }
    layers.append("out", nn::Linear(features, outputs));
    layers_ = add("layers", layers);
  }

  Batch forward(const Batch& batch) const override {
    const Tensor out = layers_(features(batch));
    if (!is_class_) return {{"predictions", reshape(out, {out.dim(0)})}};
    const Tensor probabilities = softmax(out);
    Batch outputs{{"logits", out}, {"probabilities", probabilities}};
    if (out.dim(1) == 2)
      outputs.add("scores", reshape(slice(probabilities, 1, 1, 2), {out.dim(0)}));
    return outputs;
  }

 private:
  Tensor features(const Batch& batch) const {
    std::vector<Tensor> parts;
    if (batch.has("numbers")) parts.push_back(batch["numbers"]);
    for (std::size_t i = 0; i < embeddings_.size(); ++i) {
      const auto column = static_cast<std::int64_t>(i);
      const Tensor ids = slice(batch["words"], 1, column, column + 1);
      parts.push_back(embeddings_[i](reshape(ids, {ids.dim(0)})));
    }
    return parts.size() == 1 ? parts.front() : concatenate(parts, 1);
  }

  bool is_class_;
  std::vector<nn::Embedding> embeddings_;
  nn::Sequential layers_;
};

}  // namespace

train::Task make_tabular_task(const TabularSpec& spec) {
  const TabularNet net(spec);
  train::Task task;
  task.states = net.states();
  task.forward = [net](const Batch& batch) { return net(batch); };
  if (!spec.target.is_class()) {
    task.loss = [](const Batch& outputs, const Batch& batch) {
      return mse_loss(outputs["predictions"], batch["targets"]);
    };
    task.metrics = {train::rmse("predictions", "targets", spec.target.deviation),
                    train::mae("predictions", "targets", spec.target.deviation)};
    task.objective = "rmse";
    return task;
  }
  task.loss = [](const Batch& outputs, const Batch& batch) {
    return cross_entropy(outputs["logits"], batch["labels"]);
  };
  task.metrics = {train::accuracy()};
  task.objective = "accuracy";
  if (spec.target.classes.size() == 2) {
    task.metrics.push_back(train::auroc());
    task.metrics.push_back(train::auprc());
    task.objective = "auprc";
  }
  return task;
}

}  // namespace sinter::recipes::tabular
