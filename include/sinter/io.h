// Weights and checkpoints in files.
#ifndef SINTER_IO_H_
#define SINTER_IO_H_

#include <map>
#include <span>
#include <string>

#include "sinter/named_state.h"

namespace sinter::io {

using Texts = std::map<std::string, std::string>;

// Writes the parameters and statistics among `states` as a safetensors file that other programs
// read: names as in the module tree, PyTorch's layouts. `texts` become metadata entries. The file
// is replaced in one step; the same values give the same bytes. Throws Error when it cannot be
// written.
void save_weights(const std::string& path, std::span<const NamedState> states,
                  const Texts& texts = {});

// Reads such a file into the parameters and statistics among `states`. Throws Error, naming file
// and tensor, for a damaged file, a missing or surplus tensor, and another shape or dtype; then no
// State has changed.
void load_weights(const std::string& path, std::span<const NamedState> states);

// The metadata entries of a safetensors file. Throws Error as load_weights.
Texts read_texts(const std::string& path);

// All of `states` bit for bit as they lie in memory, for going on later, with a checksum.
void save_checkpoint(const std::string& path, std::span<const NamedState> states,
                     const Texts& texts);
// The inverse; gives the texts. Throws Error as load_weights, and where the checksum is not that of
// the tensors; then no State has changed.
Texts load_checkpoint(const std::string& path, std::span<const NamedState> states);

}  // namespace sinter::io

#endif  // SINTER_IO_H_
