// Runs the command as a user would: a process of its own.
#ifndef SINTER_TESTS_CLI_RUN_COMMAND_H_
#define SINTER_TESTS_CLI_RUN_COMMAND_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sinter {

struct CommandResult {
  int status = 0;  // exit status; 128 + number for a signal
  std::string out;
  std::string err;
};

// A running `sinter` with these arguments in the folder `in`; what it writes goes into files
// beside.
class RunningCommand {
 public:
  struct Options {
    std::string input;                     // its standard input
    std::int64_t most_file_bytes = 0;      // it can write no longer file; 0: no limit
    std::vector<std::string> environment;  // NAME=value, besides this process's
    std::string program = {};              // another one than `sinter`
  };
  RunningCommand(const std::string& in, const std::vector<std::string>& arguments,
                 const Options& options);
  ~RunningCommand();
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;

  bool is_running();
  void send(int signal) const;
  CommandResult wait();

 private:
  std::string out_, err_;
  pid_t pid_;
  bool ended_ = false;
  int wait_status_ = 0;
};

CommandResult run_command(const std::string& in, const std::vector<std::string>& arguments,
                          const RunningCommand::Options& options = {});

std::string content_of(const std::string& path);  // "" when there is no such file
std::size_t lines_of(const std::string& path);

}  // namespace sinter

#endif  // SINTER_TESTS_CLI_RUN_COMMAND_H_
