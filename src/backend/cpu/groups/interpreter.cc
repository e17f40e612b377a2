// The interpreter of fused groups: the portable fallback and the reference for the emitter. It
// takes a group block by block and each block tile by tile, and runs each step of the body as one
// loop over the tile. See interpreter_plan.h for the words.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "backend/cpu/groups/group_kernel.h"
#include "backend/cpu/groups/interpreter_plan.h"
#include "base/parallel.h"
#include "ir/reduction.h"
#include "sinter/shape.h"

namespace sinter::backend::cpu {

namespace {

// Elements below which another thread is not worth its start.
constexpr std::int64_t kElementsPerTask = 16384;

// Calls visit(offset, address, count, stride) for each run of elements that a constant stride
// separates, from the `begin`-th element of the access on: `offset` counts elements from the first,
// `address` is in elements from the operand's origin.
template <class Visit>
void for_runs(const Access& access, std::int64_t begin, std::int64_t count, Visit visit) {
  const std::size_t innermost = access.lengths.size() - 1;
  const std::int64_t stride = access.strides[innermost];
  if (innermost == 0) {
    visit(std::int64_t{0}, begin * stride, count, stride);
    return;
  }
  std::array<std::int64_t, Shape::kMaxRank> position{};
  std::int64_t rest = begin;
  for (std::size_t axis = innermost + 1; axis-- > 0;) {
    position[axis] = rest % access.lengths[axis];
    rest /= access.lengths[axis];
  }
  for (std::int64_t done = 0; done < count;) {
    std::int64_t address = 0;
    for (std::size_t axis = 0; axis <= innermost; ++axis) {
      address += position[axis] * access.strides[axis];
    }
    const std::int64_t run =
        std::min(access.lengths[innermost] - position[innermost], count - done);
    visit(done, address, run, stride);
    done += run;
    position[innermost] += run;
    for (std::size_t axis = innermost; axis > 0 && position[axis] == access.lengths[axis]; --axis) {
      position[axis] = 0;
      ++position[axis - 1];
    }
  }
}

// The elements that a tile has: rows x columns of the space, in row-major order one after the other
// from the `begin`-th on.
struct Tile {
  std::int64_t begin = 0;
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  std::int64_t first_row = 0;  // outer: the first row's position in its chunk

  std::int64_t count() const { return rows * columns; }
};

struct Block {
  std::int64_t first = 0;  // row or column
  std::int64_t width = 1;
};

// Where a task works.
struct Workspace {
  void* const* operands = nullptr;
  std::byte* block = nullptr;
  std::byte* tile = nullptr;

  void* at(const Place& place) const {
    if (place.where == Place::Where::none) return nullptr;
    return (place.where == Place::Where::block ? block : tile) + place.offset;
  }
};

class InterpretedGroup final : public GroupKernel {
 public:
  explicit InterpretedGroup(const ir::Group& group);

  void run(void* const* operands, void* scratch) const override;
  std::size_t scratch_bytes() const override;

 private:
  // Few long rows are shared between tasks chunk by chunk, else each task takes its own blocks.
  void run_blocks(void* const* operands, std::byte* scratch) const;
  void run_chunks(void* const* operands, std::byte* scratch) const;

  Block block_at(std::int64_t number) const;
  void fill_constants(const Workspace& work) const;
  // The row steps, and the ends of the passes before them.
  void run_rows(const Pass& pass, const Workspace& work, const Block& block) const;
  void run_tiles(const Pass& pass, const Workspace& work, const Block& block,
                 std::int64_t chunk) const;
  void finish(const Pass& pass, const Workspace& work, const Block& block) const;
  void run_inner_chunk(const Pass& pass, const Workspace& work, const Block& block,
                       std::int64_t chunk) const;
  void run_outer_chunk(const Pass& pass, const Workspace& work, const Block& block,
                       std::int64_t chunk) const;
  void run_step(const Step& step, const Workspace& work, std::int64_t begin,
                std::int64_t count) const;
  void expand(const Step& step, const Workspace& work, const Block& block) const;
  void run_tile(const Pass& pass, const Workspace& work, const Block& block,
                const Tile& tile) const;
  void reduce(const Step& step, const Workspace& work, const Tile& tile) const;
  std::int64_t rows_of_tile(const Block& block) const;
  void* chunk_values(const Reduction& reduction, const Workspace& work, const Block& block,
                     std::int64_t chunk) const;

