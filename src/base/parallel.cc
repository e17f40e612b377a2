#include "base/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/cpu_quota.h"
#include "base/switches.h"
#include "sinter/error.h"

// ThreadSanitizer's, absent (null) unless the program is built with it.
extern "C" {
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
}

namespace sinter {
namespace {

// ThreadSanitizer cannot see that the barriers of the OpenMP runtime order memory, because the
// runtime is not instrumented. These two say it: what happened before publish(x) is seen after
// observe(x).
void publish(void* address) {
  if (__tsan_release != nullptr) __tsan_release(address);
}
void observe(void* address) {
  if (__tsan_acquire != nullptr) __tsan_acquire(address);
}

// 0: not known yet.
std::atomic<int> current_count{0};

// What the calling thread knows about its teams.
struct Teams {
  int asked = 0;  // the number of threads with which OpenMP was last asked; 0: not yet
  int granted = 1;
  int caller_only = 0;    // CallerOnly that live
  bool are_lost = false;  // in the parent of this process
};
thread_local Teams teams;

// The one set of pieces that a call of parallel_for runs.
struct Job {
  std::int64_t count;
  std::int64_t pieces;
  parallel::PieceFunction call;
  void* body;
  char fork = 0;  // their addresses stand for the two barriers
  char join = 0;
  std::mutex mutex;  // guards what follows
  std::exception_ptr error;
  std::int64_t error_piece = 0;
};

void run_piece(Job& job, std::int64_t piece) {
  try {
    const parallel::Range range = parallel::piece_range(job.count, job.pieces, piece);
    job.call(job.body, range.begin, range.end);
  } catch (...) {
    const std::lock_guard lock(job.mutex);
    if (!job.error || piece < job.error_piece) {
      job.error = std::current_exception();
      job.error_piece = piece;
    }
  }
}

// What one thread of the team does. The runtime may give fewer threads than asked for, so pieces
// are dealt to whoever came; never inlined, because its caller is not instrumented.
[[gnu::noinline]] void work(Job& job, int thread, int threads) {
  observe(&job.fork);
  for (std::int64_t piece = thread; piece < job.pieces; piece += threads) run_piece(job, piece);
  publish(&job.join);
}

// Kept apart and without ThreadSanitizer: the compiler hands `job` to the workers in a structure
// that they read before they can say observe().
[[gnu::noinline, gnu::no_sanitize_thread]] void start_team(Job* job, int threads) {
#pragma omp parallel num_threads(threads) default(none) firstprivate(job)
  work(*job, omp_get_thread_num(), omp_get_num_threads());
}

// omp_set_dynamic(true), or OMP_DYNAMIC, lets OpenMP give less than it could.
class NotDynamic {
 public:
  NotDynamic() : was_dynamic_(omp_get_dynamic() != 0) {
    if (was_dynamic_) omp_set_dynamic(0);
  }
  ~NotDynamic() {
    if (was_dynamic_) omp_set_dynamic(1);
  }
  NotDynamic(const NotDynamic&) = delete;
  NotDynamic& operator=(const NotDynamic&) = delete;

 private:
  bool was_dynamic_;
};

// The size of a team of which `threads` are wanted.
[[gnu::noinline, gnu::no_sanitize_thread]] int size_of_team(int threads) {
  int size = 1;
#pragma omp parallel num_threads(threads) default(none) shared(size)
  if (omp_get_thread_num() == 0) size = omp_get_num_threads();
  return size;
}

// How many threads besides the caller's can be alive at once, up to `wanted`. OpenMP ends the
// process when it cannot start one, so they are tried out before it is asked.
int startable_threads(int wanted) {
  std::mutex mutex;
  std::condition_variable changed;
  bool may_end = false;
  std::vector<std::thread> threads;
  try {
    threads.reserve(static_cast<std::size_t>(wanted));
    for (int i = 0; i < wanted; ++i) {
      threads.emplace_back([&] {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return may_end; });
      });
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr,
                 "sinter: warning: threads: only %zu of %d can be started (%s); memory, address "
                 "space (ulimit -v), or the number of threads (ulimit -u, a control group) is used "
                 "up\n",
                 threads.size() + 1, wanted + 1, error.what());
  }
  {
    const std::lock_guard lock(mutex);
    may_end = true;
  }
  changed.notify_all();
  for (std::thread& thread : threads) thread.join();
  return static_cast<int>(threads.size());
}

