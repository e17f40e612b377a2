#include "backend/cuda/emulated/fiber.h"

#include <pthread.h>
#include <sys/mman.h>

#include <new>
#include <stdexcept>

#include "backend/cuda/emulated/sanitizer.h"

// Sanitizers make frames larger; only pages that are touched cost memory.
static constexpr std::size_t kStackBytes =
    sinter_emulated::kAddressSanitizer || sinter_emulated::kThreadSanitizer ? 512 * 1024
                                                                            : 128 * 1024;
static constexpr std::size_t kGuardBytes = 4096 * 4;  // whole pages where they are larger, too

#ifndef SINTER_EMULATED_USES_UCONTEXT
// switch(save, load): pushes what a call preserves (System V ABI), leaves the stack pointer in
// *save, takes `load` for it and pops the same from there. The floating-point control words are not
// changed by kernels. A new fiber's stack looks as if it had been switched away from at the
// beginning of `start`, with main in rbx and its argument in rbp.
asm(R"(
.text
.p2align 4
.type sinter_emulated_switch, @function
.hidden sinter_emulated_switch
.globl sinter_emulated_switch
sinter_emulated_switch:
  .cfi_startproc
  endbr64
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .cfi_endproc
.size sinter_emulated_switch, .-sinter_emulated_switch

.p2align 4
.type sinter_emulated_start, @function
.hidden sinter_emulated_start
.globl sinter_emulated_start
sinter_emulated_start:
  .cfi_startproc
  .cfi_undefined rip
  endbr64
  movq %rbp, %rdi
  xorl %ebp, %ebp
  callq *%rbx
  ud2
  .cfi_endproc
.size sinter_emulated_start, .-sinter_emulated_start
)");
extern "C" void sinter_emulated_switch(void** save, void* load);
extern "C" void sinter_emulated_start();
#endif

namespace sinter_emulated {

std::uint64_t switch_count = 0;

Context host_context() {
  struct Bounds {
    void* bottom = nullptr;
    std::size_t bytes = 0;
  };
  thread_local Bounds bounds;
  if (kAddressSanitizer && bounds.bottom == nullptr) {
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &bounds.bottom, &bounds.bytes);
    pthread_attr_destroy(&attributes);
  }
  Context context;
  context.stack_bottom = bounds.bottom;
  context.stack_bytes = bounds.bytes;
#ifdef SINTER_EMULATED_TSAN
  context.tsan_fiber = __tsan_get_current_fiber();
#endif
  return context;
}

Stack* make_stack() {
  const IgnoreAccesses ignore;
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  if (mprotect(memory, kGuardBytes, PROT_NONE) != 0) throw std::bad_alloc();
  Stack* stack = new Stack;
  stack->memory = static_cast<char*>(memory) + kGuardBytes;
  stack->context.stack_bottom = stack->memory;
  // Not all tops at one place in their pages, which would all be one set of the cache.
  static std::size_t count = 0;
  stack->bytes = kStackBytes - ++count % 32 * 128;
  stack->context.stack_bytes = stack->bytes;
#ifdef SINTER_EMULATED_TSAN
  stack->context.tsan_fiber = __tsan_create_fiber(0);
#endif
  return stack;
}

#ifdef SINTER_EMULATED_USES_UCONTEXT
namespace {
// makecontext() passes ints.
void start(unsigned main_high, unsigned main_low, unsigned argument_high, unsigned argument_low) {
  const auto join = [](unsigned high, unsigned low) {
    return (static_cast<std::uintptr_t>(high) << 32) | low;
  };
  reinterpret_cast<void (*)(void*)>(join(main_high, main_low))(
      reinterpret_cast<void*>(join(argument_high, argument_low)));
}
}  // namespace

void prepare(Stack* stack, void (*main)(void*), void* argument) {
  ucontext_t& registers = stack->context.registers;
  if (getcontext(&registers) != 0) throw std::runtime_error("getcontext failed");
  registers.uc_stack.ss_sp = stack->memory;
  registers.uc_stack.ss_size = stack->bytes;
  registers.uc_link = nullptr;
  const auto main_bits = reinterpret_cast<std::uintptr_t>(main);
  const auto argument_bits = reinterpret_cast<std::uintptr_t>(argument);
  makecontext(&registers, reinterpret_cast<void (*)()>(start), 4,
              static_cast<unsigned>(main_bits >> 32), static_cast<unsigned>(main_bits),
              static_cast<unsigned>(argument_bits >> 32), static_cast<unsigned>(argument_bits));
}
#else
void prepare(Stack* stack, void (*main)(void*), void* argument) {
  // From the top: a zero to keep the stack aligned at the call, and what sinter_emulated_switch
  // pops.
  void** top = reinterpret_cast<void**>(stack->memory + stack->bytes);
  *--top = nullptr;
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&sinter_emulated_start);
  *--top = argument;                             // rbp
  *--top = reinterpret_cast<void*>(main);        // rbx
  for (int i = 0; i < 4; ++i) *--top = nullptr;  // r12 to r15
  stack->context.stack_pointer = top;
}
#endif

void switch_context(Context& from, Context& to) {
  ++switch_count;
#ifdef SINTER_EMULATED_ASAN
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack_bottom, to.stack_bytes);
#endif
#ifdef SINTER_EMULATED_TSAN
  __tsan_switch_to_fiber(to.tsan_fiber, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef SINTER_EMULATED_USES_UCONTEXT
  swapcontext(&from.registers, &to.registers);
#else
  sinter_emulated_switch(&from.stack_pointer, to.stack_pointer);
#endif
#ifdef SINTER_EMULATED_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

void leave_context(Context& to) {
  ++switch_count;
#ifdef SINTER_EMULATED_ASAN
  __sanitizer_start_switch_fiber(nullptr, to.stack_bottom, to.stack_bytes);
#endif
#ifdef SINTER_EMULATED_TSAN
  __tsan_switch_to_fiber(to.tsan_fiber, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef SINTER_EMULATED_USES_UCONTEXT
  setcontext(&to.registers);
#else
  void* nowhere;
  sinter_emulated_switch(&nowhere, to.stack_pointer);
#endif
  __builtin_trap();
}

void arrive_in_context() {
#ifdef SINTER_EMULATED_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

void abandon(Stack* stack) {
  unpoison(stack->memory, kStackBytes);
#ifdef SINTER_EMULATED_TSAN
  // What it did happened before what the host does next: these switches synchronise. Then another
  // in its place, because it has calls on its stack that never return.
  void* host = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(stack->context.tsan_fiber, 0);
  __tsan_switch_to_fiber(host, 0);
  __tsan_destroy_fiber(stack->context.tsan_fiber);
  stack->context.tsan_fiber = __tsan_create_fiber(0);
#endif
}

}  // namespace sinter_emulated
