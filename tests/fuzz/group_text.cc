// parse_group: a group that verifies and is the same when it is printed and read again, or Error.
#include "ir/group.h"
#include "memory_file.h"
#include "sinter/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  sinter::ir::Group group;
  try {
    group = sinter::ir::parse_group({reinterpret_cast<const char*>(data), bytes});
  } catch (const sinter::Error&) {
    return 0;
  }
  verify(group);  // an exception ends the process
  sinter::fuzz::promise(sinter::ir::parse_group(to_text(group)) == group,
                        "the same when read again");
  return 0;
}
