// Outer groups. Neighbouring threads take neighbouring columns; each of a chunk's four lanes is a
// thread of its own, so that one thread waits for 64 rows at most.
#include <algorithm>
#include <cstdint>
#include <string>

#include "backend/cuda/groups/fused_kinds.h"
#include "ir/reduction.h"

namespace sinter::backend::cuda {

namespace {

constexpr std::int64_t kColumns = 32;  // of a block
// In the second launch: warps of a block, each folding a part of its columns' chunks.
constexpr std::int64_t kMostParts = 16;
constexpr std::int64_t kPlacesWorthAPart = 8;

class OuterWriter {
 public:
  explicit OuterWriter(const FusedBody& body)
      : body_(body),
        reductions_(body.reductions(0)),
        chunks_(std::max<std::int64_t>(1, divide_up(body.points(), ir::kOuterChunk))),
        column_blocks_(divide_up(body.rows(), kColumns)),
        layout_(body, chunks_ == 1 ? 0 : chunks_ * body.rows()) {}

  GroupSource run();

 private:
  GroupLaunch chunk_launch();
  GroupLaunch final_launch();
  void write_shared(KernelText& text, std::int64_t parts);
  void write_lanes_to_shared(KernelText& text, const char* part);
  void write_row_part(KernelText& text, const Marks& values);
  std::string number(std::int64_t value) const { return body_.number(value); }
  std::string position(const char* name, const std::string& value) const {
    return fmt::format("const {0} {1} = {2};", body_.position_type(), name, value);
  }

