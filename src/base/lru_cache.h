// A bounded map that forgets what was used longest ago.
#ifndef SINTER_BASE_LRU_CACHE_H_
#define SINTER_BASE_LRU_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace sinter {

// Values by keys of bytes, each with a weight. Values are shared: one that is forgotten lives on
// with those who hold it. Thread-safe.
template <class Value>
class LruCache {
 public:
  // At most `max_count` values that weigh at most `max_weight` together; the newest one is kept
  // whatever it weighs.
  explicit LruCache(std::size_t max_count, std::int64_t max_weight = 0)
      : max_count_(max_count), max_weight_(max_weight) {}

  // Null when there is none.
  std::shared_ptr<Value> find(std::string_view key) {
    const std::lock_guard lock(mutex_);
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return entries_.front().value;
  }

  // Gives the value that is kept: another thread's, if that was faster.
  std::shared_ptr<Value> add(std::string key, std::shared_ptr<Value> value,
                             std::int64_t weight = 0) {
    std::list<Entry> forgotten;  // destroyed after the lock is given back
    const std::lock_guard lock(mutex_);
    const auto found = index_.find(key);
    if (found != index_.end()) return found->second->value;
    entries_.push_front({std::move(key), std::move(value), weight});
    index_.emplace(entries_.front().key, entries_.begin());
    weight_ += weight;
    while (entries_.size() > 1 && (entries_.size() > max_count_ || weight_ > max_weight_)) {
      weight_ -= entries_.back().weight;
      index_.erase(entries_.back().key);
      forgotten.splice(forgotten.begin(), entries_, std::prev(entries_.end()));
    }
    return entries_.front().value;
  }

  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<Value> value;
    std::int64_t weight;
  };

  const std::size_t max_count_;
  const std::int64_t max_weight_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the last used first
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator> index_;  // of its keys
  std::int64_t weight_ = 0;
};

}  // namespace sinter

#endif  // SINTER_BASE_LRU_CACHE_H_
