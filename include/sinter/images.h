// Sets of images of one size: reading, normalising and changing them.
#ifndef SINTER_IMAGES_H_
#define SINTER_IMAGES_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sinter/data.h"

namespace sinter::data {

// Images as they are stored, all of one size.
struct Images {
  std::vector<std::uint8_t> pixels;  // (N, height, width, channels)
  std::vector<std::int32_t> labels;  // (N,), in [0, classes)
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 1;
  std::int64_t classes = 0;

  std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t image_bytes() const { return height * width * channels; }
  // Rows [begin, end). REQUIRES: 0 <= begin <= end <= size().
  Images part(std::int64_t begin, std::int64_t end) const;
};

// The files of MNIST and its relatives: FOLDER/PREFIX-images-idx3-ubyte and
// FOLDER/PREFIX-labels-idx1-ubyte, plain or compressed (.gz, .xz, .zst, .bz2); PREFIX is "train" or
// "t10k". Throws Error, naming the file, when one is missing, damaged, or does not fit the other.
Images read_idx_images(const std::string& folder, const std::string& prefix);

// The rows of `images` in an order drawn from `seed`: for splitting off a part.
Images shuffled(const Images& images, std::uint64_t seed);

// Pixels become (pixel / 255 - mean) / deviation.
struct Normalization {
  double mean = 0;
  double deviation = 1;
};
// The same as one product and one sum in f32: pixel * factor + offset.
struct PixelScale {
  explicit PixelScale(const Normalization& normalization);

  float factor;
  float offset;
};
// Mean and standard deviation of all pixels; a deviation of 0 becomes 1.
Normalization measure_normalization(const Images& images);

// Small random changes of an image: each amount is drawn uniformly from [-limit, limit], the image
// sampled bilinearly, with black outside. Good for digits and letters, which mean the same after.
struct Augmentation {
  double shift = 0;   // pixels, each way
  double rotate = 0;  // radians
  double scale = 0;   // of the size
  double shear = 0;   // pixels per pixel

  bool is_identity() const { return shift == 0 && rotate == 0 && scale == 0 && shear == 0; }
};

// Batches of "images", f32 (N, H, W, C), and "labels", i32 (N,).
class ImageDataset : public Dataset {
 public:
  ImageDataset(std::shared_ptr<const Images> images, const Normalization& normalization,
               const Augmentation& augmentation = {});
  std::int64_t size() const override { return images_->size(); }
  std::int64_t bytes() const override { return static_cast<std::int64_t>(images_->pixels.size()); }
  Batch batch(std::span<const std::int32_t> rows, const Draw& draw) const override;

 private:
  void copy_image(std::int64_t row, float* to) const;
  void copy_augmented(std::int64_t row, const Draw& draw, float* to) const;

  std::shared_ptr<const Images> images_;
  Augmentation augmentation_;
  PixelScale scale_;
};

}  // namespace sinter::data

#endif  // SINTER_IMAGES_H_
