#include "sinter/images.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/philox.h"
#include "data/idx.h"
#include "data/permutation.h"
#include "data/unpacker.h"

namespace sinter::data {
namespace {

constexpr std::uint64_t kAugmentationKey = 0x6175676D656E7473u;

std::string find_idx(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  std::string endings;
  if (std::filesystem::exists(path)) return path;
  for (const Compression& each : compressions()) {
    std::string packed = path + std::string(each.ending);
    if (std::filesystem::exists(packed)) return packed;
    endings += (endings.empty() ? "" : ", ") + std::string(each.ending);
  }
  raise({.where = folder,
         .what = "there is no " + name,
         .got = {},
         .expected = name + ", plain or compressed (" + endings + ")",
         .hint = "the folder holds the four files of MNIST or of one of its relatives"});
}

// [-limit, limit) from 32 random bits.
float spread(std::uint32_t bits, double limit) {
  const double unit = static_cast<double>(bits >> 8) * 0x1p-24;
  return static_cast<float>((2 * unit - 1) * limit);
}

}  // namespace

Images Images::part(std::int64_t begin, std::int64_t end) const {
  Images result;
  result.pixels.assign(pixels.begin() + begin * image_bytes(),
                       pixels.begin() + end * image_bytes());
  result.labels.assign(labels.begin() + begin, labels.begin() + end);
  result.height = height;
  result.width = width;
  result.channels = channels;
  result.classes = classes;
  return result;
}

Images read_idx_images(const std::string& folder, const std::string& prefix) {
  struct stat status {};
  if (stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    raise({.where = folder,
           .what = "there is no such folder",
           .got = {},
           .expected = "a folder with MNIST's files",
           .hint = "leave out --data for the embedded images"});
  }
  const std::string image_path = find_idx(folder, prefix + "-images-idx3-ubyte");
  const std::string label_path = find_idx(folder, prefix + "-labels-idx1-ubyte");
  IdxArray images = read_idx(image_path);
  const auto refuse = [](const std::string& path, const char* what, const std::string& got,
                         const std::string& expected) {
    raise({.where = path, .what = what, .got = got, .expected = expected, .hint = {}});
  };
  if (images.dtype != Dtype::u8 || images.shape.size() != 3) {
    refuse(image_path, "these are no grey images",
           std::string(name_of(images.dtype)) + Shape(images.shape).to_string(),
           "u8 (images, height, width)");
  }
  if (images.bytes.empty()) refuse(image_path, "there is no image", "", "at least one");
  const IdxArray labels = read_idx(label_path);
  if (labels.dtype != Dtype::u8 || labels.shape.size() != 1) {
    refuse(label_path, "these are no labels",
           std::string(name_of(labels.dtype)) + Shape(labels.shape).to_string(), "u8 (images,)");
  }
  if (labels.shape[0] != images.shape[0]) {
    refuse(label_path, "there are not as many labels as images", std::to_string(labels.shape[0]),
           std::to_string(images.shape[0]));
  }
  Images result;
  result.pixels = std::move(images.bytes);
  result.labels.assign(labels.bytes.begin(), labels.bytes.end());
  result.height = images.shape[1];
  result.width = images.shape[2];
  result.classes = *std::max_element(result.labels.begin(), result.labels.end()) + 1;
  return result;
}

Images shuffled(const Images& images, std::uint64_t seed) {
  std::vector<std::int32_t> rows(static_cast<std::size_t>(images.size()));
  permute_rows(seed, -1, rows);
  Images result = images.part(0, 0);
  result.pixels.reserve(images.pixels.size());
  result.labels.reserve(images.labels.size());
  for (const std::int32_t row : rows) {
    const auto first = images.pixels.begin() + row * images.image_bytes();
    result.pixels.insert(result.pixels.end(), first, first + images.image_bytes());
    result.labels.push_back(images.labels[static_cast<std::size_t>(row)]);
  }
  return result;
}

Normalization measure_normalization(const Images& images) {
  std::uint64_t sum = 0;
  std::uint64_t squares = 0;
  for (const std::uint8_t pixel : images.pixels) {
    sum += pixel;
    squares += std::uint64_t{pixel} * pixel;
  }
  const auto count = static_cast<double>(images.pixels.size());
  if (count == 0) return {};
  const double mean = static_cast<double>(sum) / count;
  const double variance = static_cast<double>(squares) / count - mean * mean;
  const double deviation = std::sqrt(std::max(variance, 0.0)) / 255;
  return {.mean = mean / 255, .deviation = deviation > 0 ? deviation : 1};
}

PixelScale::PixelScale(const Normalization& normalization)
    : factor(static_cast<float>(1 / (255 * normalization.deviation))),
      offset(static_cast<float>(-normalization.mean / normalization.deviation)) {}

ImageDataset::ImageDataset(std::shared_ptr<const Images> images, const Normalization& normalization,
                           const Augmentation& augmentation)
    : images_(std::move(images)), augmentation_(augmentation), scale_(normalization) {}

void ImageDataset::copy_image(std::int64_t row, float* to) const {
  const std::int64_t count = images_->image_bytes();
  const std::uint8_t* from = images_->pixels.data() + row * count;
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = static_cast<float>(from[i]) * scale_.factor + scale_.offset;
  }
}