// The same, tried out once for each larger number.
int limit_to_startable(int threads) {
  static std::mutex mutex;
  static int tried = 1;
  static int limit = 1;
  const std::lock_guard lock(mutex);
  if (threads > tried) {
    limit = 1 + startable_threads(threads - 1);
    tried = threads;
  }
  return std::min(threads, std::max(limit, 1));
}

// fork() leaves the workers of OpenMP behind, but not its belief that they are there. Whether the
// forking thread has some is known of teams that were started here; others may have been, so it is
// asked whether the process has other threads at all.
std::atomic<bool> forks_alone{false};
void before_fork() {
  struct stat tasks {};
  forks_alone.store(stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink == 3);
}
void after_fork_in_child() {
  if (teams.granted > 1 || !forks_alone.load()) teams.are_lost = true;
}
void watch_forks() {
  [[maybe_unused]] static const int registered =
      pthread_atfork(before_fork, nullptr, after_fork_in_child);
}

int default_thread_count() {
  const int openmp = std::min(omp_get_max_threads(), omp_get_thread_limit());
  const char* const number = std::getenv("OMP_NUM_THREADS");
  if ((number != nullptr && *number != 0) || omp_get_max_threads() != omp_get_num_procs()) {
    return openmp;  // somebody's choice
  }
  const std::optional<double> quota = cpu_quota();
  if (!quota || *quota >= openmp) return openmp;
  return std::max(1, static_cast<int>(*quota));
}

}  // namespace

int thread_count() {
  const int known = current_count.load(std::memory_order_relaxed);
  if (known != 0) return known;
  const int wanted = switches().threads;
  const int count = std::clamp(wanted != 0 ? wanted : default_thread_count(), 1, kMaxThreads);
  int none = 0;
  if (!current_count.compare_exchange_strong(none, count)) return none;
  return count;
}

void set_thread_count(int count) {
  if (count < 1 || count > kMaxThreads) {
    raise({.where = "threads",
           .what = "the number of threads is out of range",
           .got = std::to_string(count),
           .expected = "1 to " + std::to_string(kMaxThreads),
           .hint = {}});
  }
  current_count.store(count);
}

namespace parallel {

int team_size() {
  watch_forks();
  if (teams.caller_only > 0 || teams.are_lost || omp_in_parallel() != 0) return 1;
  if (omp_get_max_active_levels() < 1) return 1;
  const int wanted = std::min(thread_count(), omp_get_thread_limit());
  if (wanted <= 1) return 1;
  if (teams.asked != wanted) {
    const NotDynamic not_dynamic;
    teams.granted = size_of_team(limit_to_startable(wanted));
    teams.asked = wanted;
  }
  return teams.granted;
}

CallerOnly::CallerOnly() { ++teams.caller_only; }
CallerOnly::~CallerOnly() { --teams.caller_only; }

int foreign_team_size() { return omp_get_max_threads(); }

ForeignTeams::ForeignTeams(int threads)
    : threads_before_(omp_get_max_threads()), was_dynamic_(omp_get_dynamic() != 0) {
  if (threads != threads_before_) omp_set_num_threads(threads);
  if (was_dynamic_) omp_set_dynamic(0);
}

ForeignTeams::~ForeignTeams() {
  if (omp_get_max_threads() != threads_before_) omp_set_num_threads(threads_before_);
  if (was_dynamic_) omp_set_dynamic(1);
}

void run_pieces(std::int64_t count, std::int64_t pieces, PieceFunction call, void* body) {
  Job job{.count = count, .pieces = pieces, .call = call, .body = body, .mutex = {}, .error = {}};
  publish(&job.fork);
  {
    const NotDynamic not_dynamic;
    start_team(&job, static_cast<int>(pieces));
  }
  observe(&job.join);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace parallel
}  // namespace sinter
