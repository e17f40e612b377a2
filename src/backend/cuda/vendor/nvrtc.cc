#include "backend/cuda/vendor/nvrtc.h"

#include <dlfcn.h>
#include <nvrtc.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "backend/cuda/device/failure.h"
#ifdef SINTER_CUDA_EMULATED
#include "sinter_emulated/compiler.h"
#endif

namespace sinter::backend::cuda::device {
namespace {

#ifdef SINTER_CUDA_EMULATED

using Functions = sinter_emulated::NvrtcFunctions;

const Functions& functions() {
  const Functions* found = sinter_emulated::nvrtc_functions();
  if (found == nullptr) throw Failure(kSinterCudaNoCompiler, "no C++ compiler stands in for NVRTC");
  return *found;
}

// The kind of code to make, and how to fetch it.
struct Target {
  std::string option;
  bool is_ptx;
};
Target target_of(const Functions&, int architecture) {
  return {"--gpu-architecture=sm_" + std::to_string(architecture / 10), false};
}
std::string ptx_of(const Functions&, nvrtcProgram) { return {}; }

#else

struct Functions {
  decltype(&::nvrtcVersion) nvrtcVersion;
  decltype(&::nvrtcGetNumSupportedArchs) nvrtcGetNumSupportedArchs;
  decltype(&::nvrtcGetSupportedArchs) nvrtcGetSupportedArchs;
  decltype(&::nvrtcCreateProgram) nvrtcCreateProgram;
  decltype(&::nvrtcDestroyProgram) nvrtcDestroyProgram;
  decltype(&::nvrtcCompileProgram) nvrtcCompileProgram;
  decltype(&::nvrtcGetCUBINSize) nvrtcGetCUBINSize;
  decltype(&::nvrtcGetCUBIN) nvrtcGetCUBIN;
  decltype(&::nvrtcGetPTXSize) nvrtcGetPTXSize;
  decltype(&::nvrtcGetPTX) nvrtcGetPTX;
  decltype(&::nvrtcGetProgramLogSize) nvrtcGetProgramLogSize;
  decltype(&::nvrtcGetProgramLog) nvrtcGetProgramLog;
  decltype(&::nvrtcGetErrorString) nvrtcGetErrorString;
};

// The loader's own places first, then the toolkit's.
void* open_library() {
  const char* home = std::getenv("CUDA_HOME");
  const std::string folders[] = {"", home != nullptr ? std::string(home) + "/lib64/" : "",
                                 "/usr/local/cuda/lib64/"};
  for (const std::string& folder : folders) {
    for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12"}) {
      void* library = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL);
      if (library != nullptr) return library;
    }
  }
  throw Failure(kSinterCudaNoCompiler,
                "libnvrtc.so.13 or libnvrtc.so.12 was not found by the loader, in CUDA_HOME or in "
                "/usr/local/cuda");
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) {
    throw Failure(kSinterCudaNoCompiler, std::string("libnvrtc has no function ") + name);
  }
}

Functions load() {
  void* library = open_library();
  Functions f{};
  find(library, "nvrtcVersion", f.nvrtcVersion);
  find(library, "nvrtcGetNumSupportedArchs", f.nvrtcGetNumSupportedArchs);
  find(library, "nvrtcGetSupportedArchs", f.nvrtcGetSupportedArchs);
  find(library, "nvrtcCreateProgram", f.nvrtcCreateProgram);
  find(library, "nvrtcDestroyProgram", f.nvrtcDestroyProgram);
  find(library, "nvrtcCompileProgram", f.nvrtcCompileProgram);
  find(library, "nvrtcGetCUBINSize", f.nvrtcGetCUBINSize);
  find(library, "nvrtcGetCUBIN", f.nvrtcGetCUBIN);
  find(library, "nvrtcGetPTXSize", f.nvrtcGetPTXSize);
  find(library, "nvrtcGetPTX", f.nvrtcGetPTX);
  find(library, "nvrtcGetProgramLogSize", f.nvrtcGetProgramLogSize);
  find(library, "nvrtcGetProgramLog", f.nvrtcGetProgramLog);
  find(library, "nvrtcGetErrorString", f.nvrtcGetErrorString);
  return f;
}

// Once found it stays open; while it is not, every call looks again.
const Functions& functions() {
  static const Functions found = load();
  return found;
}

