// How the body of a rows kernel is cut into passes over a row, before any code: what each pass
// computes, folds, stores and reads back.
#ifndef SINTER_BACKEND_CPU_GROUPS_ROWS_SCHEDULE_H_
#define SINTER_BACKEND_CPU_GROUPS_ROWS_SCHEDULE_H_

#include <cstdint>
#include <map>
#include <vector>

#include "backend/cpu/groups/emit_rows.h"

namespace sinter::backend::cpu {

// The type that a lane's values have in memory.
Dtype stored_type(Lane lane);

// A value of an earlier pass that is kept in memory.
struct Saved {
  std::int32_t value = -1;
  std::int32_t store = -1;
  std::int32_t load = -1;
  int pass = 0;  // in which it is stored
};

// The block of a pass for several vectors at once, instruction by instruction, so that the latency
// of one hides behind the others.
struct WideBlock {
  int vectors = 1;
  std::vector<std::int32_t> order;
};

// What happens in which pass: the analysis of a body, before any code.
class RowsSchedule {
 public:
  explicit RowsSchedule(const RowsSpec& spec);

  LoweredBody body;
  std::vector<std::uint8_t> levels;
  std::vector<int> pass;  // in which a value is first available
  int pass_count = 1;
  std::vector<Saved> saved;
  std::vector<std::vector<std::int32_t>> order;       // per pass: the innermost loop's block
  std::vector<std::vector<WideBlock>> wide_blocks;    // per pass, the widest first
  std::vector<std::vector<std::int32_t>> reductions;  // per pass: that fold in it
  std::vector<std::int32_t> invariant;                // level 0, in order
  std::vector<std::vector<std::int32_t>> row_values;  // per pass: level 1, available before it
  std::vector<std::int32_t> row_stores;

  // Whether `value` in pass `at` is read back from memory.
  const Saved* saved_before(std::int32_t value, int at) const {
    for (const Saved& it : saved) {
      if (it.value == value && it.pass < at) return &it;
    }
    return nullptr;
  }

 private:
  LoweredInst& inst(std::int32_t value) { return body.code[static_cast<std::size_t>(value)]; }
  std::uint8_t level(std::int32_t value) const { return levels[static_cast<std::size_t>(value)]; }

  void classify();
  void find_needed();
  void collect(std::int32_t value, int at, std::vector<bool>* marks);
  std::vector<std::int32_t> roots_of(int at);
  int cost(std::int32_t value, std::vector<bool>* seen);
  void save_expensive();
  void plan_passes();
  using Copies = std::map<std::int32_t, std::int32_t>;
  void plan_wide_blocks();
  std::int32_t copy_of(std::int32_t value, int at, int vector, Copies* copies);

  std::int64_t inner_ = 1;
  int rank_ = 0;
  std::vector<bool> needed_;
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_ROWS_SCHEDULE_H_
