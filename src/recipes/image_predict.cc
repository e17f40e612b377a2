#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "data/idx.h"
#include "io/safetensors.h"
#include "recipes/image.h"
#include "sinter/io.h"
#include "train/quote.h"

namespace sinter::recipes {
namespace {

using Line = std::function<void(const std::string&)>;

// A model loaded, with what turns pixels into lines.
class Predictor {
 public:
  explicit Predictor(const std::string& weights)
      : spec_(read_spec(weights)), model_(make_image_model(spec_)), classifier_(model_) {
    io::load_weights(weights, model_.states());
  }

  std::int64_t image_bytes() const { return spec_.height * spec_.width * spec_.channels; }

  // All images of an idx file, or of the tensor "images" of a safetensors file.
  void predict_file(const std::string& path, const Line& line) {
    const data::IdxArray array =
        path.ends_with(".safetensors") ? read_tensor(path) : data::read_idx(path);
    std::vector<std::int64_t> shape = array.shape;
    if (shape.size() == 3) shape.push_back(1);  // grey
    const bool fits = array.dtype == Dtype::u8 && shape.size() == 4 && shape[1] == spec_.height &&
                      shape[2] == spec_.width && shape[3] == spec_.channels;
    if (!fits) {
      raise({.where = path,
             .what = "these are no images that the model takes",
             .got = std::string(name_of(array.dtype)) + Shape(array.shape).to_string(),
             .expected =
                 fmt::format("u8 (images, {}, {}, {})", spec_.height, spec_.width, spec_.channels),
             .hint = {}});
    }
    constexpr std::int64_t kBatch = 256;
    for (std::int64_t first = 0; first < array.shape[0]; first += kBatch) {
      const std::int64_t count = std::min(kBatch, array.shape[0] - first);
      const std::vector<float> all =
          probabilities(array.bytes.data() + first * image_bytes(), count);
      for (std::int64_t i = 0; i < count; ++i) {
        line(fmt::format("{{\"input\":{},\"index\":{},{}}}", train::quoted(path), first + i,
                         answer(all.data() + i * spec_.classes)));
      }
    }
  }

  // One JSON object a line: {"pixels": [...]} with values from 0 to 255, nested or not.
  void predict_lines(std::istream& input, const Line& line) {
    std::string text;
    for (std::int64_t number = 1; std::getline(input, text); ++number) {
      if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
      const std::string where = "line " + std::to_string(number);
      const std::vector<std::uint8_t> pixels = parse_pixels(text, where);
      const std::vector<float> result = probabilities(pixels.data(), 1);
      line(fmt::format("{{\"index\":{},{}}}", number - 1, answer(result.data())));
    }
  }

 private:
  static ImageSpec read_spec(const std::string& weights) {
    const io::Texts texts = io::read_texts(weights);
    const auto found = texts.find("sinter");
    return spec_from_json(found == texts.end() ? "" : found->second, weights);
  }

  static data::IdxArray read_tensor(const std::string& path) {
    const io::SafetensorsFile file(path);
    const io::TensorView view = file.get("images");
    const auto* first = reinterpret_cast<const std::uint8_t*>(view.data);
    return {.dtype = view.dtype,
            .shape = view.shape.to_vector(),
            .bytes = std::vector<std::uint8_t>(first, first + view.bytes)};
  }

  std::vector<float> probabilities(const std::uint8_t* pixels, std::int64_t count) {
    auto images = std::make_shared<data::Images>();
    images->pixels.assign(pixels, pixels + count * image_bytes());
    images->labels.assign(static_cast<std::size_t>(count), 0);
    images->height = spec_.height;
    images->width = spec_.width;
    images->channels = spec_.channels;
    std::vector<std::int32_t> rows(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int32_t>(i);
    const data::ImageDataset dataset(images, spec_.normalization);
    return classifier_.probabilities(dataset.batch(rows, {}).inputs);
  }

  std::string answer(const float* probabilities) const {
    const float* best = std::max_element(probabilities, probabilities + spec_.classes);
    std::string all;
    for (std::int64_t c = 0; c < spec_.classes; ++c) {
      all += fmt::format("{}{:.6g}", c > 0 ? "," : "", probabilities[c]);
    }
    return fmt::format("\"class\":{},\"probability\":{:.6g},\"probabilities\":[{}]",
                       best - probabilities, *best, all);
  }

  void collect(const nlohmann::json& value, std::vector<std::uint8_t>* pixels,
               const std::string& where) const {
    if (value.is_array()) {
      for (const nlohmann::json& part : value) collect(part, pixels, where);
      return;
    }
    const double number = value.is_number() ? value.get<double>() : -1;
    if (!(number >= 0 && number <= 255)) {
      raise({.where = where,
             .what = "a pixel is out of range",
             .got = value.dump(),
             .expected = "a number from 0 to 255",
             .hint = {}});
    }
    pixels->push_back(static_cast<std::uint8_t>(std::lround(number)));
  }

  std::vector<std::uint8_t> parse_pixels(const std::string& text, const std::string& where) const {
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains("pixels")) {
      raise({.where = where,
             .what = "this is no JSON object with pixels",
             .got = {},
             .expected = "{\"pixels\": [...]}",
             .hint = {}});
    }
    std::vector<std::uint8_t> pixels;
    collect(json["pixels"], &pixels, where);
    if (static_cast<std::int64_t>(pixels.size()) != image_bytes()) {
      raise({.where = where,
             .what = "this is not one image that the model takes",
             .got = std::to_string(pixels.size()) + " pixels",
             .expected = fmt::format("{} x {} x {}", spec_.height, spec_.width, spec_.channels),
             .hint = {}});
    }
    return pixels;
  }

  ImageSpec spec_;
  nn::Sequential model_;
  ImageClassifier classifier_;
};

}  // namespace

void predict_images(const std::string& weights, const std::vector<std::string>& inputs,
                    const Line& line) {
  Predictor predictor(weights);
  if (inputs.empty()) predictor.predict_lines(std::cin, line);
  for (const std::string& input : inputs) {
    if (input == "-") {
      predictor.predict_lines(std::cin, line);
    } else {
      predictor.predict_file(input, line);
    }
  }
}

}  // namespace sinter::recipes
