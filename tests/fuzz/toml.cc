// parse_toml: a table, which can be destroyed, or Error.
#include "base/toml.h"

#include "memory_file.h"
#include "sinter/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  try {
    const toml::table table =
        sinter::parse_toml({reinterpret_cast<const char*>(data), bytes}, "c.toml");
    sinter::fuzz::promise(table.is_table(), "a table");
  } catch (const sinter::Error& error) {
    sinter::fuzz::promise(std::string(error.what()).rfind("c.toml:", 0) == 0, "the file's name");
  }
  return 0;
}
