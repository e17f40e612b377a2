// The two points at which layers above reach into the funnel: a trace that records instead of
// running, and the compiler that makes an op called directly runnable.
#ifndef SINTER_TENSOR_RECORDER_H_
#define SINTER_TENSOR_RECORDER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "ir/graph.h"
#include "tensor/impl.h"

namespace sinter {

// What apply() and State ask while a thread traces. Implemented by compile/trace.
class Recorder {
 public:
  virtual ~Recorder() = default;
  // Appends a node; gives the payloads of its results.
  virtual std::vector<Payload> record(const ir::Op& op, std::span<const Tensor> inputs,
                                      const ir::Attributes& attributes,
                                      std::span<const ir::TensorType> types,
                                      SourceLocation location,
                                      std::span<const std::shared_ptr<const ir::Graph>> bodies) = 0;
  virtual Payload read(const std::shared_ptr<StateImpl>& state) = 0;
  virtual void assign(const std::shared_ptr<StateImpl>& state, const Tensor& value) = 0;
};

// The thread's recorder; null when ops run at once.
Recorder* current_recorder();

// While one of these lives, its thread records with `recorder`.
class RecorderScope {
 public:
  explicit RecorderScope(Recorder* recorder);
  ~RecorderScope();
  RecorderScope(const RecorderScope&) = delete;
  RecorderScope& operator=(const RecorderScope&) = delete;

 private:
  Recorder* previous_;
};

// A graph of one op made ready to run on the current device. Declared here, where eager ops need
// it, and defined in compile/eager.cc, which knows how: with scan_gradient (ops/scan.h) one of the
// two places where a layer's code calls to its right, which is why the layers from tensor to
// compile are one library. tools/check_links.py counts them.
std::shared_ptr<const backend::Code> make_eager_program(const ir::Graph& graph);

}  // namespace sinter

#endif  // SINTER_TENSOR_RECORDER_H_
