// States seen by those who write steps: which of them a step assigns, and which shape its trace.
#ifndef SINTER_STATE_SCOPE_H_
#define SINTER_STATE_SCOPE_H_

#include <cstdint>
#include <vector>

#include "sinter/tensor.h"

namespace sinter {

// Remembers the States that its thread assigns while it lives, each with the value that it had
// before its first assignment. Works the same in a traced function (the values are then those of
// the graph) and outside of one. Scopes nest: an outer one sees the assignments within an inner
// one too.
class AssignmentScope {
 public:
  struct Assigned {
    State state;
    Tensor before;  // untracked
  };

  AssignmentScope();
  ~AssignmentScope();
  AssignmentScope(const AssignmentScope&) = delete;
  AssignmentScope& operator=(const AssignmentScope&) = delete;

  // In the order of their first assignments. A State in an arena and the arena itself (see
  // state_arena.h) count as two.
  const std::vector<Assigned>& assigned() const { return assigned_; }

  // While one of these lives, its thread's assignments are not remembered: for those who have
  // cared for the old value themselves.
  class Pause {
   public:
    Pause();
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    AssignmentScope* previous_;
  };

 private:
  friend class State;
  static void note(const State& state);
  void add(const State& state);

  AssignmentScope* previous_;
  std::vector<Assigned> assigned_;
};

// A compiled function is a trace of what its C++ code did once. When an object that such code
// asked has changed since (an optimizer that got another schedule), it says so here: every
// compiled function then traces again at its next call and, where it records something else, is
// compiled anew. For settings that change now and then; what changes from step to step belongs
// into a State. Thread-safe.
void configuration_changed();
// How often it has changed.
std::uint64_t configuration_version();

// Declares that traces depend on the value of `state`: from now on, assigning it outside of a
// traced function (reading a checkpoint does) is a change of configuration.
void mark_as_configuration(const State& state);
// What `state` holds between steps, also while a function is traced, which may record different ops
// for different values of a State marked as configuration. Throws Error while a step uses it.
Tensor value_between_steps(const State& state);

}  // namespace sinter

#endif  // SINTER_STATE_SCOPE_H_
