// The reference networks of `sinter bench`: the same layers, sizes, loss and optimizer as the
// PyTorch programs they are compared with.
#ifndef SINTER_CLI_WORKLOADS_H_
#define SINTER_CLI_WORKLOADS_H_

#include <cstdint>
#include <span>
#include <string>

#include "sinter/data.h"
#include "sinter/nn.h"

namespace sinter::cli {

struct Workload {
  const char* name;
  const char* units;
  std::int64_t batch;
  nn::Sequential (*model)();
  data::Batch (*data)(std::int64_t batch, Generator& generator);
};

std::span<const Workload> workload_list();
// Throws Error, with a suggestion, when there is none of that name.
const Workload& find_workload(const std::string& name);

}  // namespace sinter::cli

#endif  // SINTER_CLI_WORKLOADS_H_
