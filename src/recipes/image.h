// The recipe `image`: classes of images.
#ifndef SINTER_RECIPES_IMAGE_H_
#define SINTER_RECIPES_IMAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "recipes/recipe.h"
#include "sinter/data.h"
#include "sinter/nn.h"

namespace sinter::recipes {

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

// A network in evaluation, compiled.
class ImageClassifier {
 public:
  explicit ImageClassifier(const nn::Sequential& model);
  ImageClassifier(const ImageClassifier&) = delete;
  ImageClassifier& operator=(const ImageClassifier&) = delete;

  // Loss and accuracy over all rows, batch by batch.
  train::Metrics evaluate(const std::shared_ptr<const data::Dataset>& dataset);
  // (N, H, W, C) normalised -> probabilities (N, classes), row-major.
  std::vector<float> probabilities(const Tensor& images);

 private:
  nn::Sequential model_;
  CompiledFunction evaluate_;
  CompiledFunction predict_;
};

train::Config image_config();
std::unique_ptr<Prepared> prepare_image(const train::Config& config);
void predict_images(const std::string& weights, const std::vector<std::string>& inputs,
                    const std::function<void(const std::string&)>& line);

}  // namespace sinter::recipes

#endif  // SINTER_RECIPES_IMAGE_H_
