#include "backend/cuda/vendor/nvrtc.h"

#include <nvrtc.h>

#include <algorithm>
#include <vector>

#include "backend/cuda/device/failure.h"
#include "backend/cuda/vendor/library.h"
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

Functions load() {
  VendorLibrary library({"libnvrtc.so.13", "libnvrtc.so.12"});
  Functions f{};
  library.find("nvrtcVersion", f.nvrtcVersion);
  library.find("nvrtcGetNumSupportedArchs", f.nvrtcGetNumSupportedArchs);
  library.find("nvrtcGetSupportedArchs", f.nvrtcGetSupportedArchs);
  library.find("nvrtcCreateProgram", f.nvrtcCreateProgram);
  library.find("nvrtcDestroyProgram", f.nvrtcDestroyProgram);
  library.find("nvrtcCompileProgram", f.nvrtcCompileProgram);
  library.find("nvrtcGetCUBINSize", f.nvrtcGetCUBINSize);
  library.find("nvrtcGetCUBIN", f.nvrtcGetCUBIN);
  library.find("nvrtcGetPTXSize", f.nvrtcGetPTXSize);
  library.find("nvrtcGetPTX", f.nvrtcGetPTX);
  library.find("nvrtcGetProgramLogSize", f.nvrtcGetProgramLogSize);
  library.find("nvrtcGetProgramLog", f.nvrtcGetProgramLog);
  library.find("nvrtcGetErrorString", f.nvrtcGetErrorString);
  if (!library.problem().empty()) throw Failure(kSinterCudaNoCompiler, library.problem());
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
  Version version;
  check_nvrtc(f, f.nvrtcVersion(&version.major, &version.minor), "nvrtcVersion");
  return "nvrtc " + version.to_string();
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
