#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "data/permutation.h"
#include "sinter/data.h"
#include "sinter/system.h"

namespace sinter::data {

// A ring of batches between the loader's thread, which fills it, and the caller, who empties it.
struct Loader::Impl {
  std::shared_ptr<const Dataset> dataset;
  LoaderOptions options;
  std::int64_t batches = 0;         // per epoch
  LoaderPosition position;          // of the caller
  std::vector<std::int32_t> order;  // the rows of the epoch that is being made

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Batch> ring;
  std::int64_t made = 0;   // batches put into the ring so far
  std::int64_t taken = 0;  // and taken out
  bool stopping = false;
  std::exception_ptr failure;
  std::thread thread;

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    changed.notify_all();
    if (thread.joinable()) thread.join();
  }

  Batch make(const LoaderPosition& at) const {
    const auto first = static_cast<std::size_t>(at.batch * options.batch);
    const std::size_t left = order.size() - first;
    const std::size_t rows = std::min(left, static_cast<std::size_t>(options.batch));
    return dataset->batch(std::span(order).subspan(first, rows),
                          {.seed = options.seed, .epoch = at.epoch});
  }

  void arrange(std::int64_t epoch) {
    if (options.shuffle) {
      permute_rows(options.seed, epoch, order);
    } else {
      number_rows(order);
    }
  }

  // False when there is to be no more.
  bool put(Batch batch) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return stopping || made - taken < options.prefetch; });
    if (stopping) return false;
    ring[static_cast<std::size_t>(made % options.prefetch)] = std::move(batch);
    ++made;
    lock.unlock();
    changed.notify_all();
    return true;
  }

  void run() {
    try {
      // Batches lie in host memory whatever the current device: compiled steps take them from
      // there.
      const DeviceScope host("cpu");
      LoaderPosition at = position;
      bool arranged = false;
      while (options.epochs == 0 || at.epoch < options.epochs) {
        if (!arranged) arrange(at.epoch);
        arranged = true;
        if (!put(make(at))) return;
        if (++at.batch == batches) {
          at = {.epoch = at.epoch + 1, .batch = 0};
          arranged = false;
        }
      }
    } catch (...) {
      {
        const std::lock_guard lock(mutex);
        failure = std::current_exception();
      }
      changed.notify_all();
    }
  }

  Batch take() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return made > taken || failure != nullptr; });
    if (made == taken) std::rethrow_exception(failure);
    Batch batch = std::move(ring[static_cast<std::size_t>(taken % options.prefetch)]);
    ++taken;
    lock.unlock();
    changed.notify_all();
    return batch;
  }
};

Loader::Loader(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options)
    : impl_(std::make_unique<Impl>()) {
  if (options.batch < 1 || options.prefetch < 1) {
    raise({.where = "loader",
           .what = options.batch < 1 ? "the batch size is too small" : "prefetch is too small",
           .got = std::to_string(options.batch < 1 ? options.batch : options.prefetch),
           .expected = "at least 1",
           .hint = {}});
  }
  const std::int64_t rows = dataset->size();
  const std::int64_t batches =
      options.drop_last ? rows / options.batch : (rows + options.batch - 1) / options.batch;
  if (batches == 0) {
    raise({.where = "loader",
           .what = "an epoch would have no batch",
           .got = std::to_string(rows) + " rows",
           .expected = "at least " + std::to_string(options.drop_last ? options.batch : 1),
           .hint = options.drop_last ? "choose a smaller batch size" : ""});
  }
  impl_->dataset = std::move(dataset);
  impl_->options = options;
  impl_->batches = batches;
  impl_->position = options.start;
  if (impl_->position.batch >= batches) {
    impl_->position = {.epoch = options.start.epoch + 1, .batch = 0};
  }
  impl_->order.resize(static_cast<std::size_t>(rows));
  impl_->ring.resize(static_cast<std::size_t>(options.prefetch));
  try {
    impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
  } catch (const std::system_error& error) {
    raise({.where = "loader",
           .what = "its thread cannot be started",
           .got = error.code().message(),
           .expected = {},
           .hint = "memory, address space (ulimit -v), or the number of threads (ulimit -u, a "
                   "control group) is used up"});
  }
}

Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

bool Loader::next(Batch* batch) {
  LoaderPosition& position = impl_->position;
  if (position.batch == impl_->batches) {
    position = {.epoch = position.epoch + 1, .batch = 0};
    return false;
  }
  if (impl_->options.epochs != 0 && position.epoch >= impl_->options.epochs) return false;
  *batch = impl_->take();
  ++position.batch;
  return true;
}

LoaderPosition Loader::position() const { return impl_->position; }
std::int64_t Loader::batches_per_epoch() const { return impl_->batches; }
std::int64_t Loader::rows_per_epoch() const {
  const std::int64_t rows = impl_->dataset->size();
  return impl_->options.drop_last ? impl_->batches * impl_->options.batch : rows;
}

}  // namespace sinter::data
