// Data sets in memory, and loaders that make batches of them ahead of time.
#ifndef SINTER_DATA_H_
#define SINTER_DATA_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sinter/tensor.h"

namespace sinter::data {

struct Batch {
  Tensor inputs;   // images: f32 (N, H, W, C)
  Tensor targets;  // labels: i32 (N,)
};

// Where a row's random numbers come from: the same seed, epoch and row give the same numbers,
// whatever was drawn before.
struct Draw {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
};

// Something with rows of which batches are made. Used by one loader's thread at a time.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;
  // A batch of these rows. The same arguments give the same bits.
  virtual Batch batch(std::span<const std::int32_t> rows, const Draw& draw) const = 0;
};

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

class ImageDataset : public Dataset {
 public:
  ImageDataset(std::shared_ptr<const Images> images, const Normalization& normalization,
               const Augmentation& augmentation = {});
  std::int64_t size() const override { return images_->size(); }
  Batch batch(std::span<const std::int32_t> rows, const Draw& draw) const override;

 private:
  void copy_image(std::int64_t row, float* to) const;
  void copy_augmented(std::int64_t row, const Draw& draw, float* to) const;

  std::shared_ptr<const Images> images_;
  Augmentation augmentation_;
  float scale_;  // a pixel p becomes p * scale_ + offset_
  float offset_;
};

// The next batch that a loader gives: batch `batch` of epoch `epoch`, both from 0.
struct LoaderPosition {
  std::int64_t epoch = 0;
  std::int64_t batch = 0;

  friend bool operator==(const LoaderPosition&, const LoaderPosition&) = default;
};

struct LoaderOptions {
  std::int64_t batch = 128;
  bool shuffle = false;    // another order in every epoch, drawn from the seed
  bool drop_last = false;  // leave out an incomplete last batch
  std::uint64_t seed = 0;
  std::int64_t epochs = 0;    // 0: without end
  std::int64_t prefetch = 4;  // batches made ahead
  LoaderPosition start = {};
};

// Batches of a data set, epoch after epoch, made ahead by a thread of its own:
//
//   for (auto& [images, labels] : loader) step(images, labels);  // an epoch, or what is left of it
//
// What a batch holds follows from (data set, seed, epoch, batch) alone, so a loader that starts at
// another's position() continues with the same bits.
class Loader {
 public:
  // Throws Error for a batch size below 1, and when an epoch would have no batch.
  Loader(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options);
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  // The next batch of this epoch. False once behind an epoch's last one; the call after that begins
  // the next epoch. Throws what the data set threw.
  bool next(Batch* batch);

  LoaderPosition position() const;
  std::int64_t batches_per_epoch() const;
  // The rows that an epoch gives.
  std::int64_t rows_per_epoch() const;

  class Iterator {
   public:
    explicit Iterator(Loader* loader) : loader_(loader) {
      if (loader_ != nullptr) ++*this;
    }
    Batch& operator*() { return batch_; }
    Iterator& operator++() {
      if (!loader_->next(&batch_)) loader_ = nullptr;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return loader_ != other.loader_; }

   private:
    Loader* loader_;
    Batch batch_;
  };
  Iterator begin() { return Iterator(this); }
  Iterator end() { return Iterator(nullptr); }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sinter::data

#endif  // SINTER_DATA_H_
