// Objects that one user at a time works with, kept for the next.
#ifndef SINTER_BASE_FREE_LIST_H_
#define SINTER_BASE_FREE_LIST_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sinter {

// Thread-safe. One object is kept where no lock is needed: with one user at a time, as is most
// often the case, taking and giving are an atomic exchange each.
template <class T>
class FreeList {
 public:
  // Keeps at most `most` + 1 objects; those given beyond that are destroyed.
  explicit FreeList(std::size_t most) : most_(most) { others_.reserve(most); }
  ~FreeList() { delete first_.load(); }
  FreeList(const FreeList&) = delete;
  FreeList& operator=(const FreeList&) = delete;

  // Null when none is free.
  std::unique_ptr<T> take() {
    std::unique_ptr<T> object(first_.exchange(nullptr));
    if (object != nullptr) return object;
    const std::lock_guard lock(mutex_);
    if (others_.empty()) return nullptr;
    object = std::move(others_.back());
    others_.pop_back();
    return object;
  }

  // Allocates nothing.
  void give(std::unique_ptr<T> object) {
    std::unique_ptr<T> other(first_.exchange(object.release()));
    if (other == nullptr) return;
    const std::lock_guard lock(mutex_);
    if (others_.size() < most_) others_.push_back(std::move(other));
  }

 private:
  const std::size_t most_;
  std::atomic<T*> first_{nullptr};
  std::mutex mutex_;  // guards what follows
  std::vector<std::unique_ptr<T>> others_;
};

}  // namespace sinter

#endif  // SINTER_BASE_FREE_LIST_H_
