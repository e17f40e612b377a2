#include "run_command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace sinter {
namespace {

void redirect(const std::string& path, int flags, int to) {
  const int from = open(path.c_str(), flags, 0666);
  if (from < 0 || dup2(from, to) < 0) _exit(126);
  close(from);
}

}  // namespace

RunningCommand::RunningCommand(const std::string& in, const std::vector<std::string>& arguments,
                               const Options& options) {
  static std::atomic<int> count{0};
  const std::string base = in + "/.command-" + std::to_string(++count);
  out_ = base + ".out";
  err_ = base + ".err";
  std::ofstream(base + ".in") << options.input;
  std::vector<std::string> words = arguments;
  words.insert(words.begin(), options.program.empty() ? SINTER_COMMAND : options.program);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  if (chdir(in.c_str()) != 0) _exit(126);
  redirect(base + ".in", O_RDONLY, STDIN_FILENO);
  redirect(out_, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
  redirect(err_, O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
  for (const std::string& pair : options.environment) {
    const std::size_t equals = pair.find('=');
    setenv(pair.substr(0, equals).c_str(), pair.substr(equals + 1).c_str(), 1);
  }
  if (options.most_file_bytes > 0) {
    // Writing beyond is then an error like a full disk's, not a signal.
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{static_cast<rlim_t>(options.most_file_bytes),
                       static_cast<rlim_t>(options.most_file_bytes)};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  execv(argv[0], argv.data());
  _exit(127);
}

RunningCommand::~RunningCommand() {
  if (!is_running()) return;
  send(SIGKILL);
  wait();
}

bool RunningCommand::is_running() {
  if (!ended_) ended_ = waitpid(pid_, &wait_status_, WNOHANG) == pid_;
  return !ended_;
}

void RunningCommand::send(int signal) const { kill(pid_, signal); }

CommandResult RunningCommand::wait() {
  if (!ended_) waitpid(pid_, &wait_status_, 0);
  ended_ = true;
  const int status =
      WIFEXITED(wait_status_) ? WEXITSTATUS(wait_status_) : 128 + WTERMSIG(wait_status_);
  return {.status = status, .out = content_of(out_), .err = content_of(err_)};
}

CommandResult run_command(const std::string& in, const std::vector<std::string>& arguments,
                          const RunningCommand::Options& options) {
  return RunningCommand(in, arguments, options).wait();
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

std::size_t lines_of(const std::string& path) {
  const std::string content = content_of(path);
  return static_cast<std::size_t>(std::count(content.begin(), content.end(), '\n'));
}

}  // namespace sinter
