#include "backend/cuda/groups/kernel_cache.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "backend/cuda/groups/content_hash.h"
#include "base/file.h"
#include "base/switches.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {

namespace {

namespace fs = std::filesystem;

// A file: this line, the length of the key, the key, the image, and the crc32 of all before it.
// Another format, another line; files of another one are neither read nor removed sooner than
// others.
constexpr std::string_view kMagic = "sinter-kernel 2\n";
constexpr std::string_view kSuffix = ".kernel";
constexpr std::size_t kLargestFile = std::size_t{256} << 20;

// Its first line names the compiler, the rest is the same for any.
std::string key_text_of(const KernelKey& key) {
  return fmt::format("compiler {}\narchitecture {}{}\n{}", key.compiler_version, key.architecture,
                     key.is_emulated ? ", emulated" : "", key.source);
}

std::string_view without_compiler(std::string_view key_text) {
  return key_text.substr(std::min(key_text.find('\n'), key_text.size()));
}

// What the names of files for this key begin with, whatever the compiler.
std::string file_stem(const KernelKey& key) {
  return content_hash(without_compiler(key_text_of(key)));
}

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>((value >> (8 * i)) & 0xffu);
  return text;
}

std::uint64_t from_little_endian(std::string_view text) {
  std::uint64_t value = 0;
  for (std::size_t i = text.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(text[i]);
  }
  return value;
}

std::uint32_t checksum(std::string_view text) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const unsigned char*>(text.data()), text.size()));
}

std::string pack(const std::string& key_text, const std::string& image) {
  std::string content(kMagic);
  content += little_endian(key_text.size(), 8);
  content += key_text;
  content += image;
  return content + little_endian(checksum(content), 4);
}

// The image; nothing when the file is not what pack() wrote for this key.
std::optional<std::string> unpack(std::string_view content, const KernelKey& key) {
  const std::size_t head = kMagic.size() + 8;
  if (content.size() < head + 4 || content.substr(0, kMagic.size()) != kMagic) return {};
  const std::string_view body = content.substr(0, content.size() - 4);
  if (from_little_endian(content.substr(body.size())) != checksum(body)) return {};
  const std::uint64_t key_bytes = from_little_endian(body.substr(kMagic.size(), 8));
  if (key_bytes > body.size() - head) return {};
  const std::string_view found = body.substr(head, key_bytes);
  const std::string wanted = key_text_of(key);
  const bool is_same = key.compiler_version.empty()
                           ? without_compiler(found) == without_compiler(wanted)
                           : found == wanted;
  if (!is_same) return {};
  return std::string(body.substr(head + key_bytes));
}

}  // namespace

KernelCache::KernelCache(std::string folder, std::int64_t limit)
    : folder_(std::move(folder)), limit_(limit), writes_(!folder_.empty()) {}

std::string KernelCache::file_name(const KernelKey& key) {
  return fmt::format("{}-{}{}", file_stem(key), content_hash(key.compiler_version).substr(0, 8),
                     kSuffix);
}

std::string KernelCache::folder_of_environment() {
  if (const auto& named = switches().cache; named.has_value()) return *named;
  const char* const base = std::getenv("XDG_CACHE_HOME");
  if (base != nullptr && base[0] == '/') return std::string(base) + "/sinter";
  const char* const home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.cache/sinter";
  return "";
}

KernelCache& KernelCache::instance() {
  static auto* const cache = new KernelCache(folder_of_environment());
  return *cache;
}

KernelImage KernelCache::get(const KernelKey& key, const std::function<std::string()>& compile) {
  const std::string key_text = key_text_of(key);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = images_.find(key_text);
  if (known != images_.end()) return known->second;
  KernelImage image = key.compiler_version.empty() ? read_any(key) : read(key, file_name(key));
  if (image == nullptr) {
    ++compilations_;
    image = std::make_shared<const std::string>(compile());
    write(key, *image);
  }
  // Users hold what they need, and the folder has the rest: forgetting all is cheap and rare.
  if (images_.size() >= kImagesInProcess) images_.clear();
  images_.emplace(key_text, image);
  return image;
}

KernelImage KernelCache::read(const KernelKey& key, const std::string& name) const {
  if (folder_.empty()) return nullptr;
  const std::string path = folder_ + "/" + name;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return nullptr;
  try {
    std::optional<std::string> image = unpack(read_file(path, kLargestFile), key);
    if (!image.has_value()) return nullptr;
    // What is used is young: make_room() removes the oldest.
    fs::last_write_time(path, fs::file_time_type::clock::now(), error);
    return std::make_shared<const std::string>(*std::move(image));
  } catch (const Error&) {
    return nullptr;  // not to be read: as if it were not there
  }
}

KernelImage KernelCache::read_any(const KernelKey& key) const {
  const std::string stem = file_stem(key) + "-";
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.substr(0, stem.size()) == stem && it->path().extension() == kSuffix) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    if (KernelImage image = read(key, name)) return image;
  }
  return nullptr;
}

void KernelCache::write(const KernelKey& key, const std::string& image) {
  if (!writes_) return;
  const std::string content = pack(key_text_of(key), image);
  try {
    create_directories(folder_);
    make_room(static_cast<std::int64_t>(content.size()));
    write_file(folder_ + "/" + file_name(key), content);
    bytes_ += static_cast<std::int64_t>(content.size());
  } catch (const Error& error) {
    warn_once(error.what());
  }
}

void KernelCache::warn_once(const std::string& reason) {
  writes_ = false;
  std::fprintf(stderr,
               "sinter: compiled kernels are not kept for the next run: %s (SINTER_CACHE names "
               "another folder)\n",
               reason.c_str());
}

// The folder is looked through when this process first writes, and when it has written enough since
// to be over the limit; then the oldest files go until a quarter is free. Files that another
// process removes meanwhile are no matter.
void KernelCache::make_room(std::int64_t bytes) {
  if (bytes_ >= 0 && bytes_ + bytes <= limit_) return;
  struct Entry {
    fs::file_time_type time;
    fs::path path;
    std::int64_t bytes = 0;
  };
  std::vector<Entry> entries;
  std::error_code error;
  bytes_ = 0;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() != kSuffix) continue;
    std::error_code gone;
    const auto size = it->file_size(gone);
    const auto time = gone ? fs::file_time_type() : it->last_write_time(gone);
    if (gone) continue;
    entries.push_back({time, it->path(), static_cast<std::int64_t>(size)});
    bytes_ += entries.back().bytes;
  }
  if (bytes_ + bytes <= limit_) return;
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.time < b.time; });
  for (const Entry& entry : entries) {
    if (bytes_ + bytes <= limit_ / 4 * 3) break;
    fs::remove(entry.path, error);
    bytes_ -= entry.bytes;
  }
}

}  // namespace sinter::backend::cuda
