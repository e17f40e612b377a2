// Inner groups. A chunk of a row belongs to a warp, or to a part of one: lane l of the tree is in
// thread l / 4, so that a thread moves four neighbouring elements at once.
#include <algorithm>
#include <cstdint>
#include <string>

#include "backend/cuda/groups/fused_kinds.h"
#include "ir/reduction.h"

namespace sinter::backend::cuda {

namespace {

constexpr std::int64_t kWarp = 32;
constexpr std::uint32_t kThreads = 128;
constexpr std::int64_t kWarps = kThreads / kWarp;

// Rows of several chunks: with this many rows or more, a block takes a row, with this many warps at
// most; with fewer the chunks go to blocks of their own.
constexpr std::int64_t kManyRows = 64;
constexpr std::int64_t kMostWarpsOfARow = 8;
// Chunks' values that a block may keep in shared memory.
constexpr std::int64_t kMostSharedBytes = 16384;

class RowsWriter {
 public:
  explicit RowsWriter(const FusedBody& body)
      : body_(body),
        none_(body.size(), 0),
        chunks_(std::max<std::int64_t>(1, divide_up(body.points(), ir::kInnerChunk))) {}

  GroupSource short_rows();
  GroupSource long_rows();
  GroupSource rows_of_blocks();
  GroupSource rows_of_several_blocks();

  std::int64_t chunks() const { return chunks_; }
  // Of the chunks' values of one row.
  std::int64_t shared_bytes() const;

 private:
  Marks all_row_values() const;
  Marks all_work() const;
  Marks values_for_later(int pass, const Marks& work, const Marks& held) const;
  void write_loop(KernelText& text, int pass, const std::string& begin, const std::string& end);
  void write_lane_folds(KernelText& text, int pass, std::int64_t threads);
  void write_row_stores(KernelText& text, const char* barrier, const std::string& condition);
  std::string warp_fold(KernelText& text, std::size_t reduction, const std::string& values) const;
  std::string all_chunks(KernelText& text) const { return body_.length(text, "chunks", chunks_); }
  // Where the chunk in the variable `chunk`, which begins at `begin`, ends.
  std::string end_of_chunk(KernelText& text) const {
    const std::string points = body_.all_points(text);
    return fmt::format("chunk == {} ? {} : begin + {}",
                       body_.length(text, "last chunk", chunks_ - 1), points,
                       number(ir::kInnerChunk));
  }
  GroupLaunch chunk_launch(const PartialLayout& layout, int pass);
  GroupLaunch final_launch(const PartialLayout& layout);
  void write_partial_folds(KernelText& text, const PartialLayout& layout, const Marks& values);
  std::string number(std::int64_t value) const { return body_.number(value); }
  std::string position(const char* name, const std::string& value) const {
    return fmt::format("const {0} {1} = {2};", body_.position_type(), name, value);
  }

