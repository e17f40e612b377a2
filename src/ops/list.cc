#include "ops/list.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "ir/internal_error.h"

namespace sinter {

namespace ops {
namespace {

struct Entry {
  const char* name;
  const ir::Op* op;
  bool has_kernel;
};

constexpr std::array<Entry, ir::kStructuredOpCount> kStructuredOps = {{
#define SINTER_NO_KERNEL(Name, id) {#id, &k##Name, false},
#define SINTER_KERNEL(Name, id) {#id, &k##Name, true},
    SINTER_STRUCTURED_OPS(SINTER_NO_KERNEL, SINTER_KERNEL)
#undef SINTER_NO_KERNEL
#undef SINTER_KERNEL
}};

// Throws InternalError where an op does not say of itself what the list says of it.
void check(const Entry& entry) {
  const ir::Op& op = *entry.op;
  if (op.name != std::string_view(entry.name)) {
    throw ir::InternalError(std::string("op ") + entry.name + " calls itself " + op.name);
  }
  const bool runs_by_itself = op.kind == ir::OpKind::contraction || op.kind == ir::OpKind::opaque;
  if (entry.has_kernel != (runs_by_itself && op.id != ir::OpId::scan)) {
    throw ir::InternalError(std::string("op ") + entry.name +
                            ": its kind does not go with its place among the ops " +
                            (entry.has_kernel ? "with" : "without") + " kernels");
  }
}

using AllOps = std::array<ir::Op, ir::kOpCount>;

// The ops are constants of other files, whose values this file cannot see before it runs.
AllOps collect() {
  AllOps all;
  std::size_t at = 0;
  for (const Entry& entry : kStructuredOps) {
    check(entry);
    all[at++] = *entry.op;
  }
  for (const ir::Op& op : kPointwiseOps) all[at++] = op;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (static_cast<std::size_t>(all[i].id) != i) {
      throw ir::InternalError(std::string("op ") + all[i].name + " has another op's id");
    }
  }
  return all;
}

}  // namespace
}  // namespace ops

ir::OpList op_list() {
  static const ops::AllOps all = ops::collect();
  return all;
}

}  // namespace sinter
