#include "backend/cpu/code_memory.h"

#include <asmjit/x86.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "sinter/error.h"

namespace sinter::backend::cpu {
namespace {

#if defined(__x86_64__)

// A function that writes `number` where it is told.
std::unique_ptr<CodeMemory> writer_of(int number) {
  asmjit::CodeHolder holder;
  holder.init(code_environment());
  asmjit::x86::Assembler assembler(&holder);
  assembler.mov(asmjit::x86::qword_ptr(asmjit::x86::rdi), number);
  assembler.ret();
  return std::make_unique<CodeMemory>(&holder);
}

std::int64_t written_by(const CodeMemory& code) {
  std::int64_t number = 0;
  code.entry()(&number);
  return number;
}

template <class Body>
bool child_succeeds(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(CodeMemory, RunsWhatItWasGiven) {
  const auto a = writer_of(42), b = writer_of(-1);
  EXPECT_EQ(written_by(*a), 42);
  EXPECT_EQ(written_by(*b), -1);
}

TEST(CodeMemory, IsNotWritable) {
  const auto code = writer_of(1);
  const auto address = reinterpret_cast<std::uintptr_t>(code->entry());
  std::ifstream maps("/proc/self/maps");
  std::string protection;
  for (std::string line; std::getline(maps, line);) {
    std::size_t used = 0;
    const std::uintptr_t begin = std::stoull(line, &used, 16);
    const std::uintptr_t end = std::stoull(line.substr(used + 1), nullptr, 16);
    if (begin <= address && address < end) protection = line.substr(line.find(' ') + 1, 4);
  }
  EXPECT_EQ(protection, "r-xp");
}

TEST(CodeMemory, HasNothingToDoWithTheLimitOfFiles) {
  EXPECT_TRUE(child_succeeds([] {
    const rlimit limit{0, 0};
    setrlimit(RLIMIT_FSIZE, &limit);
    return written_by(*writer_of(7)) == 7;
  }));
}

TEST(CodeMemory, SaysThatMemoryRanOut) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need more address space than there is";
#endif
  EXPECT_TRUE(child_succeeds([] {
    std::vector<std::unique_ptr<CodeMemory>> codes;
    codes.reserve(1000);
    std::ifstream file("/proc/self/statm");
    long pages = 0;
    file >> pages;
    const auto bytes = static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
    const rlimit limit{bytes + (1 << 20), bytes + (1 << 20)};
    setrlimit(RLIMIT_AS, &limit);
    try {
      for (int i = 0; i < 1000; ++i) codes.push_back(writer_of(i));
    } catch (const Error& error) {
      const std::string message = error.what();
      return message.find("out of memory for machine code") != std::string::npos &&
             message.find("SINTER_ISA") == std::string::npos;
    }
    return false;
  }));
}

#endif

}  // namespace
}  // namespace sinter::backend::cpu
