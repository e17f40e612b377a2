// The CUDA library (api.h): found and loaded once, when a CUDA device is first asked about.
#ifndef SINTER_BACKEND_CUDA_LIBRARY_H_
#define SINTER_BACKEND_CUDA_LIBRARY_H_

#include <string>
#include <vector>

#include "backend/cuda/api.h"

namespace sinter::backend::cuda {

// A library as it was found, or why there is none.
struct Library {
  const SinterCudaApi* api = nullptr;  // for the rest of the process
  std::string path;                    // of the file; empty: none was found
  std::string problem;                 // when there is no api: one line, "not found in ..."
};

// The files that may be it, best first: SINTER_CUDA_LIBRARY alone when it is given, otherwise
// libsinter_cuda.so beside the program, in ../lib and in ../lib/sinter.
std::vector<std::string> library_paths();

// The first of the files that is there, loaded and checked. A file that is no library of this
// version of Sinter is a problem; the next one is not tried in its place.
Library load_library(const std::vector<std::string>& paths);

// The process's library, looked for at the first call.
const Library& library();

// The devices that a library knows, or why there are none.
struct DeviceTable {
  std::vector<SinterCudaDevice> devices;
  std::string problem;  // empty when there are devices
};
DeviceTable list_devices(const Library& library);

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_LIBRARY_H_
