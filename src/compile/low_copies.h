// States rounded to 16 bits: what contractions of lower precision read instead of the States. A step
// that assigns a State writes its copy in the same pass; other writes (a checkpoint that is read, an
// assignment outside of steps, a step in f32) show by the State's version, and the copy is rounded
// anew before the next step that reads it.
#ifndef SINTER_COMPILE_LOW_COPIES_H_
#define SINTER_COMPILE_LOW_COPIES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "tensor/impl.h"

namespace sinter::compile_detail {

// The copies that one program reads and writes.
class LowCopies {
 public:
  // The id of the copy of `state` (f32) in `dtype`; made where there is none yet.
  std::uint64_t add(const std::shared_ptr<StateImpl>& state, Dtype dtype);
  // By id, for the program's table of States.
  const std::map<std::uint64_t, std::shared_ptr<StateImpl>>& states() const { return states_; }

  // Rounds States that were written since. REQUIRES: the program has them in use.
  void refresh() const;
  // After a run of the program. REQUIRES: its writes are counted.
  void note_run() const;

 private:
  struct Pair {
    std::shared_ptr<StateImpl> state;
    std::shared_ptr<StateImpl> copy;
  };
  std::vector<Pair> pairs_;
  std::map<std::uint64_t, std::shared_ptr<StateImpl>> states_;
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_LOW_COPIES_H_
