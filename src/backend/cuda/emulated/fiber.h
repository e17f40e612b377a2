// Fibers: stacks, and the switch between them.
#ifndef SINTER_BACKEND_CUDA_EMULATED_FIBER_H_
#define SINTER_BACKEND_CUDA_EMULATED_FIBER_H_

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__) || defined(SINTER_EMULATED_UCONTEXT)
#define SINTER_EMULATED_USES_UCONTEXT 1
#include <ucontext.h>
#endif

namespace sinter_emulated {

// Where a fiber, or the host thread, stopped.
struct Context {
#ifdef SINTER_EMULATED_USES_UCONTEXT
  ucontext_t registers;
#else
  void* stack_pointer = nullptr;
#endif
  const void* stack_bottom = nullptr;  // lowest address, for AddressSanitizer
  std::size_t stack_bytes = 0;
  void* fake_stack = nullptr;  // AddressSanitizer's
  void* tsan_fiber = nullptr;  // ThreadSanitizer's
};

// The context of the running host thread, to be filled by switch_context().
Context host_context();

// A stack with a guard page below it, and under ThreadSanitizer a fiber that goes with it for good:
// what two threads of a kernel leave on one stack is then never taken for a race between them.
struct Stack {
  char* memory = nullptr;  // above the guard
  std::size_t bytes = 0;
  Context context;
  Stack* next = nullptr;  // in a list of free stacks
};

// Never frees: a program's largest block decides how many there are.
Stack* make_stack();

// Makes the stack's context start `main(argument)`, which must not return.
void prepare(Stack* stack, void (*main)(void*), void* argument);

// Goes on at `to`; returns when somebody goes on at `from`.
void switch_context(Context& from, Context& to);
// Goes on at `to`, never to come back.
[[noreturn]] void leave_context(Context& to);
// The first thing that a fiber does.
void arrive_in_context();
// What unfinished frames left on the stack is no longer theirs.
void abandon(Stack* stack);

// Switches since the process started.
extern std::uint64_t switch_count;

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_FIBER_H_
