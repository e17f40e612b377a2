// What a recipe is: data, network and figures of a domain, made into a task that anything can
// train, measure and use.
#ifndef SINTER_RECIPE_H_
#define SINTER_RECIPE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sinter/batch.h"
#include "sinter/config.h"
#include "sinter/data.h"
#include "sinter/metric.h"
#include "sinter/named_state.h"
#include "sinter/random.h"

namespace sinter::train {

enum class Split : std::uint8_t { train, validation, test };
const char* name_of(Split split);

// One input of a row that predict reads from a JSON line: {"points": [0.1, 0.2]}.
struct InputField {
  std::string name;
  Dtype dtype = Dtype::f32;
  Shape shape = {};  // of one row
};

// Writes the members of a JSON object for row `row` of the outputs, which lie in host memory,
// without the braces: "\"class\":3".
using Answer = std::function<std::string(const Batch& outputs, std::int64_t row)>;
// Takes rows to predict.
using Rows = std::function<void(const Batch& rows)>;

// How rows enter a network, and what is said of them, without files: for Predictor (predictor.h).
// Both functions are traced.
struct RawRows {
  Shape shape = {};  // of one row
  // From rows (N, shape...) of any dtype, as they come, to what forward() takes.
  std::function<Batch(const Tensor& rows)> batch;
  // The answers (N, ...) from what forward() gives.
  std::function<Tensor(const Batch& outputs)> result;
};

// A network on data. The functions hold what they need; those of ops are traced.
struct Task {
  std::vector<NamedState> states;  // of the network: Module::states()
  // What the network makes of a batch, by name: what loss, metrics and answers read. Outputs that
  // nothing reads cost nothing.
  std::function<Batch(const Batch& batch)> forward;
  // The scalar that is made small: a mean over what the batch's weight counts.
  std::function<Tensor(const Batch& outputs, const Batch& batch)> loss;
  std::vector<Metric> metrics = {};  // besides the loss
  std::string objective = "loss";    // the metric of validation that chooses the model
  std::string unit = "rows";         // of a batch's weight; of rates
  // What the objective is on the test split without a network: the most frequent class, the mean.
  std::optional<double> baseline = {};
  std::string baseline_text = {};  // "always the most frequent class"
  // In which evaluation and predict multiply (CompileOptions::precision); training has its own in
  // StepOptions. Run sets both from the setting `precision`.
  Dtype precision = Dtype::f32;
  // That evaluation and predict keep (CompileOptions::programs); training has its own likewise.
  int programs = 16;
  // Called when a split is first needed; the same rows at every call.
  std::function<std::shared_ptr<const data::Dataset>(Split split)> data;
  // JSON object: all that prepare() needs to make the network again without any data.
  std::string description = "{}";

  // For predict. From a JSON line: fields of these names, or whatever `read_line` makes of it, a
  // batch of one row (Errors name `where`).
  std::vector<InputField> inputs = {};
  std::function<Batch(const std::string& json, const std::string& where)> read_line = {};
  // From a file: calls `rows` with batches, in order. None: only JSON lines are read.
  std::function<void(const std::string& path, const Rows& rows)> read_file = {};
  // None: every output, by name.
  Answer answer = {};
  // None: the field of `inputs` where there is one, answered by the first output.
  std::optional<RawRows> raw = {};
};

// Which way the objective is better.
Better better_of_objective(const Task& task);

// The loss ("loss"), then the task's metrics.
Evaluator make_evaluator(const Task& task);

// A network of a recipe on synthetic data, to be timed.
struct Workload {
  std::string name;
  std::string unit = "samples";
  std::int64_t batch = 128;
  // Only states, forward and loss are used.
  std::function<Task()> task;
  std::function<Batch(std::int64_t batch, Generator& generator)> synthetic;
  // How a batch's tensor lies in files; none: as in memory.
  std::function<FileLayout(const std::string& name, const Tensor& tensor)> layout = {};
};

// A domain. Recipes know nothing of folders, checkpoints, progress or the command line, and these
// know no recipe.
class Recipe {
 public:
  virtual ~Recipe() = default;

  virtual std::string name() const = 0;  // as the user types it
  virtual std::string text() const = 0;  // one line
  // All settings with their defaults; groups of them are in settings.h.
  virtual Config settings() const = 0;
  // `description`: of a trained model, which is made again as it was, whatever the settings of the
  // network say now; empty for a new one. Random numbers for weights come from the global
  // generator, which is seeded. Throws Error for settings that do not go together and for bad data.
  virtual Task prepare(const Config& config, const std::string& description) const = 0;
  // What the help of predict says about its inputs.
  virtual std::string predict_text() const { return "JSON lines"; }
  virtual std::vector<Workload> workloads() const { return {}; }
};

using Recipes = std::vector<const Recipe*>;

// Throws Error, with a suggestion, when there is no such recipe.
const Recipe& find_recipe(const Recipes& recipes, std::string_view name);

}  // namespace sinter::train

#endif  // SINTER_RECIPE_H_
