// States with the names they have in files.
#ifndef SINTER_NAMED_STATE_H_
#define SINTER_NAMED_STATE_H_

#include <cstdint>
#include <string>

#include "sinter/file_layout.h"
#include "sinter/tensor.h"

namespace sinter {

// What a State is for.
enum class StateRole : std::uint8_t {
  parameter,  // trained; in weight files
  statistic,  // follows the data (running means); in weight files
  progress,   // where training stands (random positions, moments, steps); in checkpoints only
};

// A State with the name that files and messages give it: what Module::states() and
// Optimizer::states() list, and what io.h saves and loads.
struct NamedState {
  std::string name;  // "conv1.weight", unique in a list
  State state;
  StateRole role = StateRole::parameter;
  FileLayout layout = {};
  bool may_be_missing = false;  // in checkpoints of older versions; it then becomes zero
};

}  // namespace sinter

#endif  // SINTER_NAMED_STATE_H_
