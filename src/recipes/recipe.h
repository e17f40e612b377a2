// What a recipe is: a domain's data, models and metrics, made into a job for the trainer.
#ifndef SINTER_RECIPES_RECIPE_H_
#define SINTER_RECIPES_RECIPE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sinter/train.h"
#include "train/config.h"

namespace sinter::recipes {

// A recipe with its settings: the data read, the model made.
class Prepared {
 public:
  virtual ~Prepared() = default;
  virtual train::Job job() = 0;
  virtual std::string description() const = 0;  // JSON; with it, predict needs no config
  virtual std::int64_t parameter_count() const = 0;
  // Which parameters stay as they are: how many tensors, and the elements in them.
  struct Frozen {
    int tensors = 0;
    std::int64_t elements = 0;
  };
  virtual Frozen frozen() const { return {}; }
  virtual std::int64_t data_bytes() const = 0;
  // The metrics of a file of weights on a split: "train", "validation" or "test".
  virtual train::Metrics evaluate(const std::string& weights, const std::string& split) = 0;
};

struct Recipe {
  const char* name;
  const char* text;  // one line
  train::Config (*config)();
  // Throws Error for settings that do not go together and for bad data.
  std::unique_ptr<Prepared> (*prepare)(const train::Config& config);
  // Calls `line` with a JSON object for each input: a path, or "-" for JSON lines from standard
  // input. Throws Error for an input that cannot be read.
  void (*predict)(const std::string& weights, const std::vector<std::string>& inputs,
                  const std::function<void(const std::string&)>& line);
};

std::span<const Recipe> recipe_list();
// Throws Error, with a suggestion, when there is no such recipe.
const Recipe& find_recipe(const std::string& name);

}  // namespace sinter::recipes

#endif  // SINTER_RECIPES_RECIPE_H_
