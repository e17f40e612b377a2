// The last step of both reduction trees, for kernels that leave the chunks' values in memory.
#ifndef SINTER_BACKEND_CPU_GROUPS_FOLD_PARTIALS_H_
#define SINTER_BACKEND_CPU_GROUPS_FOLD_PARTIALS_H_

#include <cstdint>

#include "ir/scalar.h"

namespace sinter::backend::cpu {

// Values are `type`, in `chunks` runs of `columns` of them, run after run. Folds the runs by
// neighbours, each column by itself, into the first run; for columns [begin, end) only.
void fold_partials(ir::ScalarOp op, Dtype type, void* values, std::int64_t chunks,
                   std::int64_t columns, std::int64_t begin, std::int64_t end);

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_GROUPS_FOLD_PARTIALS_H_
