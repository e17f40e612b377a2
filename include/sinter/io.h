// Weights and checkpoints in files.
//
//   io::save_weights("model.safetensors", model.states(), {{"classes", "cat,dog"}});
//   io::load_weights("model.safetensors", other_model.states());
//
// Weights are for others (PyTorch reads them), checkpoints for going on: with the optimizer's
// States besides the model's, training continues bit for bit.
//
// Files are not trusted: lengths, offsets and names are checked before anything is used or
// allocated, and memory is bounded by the file's size. Files are written under a temporary name in
// the same folder, synced and renamed, so that a crash leaves the old or the new file, never a
// part. Any number of threads may call these at once, as long as no step that uses the States runs.
#ifndef SINTER_IO_H_
#define SINTER_IO_H_

#include <map>
#include <span>
#include <string>

#include "sinter/named_state.h"

namespace sinter::io {

// Entries of a file's metadata, UTF-8.
using Texts = std::map<std::string, std::string>;

// Writes the parameters and statistics among `states` as a safetensors file that other programs
// read: names as in the module tree, PyTorch's layouts (FileLayout in named_state.h). States with
// the role `progress` are left out. `texts` become metadata entries. The file is replaced in one
// step; the same values give the same bytes. Throws Error for two States of one name, a name or
// text that is not UTF-8, and when the file cannot be written; then the old file is as it was.
void save_weights(const std::string& path, std::span<const NamedState> states,
                  const Texts& texts = {});

// Reads such a file, of whatever program, into the parameters and statistics among `states`, by
// name. Throws Error, naming file and tensor, for a damaged file, a missing or surplus tensor, and
// another shape or dtype (nothing is converted); then no State has changed. Tensors of dtypes that
// Sinter does not have are such surplus ones.
void load_weights(const std::string& path, std::span<const NamedState> states);

// The metadata entries of a safetensors file, without reading its tensors. Throws Error as
// load_weights.
Texts read_texts(const std::string& path);

// All of `states` bit for bit as they lie in memory, for going on later, with a checksum (the text
// "crc32", which load_checkpoint takes out again). Throws Error as save_weights.
void save_checkpoint(const std::string& path, std::span<const NamedState> states,
                     const Texts& texts);
// The inverse; gives the texts. Throws Error as load_weights, and where the checksum is not that of
// the tensors; then no State has changed.
Texts load_checkpoint(const std::string& path, std::span<const NamedState> states);

}  // namespace sinter::io

#endif  // SINTER_IO_H_
