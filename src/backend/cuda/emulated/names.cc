#include "backend/cuda/emulated/names.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace sinter_emulated {
namespace {

// A file in memory.
class MappedFile {
 public:
  explicit MappedFile(const char* path) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status = {};
    if (file >= 0 && fstat(file, &status) == 0 && status.st_size > 0) {
      bytes_ = static_cast<std::size_t>(status.st_size);
      data_ = mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, file, 0);
    }
    if (file >= 0) close(file);
  }
  ~MappedFile() {
    if (data_ != MAP_FAILED) munmap(data_, bytes_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // The `count` objects at `offset`, or null when the file is shorter.
  template <class T>
  const T* at(std::uint64_t offset, std::uint64_t count = 1) const {
    if (data_ == MAP_FAILED || offset > bytes_ || count > (bytes_ - offset) / sizeof(T))
      return nullptr;
    return reinterpret_cast<const T*>(static_cast<const char*>(data_) + offset);
  }

 private:
  void* data_ = MAP_FAILED;
  std::size_t bytes_ = 0;
};

// The name of the symbol that starts at `address` of the file's own addresses.
std::string symbol_at(const MappedFile& file, std::uint64_t address) {
  const auto* header = file.at<ElfW(Ehdr)>(0);
  if (header == nullptr) return {};
  const auto* sections = file.at<ElfW(Shdr)>(header->e_shoff, header->e_shnum);
  for (int i = 0; sections != nullptr && i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= header->e_shnum) continue;
    const std::uint64_t count = sections[i].sh_size / sizeof(ElfW(Sym));
    const auto* symbols = file.at<ElfW(Sym)>(sections[i].sh_offset, count);
    const ElfW(Shdr)& strings = sections[sections[i].sh_link];
    const char* text = file.at<char>(strings.sh_offset, strings.sh_size);
    if (symbols == nullptr || text == nullptr) continue;
    for (std::uint64_t s = 0; s < count; ++s) {
      const bool is_it = symbols[s].st_value == address && (symbols[s].st_info & 15) == STT_FUNC;
      if (is_it && symbols[s].st_name < strings.sh_size) return text + symbols[s].st_name;
    }
  }
  return {};
}

}  // namespace

const char* function_name(const void* function) {
  static std::string name;
  Dl_info info = {};
  link_map* map = nullptr;
  name.clear();
  if (dladdr1(function, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) != 0) {
    const bool is_program = map->l_name == nullptr || map->l_name[0] == 0;
    const MappedFile file(is_program ? "/proc/self/exe" : map->l_name);
    name = symbol_at(file, reinterpret_cast<std::uintptr_t>(function) - map->l_addr);
  }
  int status = 0;
  if (char* plain = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status)) {
    name = plain;
    std::free(plain);
  }
  // Without the parameters: from the last closing parenthesis back to its partner.
  const std::string::size_type end = name.rfind(')');
  int depth = 0;
  for (std::string::size_type i = end; end != std::string::npos; --i) {
    depth += name[i] == ')' ? 1 : name[i] == '(' ? -1 : 0;
    if (depth == 0 || i == 0) {
      name.erase(i);
      break;
    }
  }
  if (name.empty()) name = "kernel";
  return name.c_str();
}

}  // namespace sinter_emulated
