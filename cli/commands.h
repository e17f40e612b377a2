// The commands, each with what the user typed. All give the exit status: 0 done, 1 failed, 2 wrong
// usage, 130 interrupted; failures may also be thrown as Error.
#ifndef SINTER_CLI_COMMANDS_H_
#define SINTER_CLI_COMMANDS_H_

#include <string>
#include <variant>
#include <vector>

#include "sinter/command.h"
#include "sinter/run.h"

namespace sinter::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;
inline constexpr int kInterrupted = 130;

// What commands are run with.
struct Context {
  const train::Recipes& recipes;
  const CommandHooks& hooks;
};

struct TrainCommand {
  train::RunRequest request;
  bool plan = false;
  bool quiet = false;
};

struct EvalCommand {
  std::string run;
  std::string data;  // empty: the run's
  std::string split = "test";
  std::string device = "auto";
  int threads = 0;
  int bootstrap = 0;  // resamplings; 0: no intervals
};

struct PredictCommand {
  std::string run;
  std::vector<std::string> inputs;
  std::string device = "auto";
  int threads = 0;
};

struct InfoCommand {
  std::string path;    // empty: this build and machine
  bool peaks = false;  // measure what the device can do at most instead
  // Of the device whose peaks are shown.
  std::string device = "auto";
  int threads = 0;
};

struct BenchCommand {
  std::vector<std::string> workloads;  // empty: all
  std::string device = "auto";
  std::string dtype = "f32";
  int threads = 0;
  int batch = 0;  // 0: the workload's
  double seconds = 4;
  bool eager = false;
  bool json = false;
  bool parts = false;
  std::string losses;  // a file to write
};

struct CompareCommand {
  train::RunRequest request;         // `folder`: where all goes; empty: runs/compare-RECIPE-N
  std::vector<std::string> devices;  // "cpu", "cuda"
  std::vector<std::string> prices;   // "cuda=3.5": of an hour
  std::string currency;
  std::optional<double> target;  // of the objective; none: the worst of the best values
  bool quiet = false;
};

using Command = std::variant<TrainCommand, EvalCommand, PredictCommand, InfoCommand, BenchCommand,
                             CompareCommand>;

int run(const TrainCommand& command, const Context& context);
int run(const EvalCommand& command, const Context& context);
int run(const PredictCommand& command, const Context& context);
int run(const InfoCommand& command, const Context& context);
int run(const BenchCommand& command, const Context& context);
int run(const CompareCommand& command, const Context& context);

}  // namespace sinter::cli

#endif  // SINTER_CLI_COMMANDS_H_
