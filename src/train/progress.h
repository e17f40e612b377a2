// Where a run stands, as checkpoints hold it.
#ifndef SINTER_TRAIN_PROGRESS_H_
#define SINTER_TRAIN_PROGRESS_H_

#include <cstdint>
#include <optional>

#include "sinter/data.h"
#include "sinter/io.h"

namespace sinter::train {

struct Progress {
  std::int64_t step = 0;    // updates done
  std::int64_t epochs = 0;  // evaluated
  data::LoaderPosition position = {};
  std::int64_t metrics_bytes = 0;  // of metrics.jsonl
  std::int64_t accumulated = 0;    // batches of the next update that have been summed
  double loss_sum = 0;             // of this epoch's batches so far, times their weights
  double loss_weight = 0;
  std::int64_t loss_count = 0;
  std::optional<double> best = {};  // objective in validation
  double seconds = 0;               // of training
};

// The same bits come back.
io::Texts to_texts(const Progress& progress);
// Throws Error, naming `where`, when an entry is missing or no number. Checkpoints that know no
// weights count each batch as one.
Progress progress_from_texts(const std::string& where, const io::Texts& texts);

}  // namespace sinter::train

#endif  // SINTER_TRAIN_PROGRESS_H_
