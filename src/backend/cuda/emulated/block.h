// Runs kernels: blocks one after the other, the threads of a block as fibers. See
// include/sinter_emulated/device.h for what that means to a kernel.
//
// A thread that waits for nothing runs to its end on the stack of the one before it. One that waits
// keeps its stack, and the next one gets another. Whoever stops running, at a barrier or at its
// end, goes straight to the next that can run; the host thread's own stack is only used when a
// block is done.
//
// ThreadSanitizer: each thread of a kernel is a fiber of its own until the launch ends, with its
// own stack; switches do not synchronise. Only these do: the start and the end of a launch; a
// barrier, for the threads of the block; a warp collective, for the lanes of its mask;
// __threadfence with a later atomic. There can be kMostFibers; a launch with more threads is cut
// into epochs of as many blocks as fit, between which everything is synchronised: races between
// blocks of different epochs are not found.
#ifndef SINTER_BACKEND_CUDA_EMULATED_BLOCK_H_
#define SINTER_BACKEND_CUDA_EMULATED_BLOCK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "backend/cuda/emulated/fiber.h"
#include "backend/cuda/emulated/include/cuda_runtime.h"
#include "backend/cuda/emulated/shared_memory.h"

namespace sinter_emulated {

// A launch, its arguments included.
struct Launch {
  KernelEntry entry;
  const void* function;
  const char* name;  // of a library's kernel; null: to be found by `function`
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes;
  const void* arguments;
};

class BlockRunner {
 public:
  // Runs all blocks. Returns false after a fault, which fault() tells.
  bool run(const Launch& launch);
  const char* fault() const { return fault_; }

  // From the last thread and block to the first, instead of the other way round.
  void set_reversed(bool reversed) { reversed_ = reversed; }

  // What kernels call, from the running fiber.
  int barrier(int value, const char* file, int line);
  unsigned long long collective(Collective kind, unsigned mask, unsigned long long value,
                                int source, const char* file, int line);
  void* shared_object(const SharedSite& site);
  void* dynamic_shared();
  [[noreturn]] void fail(const char* what, const char* file, int line);

  std::uint64_t blocks_run() const { return blocks_run_; }

 private:
  enum class State { kNotStarted, kRunning, kAtBarrier, kAtCollective, kExited };

  struct Thread {
    Stack* stack;
    uint3 index;
    State state;
    // Where it waits.
    const char* file;
    int line;
    // What it gave to a warp collective, and got.
    unsigned mask;
    int source;
    unsigned long long value;
    unsigned long long result;
  };

  // The lanes that wait for each other under one mask.
  struct Meeting {
    unsigned mask;
    unsigned arrived;
    Collective kind;
    unsigned generation;
    void* sync[2];  // used in turns, so that a fast lane's next release is not what a slow one
                    // acquires
  };
  struct Warp {
    unsigned exited;  // lanes that the block does not have, too
    std::vector<Meeting> meetings;
  };

  static void stack_main(void* runner);
  void run_threads();  // on a fiber
  bool run_block(uint3 block);
  void start_block(uint3 block);
  void resume(Thread& thread);
  void park();
  void exit_thread(Thread& thread);
  Meeting& meeting(Warp& warp, unsigned mask);
  void finish(unsigned warp_number, Meeting& meeting);
  Stack* take_stack();
  void give_stack(Stack* stack);
  void begin_epoch(std::uint64_t blocks_left);
  void end_epoch();
  [[noreturn]] void stuck();
  [[noreturn]] void fault_at(const Thread& thread, const char* format, ...)
      __attribute__((format(printf, 3, 4)));
  unsigned number(const Thread& thread) const {
    return static_cast<unsigned>(&thread - threads_.data());
  }
  const char* kernel_name();

  const Launch* launch_ = nullptr;
  bool reversed_ = false;
  Context host_;
  SharedMemory shared_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  unsigned count_ = 0;    // threads of a block
  unsigned started_ = 0;  // how many have been
  unsigned exited_ = 0;
  Thread* running_ = nullptr;
  Stack* running_stack_ = nullptr;

  // Threads that may go on, a ring of count_ + 1.
  std::vector<Thread*> ready_;
  unsigned ready_first_ = 0;
  unsigned ready_last_ = 0;

  // The barrier of the block.
  unsigned arrived_ = 0;
  int barrier_sum_ = 0;
  int barrier_result_ = 0;
  unsigned generation_ = 0;
  Thread* first_arrived_ = nullptr;
  void* barrier_sync_[2] = {};

  // Free stacks; under ThreadSanitizer all stacks in order, the first stacks_used_ taken.
  Stack* free_stacks_ = nullptr;
  std::vector<Stack*> stacks_;
  unsigned stacks_used_ = 0;

  bool faulted_ = false;
  char fault_[1024] = {};
  std::uint64_t blocks_run_ = 0;
};

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_BLOCK_H_
