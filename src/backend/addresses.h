// Where the arguments of a program's steps lie: settled once, bound to memory at each run.
#ifndef SINTER_BACKEND_ADDRESSES_H_
#define SINTER_BACKEND_ADDRESSES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/backend.h"

namespace sinter::backend {

// A run works on a table of addresses: of each step the inputs, then the outputs. Those in the
// arena are the same in all runs on that arena, the others are each run's own. Immutable.
class AddressPlan {
 public:
  // The part of the table that is one step's.
  struct StepPlan {
    std::size_t first = 0;
    std::size_t input_count = 0;
    std::size_t output_count = 0;
    std::int64_t workspace = 0;  // bytes from the start of the arena
  };

  explicit AddressPlan(const ir::Program& program);

  std::size_t step_count() const { return steps_.size(); }
  const StepPlan& step(std::size_t index) const { return steps_[index]; }
  // Addresses in the table.
  std::size_t size() const { return size_; }

  // Write into a table of size() addresses. Neither allocates.
  void bind_arena(std::byte* arena, void** table) const;
  void bind(const Bindings& bindings, void** table) const;

  // What step `index` writes.
  std::span<void* const> outputs(std::size_t index, void* const* table) const {
    return {table + steps_[index].first + steps_[index].input_count, steps_[index].output_count};
  }

 private:
  struct Place {
    std::size_t position = 0;  // in the table
    ir::BufferKind kind = ir::BufferKind::arena;
    std::size_t index = 0;    // which input, output or State
    std::int64_t offset = 0;  // bytes
  };

  void add(const ir::Argument& argument);

  std::vector<StepPlan> steps_;
  std::vector<Place> in_arena_;
  std::vector<Place> external_;
  std::size_t size_ = 0;
};

}  // namespace sinter::backend

#endif  // SINTER_BACKEND_ADDRESSES_H_
