#include "backend/cuda/library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "backend/cuda/status.h"
#include "base/switches.h"

namespace sinter::backend::cuda {

namespace {

constexpr const char* kFileName = "libsinter_cuda.so";

// The folder of the running program; empty when the system does not say.
std::string program_folder() {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (length <= 0) return "";
  const std::string text(path.data(), static_cast<std::size_t>(length));
  return text.substr(0, text.rfind('/'));
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// What is wrong with the table; empty when nothing is. Nothing but its first two members may be
// looked at before they are known to be right.
std::string check_table(const SinterCudaApi* api) {
  if (api == nullptr) return "it gives no table of functions";
  if (api->abi != kSinterCudaAbi) {
    return "it was made for another version of Sinter (ABI " + std::to_string(api->abi) +
           ", expected " + std::to_string(kSinterCudaAbi) + ")";
  }
  if (api->size != static_cast<std::int32_t>(sizeof(SinterCudaApi))) {
    return "it was made for another version of Sinter (a table of " + std::to_string(api->size) +
           " bytes, expected " + std::to_string(sizeof(SinterCudaApi)) + ")";
  }
  return "";
}

Library load_file(const std::string& path) {
  Library library{.api = nullptr, .path = path, .problem = {}};
  void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const reason = dlerror();
    library.problem = reason != nullptr ? reason : path + " cannot be loaded";
    return library;
  }
  auto* const function = reinterpret_cast<SinterCudaApiFunction>(dlsym(handle, "sinter_cuda_api"));
  if (function == nullptr) {
    library.problem = path + ": it is no CUDA library of Sinter (it has no sinter_cuda_api)";
  } else {
    const SinterCudaApi* const api = function();
    library.problem = check_table(api);
    if (library.problem.empty()) {
      library.api = api;
      return library;
    }
    library.problem = path + ": " + library.problem;
  }
  return library;
}

}  // namespace

std::vector<std::string> library_paths() {
  const std::string& given = switches().cuda_library;
  if (!given.empty()) return {given};
  std::vector<std::string> paths;
  const std::string folder = program_folder();
  if (folder.empty()) return paths;
  for (const char* place : {"/", "/../lib/", "/../lib/sinter/"}) {
    paths.push_back(folder + place + kFileName);
  }
  return paths;
}

Library load_library(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (access(path.c_str(), F_OK) == 0) return load_file(path);
  }
  if (paths.size() == 1) {
    return {.api = nullptr, .path = {}, .problem = paths[0] + ": there is no such file"};
  }
  std::vector<std::string> folders;
  for (const std::string& path : paths) folders.push_back(path.substr(0, path.rfind('/')));
  return {.api = nullptr,
          .path = {},
          .problem = std::string(kFileName) + " was not found in " + joined(folders) +
                     " (SINTER_CUDA_LIBRARY names it elsewhere)"};
}

// Never destroyed: Tensors with static storage may outlive it.
const Library& library() {
  static const Library* const instance = new Library(load_library(library_paths()));
  return *instance;
}

DeviceTable list_devices(const Library& library) {
  DeviceTable table;
  if (library.api == nullptr) {
    table.problem = library.problem;
    return table;
  }
  const SinterCudaApi& api = *library.api;
  std::int32_t count = 0;
  int status = api.count_devices(&count);
  for (std::int32_t i = 0; status == kSinterCudaOk && i < count; ++i) {
    status = api.describe_device(i, &table.devices.emplace_back());
  }
  if (status != kSinterCudaOk) {
    table.devices.clear();
    table.problem = problem_text(status, api.last_error());
  } else if (count == 0) {
    table.problem = "there is no NVIDIA GPU";
  }
  return table;
}

}  // namespace sinter::backend::cuda
