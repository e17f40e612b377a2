#include "backend/cuda/emulated/module.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "backend/cuda/emulated/runtime.h"
#include "backend/cuda/emulated/sanitizer.h"

namespace sinter_emulated {

class OpenObject {
 public:
  // `file` is closed with the object; may be -1.
  OpenObject(void* handle, int file) : handle_(handle), file_(file) {}
  ~OpenObject() {
    dlclose(handle_);
    if (file_ >= 0) close(file_);
  }
  OpenObject(const OpenObject&) = delete;
  OpenObject& operator=(const OpenObject&) = delete;

  void* find(const std::string& name) const { return dlsym(handle_, name.c_str()); }

 private:
  void* handle_;
  int file_;
};

namespace {

std::map<Library*, std::unique_ptr<Library>>& libraries() {
  static auto& the_libraries = *new std::map<Library*, std::unique_ptr<Library>>;
  return the_libraries;
}

// The kernels that cudaLibraryGetKernel gave, of libraries that are loaded.
std::map<const void*, std::shared_ptr<ModuleKernel>>& kernels() {
  static auto& the_kernels = *new std::map<const void*, std::shared_ptr<ModuleKernel>>;
  return the_kernels;
}

bool write_all(int file, const char* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = write(file, data, bytes);
    if (written <= 0) return false;
    data += written;
    bytes -= static_cast<std::size_t>(written);
  }
  return true;
}

// A path of the open file that no path before was equal to: the loader takes a file with the path
// of one that it has loaded for that one. Slashes, with and without a dot between, count.
std::string unique_path(int file) {
  static std::uint32_t count = 0;
  std::string path = "/proc/self/fd";
  ++count;
  for (int bit = 0; bit < 32; ++bit) path += (count >> bit & 1U) != 0 ? "/." : "/";
  return path + '/' + std::to_string(file);
}

// Opens a shared object that lies in memory, and tells it where the running thread is found.
std::shared_ptr<OpenObject> open_object(const char* data, std::size_t bytes) {
  int file = memfd_create("sinter_emulated_kernels", MFD_CLOEXEC);
  if (file < 0) return nullptr;
  void* handle = nullptr;
  if (write_all(file, data, bytes))
    handle = dlopen(unique_path(file).c_str(), RTLD_NOW | RTLD_LOCAL);
  // Sanitizers read names and lines from the file when they report; there must be room for other
  // files, too.
  const bool stays_open =
      (kAddressSanitizer || kThreadSanitizer) && handle != nullptr && file < 512;
  if (!stays_open) {
    close(file);
    file = -1;
  }
  if (handle == nullptr) return nullptr;
  auto object = std::make_shared<OpenObject>(handle, file);
  void* device = object->find("sinter_emulated_device");
  if (device == nullptr) return nullptr;
  *static_cast<Device**>(device) = &sinter_emulated_device;
  return object;
}

}  // namespace

std::uint64_t checksum(const char* data, std::size_t bytes) {
  std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a
  for (std::size_t i = 0; i < bytes; ++i) {
    hash = (hash ^ static_cast<unsigned char>(data[i])) * 0x100000001B3U;
  }
  return hash;
}

std::shared_ptr<const ModuleKernel> find_kernel(const void* handle) {
  const auto found = kernels().find(handle);
  return found == kernels().end() ? nullptr : found->second;
}

}  // namespace sinter_emulated

using namespace sinter_emulated;

cudaError_t cudaLibraryLoadData(cudaLibrary_t* result, const void* image, cudaJitOption*, void**,
                                unsigned, cudaLibraryOption*, void**, unsigned) {
  return call("cudaLibraryLoadData", InCapture::kUnsafe, [&] {
    if (result == nullptr || image == nullptr) return cudaErrorInvalidValue;
    ImageHeader header;
    std::memcpy(&header.magic, image, sizeof header.magic);
    if (std::memcmp(header.magic, kImageMagic, sizeof kImageMagic) != 0) {
      return cudaErrorInvalidKernelImage;
    }
    std::memcpy(&header, image, sizeof header);
    const char* data = static_cast<const char*>(image) + sizeof header;
    if (header.bytes > (1U << 30) || checksum(data, header.bytes) != header.checksum) {
      return cudaErrorInvalidKernelImage;
    }
    auto library = std::make_unique<Library>();
    library->object = open_object(data, header.bytes);
    if (library->object == nullptr) return cudaErrorInvalidKernelImage;
    *result = library.get();
    libraries()[library.get()] = std::move(library);
    return cudaSuccess;
  });
}

cudaError_t cudaLibraryUnload(cudaLibrary_t library) {
  return call("cudaLibraryUnload", InCapture::kUnsafe, [&] {
    const auto found = libraries().find(library);
    if (found == libraries().end()) return cudaErrorInvalidResourceHandle;
    for (const auto& [name, kernel] : found->second->kernels) kernels().erase(kernel.get());
    libraries().erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t* result, cudaLibrary_t handle, const char* name) {
  return call("cudaLibraryGetKernel", InCapture::kAllowed, [&] {
    if (result == nullptr || name == nullptr) return cudaErrorInvalidValue;
    const auto found = libraries().find(handle);
    if (found == libraries().end()) return cudaErrorInvalidResourceHandle;
    Library& library = *found->second;
    std::shared_ptr<ModuleKernel>& kernel = library.kernels[name];
    if (kernel == nullptr) {
      void* entry = library.object->find(std::string("sinter_emulated_call_") + name);
      void* bytes = library.object->find(std::string("sinter_emulated_bytes_") + name);
      if (entry == nullptr || bytes == nullptr) {
        library.kernels.erase(name);
        return cudaErrorSymbolNotFound;
      }
      kernel = std::make_shared<ModuleKernel>();
      kernel->name = name;
      kernel->entry = reinterpret_cast<KernelEntry>(entry);
      kernel->parameter_bytes = *static_cast<const unsigned long*>(bytes);
      kernel->object = library.object;
      kernels()[kernel.get()] = kernel;
    }
    *result = kernel.get();
    return cudaSuccess;
  });
}
