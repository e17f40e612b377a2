// The recipe `image`: classes of images.
#ifndef SINTER_RECIPES_IMAGE_IMAGE_H_
#define SINTER_RECIPES_IMAGE_IMAGE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sinter/images.h"
#include "sinter/nn.h"
#include "sinter/recipe.h"

namespace sinter::recipes::image {

// All that is needed to make the network again and feed it.
struct ImageSpec {
  std::string model;  // "cnn", "mlp" or "linear"
  std::int64_t height = 28;
  std::int64_t width = 28;
  std::int64_t channels = 1;
  std::int64_t classes = 10;
  double dropout = 0;
  data::Normalization normalization = {};
};

// The "sinter" entry of model.safetensors, and back. Throws Error, naming `where`, for another
// text.
std::string to_json(const ImageSpec& spec);
ImageSpec spec_from_json(const std::string& text, const std::string& where);

// (N, H, W, C) -> logits (N, classes).
nn::Sequential make_image_model(const ImageSpec& spec);

// States, forward ("logits" and "probabilities") and loss (cross-entropy) of a network on batches
// with tensors of these names.
train::Task classification_task(const nn::Sequential& model, const std::string& inputs,
                                const std::string& targets);

// The splits of the data that the settings name.
class ImageData {
 public:
  explicit ImageData(const train::Config& config) : config_(config) {}

  // What a network has to be like for the training images.
  ImageSpec measure();
  // Throws Error for images or labels that a network of this spec does not take.
  std::shared_ptr<const data::Dataset> split(train::Split split, const ImageSpec& spec);
  // The accuracy on the test split of always answering the most frequent class there.
  double baseline();

 private:
  const data::Images& images(train::Split split);
  void read_train();

  train::Config config_;
  std::shared_ptr<const data::Images> images_[3];  // by split
  std::shared_ptr<const data::Dataset> datasets_[3] = {};
};

// Parts of the task that read what predict is given and say what came out.
void add_image_prediction(const ImageSpec& spec, train::Task* task);

// `mlp` and `cnn`, the same layers as the reference programs in other frameworks.
std::vector<train::Workload> image_workloads();

}  // namespace sinter::recipes::image

#endif  // SINTER_RECIPES_IMAGE_IMAGE_H_
