#include "backend/cuda/vendor/library.h"

#include <dlfcn.h>

#include <cstdlib>

namespace sinter::backend::cuda::device {

VendorLibrary::VendorLibrary(const std::vector<std::string>& names) {
  if (names.size() == 1 && names[0].find('/') != std::string::npos) {
    open(names[0]);
    if (handle_ != nullptr) return;
    const char* const reason = dlerror();
    problem_ = reason != nullptr ? reason : names[0] + " cannot be loaded";
    return;
  }
  const char* const home = std::getenv("CUDA_HOME");
  const std::string folders[] = {"", home != nullptr ? std::string(home) + "/lib64/" : "",
                                 "/usr/local/cuda/lib64/"};
  for (const std::string& folder : folders) {
    for (const std::string& name : names) {
      open(folder + name);
      if (handle_ != nullptr) return;
    }
  }
  for (const std::string& name : names) problem_ += (problem_.empty() ? "" : " or ") + name;
  problem_ += " was not found by the loader, in CUDA_HOME or in /usr/local/cuda";
}

void VendorLibrary::open(const std::string& path) {
  handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ != nullptr) path_ = path;
}

void* VendorLibrary::address_of(const char* symbol) {
  if (handle_ == nullptr) return nullptr;
  void* const address = dlsym(handle_, symbol);
  if (address == nullptr && problem_.empty()) {
    problem_ = path_ + " has no function " + symbol;
  }
  return address;
}

void VendorLibrary::require(const Version& found, const Version& least) {
  if (found >= least || !problem_.empty()) return;
  problem_ =
      path_ + " is version " + found.to_string() + ", at least " + least.to_string() + " is needed";
}

}  // namespace sinter::backend::cuda::device
