// SafetensorsFile: tensors that lie in the file and can be read, or Error.
#include "io/safetensors.h"

#include "memory_file.h"
#include "sinter/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const sinter::fuzz::MemoryFile memory(data, bytes);
  try {
    const sinter::io::SafetensorsFile file(memory.path());
    std::size_t total = 0;
    std::size_t sum = 0;
    for (const std::string& name : file.names()) {
      const sinter::io::TensorInfo info = file.info(name);
      if (!info.computed) {
        total += info.bytes;
        continue;
      }
      const sinter::io::TensorView view = file.get(name);
      sinter::fuzz::promise(
          view.bytes == static_cast<std::size_t>(view.shape.elements()) * size_of(view.dtype),
          "as many bytes as the shape says");
      for (std::size_t i = 0; i < view.bytes; ++i) sum += static_cast<std::size_t>(view.data[i]);
      total += view.bytes;
    }
    sinter::fuzz::promise(total <= bytes && sum <= 255 * bytes, "tensors lie in the file");
  } catch (const sinter::Error& error) {
    const std::string message = error.what();
    sinter::fuzz::promise(message.rfind(memory.path(), 0) == 0, "the file's name");
    sinter::fuzz::promise(message.find('\n') == std::string::npos, "one line");
  }
  return 0;
}
