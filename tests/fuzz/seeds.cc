// Writes a small file in order for each fuzz target to start from: fuzz_seeds FOLDER makes
// FOLDER/TARGET/*.
#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "../data/packed.h"
#include "../ir/test_ops.h"
#include "../ir/test_programs.h"
#include "fuzz_config.h"
#include "io/safetensors.h"
#include "ir/graph.h"
#include "ir/group.h"

namespace sinter::fuzz {
namespace {

void write(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

std::string idx(int code, std::initializer_list<std::uint32_t> lengths, const std::string& data) {
  std::string file = {0, 0, static_cast<char>(code), static_cast<char>(lengths.size())};
  for (const std::uint32_t length : lengths) {
    for (const int shift : {24, 16, 8, 0}) file.push_back(static_cast<char>(length >> shift));
  }
  return file + data;
}

std::string gzip(const std::string& content) {
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 9, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

void write_tensors(const std::filesystem::path& path) {
  std::filesystem::create_directories(path.parent_path());
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const auto view = [&](const Shape& shape, Dtype dtype, std::size_t bytes) {
    return io::TensorView{.dtype = dtype,
                          .shape = shape,
                          .data = reinterpret_cast<const std::byte*>(values.data()),
                          .bytes = bytes};
  };
  const std::vector<io::NamedTensor> tensors = {
      {.name = "weight", .view = view({2, 3}, Dtype::f32, 24)},
      {.name = "count", .view = view({}, Dtype::i64, 8)},
      {.name = "none", .view = view({0, 3}, Dtype::u8, 0)}};
  io::write_safetensors(path.string(), tensors, {{"format", "pt"}});
}

// A tensor that can be listed, not read, after metadata that there are none of.
std::string eight_bit_tensor() {
  const std::string header =
      R"({"__metadata__":null,"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}})";
  const std::uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + header + "xx";
}

void write_all(const std::filesystem::path& folder) {
  const std::string plain = idx(0x0C, {2, 3}, std::string(24, 'x'));
  write(folder / "idx/plain", plain);
  write(folder / "idx/bytes", idx(0x08, {1, 4, 4}, std::string(16, '\1')));
  write(folder / "idx/packed", gzip(plain));
  write(folder / "idx/two-members", gzip(plain.substr(0, 5)) + gzip(plain.substr(5)));
  write(folder / "idx/xz", packed(plain, ARCHIVE_FILTER_XZ));
  write(folder / "idx/zstd", packed(plain, ARCHIVE_FILTER_ZSTD));
  write(folder / "idx/bzip2", packed(plain, ARCHIVE_FILTER_BZIP2));
  const std::string table = "a,b,\"c,d\"\r\n1,x,\"say \"\"hi\"\"\"\r\n-2e3,,NA\r\n";
  write(folder / "table/commas", table);
  write(folder / "table/packed", gzip(table));
  write(folder / "table/semicolons",
        "\xEF\xBB\xBF"
        "a;b\n1,5;2\n\n");
  write_tensors(folder / "safetensors/small");
  write(folder / "safetensors/eight-bits", eight_bit_tensor());
  write(folder / "json/small", R"({"a": [1, -2.5e3, "\u00e4\n", null], "b": {"c": [[]]}})");
  write(folder / "json/deep", std::string(70, '[') + std::string(70, ']'));
  write(folder / "toml/tables", "[a.b]\nc.d = {e = [1, 0x2, 1979-05-27]}\n[[f]]\ng = '''[\n''''\n");
  write(folder / "toml/keys", "\"a.b\".c . d = \"\\\"[\" # [\nx = [\n  1.5,\n  [inf],\n]\n");
  write(folder / "graph_text/layer", to_text(ir::testing::layer_graph(), ir::testing::test_ops()));
  write(folder / "graph_text/scan", to_text(ir::testing::scan_graph(), ir::testing::test_ops()));
  write(folder / "group_text/sum", to_text(ir::testing::sum_group(64)));
  write(folder / "config/defaults", fuzz_config().to_toml());
  write(folder / "config/table",
        "epochs = 3\nlr = 1e-3 # x\ndata = \"a\\tb\"\n[environment]\na = 1\n");
}

}  // namespace
}  // namespace sinter::fuzz

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  sinter::fuzz::write_all(argv[1]);
  return 0;
}
