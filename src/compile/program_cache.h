// The programs of a compiled function, one a signature.
#ifndef SINTER_COMPILE_PROGRAM_CACHE_H_
#define SINTER_COMPILE_PROGRAM_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "compile/state_use.h"

namespace sinter::compile_detail {

struct CompiledProgram;

// What a call asks for: the arguments, and what the calling thread is set to. Refers to the
// arguments and allocates nothing.
struct Request {
  backend::Backend* device = nullptr;
  std::span<const InputRef> arguments;
  bool training = true;
  bool tracking = true;
};
// For these arguments, by the thread's device and modes.
Request request_for(std::span<const InputRef> arguments);

// What a program was made for.
struct Signature {
  explicit Signature(const Request& request);

  backend::Backend* device;
  std::vector<ir::TensorType> arguments;
  bool training;
  bool tracking;
};
bool answers(const Signature& signature, const Request& request);

// At most so many, the last used first. Not thread-safe.
class ProgramCache {
 public:
  explicit ProgramCache(std::size_t most) : most_(most) {}

  // Null when there is none.
  std::shared_ptr<CompiledProgram> find(const Request& request);
  // In place of one of the same signature, if there is one.
  void add(std::shared_ptr<CompiledProgram> program);

 private:
  // A State that was moved into an arena after the trace, which read it on its own, makes a
  // program useless.
  void forget_moved();

  const std::size_t most_;
  std::list<std::shared_ptr<CompiledProgram>> programs_;
  std::uint64_t moves_seen_ = 0;  // moved_states_version() when all were looked at
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_PROGRAM_CACHE_H_
