#include "backend/cuda/emulated/include/sinter_emulated/compiler.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/cuda/emulated/module.h"
#include "backend/cuda/emulated/module_text.h"
#include "backend/cuda/emulated/runtime.h"
#include "backend/cuda/emulated/sanitizer.h"

struct _nvrtcProgram {
  std::string source;
  std::string name;
  std::string log;
  std::string image;
};

namespace sinter_emulated {
namespace {

// A file without a name, closed at the end.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view content) : file_(memfd_create("sinter", MFD_CLOEXEC)) {
    while (!content.empty()) {
      const ssize_t written = write(file_, content.data(), content.size());
      if (written <= 0) break;
      content.remove_prefix(static_cast<std::size_t>(written));
    }
    lseek(file_, 0, SEEK_SET);
  }
  ~MemoryFile() { close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return file_; }

 private:
  int file_;
};

std::string read_file(int file) {
  std::string content;
  lseek(file, 0, SEEK_SET);
  char buffer[65536];
  while (true) {
    const ssize_t count = read(file, buffer, sizeof buffer);
    if (count <= 0) return content;
    content.append(buffer, static_cast<std::size_t>(count));
  }
}

std::string read_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::string content = read_file(file);
  close(file);
  return content;
}

// Runs a program; its output and errors go to `output`. Returns its exit status, -1 if it did not
// start.
int run(const std::vector<std::string>& command, std::string_view input, std::string& output) {
  const MemoryFile in(input);
  const MemoryFile out({});
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.descriptor(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.descriptor(), 1);
  posix_spawn_file_actions_adddup2(&actions, out.descriptor(), 2);
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t process = 0;
  const int error =
      posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return -1;
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  output = read_file(out.descriptor());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string compiler() {
  const char* chosen = std::getenv("SINTER_EMULATED_CXX");
  return chosen == nullptr || chosen[0] == 0 ? "c++" : chosen;
}

// The first line of `c++ --version`; empty if there is no compiler.
const std::string& compiler_line() {
  static const std::string line = [] {
    std::string output;
    if (run({compiler(), "--version"}, {}, output) != 0) output.clear();
    return output.substr(0, output.find('\n'));
  }();
  return line;
}

// The flags for NVRTC's options; false if one is unknown. An architecture is needed.
bool read_options(const std::vector<std::string_view>& options, std::vector<std::string>& flags) {
  bool has_architecture = false;
  bool contracts = true;
  for (const std::string_view option : options) {
    const std::size_t equals = std::min(option.find('='), option.size());
    const std::string_view name = option.substr(0, equals);
    const std::string_view value = option.substr(std::min(equals + 1, option.size()));
    if (name == "--gpu-architecture" || name == "-arch") {
      has_architecture = value.substr(0, 3) == "sm_";
    } else if (name == "--std" || name == "-std") {
      if (value != "c++17" && value != "c++20") return false;
    } else if (name == "--fmad" || name == "-fmad") {
      contracts = value != "false";
    } else if (name == "--ftz" || name == "-ftz") {
      if (value != "false") return false;
    } else if (name == "--prec-div" || name == "--prec-sqrt" || name == "-prec-div" ||
               name == "-prec-sqrt") {
      if (value != "true") return false;
    } else {
      return false;
    }
  }
  flags.push_back(contracts ? "-ffp-contract=fast" : "-ffp-contract=off");
  if (contracts) flags.push_back("-fexpensive-optimizations");  // GCC contracts among these
  return has_architecture;
}

std::vector<std::string> compile_command(const std::vector<std::string>& flags,
                                         const std::string& object) {
  std::vector<std::string> command{compiler(),
                                   "-x",
                                   "c++",
                                   "-std=c++20",
                                   "-O1",
                                   "-fPIC",
                                   "-shared",
                                   "-nostdlib",
                                   "-nostdinc",
                                   "-pipe",
                                   "-fno-exceptions",
                                   "-fno-rtti",
                                   "-fno-asynchronous-unwind-tables",
                                   "-fvisibility=hidden",
                                   "-Wno-attributes"};
#if defined(__x86_64__)
  command.push_back("-mfma");
#endif
  if (kAddressSanitizer) command.insert(command.end(), {"-fsanitize=address", "-g1"});
  if (kThreadSanitizer) command.insert(command.end(), {"-fsanitize=thread", "-g1"});
  command.insert(command.end(), flags.begin(), flags.end());
  command.insert(command.end(), {"-o", object, "-"});
  return command;
}

nvrtcResult version(int* major, int* minor) {
  if (major == nullptr || minor == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  *major = CUDART_VERSION / 1000;
  *minor = CUDART_VERSION % 1000 / 10;
  return NVRTC_SUCCESS;
}

nvrtcResult create_program(nvrtcProgram* program, const char* source, const char* name,
                           int header_count, const char* const*, const char* const*) {
  if (program == nullptr || source == nullptr || header_count != 0)
    return NVRTC_ERROR_INVALID_INPUT;
  *program = new _nvrtcProgram{source, name == nullptr ? "default_program" : name, {}, {}};
  return NVRTC_SUCCESS;
}

nvrtcResult destroy_program(nvrtcProgram* program) {
  if (program == nullptr || *program == nullptr) return NVRTC_ERROR_INVALID_PROGRAM;
  delete *program;
  *program = nullptr;
  return NVRTC_SUCCESS;
}

nvrtcResult compile_program(nvrtcProgram program, int option_count, const char* const* options) {
  if (program == nullptr) return NVRTC_ERROR_INVALID_PROGRAM;
  std::vector<std::string> flags;
  if (!read_options({options, options + option_count}, flags)) return NVRTC_ERROR_INVALID_OPTION;
  const char* temporary = std::getenv("TMPDIR");
  std::string folder = std::string(temporary == nullptr ? "/tmp" : temporary) + "/sinterXXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return NVRTC_ERROR_INTERNAL_ERROR;
  const std::string object = folder + "/kernels.so";
  const int status = run(compile_command(flags, object),
                         module_text(program->source, program->name), program->log);
  const std::string content = status == 0 ? read_file(object) : std::string();
  unlink(object.c_str());
  rmdir(folder.c_str());
  if (status != 0) return NVRTC_ERROR_COMPILATION;
  if (content.empty()) return NVRTC_ERROR_INTERNAL_ERROR;
  ImageHeader header{{}, content.size(), checksum(content.data(), content.size())};
  std::memcpy(header.magic, kImageMagic, sizeof kImageMagic);
  program->image.assign(reinterpret_cast<const char*>(&header), sizeof header);
  program->image += content;
  return NVRTC_SUCCESS;
}

nvrtcResult image_bytes(nvrtcProgram program, size_t* bytes) {
  if (program == nullptr) return NVRTC_ERROR_INVALID_PROGRAM;
  if (bytes == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  *bytes = program->image.size();
  return NVRTC_SUCCESS;
}

nvrtcResult get_image(nvrtcProgram program, char* image) {
  if (program == nullptr || program->image.empty()) return NVRTC_ERROR_INVALID_PROGRAM;
  if (image == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  std::memcpy(image, program->image.data(), program->image.size());
  return NVRTC_SUCCESS;
}

nvrtcResult log_bytes(nvrtcProgram program, size_t* bytes) {
  if (program == nullptr) return NVRTC_ERROR_INVALID_PROGRAM;
  if (bytes == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  *bytes = program->log.size() + 1;
  return NVRTC_SUCCESS;
}

nvrtcResult get_log(nvrtcProgram program, char* log) {
  if (program == nullptr) return NVRTC_ERROR_INVALID_PROGRAM;
  if (log == nullptr) return NVRTC_ERROR_INVALID_INPUT;
  std::memcpy(log, program->log.c_str(), program->log.size() + 1);
  return NVRTC_SUCCESS;
}

const char* error_string(nvrtcResult result) {
  switch (result) {
    case NVRTC_SUCCESS:
      return "NVRTC_SUCCESS";
    case NVRTC_ERROR_OUT_OF_MEMORY:
      return "NVRTC_ERROR_OUT_OF_MEMORY";
    case NVRTC_ERROR_PROGRAM_CREATION_FAILURE:
      return "NVRTC_ERROR_PROGRAM_CREATION_FAILURE";
    case NVRTC_ERROR_INVALID_INPUT:
      return "NVRTC_ERROR_INVALID_INPUT";
    case NVRTC_ERROR_INVALID_PROGRAM:
      return "NVRTC_ERROR_INVALID_PROGRAM";
    case NVRTC_ERROR_INVALID_OPTION:
      return "NVRTC_ERROR_INVALID_OPTION";
    case NVRTC_ERROR_COMPILATION:
      return "NVRTC_ERROR_COMPILATION";
    case NVRTC_ERROR_INTERNAL_ERROR:
      return "NVRTC_ERROR_INTERNAL_ERROR";
  }
  return "NVRTC_ERROR unknown";
}

constexpr NvrtcFunctions kFunctions = {
    version,   create_program, destroy_program, compile_program, image_bytes,
    get_image, log_bytes,      get_log,         error_string,
};

}  // namespace

const NvrtcFunctions* nvrtc_functions() {
  const std::lock_guard<std::recursive_mutex> lock(runtime_lock());
  return compiler_is_missing() || compiler_line().empty() ? nullptr : &kFunctions;
}

const char* compiler_version() {
  // What is compiled into every module is part of what an image depends on.
  static const std::string text =
      "emulated " + std::to_string(std::hash<std::string_view>{}(kDeviceText) % 1000000) + " " +
      compiler_line() + (kAddressSanitizer ? " address" : "") + (kThreadSanitizer ? " thread" : "");
  return text.c_str();
}

}  // namespace sinter_emulated