  InterpreterPlan plan_;
  std::int64_t tasks_ = 1;
  bool share_chunks_ = false;
};

InterpretedGroup::InterpretedGroup(const ir::Group& group) : plan_(plan_interpreter(group)) {
  const std::int64_t elements = plan_.kept * std::max<std::int64_t>(1, plan_.reduced);
  const std::int64_t worthwhile = std::max<std::int64_t>(1, elements / kElementsPerTask);
  const std::int64_t most = std::min<std::int64_t>(thread_count(), worthwhile);
  share_chunks_ = plan_.blocks() < most && plan_.chunk_count > plan_.blocks();
  const std::int64_t pieces = share_chunks_ ? plan_.chunk_count : plan_.blocks();
  tasks_ = std::max<std::int64_t>(1, std::min(most, pieces));
}

std::size_t InterpretedGroup::scratch_bytes() const {
  const auto tasks = static_cast<std::size_t>(tasks_);
  if (share_chunks_) return plan_.block_bytes + tasks * plan_.tile_bytes;
  return tasks * (plan_.block_bytes + plan_.tile_bytes);
}

void InterpretedGroup::run(void* const* operands, void* scratch) const {
  if (plan_.kept == 0) return;
  auto* bytes = static_cast<std::byte*>(scratch);
  if (share_chunks_) {
    run_chunks(operands, bytes);
  } else {
    run_blocks(operands, bytes);
  }
}

void InterpretedGroup::run_blocks(void* const* operands, std::byte* scratch) const {
  parallel_for(tasks_, 1, [&](std::int64_t first_task, std::int64_t last_task) {
    for (std::int64_t task = first_task; task < last_task; ++task) {
      std::byte* mine =
          scratch + static_cast<std::size_t>(task) * (plan_.block_bytes + plan_.tile_bytes);
      const Workspace work{operands, mine, mine + plan_.block_bytes};
      fill_constants(work);
      const parallel::Range range = parallel::piece_range(plan_.blocks(), tasks_, task);
      for (std::int64_t number = range.begin; number < range.end; ++number) {
        const Block block = block_at(number);
        for (const Pass& pass : plan_.passes) {
          run_rows(pass, work, block);
          if (pass.tile_steps.empty()) continue;
          for (std::int64_t chunk = 0; chunk < plan_.chunk_count; ++chunk) {
            run_tiles(pass, work, block, chunk);
          }
          finish(pass, work, block);
        }
      }
    }
  });
}

void InterpretedGroup::run_chunks(void* const* operands, std::byte* scratch) const {
  const Workspace shared{operands, scratch, nullptr};
  fill_constants(shared);
  for (std::int64_t number = 0; number < plan_.blocks(); ++number) {
    const Block block = block_at(number);
    for (const Pass& pass : plan_.passes) {
      run_rows(pass, shared, block);
      if (pass.tile_steps.empty()) continue;
      parallel_for(tasks_, 1, [&](std::int64_t first_task, std::int64_t last_task) {
        for (std::int64_t task = first_task; task < last_task; ++task) {
          Workspace work = shared;
          work.tile =
              scratch + plan_.block_bytes + static_cast<std::size_t>(task) * plan_.tile_bytes;
          const parallel::Range range = parallel::piece_range(plan_.chunk_count, tasks_, task);
          for (std::int64_t chunk = range.begin; chunk < range.end; ++chunk) {
            run_tiles(pass, work, block, chunk);
          }
        }
      });
      finish(pass, shared, block);
    }
  }
}

Block InterpretedGroup::block_at(std::int64_t number) const {
  const std::int64_t first = number * plan_.width;
  return {first, std::min(plan_.width, plan_.kept - first)};
}

void InterpretedGroup::fill_constants(const Workspace& work) const {
  for (const Constant& constant : plan_.constants) {
    fill_constant(work.block + constant.offset, constant.type, constant.bits, kTile);
  }
}

// How many rows a tile has at most.
std::int64_t InterpretedGroup::rows_of_tile(const Block& block) const {
  if (plan_.inner) return block.width;
  // Whole rows of the space lie one after the other; parts of rows do not.
  return block.width == plan_.kept ? std::max<std::int64_t>(1, kTile / block.width) : 1;
}

void InterpretedGroup::run_rows(const Pass& pass, const Workspace& work, const Block& block) const {
  for (const Step& step : pass.row_steps) {
    if (step.kind == Step::Kind::expand) {
      expand(step, work, block);
    } else {
      run_step(step, work, block.first, block.width);
    }
  }
}

// A row value becomes a value for each element of a tile: the same along an inner group's row, the
// same for each row of an outer group.
void InterpretedGroup::expand(const Step& step, const Workspace& work, const Block& block) const {
  const std::size_t bytes = size_of(step.type);
  const auto* from = static_cast<const std::byte*>(work.at(step.a));
  auto* to = static_cast<std::byte*>(work.at(step.out));
  const std::int64_t rows = rows_of_tile(block);
  if (plan_.inner) {
    const std::int64_t columns = std::min(plan_.reduced, kTile);
    for (std::int64_t row = 0; row < rows; ++row) {
      gather(to + static_cast<std::size_t>(row * columns) * bytes,
             from + static_cast<std::size_t>(row) * bytes, bytes, 0, columns);
    }
  } else {
    for (std::int64_t row = 0; row < rows; ++row) {
      gather(to + static_cast<std::size_t>(row * block.width) * bytes, from, bytes, 1, block.width);
    }
  }
}

void InterpretedGroup::run_tiles(const Pass& pass, const Workspace& work, const Block& block,
                                 std::int64_t chunk) const {
  if (plan_.inner) {
    run_inner_chunk(pass, work, block, chunk);
  } else {
    run_outer_chunk(pass, work, block, chunk);
  }
}

void* InterpretedGroup::chunk_values(const Reduction& reduction, const Workspace& work,
                                     const Block& block, std::int64_t chunk) const {
  return work.block + reduction.chunks +
         static_cast<std::size_t>(chunk * block.width) * size_of(reduction.type);
}

void InterpretedGroup::run_inner_chunk(const Pass& pass, const Workspace& work, const Block& block,
                                       std::int64_t chunk) const {
  if (plan_.short_rows()) {
    run_tile(pass, work, block, {block.first * plan_.reduced, block.width, plan_.reduced, 0});
    return;
  }
  for (const std::size_t i : pass.reductions) {
    const Reduction& reduction = plan_.reductions[i];
    reduction.functions.start(work.tile + reduction.lanes, ir::kInnerLanes);
  }
  const std::int64_t end = std::min((chunk + 1) * plan_.chunk, plan_.reduced);
  for (std::int64_t column = chunk * plan_.chunk; column < end; column += kTile) {
    run_tile(pass, work, block,
             {block.first * plan_.reduced + column, 1, std::min(kTile, end - column), 0});
  }
  for (const std::size_t i : pass.reductions) {
    const Reduction& reduction = plan_.reductions[i];
    reduction.functions.fold_inner(chunk_values(reduction, work, block, chunk),
                                   work.tile + reduction.lanes);
  }
}

void InterpretedGroup::run_outer_chunk(const Pass& pass, const Workspace& work, const Block& block,
                                       std::int64_t chunk) const {
  for (const std::size_t i : pass.reductions) {
    const Reduction& reduction = plan_.reductions[i];
    reduction.functions.start(work.tile + reduction.lanes, ir::kOuterLanes * block.width);
  }
  const std::int64_t begin = chunk * plan_.chunk;
  const std::int64_t end = std::min(begin + plan_.chunk, plan_.reduced);
  const std::int64_t step = rows_of_tile(block);
  for (std::int64_t row = begin; row < end; row += step) {
    run_tile(pass, work, block,
             {row * plan_.kept + block.first, std::min(step, end - row), block.width, row - begin});
  }
  for (const std::size_t i : pass.reductions) {
    const Reduction& reduction = plan_.reductions[i];
    reduction.functions.fold_outer(chunk_values(reduction, work, block, chunk),
                                   work.tile + reduction.lanes, block.width);
  }
}

void InterpretedGroup::finish(const Pass& pass, const Workspace& work, const Block& block) const {
  for (const std::size_t i : pass.reductions) {
    const Reduction& reduction = plan_.reductions[i];
    reduction.functions.fold_chunks(work.at(reduction.result), work.block + reduction.chunks,
                                    plan_.chunk_count, block.width);
  }
}

void InterpretedGroup::run_tile(const Pass& pass, const Workspace& work, const Block& block,
                                const Tile& tile) const {
  for (const Step& step : pass.tile_steps) {
    if (step.kind != Step::Kind::reduce) {
      run_step(step, work, tile.begin, tile.count());
    } else if (plan_.short_rows()) {
      const Reduction& reduction = plan_.reductions[step.reduction];
      reduction.functions.fold_rows(chunk_values(reduction, work, block, 0), work.at(step.a),
                                    tile.rows, tile.columns);
    } else {
      reduce(step, work, tile);
    }
  }
}

void InterpretedGroup::reduce(const Step& step, const Workspace& work, const Tile& tile) const {
  const Reduction& reduction = plan_.reductions[step.reduction];
  std::byte* lanes = work.tile + reduction.lanes;
  if (plan_.inner) {
    reduction.functions.add_inner(lanes, work.at(step.a), tile.columns);
  } else {
    reduction.functions.add_outer(lanes, work.at(step.a), tile.first_row, tile.rows, tile.columns);
  }
}

void InterpretedGroup::run_step(const Step& step, const Workspace& work, std::int64_t begin,
                                std::int64_t count) const {
  if (step.kind == Step::Kind::compute) {
    step.function(work.at(step.out), work.at(step.a), work.at(step.b), work.at(step.c), step.imm,
                  count);
    return;
  }
  const Access& access = plan_.accesses[step.access];
  const std::size_t bytes = access.element_bytes;
  if (step.kind == Step::Kind::index) {
    auto* out = static_cast<std::byte*>(work.at(step.out));
    for_runs(access, begin, count,
             [&](std::int64_t offset, std::int64_t start, std::int64_t run, std::int64_t stride) {
               fill_index(out + static_cast<std::size_t>(offset) * size_of(step.type), step.type,
                          start, stride, run);
             });
    return;
  }
  auto* memory = static_cast<std::byte*>(work.operands[access.operand]);
  const auto element_bytes = static_cast<std::int64_t>(bytes);
  if (step.kind == Step::Kind::load) {
    auto* out = static_cast<std::byte*>(work.at(step.out));
    for_runs(access, begin, count,
             [&](std::int64_t offset, std::int64_t address, std::int64_t run, std::int64_t stride) {
               gather(out + offset * element_bytes, memory + address * element_bytes, bytes, stride,
                      run);
             });
  } else {
    const auto* from = static_cast<const std::byte*>(work.at(step.a));
    for_runs(access, begin, count,
             [&](std::int64_t offset, std::int64_t address, std::int64_t run, std::int64_t stride) {
               scatter(memory + address * element_bytes, from + offset * element_bytes, bytes,
                       stride, run);
             });
  }
}

}  // namespace

std::unique_ptr<GroupKernel> interpret_group(const ir::Group& group) {
  return std::make_unique<InterpretedGroup>(group);
}

}  // namespace sinter::backend::cpu
