// Data sets in memory, and loaders that make batches of them ahead of time.
#ifndef SINTER_DATA_H_
#define SINTER_DATA_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sinter/batch.h"

namespace sinter::data {

using sinter::Batch;

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
  // The memory that it holds, for the memory plan.
  virtual std::int64_t bytes() const { return 0; }
  // A batch of these rows. The same arguments give the same bits.
  virtual Batch batch(std::span<const std::int32_t> rows, const Draw& draw) const = 0;
};

// Rows of tensors in host memory, one's own arrays for example: row i of the set is row i of each,
// along its first axis.
//
//   const auto set = std::make_shared<data::TensorDataset>(
//       Batch{{"x", tensor(values, {1000, 8})}, {"y", tensor(labels, {1000})}});
class TensorDataset : public Dataset {
 public:
  // Throws Error when there is no tensor, for a scalar, and for tensors of different lengths.
  explicit TensorDataset(const Batch& all);
  std::int64_t size() const override { return size_; }
  std::int64_t bytes() const override { return all_.bytes(); }
  Batch batch(std::span<const std::int32_t> rows, const Draw& draw) const override;

 private:
  Batch all_;
  std::int64_t size_ = 0;
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
//   for (const Batch& batch : loader) step(batch);  // one epoch, or what is left of it
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
