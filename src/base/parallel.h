// parallel_for, the one way in which this library uses more than one CPU thread.
//
// It stands on OpenMP because oneDNN does too: both share one pool of workers, so that the machine
// is never loaded twice. Work is cut into pieces by a rule that looks at nothing but count, grain
// and the thread count; which thread runs a piece is left to the runtime. Code that must give the
// same bits with any number of threads makes each result depend on its own index only (see
// ir/reduction.h).
#ifndef SINTER_BASE_PARALLEL_H_
#define SINTER_BASE_PARALLEL_H_

#include <cstdint>
#include <memory>
#include <type_traits>

namespace sinter {

// The number of threads that parallel_for may use, the caller included; at least 1. Until
// set_thread_count is called it is SINTER_THREADS or, without that, what OpenMP offers (the CPUs
// that the process may run on, or OMP_NUM_THREADS). Throws Error when SINTER_THREADS is not a
// number.
int thread_count();

// Sets the number of threads for parallel_for in all threads, and for other OpenMP code (oneDNN) in
// the calling thread. Throws Error unless 1 <= count <= kMaxThreads.
void set_thread_count(int count);

// Gives OpenMP code other than ours (oneDNN) thread_count() threads when it is called from this
// thread: OpenMP keeps that number for each thread apart. A thread that runs programs calls this
// first; nearly free after the first call.
void adopt_thread_count();

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

// True inside a body that runs in parallel, where a further parallel_for runs serially.
bool is_nested();

using PieceFunction = void (*)(void* body, std::int64_t begin, std::int64_t end);
void run_pieces(std::int64_t count, std::int64_t pieces, PieceFunction call, void* body);

}  // namespace parallel

// Calls body(begin, end) for ranges that together cover [0, count) once, in parallel, and returns
// when all have returned. `grain` is the number of indices below which another thread is not worth
// its start (some ten microseconds of work). Serial, as one call body(0, count), when count <=
// grain, with one thread, and inside another parallel_for. The body is not called when count <= 0.
//
// When bodies throw, all other pieces still run; then the exception of the piece with the lowest
// indices is rethrown here.
template <class F>
void parallel_for(std::int64_t count, std::int64_t grain, F&& body) {
  if (count <= 0) return;
  if (count > grain) {
    const std::int64_t pieces = parallel::piece_count(count, grain, thread_count());
    if (pieces > 1 && !parallel::is_nested()) {
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
