#include "base/parallel.h"

#include <omp.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <string>

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

// What OpenMP was last told in this thread.
thread_local int adopted_count = 0;

void tell_openmp(int count) {
  if (adopted_count == count) return;
  omp_set_num_threads(count);
  adopted_count = count;
}

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

}  // namespace

int thread_count() {
  const int known = current_count.load(std::memory_order_relaxed);
  if (known != 0) return known;
  const int wanted = switches().threads;
  int count = wanted != 0 ? wanted : omp_get_max_threads();
  if (count > kMaxThreads) count = kMaxThreads;
  int none = 0;
  if (!current_count.compare_exchange_strong(none, count)) return none;
  tell_openmp(count);
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
  tell_openmp(count);
}

void adopt_thread_count() { tell_openmp(thread_count()); }

namespace parallel {

bool is_nested() { return omp_in_parallel() != 0; }

void run_pieces(std::int64_t count, std::int64_t pieces, PieceFunction call, void* body) {
  Job job{.count = count, .pieces = pieces, .call = call, .body = body, .mutex = {}, .error = {}};
  publish(&job.fork);
  start_team(&job, static_cast<int>(pieces));
  observe(&job.join);
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace parallel
}  // namespace sinter
