// parse_json: a value that is the same when it is written and read again, or Error.
#include "base/json.h"

#include <algorithm>

#include "memory_file.h"
#include "sinter/error.h"

namespace {

int depth_of(const sinter::Json& value) {
  if (!value.is_structured()) return 0;
  int depth = 0;
  for (const sinter::Json& part : value) depth = std::max(depth, depth_of(part));
  return depth + 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  sinter::Json value;
  try {
    value = sinter::parse_json({reinterpret_cast<const char*>(data), bytes}, "here");
  } catch (const sinter::Error& error) {
    const std::string message = error.what();
    sinter::fuzz::promise(message.rfind("here: ", 0) == 0, "the place's name");
    sinter::fuzz::promise(message.find('\n') == std::string::npos, "one line");
    return 0;
  }
  sinter::fuzz::promise(depth_of(value) <= sinter::kMaxJsonDepth, "no deeper than the bound");
  const std::string text = sinter::json_text(value);
  sinter::fuzz::promise(sinter::parse_json(text, "again") == value, "the same when read again");
  return 0;
}
