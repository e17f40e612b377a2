#include "train/progress.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>

namespace sinter::train {
namespace {

// "{:a}" writes every bit of a double.
std::string hex(double value) { return fmt::format("{:a}", value); }

class Reader {
 public:
  Reader(const std::string& where, const io::Texts& texts) : where_(where), texts_(texts) {}

  std::int64_t integer(const std::string& name) const {
    const std::string& text = entry(name);
    char* end = nullptr;
    errno = 0;
    const long long value = std::strtoll(text.c_str(), &end, 10);
    if (errno != 0 || end == text.c_str() || *end != '\0' || value < 0) refuse(name, text);
    return value;
  }
  double real(const std::string& name) const {
    const std::string& text = entry(name);
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (end == text.c_str() || *end != '\0') refuse(name, text);
    return value;
  }
  bool has(const std::string& name) const { return texts_.count(name) != 0; }

 private:
  const std::string& entry(const std::string& name) const {
    const auto found = texts_.find(name);
    if (found == texts_.end()) refuse(name, "nothing");
    return found->second;
  }
  [[noreturn]] void refuse(const std::string& name, const std::string& got) const {
    raise({.where = where_,
           .what = "this is no checkpoint of a run: bad entry '" + name + "'",
           .got = got,
           .expected = "a number",
           .hint = {}});
  }

  const std::string& where_;
  const io::Texts& texts_;
};

}  // namespace

io::Texts to_texts(const Progress& progress) {
  io::Texts texts{{"step", std::to_string(progress.step)},
                  {"epochs", std::to_string(progress.epochs)},
                  {"loader_epoch", std::to_string(progress.position.epoch)},
                  {"loader_batch", std::to_string(progress.position.batch)},
                  {"metrics_bytes", std::to_string(progress.metrics_bytes)},
                  {"accumulated", std::to_string(progress.accumulated)},
                  {"loss_sum", hex(progress.loss_sum)},
                  {"loss_weight", hex(progress.loss_weight)},
                  {"loss_count", std::to_string(progress.loss_count)},
                  {"seconds", hex(progress.seconds)}};
  if (progress.best) texts["best"] = hex(*progress.best);
  return texts;
}

Progress progress_from_texts(const std::string& where, const io::Texts& texts) {
  const Reader reader(where, texts);
  Progress progress;
  progress.step = reader.integer("step");
  progress.epochs = reader.integer("epochs");
  progress.position = {.epoch = reader.integer("loader_epoch"),
                       .batch = reader.integer("loader_batch")};
  progress.metrics_bytes = reader.integer("metrics_bytes");
  progress.loss_sum = reader.real("loss_sum");
  progress.loss_count = reader.integer("loss_count");
  progress.loss_weight = reader.has("loss_weight") ? reader.real("loss_weight")
                                                   : static_cast<double>(progress.loss_count);
  if (reader.has("accumulated")) progress.accumulated = reader.integer("accumulated");
  progress.seconds = reader.real("seconds");
  if (reader.has("best")) progress.best = reader.real("best");
  return progress;
}

}  // namespace sinter::train
