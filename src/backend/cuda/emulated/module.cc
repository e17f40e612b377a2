#include "backend/cuda/emulated/module.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "backend/cuda/emulated/runtime.h"

namespace sinter_emulated {

class OpenObject {
 public:
  explicit OpenObject(void* handle) : handle_(handle) {}
  ~OpenObject() { dlclose(handle_); }
  OpenObject(const OpenObject&) = delete;
  OpenObject& operator=(const OpenObject&) = delete;

  void* find(const std::string& name) const { return dlsym(handle_, name.c_str()); }

 private:
  void* handle_;
};

namespace {

std::map<Library*, std::unique_ptr<Library>>& libraries() {
  static std::map<Library*, std::unique_ptr<Library>> the_libraries;
  return the_libraries;
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

// Opens a shared object that lies in memory, and tells it where the running thread is found.
std::shared_ptr<OpenObject> open_object(const char* data, std::size_t bytes) {
  const int file = memfd_create("sinter_emulated_kernels", MFD_CLOEXEC);
  if (file < 0) return nullptr;
  void* handle = nullptr;
  if (write_all(file, data, bytes)) {
    // The loader tells files apart by device and inode, which every memfd has its own of.
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  close(file);
  if (handle == nullptr) return nullptr;
  auto object = std::make_shared<OpenObject>(handle);
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
  for (const auto& [library_handle, library] : libraries()) {
    for (const auto& [name, kernel] : library->kernels) {
      if (kernel.get() == handle) return kernel;
    }
  }
  return nullptr;
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
    return libraries().erase(library) == 1 ? cudaSuccess : cudaErrorInvalidResourceHandle;
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
    }
    *result = kernel.get();
    return cudaSuccess;
  });
}