  const FusedBody& body_;
  const std::vector<std::size_t> reductions_;
  const std::int64_t chunks_;
  const std::int64_t column_blocks_;
  const PartialLayout layout_;
};

void OuterWriter::write_shared(KernelText& text, std::int64_t parts) {
  if (reductions_.empty()) return;
  text.open("struct Shared {{");
  for (const std::size_t i : reductions_) {
    text.line("{} r{}[{}][{}];", value_type(body_.inst(i).type), i, parts, kColumns);
  }
  text.close("};");
  text.line("__shared__ Shared shared;");
}

void OuterWriter::write_lanes_to_shared(KernelText& text, const char* part) {
  for (const std::size_t i : reductions_) {
    text.line("shared.r{0}[{1}][threadIdx.x % 32u] = a{0};", i, part);
  }
}

// Once a column: what needs the reductions, and the row stores.
void OuterWriter::write_row_part(KernelText& text, const Marks& values) {
  body_.write_row_values(text, values, 1, "");
  body_.write_row_stores(text);
}

// A chunk of rows of 32 columns; all there is to do when there is no other chunk.
GroupLaunch OuterWriter::chunk_launch() {
  KernelText text;
  const bool finishes = chunks_ == 1;
  const Marks work = body_.point_work(0);
  Marks values = body_.row_values(work);
  if (finishes) {
    const Marks of_stores = body_.row_values_of_stores();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] |= of_stores[i];
  }
  write_shared(text, ir::kOuterLanes);
  text.line("{}", position("row", fmt::format("{} * {} + threadIdx.x % 32u",
                                              body_.remainder(text, "column blocks", "blockIdx.x",
                                                              column_blocks_),
                                              number(kColumns))));
  text.line("{}", position("lane", "threadIdx.x / 32u"));
  text.line("const bool active = row < {};", body_.all_rows(text));
  body_.write_addresses(text, work, values);
  body_.write_row_values(text, values, 0, "active");
  body_.write_lanes(text, reductions_, 1);
  if (!finishes) {
    text.line("{}", position("chunk",
                             body_.quotient(text, "column blocks", "blockIdx.x", column_blocks_)));
  }
  if (FusedBody::any(work)) {
    const std::string begin = finishes ? number(0) : "chunk * " + number(ir::kOuterChunk);
    const std::string points = body_.all_points(text);
    const std::string end = finishes ? points
                                     : fmt::format("chunk == {} ? {} : begin + {}",
                                                   body_.length(text, "last chunk", chunks_ - 1),
                                                   points, number(ir::kOuterChunk));
    text.line("{}", position("begin", begin));
    text.line("{}", position("end", fmt::format("!active ? {} : {}", number(0), end)));
    text.open("for ({} p = begin + lane; p < end; p += {}) {{", body_.position_type(),
              number(ir::kOuterLanes));
    body_.write_point(text, work);
    text.close();
  }
  write_lanes_to_shared(text, "lane");
  if (!reductions_.empty() || (finishes && body_.has_row_stores())) text.line("__syncthreads();");
  text.line("if (!active || lane != {}) return;", number(0));
  for (const std::size_t i : reductions_) {
    const std::string_view type = body_.reduction_type(i);
    const std::string from = fmt::format("shared.r{}", i);
    const std::string fold = fmt::format(
        "{0}::apply({0}::apply({1}[0][threadIdx.x], {1}[2][threadIdx.x]), "
        "{0}::apply({1}[1][threadIdx.x], {1}[3][threadIdx.x]))",
        type, from);
    if (finishes) {
      text.line("const {} v{} = {};", value_type(body_.inst(i).type), i, fold);
    } else {
      layout_.write_address(text, body_, i);
      text.line("r{}[chunk * {} + row] = {};", i, body_.all_rows(text), fold);
    }
  }
  if (finishes) write_row_part(text, values);
  return make_launch(body_, "outer", chunks_ * column_blocks_,
                     static_cast<std::uint32_t>(kColumns * ir::kOuterLanes), text);
}

// Folds the chunks' values. Chunk numbers are cut into aligned parts of a power of two, so that the
// parts' folds are nodes of the tree.
GroupLaunch OuterWriter::final_launch() {
  KernelText text;
  const std::int64_t all = power_of_two_from(chunks_);
  const std::int64_t parts = std::clamp<std::int64_t>(all / kPlacesWorthAPart, 1, kMostParts);
  const std::int64_t places = all / parts;
  const Marks values = body_.row_values_of_stores();
  if (parts > 1) write_shared(text, parts);
  text.line("{}", position("row", fmt::format("({})blockIdx.x * {} + threadIdx.x % 32u",
                                              body_.position_type(), number(kColumns))));
  text.line("const long long part = threadIdx.x / 32u;");
  text.line("const bool active = row < {};", body_.all_rows(text));
  body_.write_addresses(text, Marks(body_.size(), 0), values);
  body_.write_row_values(text, values, 0, "active");
  for (const std::size_t i : reductions_) {
    layout_.write_address(text, body_, i);
    const std::string from =
        fmt::format("r{0} + (part * {1} * {2} + row)", i, places, body_.all_rows(text));
    const std::string count = fmt::format("(active ? (long long){} - part * {} : 0)",
                                          body_.length(text, "chunks", chunks_), places);
    text.line("const {} {}{} = {};", value_type(body_.inst(i).type), parts > 1 ? "a" : "v", i,
              tree_call(body_, i, places, from, body_.all_rows(text), count));
  }
  if (parts > 1 && !reductions_.empty()) {
    write_lanes_to_shared(text, "part");
    text.line("__syncthreads();");
  }
  text.line("if (!active || part != 0) return;");
  if (parts > 1) {
    for (const std::size_t i : reductions_) {
      text.line("const {} v{} = {};", value_type(body_.inst(i).type), i,
                tree_call(body_, i, parts, fmt::format("&shared.r{}[0][threadIdx.x]", i),
                          std::to_string(kColumns), std::to_string(parts)));
    }
  }
  write_row_part(text, values);
  return make_launch(body_, "columns", column_blocks_, static_cast<std::uint32_t>(parts * kColumns),
                     text);
}

GroupSource OuterWriter::run() {
  GroupSource source;
  source.workspace_bytes = layout_.bytes();
  source.launches.push_back(chunk_launch());
  if (chunks_ > 1 && body_.has_row_stores()) source.launches.push_back(final_launch());
  return source;
}

}  // namespace

GroupSource outer_source(const FusedBody& body) { return OuterWriter(body).run(); }

}  // namespace sinter::backend::cuda
