// What this library is and runs on.
#ifndef SINTER_SYSTEM_H_
#define SINTER_SYSTEM_H_

#include <string>
#include <vector>

namespace sinter {

// "0.1.0"
const char* version();

// The number of threads that ops may use, the calling one included. Throws Error when the switch
// SINTER_THREADS is not a number.
int thread_count();
// Throws Error unless 1 <= count <= 1024.
void set_thread_count(int count);

struct Library {
  std::string name;
  std::string version;
};

// What may change the last bits of a result besides the program itself.
struct SystemInfo {
  std::string device;  // "cpu"
  std::string isa;     // "avx512", "avx2", "baseline" or "interpreter"
  int threads = 1;
  std::vector<Library> libraries;
};
SystemInfo system_info();

// Throws Error, saying why, unless `device` names a device that programs can run on here: "cpu" or
// "auto".
void check_device(const std::string& device);

}  // namespace sinter

#endif  // SINTER_SYSTEM_H_
