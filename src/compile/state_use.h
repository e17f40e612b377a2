// States and other memory during a run of a program.
#ifndef SINTER_COMPILE_STATE_USE_H_
#define SINTER_COMPILE_STATE_USE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "ir/program.h"
#include "tensor/impl.h"

namespace sinter::compile_detail {

using StateList = std::vector<std::shared_ptr<StateImpl>>;

// An argument of a call: a Tensor's, or a View.
struct InputRef {
  ir::TensorType type;
  void* memory = nullptr;
  const backend::Backend* device = nullptr;  // where the memory lies
};
// Throws Error for a Tensor of a trace.
InputRef input_ref(const Tensor& tensor);

// The addresses of one run.
class BoundProgram {
 public:
  explicit BoundProgram(const backend::Backend& device) : device_(device) {}

  // Inputs lie on the program's device or in host memory, States on the device. Throws Error when
  // one does not. Allocates nothing after the first time.
  void bind(std::span<const InputRef> arguments, const std::vector<Tensor>& captured,
            std::span<void* const> outputs, const StateList& states);

  backend::Bindings bindings() const { return {inputs_, outputs_, states_, host_inputs_}; }

 private:
  void add_input(void* memory, const backend::Backend& own);

  const backend::Backend& device_;
  std::vector<void*> inputs_;
  std::vector<void*> outputs_;
  std::vector<void*> states_;
  std::vector<std::uint8_t> host_inputs_;  // empty when the device is the host
};

// Marks States as read or written by a running step while it lives. Throws Error when one that this
// step writes is used by another, or one that it reads is written by another.
class RunningStates {
 public:
  // `program` says which of its States it writes.
  RunningStates(const StateList& states, const ir::Program& program, const std::string& name);
  ~RunningStates();
  RunningStates(const RunningStates&) = delete;
  RunningStates& operator=(const RunningStates&) = delete;

 private:
  void release();

  const StateList& states_;
  const ir::Program& program_;
  std::size_t marked_ = 0;
};

// Puts the memory of States back to what it was when it was made.
class SavedStates {
 public:
  // Those that the program writes.
  SavedStates(const StateList& states, const ir::Program& program);
  explicit SavedStates(const StateList& states);
  ~SavedStates();
  SavedStates(const SavedStates&) = delete;
  SavedStates& operator=(const SavedStates&) = delete;

 private:
  void save();

  StateList states_;
  std::vector<Payload> copies_;
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_STATE_USE_H_
