// read_table: columns of equal length with names, or Error.
#include "sinter/table.h"

#include "memory_file.h"
#include "sinter/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const sinter::fuzz::MemoryFile file(data, bytes);
  try {
    const sinter::data::Table table = sinter::data::read_table(file.path());
    sinter::fuzz::promise(table.rows() > 0, "a row");
    for (const sinter::data::Column& column : table.columns) {
      sinter::fuzz::promise(column.size() == table.rows(), "as many cells as rows");
      for (std::int64_t row = 0; row < column.size(); ++row) {
        sinter::data::parse_number(column[row]);
        sinter::data::is_missing(column[row]);
      }
    }
  } catch (const sinter::Error& error) {
    sinter::fuzz::promise(std::string(error.what()).rfind(file.path(), 0) == 0, "the file's name");
  }
  return 0;
}
