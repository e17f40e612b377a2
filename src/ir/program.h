// A planned computation: a flat list of steps on buffers with fixed offsets, for one device. What
// an executor runs; nothing about it changes from run to run but the addresses of the external
// buffers.
#ifndef SINTER_IR_PROGRAM_H_
#define SINTER_IR_PROGRAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "ir/group.h"

namespace sinter::ir {

// Memory that a program uses. One arena is its own; the others are bound at each run.
enum class BufferKind : std::uint8_t { arena, input, output, state };

struct BufferRef {
  BufferKind kind = BufferKind::arena;
  // input, output: which one; state: position in Program::states; arena: 0.
  std::int32_t index = 0;
  // Bytes from the start of that memory to the buffer. Arena offsets are multiples of 64.
  std::int64_t offset = 0;

  friend bool operator==(const BufferRef&, const BufferRef&) = default;
};

// One argument of a step: typed memory. layout.offset counts elements from `buffer`, where the
// value starts.
struct Argument {
  BufferRef buffer;
  Dtype dtype = Dtype::f32;
  Layout layout;
  // Which value the memory holds when it is read, or has been written; the same number for the same
  // value wherever it is an argument. Only verify() looks at it. -1: not said, not checked.
  std::int64_t value = -1;
};

struct Program;

// What a back end made for a step when it was planned. Only that back end looks into it.
class Prepared {
 public:
  virtual ~Prepared() = default;
};

struct Step {
  // The op of a step with a kernel of its own; OpId::count for a fused group.
  OpId op = OpId::count;
  Attributes attributes;
  // A fused group: operand i of the group is the i-th of inputs, then outputs.
  std::shared_ptr<const Group> group;
  // What follows on the result of `op` at once, block by block, before it leaves the cache; null:
  // nothing. Operand 0 of this group is that result, dense, of type `result`, which has no memory
  // of its own; the others are the inputs behind the op's own, then the outputs.
  std::shared_ptr<const Group> epilogue;
  TensorType result;
  // Which of its kernels for the op a back end chose; empty where it has but one.
  std::string kernel;
  // That kernel made ready; null: it is made from what stands here when the program is.
  std::shared_ptr<const Prepared> prepared;
  // A pack whose inputs lie where it would put them, with zeros in the gaps (Program::zeros): there
  // is nothing to run, the step only says that from here on the memory holds one value.
  bool is_in_place = false;
  // scan: the planned body.
  std::shared_ptr<const Program> body;
  std::vector<Argument> inputs;
  std::vector<Argument> outputs;
  BufferRef workspace;  // 64-byte aligned arena memory
  std::int64_t workspace_bytes = 0;
  Cost cost;
  std::string label;        // for people: "conv", "fused: add relu"
  std::string scope;        // the module of its first node
  SourceLocation location;  // of its first node
};

// How many of a step's inputs are its op's own; those behind them are its epilogue's.
std::size_t own_inputs(const Step& step);

// Planned bytes by what they hold.
struct MemoryPlan {
  std::int64_t parameters = 0;  // States that hold parameters
  std::int64_t optimizer = 0;   // other States: moments, statistics, counters
  std::int64_t gradients = 0;
  std::int64_t activations = 0;  // the rest of the arena, at its peak
  std::int64_t workspace = 0;    // the largest sum of workspaces in use at once
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  std::int64_t total() const {
    return parameters + optimizer + gradients + activations + workspace + inputs + outputs;
  }
};

struct Program {
  std::vector<Step> steps;
  std::int64_t arena_bytes = 0;
  std::vector<TensorType> inputs;
  std::vector<TensorType> outputs;
  struct StateSlot {
    std::uint64_t state = 0;
    TensorType type;
    bool written = false;
  };
  std::vector<StateSlot> states;
  // Bytes of the arena that hold zeros from the start and that no step writes. None in a body.
  struct Span {
    std::int64_t offset = 0;
    std::int64_t bytes = 0;
  };
  std::vector<Span> zeros;
  MemoryPlan memory;
};

// How many steps have something to run.
int kernel_count(const Program& program);

// Steps, one a line, with buffers and the groups' bodies; stable, for golden files and SINTER_DUMP.
std::string to_text(const Program& program, OpList ops);

// Throws InternalError naming the step when a buffer leaves its memory, a workspace or output
// overlaps an input that the step or a later one still reads, memory holds another value than the
// one that a step reads there (Argument::value), a group does not fit its arguments, or a state is
// overwritten while its old value is still read.
void verify(const Program& program, OpList ops);

}  // namespace sinter::ir

#endif  // SINTER_IR_PROGRAM_H_
