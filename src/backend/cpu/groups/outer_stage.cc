#include "backend/cpu/groups/outer_stage.h"

#include <algorithm>
#include <limits>

#include "backend/cpu/groups/emitted_kernel.h"
#include "backend/cpu/groups/fold_partials.h"
#include "base/parallel.h"
#include "ir/reduction.h"

namespace sinter::backend::cpu {

std::unique_ptr<OuterStage> OuterStage::make(const ir::Group& group, Isa isa,
                                             std::string* listing) {
  LoweredBody body = lower_body(group, isa);
  const int rank = group.space.rank();
  const auto last = static_cast<std::size_t>(rank - 1);
  std::unique_ptr<OuterStage> stage(new OuterStage());
  for (std::size_t i = 0; i < group.operands.size(); ++i) {
    const ir::GroupOperand& operand = group.operands[i];
    OperandAccess& access = body.operands[i];
    access.inner = operand.strides[last];
    access.row = operand.strides[0];
    const auto size = static_cast<std::int64_t>(size_of(operand.dtype));
    if (access.inner != 0 && access.inner != 1) {
      throw NotEmitted{"an operand has gaps along the innermost axis"};
    }
    // The rows of a tile are addressed by offsets within instructions.
    if (std::abs(access.row) > std::numeric_limits<std::int32_t>::max() / (8 * size)) {
      throw NotEmitted{"its rows lie too far apart"};
    }
    OperandWalk& walk = stage->operands_.emplace_back();
    for (std::size_t axis = 0; axis < last; ++axis) {
      walk.outer.push_back(operand.strides[axis] * size);
    }
  }
  for (int axis = 1; axis + 1 < rank; ++axis) stage->lengths_.push_back(group.space[axis]);
  stage->rows_ = group.space[0];
  stage->columns_ = group.space[rank - 1];
  stage->chunks_ = (stage->rows_ + ir::kOuterChunk - 1) / ir::kOuterChunk;
  stage->kept_ = group.space.elements() / stage->rows_;
  stage->middle_ = stage->kept_ / stage->columns_;
  stage->grain_ = grain_of(group, body.lanes);

  OuterSpec spec{.body = std::move(body),
                 .columns = stage->columns_,
                 .rank = rank,
                 .listing = listing != nullptr};
  stage->code_ = emit_outer(spec);
  const std::size_t addresses = group.operands.size() + stage->code_.reductions.size();
  if (2 * addresses + OuterCode::axis_start + Shape::kMaxRank > kMaxArgs) {
    throw NotEmitted{"it has too many operands and reductions"};
  }
  if (listing != nullptr) *listing += stage->code_.listing;
  for (const std::int32_t reduction : stage->code_.reductions) {
    const ir::ScalarInst& inst = group.body[static_cast<std::size_t>(reduction)];
    stage->ops_.push_back(inst.op);
    stage->types_.push_back(inst.type);
    stage->result_offsets_.push_back(stage->scratch_bytes_);
    const std::size_t bytes =
        static_cast<std::size_t>(stage->kept_ * stage->chunks_) * size_of(inst.type);
    stage->scratch_bytes_ += (bytes + 63) / 64 * 64;
  }
  return stage;
}

void OuterStage::run(void* const* operands, std::byte* scratch) const {
  const int threads = parallel::team_size();
  // Columns are dealt out too where there are not enough chunks.
  const std::int64_t whole = chunks_ * middle_;
  const std::int64_t tiles = (columns_ + code_.tile - 1) / code_.tile;
  const std::int64_t pieces = whole >= 4 * threads ? 1 : std::min<std::int64_t>(tiles, 2 * threads);
  const std::int64_t item_elements = std::min(rows_, ir::kOuterChunk) * columns_ / pieces + 1;
  parallel_for(whole * pieces, grain_ / item_elements + 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t item = begin; item < end; ++item) {
                   run_item(operands, scratch, item, pieces);
                 }
               });
  if (chunks_ == 1) return;
  parallel_for(kept_, 16384 / chunks_ + 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t i = 0; i < ops_.size(); ++i) {
      fold_partials(ops_[i], types_[i], scratch + result_offsets_[i], chunks_, kept_, begin, end);
    }
  });
}

// One chunk of rows at one position of the middle axes, and a piece of the columns.
void OuterStage::run_item(void* const* operands, std::byte* scratch, std::int64_t item,
                          std::int64_t pieces) const {
  const std::int64_t piece = item % pieces;
  const std::int64_t middle = item / pieces % middle_;
  const std::int64_t chunk = item / pieces / middle_;
  const std::int64_t tiles = (columns_ + code_.tile - 1) / code_.tile;
  const parallel::Range range = parallel::piece_range(tiles, pieces, piece);
  const std::int64_t begin = range.begin * code_.tile;
  const std::int64_t end = std::min(range.end * code_.tile, columns_);
  if (begin >= end) return;

  std::int64_t coordinates[Shape::kMaxRank + 1];
  coordinates[0] = chunk * ir::kOuterChunk;
  coordinates_of(middle, lengths_, coordinates + 1);
  std::int64_t args[kMaxArgs];
  const std::size_t own = operands_.size();
  for (std::size_t i = 0; i < own; ++i) {
    args[i] = reinterpret_cast<std::int64_t>(operands_[i].at(operands[i], coordinates));
  }
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const std::size_t element = static_cast<std::size_t>(chunk * kept_ + middle * columns_);
    args[own + i] =
        reinterpret_cast<std::int64_t>(scratch + result_offsets_[i] + element * size_of(types_[i]));
  }
  std::int64_t* const numbers = args + 2 * (own + ops_.size());
  numbers[OuterCode::rows] = std::min(ir::kOuterChunk, rows_ - coordinates[0]);
  numbers[OuterCode::column_begin] = begin;
  numbers[OuterCode::tiles_end] = begin + (end - begin) / code_.tile * code_.tile;
  numbers[OuterCode::vectors_end] = begin + (end - begin) / code_.lanes * code_.lanes;
  numbers[OuterCode::tail] = (end - begin) % code_.lanes != 0 ? 1 : 0;
  numbers[OuterCode::row_start] = coordinates[0];
  numbers[OuterCode::row_now] = coordinates[0];
  numbers[OuterCode::zero] = 0;
  for (std::size_t axis = 0; axis < lengths_.size(); ++axis) {
    numbers[static_cast<std::size_t>(OuterCode::axis_start) + 1 + axis] = coordinates[axis + 1];
  }
  code_.code->entry()(args);
}

}  // namespace sinter::backend::cpu
