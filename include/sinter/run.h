// A recipe's task in a run directory: from settings to summary.json, and back from there.
#ifndef SINTER_RUN_H_
#define SINTER_RUN_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sinter/recipe.h"
#include "sinter/settings.h"
#include "sinter/train.h"

namespace sinter::train {

// What the user asked for, as it was typed.
struct RunRequest {
  struct Setting {
    std::string key;
    std::string text;
    std::string where;  // "--epochs"
  };
  std::string recipe;
  std::string folder;             // empty: runs/RECIPE-N
  std::string config_file;        // --config
  std::vector<Setting> settings;  // options that are settings
  std::vector<std::string> set;   // --set key=value
  bool resume = false;
  bool force = false;
  const std::atomic<bool>* stop = nullptr;
};

// A recipe's settings with those that every run has: device, threads, checkpoint_seconds,
// checkpoint_steps.
Config whole_config(const Recipe& recipe);

class Run {
 public:
  // Settles the settings and the folder, changing nothing. Throws Error for bad settings, for a
  // folder that holds a run already (unless resume or force), for resuming in a folder that is not
  // there, and for resuming with other settings: all of these are wrong usage. `say` gets lines for
  // people. The recipe must outlive the run.
  Run(
      const Recipe& recipe, RunRequest request,
      const std::function<void(const std::string&)>& say = [](const std::string&) {});

  const std::string& folder() const { return folder_; }
  const Config& config() const { return config_; }
  // Chooses the device (set_device), makes the network and reads the data. The functions below
  // REQUIRE that.
  void prepare();
  const Task& task() const { return task_; }
  // Of all splits.
  std::int64_t data_bytes() const;
  std::int64_t parameter_count() const;
  const TrainedParameters& parameters() const { return parameters_; }
  ProgramReport plan();
  // Trains to the end and writes the run directory.
  Result train(Observer& observer);

 private:
  void settle_folder(const std::function<void(const std::string&)>& say);
  void refuse_existing() const;
  void settle_config();
  Options options() const;
  Job job();
  void write_summary(const Result& result) const;

  const Recipe& recipe_;
  RunRequest request_;
  std::string folder_;
  bool goes_on_ = false;  // from a checkpoint
  Config config_;
  Task task_;
  TrainedParameters parameters_;
};

// The settings of an existing run: config.toml. Sets *recipe. Throws Error when `folder` is none.
Config read_run_config(const Recipes& recipes, const std::string& folder, std::string* recipe);

// RUN/model.safetensors. Throws Error when the folder is no finished run.
std::string run_weights(const std::string& folder);

// A trained network, from a run's folder or from its model.safetensors alone.
struct Trained {
  const Recipe* recipe = nullptr;
  Config config;
  Task task;  // with the weights
};
// `change` may change the settings before the task is made. Throws Error for a path that is
// neither, an unknown recipe, and a damaged file.
Trained open_trained(
    const Recipes& recipes, const std::string& path,
    const std::function<void(Config*)>& change = [](Config*) {});

// Calls `line` with a JSON object for each input: a path, or "-" for JSON lines from standard input
// (no inputs: "-" too). Throws Error for an input that cannot be read.
void predict(const Task& task, const std::vector<std::string>& inputs,
             const std::function<void(const std::string&)>& line);

}  // namespace sinter::train

#endif  // SINTER_RUN_H_
