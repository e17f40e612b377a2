// Loads the shared libraries given, twice, and calls each with one and with two threads.
#include <dlfcn.h>

#include <cstdio>
#include <vector>

namespace {

bool is_right(void* library, int threads, double want) {
  const auto sum = reinterpret_cast<double (*)(int)>(dlsym(library, "plugin_sum"));
  const auto catches = reinterpret_cast<bool (*)()>(dlsym(library, "plugin_catches"));
  const double got = sum(threads);
  std::printf("%g\n", got);
  return got == want && catches();
}

}  // namespace

int main(int count, char** names) {
  for (const int scope : {RTLD_LOCAL, RTLD_GLOBAL}) {
    std::vector<void*> libraries;
    for (int i = 1; i < count; ++i) {
      libraries.push_back(dlopen(names[i], RTLD_NOW | scope));
      if (libraries.back() == nullptr) return std::puts(dlerror()), 1;
    }
    for (const int threads : {1, 2}) {
      for (int i = 1; i < count; ++i) {
        // SIZE is 10 in the first library, 20 in the second.
        if (!is_right(libraries[static_cast<std::size_t>(i) - 1], threads, 160.0 * i)) return 1;
      }
    }
    for (void* library : libraries) dlclose(library);
  }
  return 0;
}
