#include "base/parallel.h"

#include <gtest/gtest.h>
#include <omp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "sinter/error.h"

namespace sinter {
namespace {

using parallel::piece_count;
using parallel::piece_range;

// Restores the thread count that a test changes.
class ParallelFor : public testing::Test {
 protected:
  ~ParallelFor() override { set_thread_count(before_); }
  const int before_ = thread_count();
};

using Pieces = std::set<std::pair<std::int64_t, std::int64_t>>;

Pieces pieces_of(std::int64_t count, std::int64_t grain) {
  std::mutex mutex;
  Pieces pieces;
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(pieces.emplace(begin, end).second);
  });
  return pieces;
}

TEST_F(ParallelFor, VisitsEveryIndexOnce) {
  for (const int threads : {1, 2, 3, 7, 64}) {
    set_thread_count(threads);
    for (const std::int64_t count : {1, 2, 3, 5, 63, 64, 65, 1000}) {
      for (const std::int64_t grain : {-1, 0, 1, 2, 64, 1000}) {
        std::vector<int> visits(static_cast<std::size_t>(count), 0);
        parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
        });
        for (const int visit : visits)
          ASSERT_EQ(visit, 1) << threads << " " << count << " " << grain;
      }
    }
  }
}

TEST_F(ParallelFor, DoesNotCallTheBodyForNothing) {
  parallel_for(0, 1, [](std::int64_t, std::int64_t) { FAIL(); });
  parallel_for(-3, 1, [](std::int64_t, std::int64_t) { FAIL(); });
}

TEST_F(ParallelFor, CutsByCountGrainAndThreadsOnly) {
  set_thread_count(4);
  EXPECT_EQ(pieces_of(10, 1), (Pieces{{0, 3}, {3, 6}, {6, 8}, {8, 10}}));
  EXPECT_EQ(pieces_of(10, 4), (Pieces{{0, 4}, {4, 7}, {7, 10}}));
  EXPECT_EQ(pieces_of(10, 10), (Pieces{{0, 10}}));
  EXPECT_EQ(pieces_of(10, 9), (Pieces{{0, 5}, {5, 10}}));
  set_thread_count(1);
  EXPECT_EQ(pieces_of(10, 1), (Pieces{{0, 10}}));
}

TEST_F(ParallelFor, CutsForTheTeamThatTheRuntimeGives) {
  set_thread_count(4);
  omp_set_max_active_levels(0);
  EXPECT_EQ(pieces_of(100, 1), (Pieces{{0, 100}}));
  omp_set_max_active_levels(1);
  EXPECT_EQ(static_cast<int>(pieces_of(100, 1).size()), parallel::team_size());
}

TEST_F(ParallelFor, CutsHugeCountsWithoutOverflow) {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  static_assert(piece_count(kHuge, 1, 1024) == 1024);
  static_assert(piece_count(kHuge, kHuge - 1, 1024) == 2);
  static_assert(piece_range(kHuge, 1024, 0).begin == 0);
  static_assert(piece_range(kHuge, 1024, 1023).end == kHuge);
  static_assert(piece_range(kHuge, 1024, 511).end == piece_range(kHuge, 1024, 512).begin);
}

TEST_F(ParallelFor, RunsInSeveralThreads) {
  set_thread_count(2);
  std::atomic<int> waiting{0};
  parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
    ++waiting;
    while (waiting < 2) std::this_thread::yield();  // never ends in one thread
  });
  EXPECT_EQ(waiting, 2);
}

TEST_F(ParallelFor, RunsSeriallyInsideItself) {
  set_thread_count(4);
  std::atomic<int> calls{0};
  parallel_for(4, 1, [&](std::int64_t, std::int64_t) {
    const auto outer = std::this_thread::get_id();
    EXPECT_EQ(parallel::team_size(), 1);
    parallel_for(1000, 1, [&](std::int64_t begin, std::int64_t end) {
      EXPECT_EQ(begin, 0);
      EXPECT_EQ(end, 1000);
      EXPECT_EQ(std::this_thread::get_id(), outer);
      ++calls;
    });
  });
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(parallel::team_size(), 4);
}

TEST_F(ParallelFor, RethrowsTheExceptionOfTheFirstPieceAfterAllHaveRun) {
  set_thread_count(4);
  for (int repeat = 0; repeat < 100; ++repeat) {
    std::atomic<int> calls{0};
    try {
      parallel_for(4, 1, [&](std::int64_t begin, std::int64_t) {
        ++calls;
        if (begin > 0) throw std::runtime_error(std::to_string(begin));
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "1");
    }
    EXPECT_EQ(calls, 4);
  }
}

TEST_F(ParallelFor, RethrowsFromASerialRunToo) {
  set_thread_count(1);
  EXPECT_THROW(parallel_for(9, 1, [](std::int64_t, std::int64_t) { throw std::logic_error("no"); }),
               std::logic_error);
}

TEST_F(ParallelFor, PublishesWhatTheCallerAndTheBodiesWrote) {
  set_thread_count(4);
  std::vector<std::int64_t> values(4096, 0);
  for (int round = 0; round < 50; ++round) {
    for (std::int64_t& value : values) ++value;
    parallel_for(4096, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) values[static_cast<std::size_t>(i)] *= 2;
    });
  }
  for (const std::int64_t value : values) ASSERT_EQ(value, (std::int64_t{1} << 51) - 2);
}

