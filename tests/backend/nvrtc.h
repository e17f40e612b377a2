// NVRTC, opened at run time: for tests and tools that compile on machines without a GPU.
#ifndef SINTER_TESTS_BACKEND_NVRTC_H_
#define SINTER_TESTS_BACKEND_NVRTC_H_

#include <dlfcn.h>

#include <string>
#include <vector>

#include "backend/cuda/groups/fused.h"

namespace sinter::testing {

class Nvrtc {
 public:
  struct Result {
    bool compiled = false;
    std::string image;
    std::string log;
  };

  // Null where there is none.
  static const Nvrtc* open() {
    static const Nvrtc nvrtc;
    return nvrtc.compile_ == nullptr ? nullptr : &nvrtc;
  }

  // `architecture`: "sm_90".
  Result compile(const std::string& source, const std::string& architecture,
                 std::vector<std::string> options = {}) const {
    for (const char* option : backend::cuda::kFusedCompilerOptions) options.push_back(option);
    options.push_back("--gpu-architecture=" + architecture);
    std::vector<const char*> texts;
    for (const std::string& option : options) texts.push_back(option.c_str());
    Result result;
    void* program = nullptr;
    if (create_(&program, source.c_str(), "fused.cu", 0, nullptr, nullptr) != 0) return result;
    result.compiled = compile_(program, static_cast<int>(texts.size()), texts.data()) == 0;
    std::size_t bytes = 0;
    if (log_size_(program, &bytes) == 0) {
      result.log.resize(bytes);
      log_(program, result.log.data());
    }
    if (result.compiled && image_size_(program, &bytes) == 0) {
      result.image.resize(bytes);
      image_(program, result.image.data());
    }
    destroy_(&program);
    return result;
  }

 private:
  Nvrtc() {
    for (const char* name : {"libnvrtc.so.13", "/usr/local/cuda/lib64/libnvrtc.so.13",
                             "/usr/local/cuda/lib/libnvrtc.so.13", "libnvrtc.so.12",
                             "/usr/local/cuda/lib64/libnvrtc.so.12"}) {
      void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) continue;
      create_ = find<decltype(create_)>(library, "nvrtcCreateProgram");
      destroy_ = find<decltype(destroy_)>(library, "nvrtcDestroyProgram");
      log_size_ = find<decltype(log_size_)>(library, "nvrtcGetProgramLogSize");
      log_ = find<decltype(log_)>(library, "nvrtcGetProgramLog");
      image_size_ = find<decltype(image_size_)>(library, "nvrtcGetCUBINSize");
      image_ = find<decltype(image_)>(library, "nvrtcGetCUBIN");
      compile_ = find<decltype(compile_)>(library, "nvrtcCompileProgram");
      return;
    }
  }
  template <class Function>
  static Function find(void* library, const char* name) {
    return reinterpret_cast<Function>(dlsym(library, name));
  }

  int (*create_)(void**, const char*, const char*, int, const char* const*,
                 const char* const*) = nullptr;
  int (*destroy_)(void**) = nullptr;
  int (*compile_)(void*, int, const char* const*) = nullptr;
  int (*log_size_)(void*, std::size_t*) = nullptr;
  int (*log_)(void*, char*) = nullptr;
  int (*image_size_)(void*, std::size_t*) = nullptr;
  int (*image_)(void*, char*) = nullptr;
};

}  // namespace sinter::testing

#endif  // SINTER_TESTS_BACKEND_NVRTC_H_
