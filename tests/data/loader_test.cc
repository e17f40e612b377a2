#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "../base/temporary_folder.h"
#include "error_message.h"
#include "packed.h"
#include "sinter/images.h"

namespace sinter::data {
namespace {

// 10 images 3 x 2 x 1; every pixel of image i is 20 i, its label is i.
std::shared_ptr<const Images> ten_images() {
  auto images = std::make_shared<Images>();
  images->height = 3;
  images->width = 2;
  images->classes = 10;
  for (int i = 0; i < 10; ++i) {
    images->labels.push_back(i);
    images->pixels.insert(images->pixels.end(), 6, static_cast<std::uint8_t>(20 * i));
  }
  return images;
}

std::shared_ptr<const Dataset> ten_rows(const Augmentation& augmentation = {}) {
  return std::make_shared<ImageDataset>(ten_images(), Normalization{}, augmentation);
}

using Labels = std::vector<std::int32_t>;

std::vector<std::vector<float>> contents(Loader& loader, int batches) {
  std::vector<std::vector<float>> result;
  Batch batch;
  for (int i = 0; i < batches; ++i) {
    if (!loader.next(&batch)) {
      result.emplace_back();  // the end of an epoch
      continue;
    }
    result.push_back(batch["images"].to_vector<float>());
    for (const std::int32_t label : batch["labels"].to_vector<std::int32_t>()) {
      result.back().push_back(static_cast<float>(label));
    }
  }
  return result;
}

TEST(Loader, an_epoch_gives_every_row_once_and_then_ends) {
  Loader loader(ten_rows(), {.batch = 4, .shuffle = true, .seed = 3});
  EXPECT_EQ(loader.batches_per_epoch(), 3);
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::multiset<std::int32_t> seen;
    for (const Batch& batch : loader) {
      const Tensor& images = batch["images"];
      const Tensor& labels = batch["labels"];
      EXPECT_EQ(images.shape(), (Shape{labels.elements(), 3, 2, 1}));
      for (const std::int32_t label : labels.to_vector<std::int32_t>()) seen.insert(label);
    }
    EXPECT_EQ(seen, (std::multiset<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  }
}

TEST(Loader, without_shuffling_rows_come_in_order_and_pixels_are_normalised) {
  const auto dataset = std::make_shared<ImageDataset>(ten_images(), Normalization{0.5, 0.25});
  Loader loader(dataset, {.batch = 10});
  Batch batch;
  ASSERT_TRUE(loader.next(&batch));
  EXPECT_EQ(batch["labels"].to_vector<std::int32_t>(), (Labels{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  const std::vector<float> pixels = batch["images"].to_vector<float>();
  EXPECT_FLOAT_EQ(pixels[0], -2.0F);
  EXPECT_FLOAT_EQ(pixels[6 * 5], (100.0F / 255 - 0.5F) * 4);
}

TEST(Loader, epochs_and_seeds_have_orders_of_their_own) {
  const auto order = [](std::uint64_t seed, std::int64_t epoch) {
    Loader loader(ten_rows(), {.batch = 10, .shuffle = true, .seed = seed, .start = {epoch, 0}});
    Batch batch;
    loader.next(&batch);
    return batch["labels"].to_vector<std::int32_t>();
  };
  EXPECT_EQ(order(1, 0), order(1, 0));
  EXPECT_NE(order(1, 0), order(1, 1));
  EXPECT_NE(order(1, 0), order(2, 0));
}

TEST(Loader, one_that_starts_at_anothers_position_continues_with_the_same_bits) {
  const Augmentation augmentation{.shift = 1, .rotate = 0.2, .scale = 0.1, .shear = 0.1};
  LoaderOptions options{.batch = 3, .shuffle = true, .drop_last = true, .seed = 5};
  constexpr int kTotal = 14;  // three epochs and their ends, and a part of a fourth
  Loader whole(ten_rows(augmentation), options);
  const std::vector<std::vector<float>> expected = contents(whole, kTotal);
  for (int stop = 1; stop < kTotal; ++stop) {
    Loader first(ten_rows(augmentation), options);
    contents(first, stop);
    options.start = first.position();
    Loader second(ten_rows(augmentation), options);
    const bool at_end = options.start.batch == first.batches_per_epoch();
    // Started behind an epoch's last batch, a loader is in the next epoch already.
    const int skipped = at_end ? 1 : 0;
    const std::vector<std::vector<float>> rest = contents(second, kTotal - stop - skipped);
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(), expected.begin() + stop + skipped)) << stop;
    options.start = {};
  }
}

TEST(Loader, augmentation_changes_images_from_epoch_to_epoch_and_stays_within_range) {
  Loader loader(ten_rows({.shift = 1, .rotate = 0.2}), {.batch = 10, .epochs = 2});
  const std::vector<std::vector<float>> batches = contents(loader, 3);
  EXPECT_NE(batches[0], batches[2]);
  for (std::size_t i = 0; i < 60; ++i) {
    EXPECT_GE(batches[0][i], 0.0F);
    EXPECT_LE(batches[0][i], 180.0F / 255 + 1e-6F);
  }
}

TEST(Loader, an_augmentation_that_moves_nothing_is_the_image) {
  // A limit too small to matter takes the way of sampling.
  Loader plain(ten_rows(), {.batch = 10});
  Loader sampled(ten_rows({.shift = 1e-12}), {.batch = 10});
  const std::vector<float> a = contents(plain, 1)[0];
  const std::vector<float> b = contents(sampled, 1)[0];
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5) << i;
}

// Fails at its third batch.
class FailingDataset : public Dataset {
 public:
  std::int64_t size() const override { return 100; }
  Batch batch(std::span<const std::int32_t> rows, const Draw&) const override {
    if (rows[0] >= 20) throw Error("the disk is gone");
    return {{"images", scalar(1)}, {"labels", scalar(1)}};
  }
};

TEST(Loader, what_the_data_set_throws_arrives_behind_the_good_batches) {
  Loader loader(std::make_shared<FailingDataset>(), {.batch = 10});
  Batch batch;
  EXPECT_TRUE(loader.next(&batch));
  EXPECT_TRUE(loader.next(&batch));
  EXPECT_THROW(loader.next(&batch), Error);
  EXPECT_THROW(loader.next(&batch), Error);
}

// Counts how many batches were asked for.
class CountingDataset : public Dataset {
 public:
  explicit CountingDataset(std::atomic<int>* count) : count_(count) {}
  std::int64_t size() const override { return 1000; }
  Batch batch(std::span<const std::int32_t>, const Draw&) const override {
    ++*count_;
    return {{"images", scalar(1)}, {"labels", scalar(1)}};
  }

 private:
  std::atomic<int>* count_;
};

TEST(Loader, no_more_is_made_ahead_than_asked_for_and_it_stops_while_full) {
  std::atomic<int> count{0};
  {
    Loader loader(std::make_shared<CountingDataset>(&count), {.batch = 1, .prefetch = 3});
    Batch batch;
    for (int i = 0; i < 5; ++i) loader.next(&batch);
  }
  EXPECT_GE(count.load(), 5);
  EXPECT_LE(count.load(), 5 + 3 + 1);
}

TEST(Loader, batches_that_cannot_be_are_errors) {
  EXPECT_THROW(Loader(ten_rows(), {.batch = 0}), Error);
  EXPECT_THROW(Loader(ten_rows(), {.batch = 11, .drop_last = true}), Error);
  EXPECT_THROW(Loader(ten_rows(), {.prefetch = 0}), Error);
}

// Stacks of threads that have ended are kept for others, so a fresh process does it: this program
// again.
TEST(Loader, one_whose_thread_cannot_start_says_what_ran_out) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need more address space than there is";
#endif
  constexpr const char* kIsTheOther = "SINTER_TEST_WITHOUT_THREADS";
  if (std::getenv(kIsTheOther) != nullptr) {
    std::ifstream file("/proc/self/statm");
    long pages = 0;
    file >> pages;
    const auto bytes = static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
    const rlimit limit{bytes + (1 << 20), bytes + (1 << 20)};  // no stack of a thread
    setrlimit(RLIMIT_AS, &limit);
    std::string message;
    try {
      const Loader loader(ten_rows(), {.batch = 2});
    } catch (const Error& error) {
      message = error.what();
    }
    EXPECT_NE(message.find("its thread cannot be started"), std::string::npos) << message;
    EXPECT_NE(message.find("ulimit -v"), std::string::npos) << message;
    return;
  }
  const pid_t child = fork();
  if (child == 0) {
    setenv(kIsTheOther, "1", 1);
    execl("/proc/self/exe", "data_test", "--gtest_filter=*thread_cannot_start*", nullptr);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Images, mean_and_deviation_are_those_of_all_pixels) {
  Images images = *ten_images();
  const Normalization found = measure_normalization(images);
  EXPECT_NEAR(found.mean, 90.0 / 255, 1e-12);
  EXPECT_NEAR(found.deviation, std::sqrt(3300.0) / 255, 1e-12);
  images.pixels.assign(images.pixels.size(), 7);
  EXPECT_EQ(measure_normalization(images).deviation, 1);
}

TEST(Images, shuffling_keeps_each_label_with_its_image) {
  const Images mixed = shuffled(*ten_images(), 4);
  EXPECT_NE(mixed.labels, ten_images()->labels);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(mixed.pixels[6 * i + 5], 20 * mixed.labels[i]);
}

TEST(Images, a_folder_that_lacks_a_file_is_named) {
  EXPECT_NE(message_of([] { read_idx_images("/nowhere", "train"); }).find("/nowhere"),
            std::string::npos);
}

// As data sets are distributed, some files of a folder compressed, others not.
TEST(Images, a_folder_may_hold_each_file_plain_or_compressed) {
  const TemporaryFolder folder;
  const std::string images("\0\0\x08\x03\0\0\0\x01\0\0\0\x01\0\0\0\x02\x05\x06", 18);
  const std::string labels("\0\0\x08\x01\0\0\0\x01\x03", 9);
  std::ofstream(folder / "train-images-idx3-ubyte.xz") << packed(images, ARCHIVE_FILTER_XZ);
  EXPECT_NE(
      message_of([&] { read_idx_images(folder.path(), "train"); })
          .find("there is no train-labels-idx1-ubyte; expected train-labels-idx1-ubyte, plain "
                "or compressed (.gz, .xz, .zst, .bz2)"),
      std::string::npos);
  std::ofstream(folder / "train-labels-idx1-ubyte.zst") << packed(labels, ARCHIVE_FILTER_ZSTD);
  const Images read = read_idx_images(folder.path(), "train");
  EXPECT_EQ(read.pixels, (std::vector<std::uint8_t>{5, 6}));
  EXPECT_EQ(read.labels, (Labels{3}));
}

}  // namespace
}  // namespace sinter::data