TEST_F(ParallelFor, ServesSeveralCallersAtOnce) {
  set_thread_count(2);
  std::atomic<std::int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        parallel_for(100, 10, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 3 * 50 * 100);
}

TEST_F(ParallelFor, TakesAConstBody) {
  std::atomic<int> calls{0};
  const auto body = [&](std::int64_t, std::int64_t) { ++calls; };
  set_thread_count(2);
  parallel_for(2, 1, body);
  EXPECT_EQ(calls, 2);
}

// What oneDNN does: it asks for a number once, and counts on a team of that size later.
int foreign_team(int* told) {
  *told = omp_get_max_threads();
  int size = 0;
#pragma omp parallel
  if (omp_get_thread_num() == 0) size = omp_get_num_threads();
  return size;
}

TEST_F(ParallelFor, GivesForeignCodeTheTeamThatItIsTold) {
  set_thread_count(4);
  const int before = omp_get_max_threads();
  for (const bool dynamic : {false, true}) {
    omp_set_dynamic(dynamic);
    for (const int threads : {1, parallel::team_size()}) {
      const parallel::ForeignTeams scope(threads);
      int told = 0;
      EXPECT_EQ(foreign_team(&told), threads);
      EXPECT_EQ(told, threads);
    }
    EXPECT_EQ(omp_get_max_threads(), before);  // what the program has set stays its own
    EXPECT_EQ(omp_get_dynamic() != 0, dynamic);
  }
  omp_set_dynamic(0);
}

TEST_F(ParallelFor, TheTeamIsWhatOpenMpGrants) {
  set_thread_count(4);
  const int granted = parallel::team_size();  // OMP_THREAD_LIMIT may stand in the environment
  EXPECT_EQ(granted, std::min(4, omp_get_thread_limit()));
  {
    const parallel::CallerOnly scope;
    EXPECT_EQ(parallel::team_size(), 1);
    EXPECT_EQ(pieces_of(100, 1).size(), 1U);
  }
  omp_set_max_active_levels(0);
  EXPECT_EQ(parallel::team_size(), 1);
  omp_set_max_active_levels(1);
  EXPECT_EQ(parallel::team_size(), granted);
  std::atomic<int> nested{1};
#pragma omp parallel num_threads(2)
  if (omp_in_parallel() != 0 && parallel::team_size() != 1) nested = parallel::team_size();
  EXPECT_EQ(nested, 1);
  int in_thread = 0;
  std::thread([&] { in_thread = parallel::team_size(); }).join();
  EXPECT_EQ(in_thread, granted);
  set_thread_count(1);
  EXPECT_EQ(parallel::team_size(), 1);
}

// The status with which a forked child ends that runs `body`: 0 when that gives true. -1 when it
// hangs.
template <class Body>
int status_of_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(body() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool counts_to_1000() {
  std::atomic<std::int64_t> sum{0};
  parallel_for(1000, 1, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
  return sum == 1000;
}

// From now on this process gets hardly more address space than it has: no stack of another thread.
void use_up_address_space() {
  std::ifstream file("/proc/self/statm");
  long pages = 0;
  file >> pages;
  const auto bytes = static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
  const rlimit limit{bytes + (1 << 20), bytes + (1 << 20)};
  setrlimit(RLIMIT_AS, &limit);
}

// A forked process has no team anyway, so another program does it: this one again.
TEST_F(ParallelFor, AProcessThatCanStartNoThreadComputesAlone) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need more address space than there is";
#endif
  constexpr const char* kIsTheOther = "SINTER_TEST_WITHOUT_THREADS";
  if (std::getenv(kIsTheOther) != nullptr) {
    use_up_address_space();
    set_thread_count(6);
    EXPECT_EQ(parallel::team_size(), 1);
    EXPECT_TRUE(counts_to_1000());
    return;
  }
  const pid_t child = fork();
  if (child == 0) {
    setenv(kIsTheOther, "1", 1);
    execl("/proc/self/exe", "base_test", "--gtest_filter=*CanStartNoThread*", nullptr);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(ParallelFor, AForkedProcessComputesInTheThreadThatForked) {
  set_thread_count(4);
  const int granted = parallel::team_size();
  ASSERT_TRUE(counts_to_1000());
  EXPECT_EQ(status_of_child([] { return parallel::team_size() == 1 && counts_to_1000(); }), 0);
  // And the child of the child.
  EXPECT_EQ(status_of_child([] { return status_of_child(counts_to_1000) == 0; }), 0);
  EXPECT_TRUE(counts_to_1000());
  EXPECT_EQ(parallel::team_size(), granted);
}

TEST_F(ParallelFor, ThreadsThatAForkedProcessStartsHaveTeams) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer lets a forked process start no threads";
#endif
  set_thread_count(4);
  const int granted = parallel::team_size();
  ASSERT_TRUE(counts_to_1000());
  EXPECT_EQ(
      status_of_child([&] {
        bool ok = false;
        std::thread([&] { ok = parallel::team_size() == granted && counts_to_1000(); }).join();
        return ok && counts_to_1000();
      }),
      0);
}

TEST_F(ParallelFor, RefusesSenselessThreadCounts) {
  EXPECT_THROW(set_thread_count(0), Error);
  EXPECT_THROW(set_thread_count(-1), Error);
  EXPECT_THROW(set_thread_count(kMaxThreads + 1), Error);
  EXPECT_EQ(thread_count(), before_);
}

}  // namespace
}  // namespace sinter
