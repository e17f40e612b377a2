#include "base/resident_memory.h"

#include <unistd.h>

#include <cstdio>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace sinter {

std::int64_t resident_bytes() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return -1;
  long long all = 0;
  long long resident = 0;
  const bool read = std::fscanf(file, "%lld %lld", &all, &resident) == 2;
  std::fclose(file);
  return read ? std::int64_t{resident} * sysconf(_SC_PAGESIZE) : -1;
}

}  // namespace sinter
