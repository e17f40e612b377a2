// Config::read: settings that are written and read again as they are, or Error.
#include "sinter/config.h"

#include "fuzz_config.h"
#include "memory_file.h"
#include "sinter/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const sinter::fuzz::MemoryFile file(data, bytes);
  sinter::train::Config config = sinter::fuzz::fuzz_config();
  try {
    config.read(file.path());
  } catch (const sinter::Error& error) {
    sinter::fuzz::promise(std::string(error.what()).rfind(file.path(), 0) == 0, "the file's name");
    return 0;
  }
  const std::string text = config.to_toml();
  const sinter::fuzz::MemoryFile written(reinterpret_cast<const std::uint8_t*>(text.data()),
                                         text.size());
  sinter::train::Config again = sinter::fuzz::fuzz_config();
  again.read(written.path());  // an exception ends the process
  sinter::fuzz::promise(config.first_difference(again).empty(), "the same when read again");
  return 0;
}