// Each pixel of the result looks back to where it comes from: a linear map around the centre. The
// rotation is taken to first order (its matrix is [1 -r; r 1]), which for small angles differs from
// the exact one by a slight enlargement.
void ImageDataset::copy_augmented(std::int64_t row, const Draw& draw, float* to) const {
  const philox::Key key = philox::key_from_seed(draw.seed ^ kAugmentationKey);
  const auto epoch = static_cast<std::uint64_t>(draw.epoch);
  const auto first = static_cast<std::uint64_t>(row) * 2;
  const philox::Block a = philox::generate(philox::counter_at(first, epoch), key);
  const philox::Block b = philox::generate(philox::counter_at(first + 1, epoch), key);
  const float shift_x = spread(a.words[0], augmentation_.shift);
  const float shift_y = spread(a.words[1], augmentation_.shift);
  const float turn = spread(a.words[2], augmentation_.rotate);
  const float shear = spread(a.words[3], augmentation_.shear);
  const float xx = 1 + spread(b.words[0], augmentation_.scale);
  const float yy = 1 + spread(b.words[1], augmentation_.scale);
  const float xy = shear - turn;
  const float yx = turn;

  const auto height = static_cast<int>(images_->height);
  const auto width = static_cast<int>(images_->width);
  const auto channels = static_cast<int>(images_->channels);
  const std::uint8_t* from = images_->pixels.data() + row * images_->image_bytes();
  const float center_x = static_cast<float>(width - 1) / 2;
  const float center_y = static_cast<float>(height - 1) / 2;
  const auto pixel = [&](int y, int x, int c) {
    const bool inside = y >= 0 && y < height && x >= 0 && x < width;
    return inside ? static_cast<float>(from[(y * width + x) * channels + c]) : 0.0F;
  };
  for (int y = 0; y < height; ++y) {
    const float dy = static_cast<float>(y) - center_y;
    for (int x = 0; x < width; ++x) {
      const float dx = static_cast<float>(x) - center_x;
      const float source_x = center_x + xx * dx + xy * dy + shift_x;
      const float source_y = center_y + yx * dx + yy * dy + shift_y;
      const float floor_x = std::floor(source_x);
      const float floor_y = std::floor(source_y);
      const float part_x = source_x - floor_x;
      const float part_y = source_y - floor_y;
      // Far outside is as black as just outside, and fits an int.
      const int x0 = static_cast<int>(std::clamp(floor_x, -2.0F, static_cast<float>(width)));
      const int y0 = static_cast<int>(std::clamp(floor_y, -2.0F, static_cast<float>(height)));
      for (int c = 0; c < channels; ++c) {
        const float top = pixel(y0, x0, c) * (1 - part_x) + pixel(y0, x0 + 1, c) * part_x;
        const float bottom =
            pixel(y0 + 1, x0, c) * (1 - part_x) + pixel(y0 + 1, x0 + 1, c) * part_x;
        const float value = top * (1 - part_y) + bottom * part_y;
        to[(y * width + x) * channels + c] = value * scale_.factor + scale_.offset;
      }
    }
  }
}

Batch ImageDataset::batch(std::span<const std::int32_t> rows, const Draw& draw) const {
  const auto count = static_cast<std::int64_t>(rows.size());
  const std::int64_t elements = images_->image_bytes();
  const Tensor images = filled({count, images_->height, images_->width, images_->channels},
                               Dtype::f32, [&](std::byte* memory) {
                                 auto* to = reinterpret_cast<float*>(memory);
                                 for (const std::int32_t row : rows) {
                                   if (augmentation_.is_identity()) {
                                     copy_image(row, to);
                                   } else {
                                     copy_augmented(row, draw, to);
                                   }
                                   to += elements;
                                 }
                               });
  const Tensor labels = filled({count}, Dtype::i32, [&](std::byte* memory) {
    auto* to = reinterpret_cast<std::int32_t*>(memory);
    for (const std::int32_t row : rows) *to++ = images_->labels[static_cast<std::size_t>(row)];
  });
  return {{"images", images}, {"labels", labels}};
}

}  // namespace sinter::data
