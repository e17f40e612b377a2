// Ops called directly: each is a program of one op, made once per op, attributes and input types.
#ifndef SINTER_TENSOR_EAGER_H_
#define SINTER_TENSOR_EAGER_H_

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "tensor/impl.h"

namespace sinter {

// Runs one op on concrete inputs. Views that a dense layout can express share their input's memory.
std::vector<Payload> run_eager(const ir::Op& op, std::span<const Tensor> inputs,
                               const ir::Attributes& attributes,
                               std::span<const ir::TensorType> types, SourceLocation location,
                               std::span<const std::shared_ptr<const ir::Graph>> bodies);

// How many programs of ops called directly are kept; at most limits::kEagerPrograms.
std::size_t eager_program_count();

}  // namespace sinter

#endif  // SINTER_TENSOR_EAGER_H_
