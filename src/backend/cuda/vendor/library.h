// A vendor's library, opened at run time where it is there.
#ifndef SINTER_BACKEND_CUDA_VENDOR_LIBRARY_H_
#define SINTER_BACKEND_CUDA_VENDOR_LIBRARY_H_

#include <compare>
#include <string>
#include <vector>

namespace sinter::backend::cuda::device {

struct Version {
  int major = 0;
  int minor = 0;

  std::string to_string() const { return std::to_string(major) + "." + std::to_string(minor); }
  friend auto operator<=>(const Version&, const Version&) = default;
};

// Stays open for the rest of the process. What is wrong with it is kept, not thrown: only the first
// thing, in one line.
class VendorLibrary {
 public:
  // The first of these files that can be loaded, as the loader finds them, else in CUDA_HOME/lib64
  // or /usr/local/cuda/lib64. A name with a slash is that file and no other.
  explicit VendorLibrary(const std::vector<std::string>& names);

  // Why it cannot be used; empty: it can.
  const std::string& problem() const { return problem_; }

  // Looks up a function: null, and a problem, where there is none.
  template <class Function>
  void find(const char* symbol, Function& function) {
    function = reinterpret_cast<Function>(address_of(symbol));
  }
  // A problem where it is older than `least`.
  void require(const Version& found, const Version& least);

 private:
  void open(const std::string& path);
  void* address_of(const char* symbol);

  void* handle_ = nullptr;
  std::string path_;
  std::string problem_;
};

}  // namespace sinter::backend::cuda::device

#endif  // SINTER_BACKEND_CUDA_VENDOR_LIBRARY_H_
