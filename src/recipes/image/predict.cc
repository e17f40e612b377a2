#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "data/idx.h"
#include "io/safetensors.h"
#include "recipes/image/image.h"
#include "sinter/ops.h"

namespace sinter::recipes::image {
namespace {

constexpr std::int64_t kBatch = 256;

std::int64_t image_bytes(const ImageSpec& spec) { return spec.height * spec.width * spec.channels; }

data::IdxArray read_tensor(const std::string& path) {
  const io::SafetensorsFile file(path);
  const io::TensorView view = file.get("images");
  const auto* first = reinterpret_cast<const std::uint8_t*>(view.data);
  return {.dtype = view.dtype,
          .shape = view.shape.to_vector(),
          .bytes = std::vector<std::uint8_t>(first, first + view.bytes)};
}

// `count` images, as the network takes them.
Batch to_batch(const ImageSpec& spec, const std::uint8_t* pixels, std::int64_t count) {
  auto images = std::make_shared<data::Images>();
  images->pixels.assign(pixels, pixels + count * image_bytes(spec));
  images->labels.assign(static_cast<std::size_t>(count), 0);
  images->height = spec.height;
  images->width = spec.width;
  images->channels = spec.channels;
  std::vector<std::int32_t> rows(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int32_t>(i);
  return data::ImageDataset(images, spec.normalization).batch(rows, {});
}

// All images of an idx file, or of the tensor "images" of a safetensors file.
void read_images(const ImageSpec& spec, const std::string& path, const train::Rows& rows) {
  const data::IdxArray array =
      path.ends_with(".safetensors") ? read_tensor(path) : data::read_idx(path);
  std::vector<std::int64_t> shape = array.shape;
  if (shape.size() == 3) shape.push_back(1);  // grey
  const bool fits = array.dtype == Dtype::u8 && shape.size() == 4 && shape[1] == spec.height &&
                    shape[2] == spec.width && shape[3] == spec.channels;
  if (!fits) {
    raise(
        {.where = path,
         .what = "these are no images that the model takes",
         .got = std::string(name_of(array.dtype)) + Shape(array.shape).to_string(),
         .expected = fmt::format("u8 (images, {}, {}, {})", spec.height, spec.width, spec.channels),
         .hint = {}});
  }
  for (std::int64_t first = 0; first < array.shape[0]; first += kBatch) {
    const std::int64_t count = std::min(kBatch, array.shape[0] - first);
    rows(to_batch(spec, array.bytes.data() + first * image_bytes(spec), count));
  }
}

void collect(const Json& value, std::vector<std::uint8_t>* pixels, const std::string& where) {
  if (value.is_array()) {
    for (const Json& part : value) collect(part, pixels, where);
    return;
  }
  const double number = value.is_number() ? value.get<double>() : -1;
  if (!(number >= 0 && number <= 255)) {
    raise({.where = where,
           .what = "a pixel is out of range",
           .got = json_text(value),
           .expected = "a number from 0 to 255",
           .hint = {}});
  }
  pixels->push_back(static_cast<std::uint8_t>(std::lround(number)));
}

// {"pixels": [...]} with values from 0 to 255, nested or not.
Batch read_pixels(const ImageSpec& spec, const std::string& text, const std::string& where) {
  const Json json = parse_json(text, where);
  if (!json.is_object() || !json.contains("pixels")) {
    raise({.where = where,
           .what = "this is no JSON object with pixels",
           .got = {},
           .expected = "{\"pixels\": [...]}",
           .hint = {}});
  }
  std::vector<std::uint8_t> pixels;
  collect(json["pixels"], &pixels, where);
  if (static_cast<std::int64_t>(pixels.size()) != image_bytes(spec)) {
    raise({.where = where,
           .what = "this is not one image that the model takes",
           .got = std::to_string(pixels.size()) + " pixels",
           .expected = fmt::format("{} x {} x {}", spec.height, spec.width, spec.channels),
           .hint = {}});
  }
  return to_batch(spec, pixels.data(), 1);
}

// As ImageDataset normalises, with the same bits.
Tensor normalized(const ImageSpec& spec, const Tensor& pixels) {
  const data::PixelScale scale(spec.normalization);
  return cast(pixels, Dtype::f32) * static_cast<double>(scale.factor) +
         static_cast<double>(scale.offset);
}

std::string answer(const Batch& outputs, std::int64_t row) {
  const Tensor& all = outputs["probabilities"];
  const std::int64_t classes = all.dim(1);
  const float* mine = reinterpret_cast<const float*>(all.data()) + row * classes;
  const float* best = std::max_element(mine, mine + classes);
  std::string list;
  for (std::int64_t c = 0; c < classes; ++c) {
    list += fmt::format("{}{:.6g}", c > 0 ? "," : "", mine[c]);
  }
  return fmt::format("\"class\":{},\"probability\":{:.6g},\"probabilities\":[{}]", best - mine,
                     *best, list);
}

}  // namespace

void add_image_prediction(const ImageSpec& spec, train::Task* task) {
  task->read_file = [spec](const std::string& path, const train::Rows& rows) {
    read_images(spec, path, rows);
  };
  task->read_line = [spec](const std::string& text, const std::string& where) {
    return read_pixels(spec, text, where);
  };
  task->answer = answer;
  task->raw = {.shape = {spec.height, spec.width, spec.channels},
               .batch =
                   [spec](const Tensor& pixels) {
                     return Batch{{"images", normalized(spec, pixels)}};
                   },
               .result = [](const Batch& outputs) { return outputs["probabilities"]; }};
}

}  // namespace sinter::recipes::image
