#include "backend/cpu/groups/rows_stage.h"

#include <algorithm>
#include <thread>

#include "backend/cpu/groups/emitted_kernel.h"
#include "base/parallel.h"
#include "ir/reduction.h"

namespace sinter::backend::cpu {

namespace {

// Pieces of a row are multiples of this many elements: whole cache lines of any type.
constexpr std::int64_t kPieceElements = 512;

}  // namespace

ir::Group with_unit_axis(const ir::Group& group) {
  ir::Group result = group;
  std::vector<std::int64_t> lengths = group.space.to_vector();
  lengths.push_back(1);
  result.space = Shape(lengths);
  for (ir::GroupOperand& operand : result.operands) operand.strides.push_back(0);
  return result;
}

std::unique_ptr<RowsStage> RowsStage::make(const ir::Group& original, Isa isa,
                                           std::string* listing) {
  ir::Group group = ir::collapse(original);
  const bool reduces = group.kind == ir::GroupKind::inner;
  if (group.space.elements() == 0) throw NotEmitted{"it has no elements"};
  if (group.reduced_axes > 1) throw NotEmitted{"its axes cannot be collapsed into few enough"};
  if (group.space.rank() == 0 || (reduces && group.reduced_axes == 0)) {
    if (group.space.rank() == Shape::kMaxRank) {
      throw NotEmitted{"its axes cannot be collapsed into few enough"};
    }
    group = with_unit_axis(group);
  }
  LoweredBody body = lower_body(group, isa);
  const int rank = group.space.rank();
  const auto inner_axis = static_cast<std::size_t>(rank - 1);
  std::unique_ptr<RowsStage> stage(new RowsStage());
  for (std::size_t i = 0; i < group.operands.size(); ++i) {
    ir::GroupOperand& operand = group.operands[i];
    for (int axis = 0; axis < rank; ++axis) {
      if (group.space[axis] == 1) operand.strides[static_cast<std::size_t>(axis)] = 0;
    }
    OperandAccess& access = body.operands[i];
    access.inner = operand.strides[inner_axis];
    if (access.inner != 0 && access.inner != 1) {
      throw NotEmitted{"an operand has gaps along the innermost axis"};
    }
    if (rank > 1) access.row = operand.strides[inner_axis - 1];
    OperandWalk& walk = stage->operands_.emplace_back();
    const auto size = static_cast<std::int64_t>(size_of(operand.dtype));
    for (std::size_t axis = 0; axis < inner_axis; ++axis) {
      walk.outer.push_back(operand.strides[axis] * size);
    }
    walk.inner = access.inner * size;
  }
  stage->inner_ = group.space[rank - 1];
  for (int axis = 0; axis + 1 < rank; ++axis) stage->lengths_.push_back(group.space[axis]);
  stage->rows_ = rank > 1 ? group.space[rank - 2] : 1;
  stage->all_rows_ = group.space.elements() / stage->inner_;
  // Threads may become more than now, but hardly more than there are processors.
  stage->slots_ = std::max(thread_count(), static_cast<int>(std::thread::hardware_concurrency()));
  stage->may_cut_rows_ =
      !reduces && stage->all_rows_ < 2 * stage->slots_ && stage->inner_ >= 2 * kPieceElements;
  stage->grain_ = grain_of(group, body.lanes);

  RowsSpec spec{.body = std::move(body),
                .inner = stage->inner_,
                .rows = stage->rows_,
                .rank = rank,
                .cuts_rows = stage->may_cut_rows_,
                .listing = listing != nullptr};
  stage->code_ = emit_rows(spec);
  const std::size_t addresses = group.operands.size() + stage->code_.saved_bytes.size();
  if (2 * static_cast<int>(addresses) + RowsCode::axis_start + rank > kMaxArgs) {
    throw NotEmitted{"it has too many operands and values saved from pass to pass"};
  }
  if (listing != nullptr) *listing += stage->code_.listing;
  for (const std::size_t bytes : stage->code_.saved_bytes) {
    stage->saved_offsets_.push_back(stage->slot_bytes_);
    stage->slot_bytes_ += bytes + 64;  // a cache line between threads
  }
  return stage;
}

void RowsStage::run(void* const* operands, std::byte* scratch) const {
  const int team = parallel::team_size();
  const int threads = slot_bytes_ > 0 ? std::min(team, slots_) : team;
  // A few long rows are cut; many are dealt out whole.
  if (may_cut_rows_) {
    const std::int64_t pieces = (inner_ + kPieceElements - 1) / kPieceElements;
    const std::int64_t grain = grain_ / (kPieceElements * all_rows_) + 1;
    parallel_for(pieces, grain, [&](std::int64_t begin, std::int64_t end) {
      run_piece(operands, scratch,
                {.first_row = 0,
                 .end_row = all_rows_,
                 .inner_begin = begin * kPieceElements,
                 .inner_end = std::min(end * kPieceElements, inner_)});
    });
    return;
  }
  const std::int64_t pieces =
      parallel::piece_count(all_rows_, grain_ / std::max<std::int64_t>(inner_, 1) + 1, threads);
  parallel_for(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const parallel::Range rows = parallel::piece_range(all_rows_, pieces, piece);
      run_piece(operands, scratch + static_cast<std::size_t>(piece) * slot_bytes_,
                {.first_row = rows.begin, .end_row = rows.end, .inner_end = inner_});
    }
  });
}

void RowsStage::run_piece(void* const* operands, std::byte* slot, const Piece& piece) const {
  const std::size_t own = operands_.size();
  const std::size_t count = own + saved_offsets_.size();
  std::int64_t args[kMaxArgs];
  std::int64_t* const numbers = args + 2 * count;
  std::int64_t coordinates[Shape::kMaxRank + 1];
  const std::int64_t elements = piece.inner_end - piece.inner_begin;
  for (std::int64_t row = piece.first_row; row < piece.end_row;) {
    coordinates_of(row, lengths_, coordinates);
    const std::int64_t first = lengths_.empty() ? 0 : coordinates[lengths_.size() - 1];
    const std::int64_t rows = std::min(rows_ - first, piece.end_row - row);
    for (std::size_t i = 0; i < own; ++i) {
      args[i] = reinterpret_cast<std::int64_t>(operands_[i].at(operands[i], coordinates) +
                                               operands_[i].inner * piece.inner_begin);
    }
    for (std::size_t i = own; i < count; ++i) {
      args[i] = reinterpret_cast<std::int64_t>(slot + saved_offsets_[i - own]);
    }
    numbers[RowsCode::rows] = rows;
    numbers[RowsCode::unrolled] = elements / code_.step * code_.step;
    numbers[RowsCode::vectors] = elements / code_.lanes * code_.lanes;
    numbers[RowsCode::tail] = elements % code_.lanes != 0 ? 1 : 0;
    numbers[RowsCode::inner_start] = piece.inner_begin;
    numbers[RowsCode::row_start] = first;
    for (std::size_t axis = 0; axis + 1 < lengths_.size(); ++axis) {
      numbers[static_cast<std::size_t>(RowsCode::axis_start) + axis] = coordinates[axis];
    }
    code_.code->entry()(args);
    row += rows;
  }
}

}  // namespace sinter::backend::cpu