  const FusedBody& body_;
  const Marks none_;
  std::int64_t chunks_;
};

void merge(Marks& marks, const Marks& others) {
  for (std::size_t i = 0; i < marks.size(); ++i) marks[i] |= others[i];
}

Marks RowsWriter::all_work() const {
  Marks marks = none_;
  for (int pass = 0; pass < body_.pass_count(); ++pass) merge(marks, body_.point_work(pass));
  return marks;
}

Marks RowsWriter::all_row_values() const {
  Marks marks = body_.row_values_of_stores();
  merge(marks, body_.row_values(all_work()));
  return marks;
}

std::int64_t RowsWriter::shared_bytes() const {
  std::int64_t bytes = 0;
  for (int pass = 0; pass < body_.pass_count(); ++pass) {
    for (const std::size_t i : body_.reductions(pass)) {
      bytes += power_of_two_from(chunks_) * static_cast<std::int64_t>(size_of(body_.inst(i).type));
    }
  }
  return bytes;
}

// The points [begin, end) of a row, a warp's 128 at a time.
void RowsWriter::write_loop(KernelText& text, int pass, const std::string& begin,
                            const std::string& end) {
  text.open("for ({0} p = {1} + lane * {2}; p - lane * {2} < {3}; p += {4}) {{",
            body_.position_type(), begin, number(4), end, number(ir::kInnerLanes));
  text.line("const int count = {};", body_.count("p", end, ir::kInnerLanes));
  body_.write_four_points(text, body_.point_work(pass), none_, none_);
  text.close();
}

// Row stores come last: they may be in the place of row values that any thread of the row loads.
// `barrier` stands between; null where a reduction's does.
void RowsWriter::write_row_stores(KernelText& text, const char* barrier,
                                  const std::string& condition) {
  if (!body_.has_row_stores()) return;
  if (barrier != nullptr) text.line("{};", barrier);
  text.open("if ({}) {{", condition);
  body_.write_row_stores(text);
  text.close();
}

void RowsWriter::write_lane_folds(KernelText& text, int pass, std::int64_t threads) {
  for (const std::size_t i : body_.reductions(pass)) {
    text.line("const {0} v{1} = sinter_fold_lanes<{2}, {3}>(a{1});", value_type(body_.inst(i).type),
              i, body_.reduction_type(i), threads);
  }
}

// Of the values that `pass` computes, those that a later pass needs.
Marks RowsWriter::values_for_later(int pass, const Marks& work, const Marks& held) const {
  Marks known = held;
  for (std::size_t i = 0; i < body_.size(); ++i) {
    if (work[i] != 0 && !is_reduction(body_.inst(i).op)) known[i] = 1;
  }
  Marks keep = none_;
  for (int next = pass + 1; next < body_.pass_count(); ++next) {
    merge(keep, body_.point_work(next, known));
  }
  for (std::size_t i = 0; i < body_.size(); ++i) {
    if (known[i] == 0 || held[i] != 0) keep[i] = 0;
  }
  return keep;
}

// Up to 128 points a row: they stay in registers from pass to pass.
GroupSource RowsWriter::short_rows() {
  KernelText text;
  const std::int64_t threads =
      power_of_two_from(std::max<std::int64_t>(1, divide_up(body_.points(), 4)));
  const std::int64_t rows_of_block = kThreads / threads;
  const Marks values = all_row_values();
  text.line("{}", position("row", fmt::format("({})blockIdx.x * {} + threadIdx.x / {}",
                                              body_.position_type(), number(rows_of_block),
                                              number(threads))));
  text.line("const bool active = row < {};", body_.all_rows(text));
  text.line("{}", position("p", fmt::format("threadIdx.x % {} * {}", number(threads), number(4))));
  text.line("const int count = active ? {} : 0;",
            body_.count("p", body_.all_points(text), 4 * threads));
  body_.write_addresses(text, all_work(), values);
  Marks held = none_;
  for (int pass = 0; pass < body_.pass_count(); ++pass) {
    body_.write_row_values(text, values, pass, "active");
    const Marks work = body_.point_work(pass, held);
    if (!FusedBody::any(work)) continue;
    const Marks keep = values_for_later(pass, work, held);
    body_.write_lanes(text, body_.reductions(pass), 4);
    body_.write_four_points(text, work, held, keep);
    merge(held, keep);
    write_lane_folds(text, pass, threads);
  }
  write_row_stores(text, "__syncwarp()", fmt::format("active && p == {}", number(0)));
  GroupSource source;
  source.launches.push_back(
      make_launch(body_, "rows", divide_up(body_.rows(), rows_of_block), kThreads, text));
  return source;
}

// One chunk a row: a warp each.
GroupSource RowsWriter::long_rows() {
  KernelText text;
  const Marks values = all_row_values();
  text.line("{}", position("row", fmt::format("({})blockIdx.x * {} + threadIdx.x / 32u",
                                              body_.position_type(), number(kWarps))));
  text.line("{}", position("lane", "threadIdx.x % 32u"));
  text.line("if (row >= {}) return;", body_.all_rows(text));
  body_.write_addresses(text, all_work(), values);
  for (int pass = 0; pass < body_.pass_count(); ++pass) {
    body_.write_row_values(text, values, pass, "");
    if (!FusedBody::any(body_.point_work(pass))) continue;
    body_.write_lanes(text, body_.reductions(pass), 4);
    write_loop(text, pass, number(0), body_.all_points(text));
    write_lane_folds(text, pass, kWarp);
  }
  write_row_stores(text, "__syncwarp()", fmt::format("lane == {}", number(0)));
  GroupSource source;
  source.launches.push_back(
      make_launch(body_, "rows", divide_up(body_.rows(), kWarps), kThreads, text));
  return source;
}

// Folds the values of a row's chunks; every warp does, and each of its threads gets the result.
std::string RowsWriter::warp_fold(KernelText& text, std::size_t reduction,
                                  const std::string& values) const {
  const std::int64_t places = power_of_two_from(divide_up(chunks_, kWarp));
  const std::string_view type = body_.reduction_type(reduction);
  if (places <= kMostUnrolledPlaces) {
    return fmt::format("sinter_fold_by_warp<{}, {}>({}, {}, {})", type, places, values,
                       all_chunks(text), body_.identity(reduction));
  }
  return fmt::format("sinter_fold_many_by_warp<{}>({}, {}, {}, {})", type, values, places,
                     all_chunks(text), body_.identity(reduction));
}

// Several chunks a row, and many rows: a block each, whose warps share the chunks out.
GroupSource RowsWriter::rows_of_blocks() {
  KernelText text;
  const std::int64_t warps = std::min(chunks_, kMostWarpsOfARow);
  const Marks values = all_row_values();
  text.open("struct Shared {{");
  for (int pass = 0; pass < body_.pass_count(); ++pass) {
    for (const std::size_t i : body_.reductions(pass)) {
      text.line("{} r{}[{}];", value_type(body_.inst(i).type), i, power_of_two_from(chunks_));
    }
  }
  text.close("};");
  text.line("__shared__ Shared shared;");
  text.line("{}", position("row", "blockIdx.x"));
  text.line("{}", position("lane", "threadIdx.x % 32u"));
  body_.write_addresses(text, all_work(), values);
  bool has_barrier = false;
  for (int pass = 0; pass < body_.pass_count(); ++pass) {
    body_.write_row_values(text, values, pass, "");
    if (!FusedBody::any(body_.point_work(pass))) continue;
    const std::vector<std::size_t> reductions = body_.reductions(pass);
    text.open("for ({0} chunk = threadIdx.x / 32u; chunk < {1}; chunk += {2}) {{",
              body_.position_type(), all_chunks(text), number(warps));
    text.line("{}", position("begin", "chunk * " + number(ir::kInnerChunk)));
    text.line("{}", position("end", end_of_chunk(text)));
    body_.write_lanes(text, reductions, 4);
    write_loop(text, pass, "begin", "end");
    for (const std::size_t i : reductions) {
      text.line("const {0} c{1} = sinter_fold_lanes<{2}, 32>(a{1});",
                value_type(body_.inst(i).type), i, body_.reduction_type(i));
      text.line("if (lane == {0}) shared.r{1}[chunk] = c{1};", number(0), i);
    }
    text.close();
    if (reductions.empty()) continue;
    text.line("__syncthreads();");
    has_barrier = true;
    for (const std::size_t i : reductions) {
      text.line("const {} v{} = {};", value_type(body_.inst(i).type), i,
                warp_fold(text, i, fmt::format("shared.r{}", i)));
    }
  }
  write_row_stores(text, has_barrier ? nullptr : "__syncthreads()", "threadIdx.x == 0u");
  GroupSource source;
  source.launches.push_back(
      make_launch(body_, "rows", body_.rows(), static_cast<std::uint32_t>(warps * kWarp), text));
  return source;
}

// The reductions among `values`, from the workspace.
void RowsWriter::write_partial_folds(KernelText& text, const PartialLayout& layout,
                                     const Marks& values) {
  for (int pass = 0; pass < body_.pass_count(); ++pass) {
    body_.write_row_values(text, values, pass, "");
    for (const std::size_t i : body_.reductions(pass)) {
      if (values[i] == 0) continue;
      layout.write_address(text, body_, i);
      text.line("const {} v{} = {};", value_type(body_.inst(i).type), i,
                warp_fold(text, i, fmt::format("r{} + row * {}", i, all_chunks(text))));
    }
  }
}

// A pass over the points; a warp takes one chunk of one row.
GroupLaunch RowsWriter::chunk_launch(const PartialLayout& layout, int pass) {
  KernelText text;
  const Marks work = body_.point_work(pass);
  const Marks values = body_.row_values(work);
  text.line("{}", position("unit", fmt::format("({})blockIdx.x * {} + threadIdx.x / 32u",
                                               body_.position_type(), number(kWarps))));
  text.line("{}", position("row", body_.quotient(text, "chunks", "unit", chunks_)));
  text.line("{}", position("chunk", body_.remainder(text, "chunks", "unit", chunks_)));
  text.line("{}", position("lane", "threadIdx.x % 32u"));
  text.line("if (row >= {}) return;", body_.all_rows(text));
  body_.write_addresses(text, work, values);
  write_partial_folds(text, layout, values);
  text.line("{}", position("begin", "chunk * " + number(ir::kInnerChunk)));
  text.line("{}", position("end", end_of_chunk(text)));
  const std::vector<std::size_t> reductions = body_.reductions(pass);
  body_.write_lanes(text, reductions, 4);
  write_loop(text, pass, "begin", "end");
  for (const std::size_t i : reductions) {
    layout.write_address(text, body_, i);
    text.line("const {0} c{1} = sinter_fold_lanes<{2}, 32>(a{1});", value_type(body_.inst(i).type),
              i, body_.reduction_type(i));
    text.line("if (lane == {0}) r{1}[unit] = c{1};", number(0), i);
  }
  return make_launch(body_, "chunks", divide_up(body_.rows() * chunks_, kWarps), kThreads, text);
}

// What happens once a row, a warp each.
GroupLaunch RowsWriter::final_launch(const PartialLayout& layout) {
  KernelText text;
  const Marks values = body_.row_values_of_stores();
  text.line("{}", position("row", fmt::format("({})blockIdx.x * {} + threadIdx.x / 32u",
                                              body_.position_type(), number(kWarps))));
  text.line("{}", position("lane", "threadIdx.x % 32u"));
  text.line("if (row >= {}) return;", body_.all_rows(text));
  body_.write_addresses(text, none_, values);
  write_partial_folds(text, layout, values);
  write_row_stores(text, "__syncwarp()", fmt::format("lane == {}", number(0)));
  return make_launch(body_, "row", divide_up(body_.rows(), kWarps), kThreads, text);
}

GroupSource RowsWriter::rows_of_several_blocks() {
  const PartialLayout layout(body_, body_.rows() * chunks_);
  GroupSource source;
  source.workspace_bytes = layout.bytes();
  for (int pass = 0; pass < body_.pass_count(); ++pass) {
    if (FusedBody::any(body_.point_work(pass))) {
      source.launches.push_back(chunk_launch(layout, pass));
    }
  }
  if (body_.has_row_stores()) source.launches.push_back(final_launch(layout));
  return source;
}

}  // namespace

GroupSource rows_source(const FusedBody& body) {
  RowsWriter writer(body);
  if (body.points() <= ir::kInnerLanes) return writer.short_rows();
  if (writer.chunks() == 1) return writer.long_rows();
  const bool fits = writer.shared_bytes() <= kMostSharedBytes;
  if (body.rows() >= kManyRows && fits) return writer.rows_of_blocks();
  return writer.rows_of_several_blocks();
}

}  // namespace sinter::backend::cuda