// The kind of code to make, and how to fetch it.
struct Target {
  std::string option;
  bool is_ptx;
};
Target target_of(const Functions& f, int architecture) {
  int count = 0;
  if (f.nvrtcGetNumSupportedArchs(&count) != NVRTC_SUCCESS) count = 0;
  std::vector<int> known(static_cast<std::size_t>(count));
  if (count > 0 && f.nvrtcGetSupportedArchs(known.data()) != NVRTC_SUCCESS) known.clear();
  const int wanted = architecture / 10;
  int newest = 0;
  for (const int each : known) newest = each <= wanted ? std::max(newest, each) : newest;
  if (newest == wanted || newest == 0) {
    return {"--gpu-architecture=sm_" + std::to_string(wanted), false};
  }
  return {"--gpu-architecture=compute_" + std::to_string(newest), true};
}

#endif

void check_nvrtc(const Functions& f, nvrtcResult result, const char* what) {
  if (result == NVRTC_SUCCESS) return;
  const bool memory = result == NVRTC_ERROR_OUT_OF_MEMORY;
  throw Failure(memory ? kSinterCudaOutOfMemory : kSinterCudaCompileError,
                std::string(what) + ": " + f.nvrtcGetErrorString(result));
}

#ifndef SINTER_CUDA_EMULATED
std::string ptx_of(const Functions& f, nvrtcProgram program) {
  std::size_t bytes = 0;
  check_nvrtc(f, f.nvrtcGetPTXSize(program, &bytes), "nvrtcGetPTXSize");
  std::string image(bytes, '\0');
  check_nvrtc(f, f.nvrtcGetPTX(program, image.data()), "nvrtcGetPTX");
  return image;
}
#endif

std::string cubin_of(const Functions& f, nvrtcProgram program) {
  std::size_t bytes = 0;
  check_nvrtc(f, f.nvrtcGetCUBINSize(program, &bytes), "nvrtcGetCUBINSize");
  std::string image(bytes, '\0');
  check_nvrtc(f, f.nvrtcGetCUBIN(program, image.data()), "nvrtcGetCUBIN");
  return image;
}

// What the compiler said, on one line.
std::string log_of(const Functions& f, nvrtcProgram program) {
  std::size_t bytes = 0;
  if (f.nvrtcGetProgramLogSize(program, &bytes) != NVRTC_SUCCESS || bytes == 0) return {};
  std::string log(bytes, '\0');
  if (f.nvrtcGetProgramLog(program, log.data()) != NVRTC_SUCCESS) return {};
  log.resize(log.find('\0') == std::string::npos ? log.size() : log.find('\0'));
  while (!log.empty() && log.back() == '\n') log.pop_back();
  std::replace(log.begin(), log.end(), '\n', ' ');
  return log;
}

// A program; destroyed with the object.
class Program {
 public:
  Program(const Functions& f, const char* source) : f_(f) {
    check_nvrtc(f, f.nvrtcCreateProgram(&program_, source, "sinter.cu", 0, nullptr, nullptr),
                "nvrtcCreateProgram");
  }
  ~Program() { static_cast<void>(f_.nvrtcDestroyProgram(&program_)); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  nvrtcProgram get() const { return program_; }

 private:
  const Functions& f_;
  nvrtcProgram program_ = nullptr;
};

}  // namespace

std::string compiler_version() {
#ifdef SINTER_CUDA_EMULATED
  static_cast<void>(functions());
  return sinter_emulated::compiler_version();
#else
  const Functions& f = functions();
  int major = 0, minor = 0;
  check_nvrtc(f, f.nvrtcVersion(&major, &minor), "nvrtcVersion");
  return "nvrtc " + std::to_string(major) + "." + std::to_string(minor);
#endif
}

std::string compile(const char* source, int architecture) {
  const Functions& f = functions();
  const Target target = target_of(f, architecture);
  const char* options[] = {target.option.c_str(), "--std=c++17",     "--fmad=false",
                           "--ftz=false",         "--prec-div=true", "--prec-sqrt=true"};
  const Program program(f, source);
  const nvrtcResult result =
      f.nvrtcCompileProgram(program.get(), static_cast<int>(std::size(options)), options);
  if (result != NVRTC_SUCCESS) {
    throw Failure(kSinterCudaCompileError, std::string("nvrtcCompileProgram: ") +
                                               f.nvrtcGetErrorString(result) + ": " +
                                               log_of(f, program.get()));
  }
  return target.is_ptx ? ptx_of(f, program.get()) : cubin_of(f, program.get());
}

}  // namespace sinter::backend::cuda::device
