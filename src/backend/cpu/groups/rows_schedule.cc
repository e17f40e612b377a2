#include "backend/cpu/groups/rows_schedule.h"

#include <algorithm>

namespace sinter::backend::cpu {

using ir::ScalarOp;

namespace {

// A value that takes more instructions than this is kept for a later pass, not computed again.
constexpr int kCheapInstructions = 4;
// Of blocks no longer than this the processor sees several at once anyway.
constexpr std::size_t kShortBlock = 8;
// A wide block has no more instructions than this.
constexpr std::size_t kWideBlock = 160;

}  // namespace

Dtype stored_type(Lane lane) {
  switch (lane) {
    case Lane::f64:
      return Dtype::f64;
    case Lane::i32:
      return Dtype::i32;
    case Lane::i64:
      return Dtype::i64;
    case Lane::half:
      return Dtype::f16;
    default:
      return Dtype::f32;
  }
}

RowsSchedule::RowsSchedule(const RowsSpec& spec)
    : body(spec.body), inner_(spec.inner), rank_(spec.rank) {
  classify();
  find_needed();
  if (pass_count > 1) save_expensive();
  plan_passes();
  plan_wide_blocks();
}

void RowsSchedule::classify() {
  for (const LoweredInst& it : body.code) {
    int deepest = 0;
    int available = 0;
    const std::int32_t sources[] = {it.a, it.b, it.c};
    for (int i = 0; i < source_count(it); ++i) {
      const auto index = static_cast<std::size_t>(sources[i]);
      deepest = std::max<int>(deepest, levels[index]);
      available =
          std::max(available, pass[index] + (ir::is_reduction(body.code[index].op) ? 1 : 0));
    }
    if (it.op == ScalarOp::load || it.op == ScalarOp::store) {
      const OperandAccess& access = body.operands[static_cast<std::size_t>(it.imm)];
      deepest = access.inner != 0 ? 2 : (access.row != 0 || it.op == ScalarOp::store) ? 1 : 0;
    } else if (it.op == ScalarOp::index) {
      deepest = it.imm == rank_ - 1 ? (inner_ > 1 ? 2 : 0) : it.imm == rank_ - 2 ? 1 : 0;
    } else if (ir::is_reduction(it.op)) {
      deepest = 1;
    }
    levels.push_back(static_cast<std::uint8_t>(deepest));
    pass.push_back(available);
    if (ir::is_reduction(it.op) || (it.op == ScalarOp::store && deepest == 2)) {
      pass_count = std::max(pass_count, available + 1);
    }
  }
}

void RowsSchedule::find_needed() {
  needed_.assign(body.code.size(), false);
  for (std::size_t i = body.code.size(); i-- > 0;) {
    const LoweredInst& it = body.code[i];
    if (it.op == ScalarOp::store) needed_[i] = true;
    if (!needed_[i]) continue;
    const std::int32_t sources[] = {it.a, it.b, it.c};
    for (int s = 0; s < source_count(it); ++s) needed_[static_cast<std::size_t>(sources[s])] = true;
  }
}

// The reductions and stores that pass `at` is for.
std::vector<std::int32_t> RowsSchedule::roots_of(int at) {
  std::vector<std::int32_t> roots;
  for (std::size_t i = 0; i < needed_.size(); ++i) {
    const LoweredInst& it = body.code[i];
    if (!needed_[i] || pass[i] != at) continue;
    if (ir::is_reduction(it.op) || (it.op == ScalarOp::store && levels[i] == 2)) {
      roots.push_back(static_cast<std::int32_t>(i));
    }
  }
  return roots;
}

// Marks what pass `at` computes in its loop for `value`.
void RowsSchedule::collect(std::int32_t value, int at, std::vector<bool>* marks) {
  const auto index = static_cast<std::size_t>(value);
  if ((*marks)[index]) return;
  if (const Saved* kept = saved_before(value, at)) {
    (*marks)[static_cast<std::size_t>(kept->load)] = true;
    return;
  }
  (*marks)[index] = true;
  const LoweredInst& it = inst(value);
  const std::int32_t sources[] = {it.a, it.b, it.c};
  for (int i = 0; i < source_count(it); ++i) {
    if (level(sources[i]) == 2) collect(sources[i], at, marks);
  }
}

int RowsSchedule::cost(std::int32_t value, std::vector<bool>* seen) {
  const auto index = static_cast<std::size_t>(value);
  if (level(value) < 2 || (*seen)[index]) return 0;
  (*seen)[index] = true;
  const LoweredInst it = inst(value);
  int total = it.op == ScalarOp::load || it.op == ScalarOp::constant ? 0 : 1;
  if (it.op == ScalarOp::div || it.op == ScalarOp::sqrt) total = kCheapInstructions + 1;
  const std::int32_t sources[] = {it.a, it.b, it.c};
  for (int i = 0; i < source_count(it); ++i) total += cost(sources[i], seen);
  return total;
}

// Values of an earlier pass that a later one reads, and that are expensive, go through memory.
void RowsSchedule::save_expensive() {
  for (int at = 1; at < pass_count; ++at) {
    std::vector<bool> marks(body.code.size(), false);
    for (const std::int32_t root : roots_of(at)) collect(root, at, &marks);
    const std::size_t values = marks.size();
    for (std::size_t user = 0; user < values; ++user) {
      if (!marks[user] || pass[user] != at) continue;
      const LoweredInst reader = body.code[user];
      const std::int32_t sources[] = {reader.a, reader.b, reader.c};
      for (int i = 0; i < source_count(reader); ++i) {
        const std::int32_t value = sources[i];
        const auto index = static_cast<std::size_t>(value);
        if (level(value) < 2 || pass[index] >= at || inst(value).lane == Lane::mask) continue;
        if (saved_before(value, at) != nullptr) continue;
        std::vector<bool> seen(body.code.size(), false);
        if (cost(value, &seen) <= kCheapInstructions) continue;
        // Only what an earlier pass computes anyway.
        int computed_in = -1;
        for (int earlier = pass[index]; earlier < at && computed_in < 0; ++earlier) {
          std::vector<bool> theirs(body.code.size(), false);
          for (const std::int32_t root : roots_of(earlier)) collect(root, earlier, &theirs);
          if (theirs[index]) computed_in = earlier;
        }
        if (computed_in < 0) continue;
        const Lane lane = inst(value).lane;
        const auto operand = static_cast<std::int64_t>(body.operands.size());
        body.operands.push_back({.dtype = stored_type(lane), .output = true, .inner = 1, .row = 0});
        const auto store = static_cast<std::int32_t>(body.code.size());
        LoweredInst added{.op = ScalarOp::store,
                          .lane = lane,
                          .from = lane,
                          .type = stored_type(lane),
                          .a = value,
                          .imm = operand};
        body.code.push_back(added);
        added.op = ScalarOp::load;
        added.a = -1;
        body.code.push_back(added);
        levels.insert(levels.end(), 2, 2);
        // The store is planned with the pass that computes the value, the load where it is read.
        pass.insert(pass.end(), {computed_in, computed_in});
        needed_.insert(needed_.end(), 2, false);
        saved.push_back({value, store, store + 1, computed_in});
        marks.resize(body.code.size(), false);
      }
    }
  }
}

void RowsSchedule::plan_passes() {
  order.resize(static_cast<std::size_t>(pass_count));
  reductions.resize(static_cast<std::size_t>(pass_count));
  row_values.resize(static_cast<std::size_t>(pass_count) + 1);
  for (int at = 0; at < pass_count; ++at) {
    const auto slot = static_cast<std::size_t>(at);
    std::vector<bool> marks(body.code.size(), false);
    for (const std::int32_t root : roots_of(at)) {
      collect(root, at, &marks);
      if (ir::is_reduction(inst(root).op)) reductions[slot].push_back(root);
    }
    // In the order of the body, loads where they are first used, and stores last: an output may be
    // the same memory as an input.
    std::vector<std::int32_t> stores;
    for (std::size_t i = 0; i < marks.size(); ++i) {
      const ScalarOp op = body.code[i].op;
      if (!marks[i] || op == ScalarOp::load || op == ScalarOp::constant) continue;
      (op == ScalarOp::store ? stores : order[slot]).push_back(static_cast<std::int32_t>(i));
    }
    for (const Saved& it : saved) {
      if (it.pass == at) stores.push_back(it.store);
    }
    order[slot].insert(order[slot].end(), stores.begin(), stores.end());
  }
  for (std::size_t i = 0; i < needed_.size(); ++i) {
    const LoweredInst& it = body.code[i];
    const auto value = static_cast<std::int32_t>(i);
    if (!needed_[i] || levels[i] == 2 || it.op == ScalarOp::constant || ir::is_reduction(it.op) ||
        it.op == ScalarOp::bitcast) {
      continue;
    }
    if (it.op == ScalarOp::store) {
      row_stores.push_back(value);
    } else if (levels[i] == 0) {
      invariant.push_back(value);
    } else {
      row_values[static_cast<std::size_t>(std::min(pass[i], pass_count))].push_back(value);
    }
  }
}

// The copy of `value` in pass `at` for the vector `vector` places on; what all vectors share is
// shared.
std::int32_t RowsSchedule::copy_of(std::int32_t value, int at, int vector, Copies* copies) {
  if (const Saved* kept = saved_before(value, at)) value = kept->load;
  const auto [entry, is_new] = copies->emplace(value, -1);
  if (!is_new) return entry->second;
  LoweredInst copy = inst(value);
  copy.vector = vector;
  copy.first = value;
  std::int32_t* const sources[] = {&copy.a, &copy.b, &copy.c};
  for (int i = 0; i < source_count(copy); ++i) {
    if (level(*sources[i]) == 2) *sources[i] = copy_of(*sources[i], at, vector, copies);
  }
  entry->second = static_cast<std::int32_t>(body.code.size());
  body.code.push_back(copy);
  levels.push_back(2);
  return entry->second;
}

void RowsSchedule::plan_wide_blocks() {
  wide_blocks.resize(order.size());
  for (std::size_t at = 0; at < order.size(); ++at) {
    const std::size_t length = order[at].size();
    if (length <= kShortBlock) continue;
    for (const int vectors : {4, 2}) {
      if (length * static_cast<std::size_t>(vectors) > kWideBlock) continue;
      WideBlock block{.vectors = vectors, .order = {}};
      std::vector<Copies> copies(static_cast<std::size_t>(vectors));
      for (const std::int32_t value : order[at]) {
        block.order.push_back(value);
        for (int vector = 1; vector < vectors; ++vector) {
          block.order.push_back(copy_of(value, static_cast<int>(at), vector,
                                        &copies[static_cast<std::size_t>(vector)]));
        }
      }
      wide_blocks[at].push_back(std::move(block));
    }
  }
}

}  // namespace sinter::backend::cpu
