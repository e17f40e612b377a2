// parallel_for, the one way in which this library uses more than one CPU thread.
//
// It stands on OpenMP because oneDNN does too: both share one pool of workers, so that the machine
// is never loaded twice. Work is cut into pieces by a rule that looks at nothing but count, grain
// and the size of the team; which thread runs a piece is left to the runtime. Code that must give
// the same bits with any number of threads makes each result depend on its own index only (see
// ir/reduction.h).
#ifndef SINTER_BASE_PARALLEL_H_
#define SINTER_BASE_PARALLEL_H_

#include <cstdint>
#include <memory>
#include <type_traits>

namespace sinter {

// The number of threads that parallel_for may use, the caller included; at least 1. Until
// set_thread_count is called it is SINTER_THREADS or, without that, what OpenMP offers: the CPUs
// that the process may run on, OMP_NUM_THREADS, OMP_THREAD_LIMIT; and, where OMP_NUM_THREADS is not
// set, no more than the quota of the control groups pays for (see cpu_quota.h). Throws Error when
// SINTER_THREADS is not a number.
int thread_count();

// Sets the number of threads for parallel_for in all threads. Throws Error unless 1 <= count <=
// kMaxThreads.
void set_thread_count(int count);

inline constexpr int kMaxThreads = 1024;

namespace parallel {

// The half-open range of indices that piece `piece` of `pieces` covers: lengths differ by at most
// one, the longer pieces come first. REQUIRES: 0 <= piece < pieces, 0 <= count.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
constexpr Range piece_range(std::int64_t count, std::int64_t pieces, std::int64_t piece) {
  const std::int64_t length = count / pieces;
  const std::int64_t longer = count % pieces;
  const std::int64_t begin = piece * length + (piece < longer ? piece : longer);
  return {begin, begin + length + (piece < longer ? 1 : 0)};
}

// How many pieces `count` indices are cut into: one when count <= grain, else as many as there are
// grains (the last may be short) but not more than threads.
constexpr std::int64_t piece_count(std::int64_t count, std::int64_t grain, int threads) {
  const std::int64_t least = grain < 1 ? 1 : grain;
  const std::int64_t grains = count / least + (count % least != 0 ? 1 : 0);
  const std::int64_t pieces = grains < threads ? grains : threads;
  return pieces < 1 ? 1 : pieces;
}

// How many threads a team has that the calling thread starts now, itself included: thread_count(),
// or fewer where OpenMP grants fewer. It is 1
//   - inside a parallel region, ours or another's,
//   - while a CallerOnly lives in this thread,
//   - in the thread of a forked process that called fork(): the other threads of its team stayed in
//     the parent, and OpenMP would wait for them for ever. Threads that the child starts have
//     teams.
// What OpenMP grants depends on OMP_THREAD_LIMIT, on omp_set_max_active_levels() and on how many
// threads can be started at all, so each thread asks it once, by starting a team, and again after a
// change. Code that partitions by a number of threads takes this one, or deals out its pieces to
// whoever comes as parallel_for does: the number that was asked for is not the number that works.
int team_size();

// While one lives, team_size() is 1 in its thread.
class CallerOnly {
 public:
  CallerOnly();
  ~CallerOnly();
  CallerOnly(const CallerOnly&) = delete;
  CallerOnly& operator=(const CallerOnly&) = delete;
};

// While one lives, OpenMP code other than ours (oneDNN) that its thread calls is told `threads` as
// the number of threads, and gets teams of no other size; then what the program had set holds
// again. oneDNN needs that: it partitions by omp_get_max_threads() when a primitive is made, some
// of its kernels also when it runs, and none looks at how many threads have come. With fewer, parts
// of a result stay unwritten, silently (2.6 to 3.7). REQUIRES: 1 <= threads <= team_size().
class ForeignTeams {
 public:
  explicit ForeignTeams(int threads);
  ~ForeignTeams();
  ForeignTeams(const ForeignTeams&) = delete;
  ForeignTeams& operator=(const ForeignTeams&) = delete;

 private:
  int threads_before_;
  bool was_dynamic_;
};

// What the innermost ForeignTeams of this thread tells, or without one what the program has set.
int foreign_team_size();

using PieceFunction = void (*)(void* body, std::int64_t begin, std::int64_t end);
void run_pieces(std::int64_t count, std::int64_t pieces, PieceFunction call, void* body);

}  // namespace parallel

// Calls body(begin, end) for ranges that together cover [0, count) once, in parallel, and returns
// when all have returned. `grain` is the number of indices below which another thread is not worth
// its start (some ten microseconds of work). Serial, as one call body(0, count), when count <=
// grain and when team_size() is 1. The body is not called when count <= 0.
//
// When bodies throw, all other pieces still run; then the exception of the piece with the lowest
// indices is rethrown here.
template <class F>
void parallel_for(std::int64_t count, std::int64_t grain, F&& body) {
  if (count <= 0) return;
  if (count > grain) {
    const std::int64_t pieces = parallel::piece_count(count, grain, parallel::team_size());
    if (pieces > 1) {
      using Body = std::remove_reference_t<F>;
      parallel::run_pieces(
          count, pieces,
          [](void* erased, std::int64_t begin, std::int64_t end) {
            (*static_cast<Body*>(erased))(begin, end);
          },
          const_cast<void*>(static_cast<const void*>(std::addressof(body))));
      return;
    }
  }
  body(std::int64_t{0}, count);
}

}  // namespace sinter

#endif  // SINTER_BASE_PARALLEL_H_
