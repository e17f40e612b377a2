// A recipe's job in a run directory: from settings to summary.json.
#ifndef SINTER_RECIPES_RUN_H_
#define SINTER_RECIPES_RUN_H_

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "recipes/recipe.h"

namespace sinter::recipes {

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

class Run {
 public:
  // Settles the settings and the folder, changing nothing. Throws Error for bad settings, for a
  // folder that holds a run already (unless resume or force), and for resuming with other settings:
  // all of these are wrong usage. `say` gets lines for people.
  Run(const RunRequest& request, const std::function<void(const std::string&)>& say);

  const std::string& folder() const { return folder_; }
  const train::Config& config() const { return config_; }
  // Chooses the device (set_device), reads the data and makes the model. The functions below
  // REQUIRE that.
  void prepare();
  std::int64_t data_bytes() const { return prepared_->data_bytes(); }
  std::int64_t parameter_count() const { return prepared_->parameter_count(); }
  Prepared::Frozen frozen() const { return prepared_->frozen(); }
  ProgramReport plan();
  // Trains to the end and writes the run directory.
  train::Result train(train::Observer& observer);

 private:
  void settle_folder(const std::function<void(const std::string&)>& say);
  void refuse_existing() const;
  void settle_config();
  train::Options options() const;
  void write_summary(const train::Result& result) const;

  RunRequest request_;
  const Recipe& recipe_;
  std::string folder_;
  bool goes_on_ = false;  // from a checkpoint
  train::Config config_;
  std::unique_ptr<Prepared> prepared_;
};

// The settings of an existing run: config.toml. Sets *recipe. Throws Error when RUN is none.
train::Config read_run_config(const std::string& folder, std::string* recipe);

// RUN/model.safetensors. Throws Error when the folder is no finished run.
std::string run_weights(const std::string& folder);

}  // namespace sinter::recipes

#endif  // SINTER_RECIPES_RUN_H_
