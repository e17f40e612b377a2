// Compiled fused groups, kept from run to run in a folder, by content.
//
// The folder is SINTER_CACHE, else $XDG_CACHE_HOME/sinter, else ~/.cache/sinter. A file holds one
// image; its name is made of hashes of all that the image depends on, its head is that text itself,
// its tail a checksum. So a machine without a compiler runs what was compiled before, there or
// elsewhere. A file that is cut, changed or of something else counts as absent, and is replaced.
// Files appear whole or not at all, so that any number of processes may use one folder at once;
// each compiles what it does not find. Where the folder cannot be made or written, or SINTER_CACHE
// is set to nothing, images are kept in the process only; the first failure is said once, on
// standard error.
#ifndef SINTER_BACKEND_CUDA_GROUPS_KERNEL_CACHE_H_
#define SINTER_BACKEND_CUDA_GROUPS_KERNEL_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace sinter::backend::cuda {

using KernelImage = std::shared_ptr<const std::string>;

// What an image depends on.
struct KernelKey {
  std::string_view source;
  std::int32_t architecture = 0;      // 100 * major + 10 * minor
  bool is_emulated = false;           // its images are for the emulated device
  std::string_view compiler_version;  // "nvrtc 13.0"; empty: there is none, any one's image serves
};

class KernelCache {
 public:
  // An empty folder name: none. `limit` is about how many bytes the folder may hold.
  explicit KernelCache(std::string folder, std::int64_t limit = kDefaultLimit);

  // The image for `key`: of this process, of the folder, or from `compile`, which may throw (and
  // does where there is no compiler). Safe to call from several threads; each image is compiled by
  // one of them at a time.
  KernelImage get(const KernelKey& key, const std::function<std::string()>& compile);

  // How often something was compiled so far.
  std::int64_t compilations() const { return compilations_; }

  // "HASH-HASH.kernel": of all but the compiler, and of that
  static std::string file_name(const KernelKey& key);

  // The cache of this process, in the folder that the switches name.
  static KernelCache& instance();
  // The folder that the environment names now; empty: none.
  static std::string folder_of_environment();

  static constexpr std::int64_t kDefaultLimit = std::int64_t{512} << 20;
  static constexpr std::size_t kImagesInProcess = 256;

 private:
  KernelImage read(const KernelKey& key, const std::string& name) const;
  KernelImage read_any(const KernelKey& key) const;
  void write(const KernelKey& key, const std::string& image);
  void make_room(std::int64_t bytes);
  void warn_once(const std::string& reason);

  const std::string folder_;
  const std::int64_t limit_;
  std::mutex mutex_;
  std::map<std::string, KernelImage> images_;  // by key text
  std::atomic<std::int64_t> compilations_{0};
  bool writes_ = true;
  std::int64_t bytes_ = -1;  // in the folder, about; -1: not looked at yet
};

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_GROUPS_KERNEL_CACHE_H_
