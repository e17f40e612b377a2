// Recording a function into a Graph.
#ifndef SINTER_COMPILE_TRACE_H_
#define SINTER_COMPILE_TRACE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensor/recorder.h"

namespace sinter::compile_detail {

// A recorded function: its graph, and what the graph's inputs and states stand for.
struct Trace {
  ir::Graph graph;
  // The graph's inputs are the arguments, then one per captured Tensor.
  std::vector<Tensor> captured;
  // Every State that the graph reads or writes, by id.
  std::map<std::uint64_t, std::shared_ptr<StateImpl>> states;
};

// Records ops instead of running them. Use: arguments by add_argument(), the ops under a
// RecorderScope, then finish().
class Tracer : public Recorder {
 public:
  Tracer();
  // Records into an empty graph whose vectors have room already: allocates nothing large.
  explicit Tracer(ir::Graph room);

  // A stand-in for a value that is given at each call.
  Tensor add_argument(const ir::TensorType& type);
  // Ends the recording; the outputs may be captured Tensors too.
  Trace finish(const std::vector<Tensor>& outputs);

  // While set, nodes carry this line and module instead of their own: for nodes that a pass makes
  // of another node.
  void set_origin(const ir::Node* node) { origin_ = node; }
  // For passes that record a graph again: states keep their uses.
  Tensor add_state_in(std::uint64_t state, const ir::TensorType& type);
  void add_state_out(std::uint64_t state, const Tensor& value);

  std::vector<Payload> record(const ir::Op& op, std::span<const Tensor> inputs,
                              const ir::Attributes& attributes,
                              std::span<const ir::TensorType> types, SourceLocation location,
                              std::span<const std::shared_ptr<const ir::Graph>> bodies) override;
  Payload read(const std::shared_ptr<StateImpl>& state) override;
  void assign(const std::shared_ptr<StateImpl>& state, const Tensor& value) override;

 protected:
  const ir::Graph& graph() const { return trace_.graph; }
  Payload payload(ir::ValueId value) const;
  // The graph's value for a Tensor; one that was made outside is captured.
  ir::ValueId value_of(const Tensor& tensor);
  // The input for a Tensor that was made outside. Throws Error for one of another trace.
  virtual ir::ValueId capture(const Tensor& tensor);
  // A new input that stands for `tensor`.
  ir::ValueId add_captured(const Tensor& tensor);

 private:
  void set_state(std::uint64_t id, ir::ValueId value);

  std::uint64_t id_;
  Trace trace_;
  std::size_t argument_count_ = 0;
  const ir::Node* origin_ = nullptr;
  std::map<std::uint64_t, ir::ValueId> current_;  // the value of each State at this point
  std::map<std::pair<const void*, std::int64_t>, ir::ValueId> captured_;
};

}  // namespace sinter::compile_detail

#endif  // SINTER_COMPILE_TRACE_H_
