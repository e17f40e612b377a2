// read_idx, plain and compressed: an array that has the bytes of its shape, or Error.
#include "data/idx.h"

#include "memory_file.h"
#include "sinter/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const sinter::fuzz::MemoryFile file(data, bytes);
  try {
    const sinter::data::IdxArray array = sinter::data::read_idx(file.path());
    std::uint64_t expected = sinter::size_of(array.dtype);
    for (const std::int64_t length : array.shape) expected *= static_cast<std::uint64_t>(length);
    sinter::fuzz::promise(array.bytes.size() == expected, "as many bytes as the shape says");
  } catch (const sinter::Error& error) {
    sinter::fuzz::promise(std::string(error.what()).rfind(file.path(), 0) == 0, "the file's name");
  }
  return 0;
}
