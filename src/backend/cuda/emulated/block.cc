#include "backend/cuda/emulated/block.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "backend/cuda/emulated/names.h"
#include "backend/cuda/emulated/sanitizer.h"

namespace sinter_emulated {
namespace {

// ThreadSanitizer has room for 8128 threads and fibers.
constexpr unsigned kMostFibers = 4096;

// Synchronised on at the start and at the end of a launch or an epoch, and by fences.
char start_word[8];
char end_word[8];

}  // namespace

bool BlockRunner::run(const Launch& launch) {
  launch_ = &launch;
  faulted_ = false;
  fault_[0] = 0;
  host_ = host_context();
  count_ = launch.block.x * launch.block.y * launch.block.z;
  threads_.resize(count_);
  ready_.resize(count_ + 1);
  warps_.resize((count_ + 31) / 32);
  Device& device = sinter_emulated_device;
  device.block_size = launch.block;
  device.grid_size = launch.grid;
  const std::uint64_t plane = std::uint64_t{launch.grid.x} * launch.grid.y;
  const std::uint64_t blocks = plane * launch.grid.z;
  begin_epoch(blocks);
  for (std::uint64_t i = 0; i < blocks && !faulted_; ++i) {
    if (kThreadSanitizer && (stacks_used_ + count_ > kMostFibers || shared_.is_exhausted())) {
      end_epoch();
      begin_epoch(blocks - i);
    }
    const std::uint64_t at = reversed_ ? blocks - 1 - i : i;
    run_block({static_cast<unsigned>(at % launch.grid.x),
               static_cast<unsigned>(at / launch.grid.x % launch.grid.y),
               static_cast<unsigned>(at / plane)});
  }
  end_epoch();
  return !faulted_;
}

void BlockRunner::begin_epoch(std::uint64_t blocks_left) {
  stacks_used_ = 0;
  // A fiber starts with what its creator did before it: all of them are made here, before the
  // launch, and none by another fiber.
  const std::uint64_t needed = std::min<std::uint64_t>(blocks_left * count_, kMostFibers);
  while (kThreadSanitizer && stacks_.size() < needed) stacks_.push_back(make_stack());
  shared_.begin_epoch();
  release(start_word);
}

void BlockRunner::end_epoch() { acquire(end_word); }

void BlockRunner::start_block(uint3 block) {
  sinter_emulated_device.block = block;
  started_ = 0;
  exited_ = 0;
  arrived_ = 0;
  barrier_sum_ = 0;
  ready_first_ = ready_last_ = 0;
  shared_.begin_block(launch_->shared_bytes);
  barrier_sync_[0] = shared_.sync_word();
  barrier_sync_[1] = shared_.sync_word();
  const dim3 size = launch_->block;
  unsigned i = 0;
  for (unsigned z = 0; z < size.z; ++z) {
    for (unsigned y = 0; y < size.y; ++y) {
      for (unsigned x = 0; x < size.x; ++x, ++i) {
        Thread& thread = threads_[i];
        thread.stack = nullptr;
        thread.index = {x, y, z};
        thread.state = State::kNotStarted;
      }
    }
  }
  for (Warp& warp : warps_) {
    warp.exited = 0;
    warp.meetings.clear();
  }
  if (count_ % 32 != 0) warps_.back().exited = ~0U << count_ % 32;
}

bool BlockRunner::run_block(uint3 block) {
  start_block(block);
  running_stack_ = take_stack();
  prepare(running_stack_, stack_main, this);
  switch_context(host_, running_stack_->context);
  ++blocks_run_;
  const char* overrun = shared_.end_block();
  if (overrun != nullptr && !faulted_) {
    std::snprintf(fault_, sizeof fault_, "%s, block (%u, %u, %u): wrote past the end of %s",
                  kernel_name(), block.x, block.y, block.z, overrun);
    faulted_ = true;
  }
  if (!faulted_) return true;
  for (Thread& thread : threads_) {
    if (thread.state == State::kNotStarted || thread.state == State::kExited) continue;
    abandon(thread.stack);
    give_stack(thread.stack);
  }
  if (stuck_stack_ != nullptr) {
    abandon(stuck_stack_);
    give_stack(stuck_stack_);
    stuck_stack_ = nullptr;
  }
  return false;
}

Stack* BlockRunner::take_stack() {
  if constexpr (kThreadSanitizer) {
    return stacks_[stacks_used_++];
  }
  if (free_stacks_ == nullptr) return make_stack();
  Stack* stack = free_stacks_;
  free_stacks_ = stack->next;
  return stack;
}

void BlockRunner::give_stack(Stack* stack) {
  if constexpr (kThreadSanitizer) return;
  stack->next = free_stacks_;
  free_stacks_ = stack;
}

void BlockRunner::stack_main(void* runner) {
  arrive_in_context();
  static_cast<BlockRunner*>(runner)->run_threads();
}

void BlockRunner::run_threads() {
  Stack* stack = running_stack_;
  while (true) {
    acquire(start_word);
    const unsigned at = started_++;
    Thread& thread = threads_[reversed_ ? count_ - 1 - at : at];
    thread.stack = stack;
    resume(thread);
    launch_->entry(launch_->function, launch_->arguments);
    exit_thread(thread);
    release(end_word);
    if (ready_first_ != ready_last_) {
      give_stack(stack);
      Thread& next = *ready_[ready_first_];
      ready_first_ = ready_first_ == count_ ? 0 : ready_first_ + 1;
      resume(next);
      leave_context(next.stack->context);
    }
    if (started_ < count_) {
      if constexpr (kThreadSanitizer) {
        running_stack_ = take_stack();
        prepare(running_stack_, stack_main, this);
        leave_context(running_stack_->context);
      }
      continue;
    }
    if (exited_ < count_) {
      stuck_stack_ = stack;
      stuck();
    }
    give_stack(stack);
    leave_context(host_);
  }
}

void BlockRunner::resume(Thread& thread) {
  thread.state = State::kRunning;
  running_ = &thread;
  sinter_emulated_device.thread = thread.index;
}

// Lets others run until the running thread is ready again.
void BlockRunner::park() {
  Thread& self = *running_;
  if (ready_first_ != ready_last_) {
    Thread& next = *ready_[ready_first_];
    ready_first_ = ready_first_ == count_ ? 0 : ready_first_ + 1;
    resume(next);
    if (&next != &self) switch_context(self.stack->context, next.stack->context);
    return;
  }
  if (started_ == count_) stuck();
  running_stack_ = take_stack();
  prepare(running_stack_, stack_main, this);
  switch_context(self.stack->context, running_stack_->context);
}

int BlockRunner::barrier(int value, const char* file, int line) {
  Thread& self = *running_;
  self.file = file;
  self.line = line;
  if (arrived_ == 0) {
    first_arrived_ = &self;
  } else if (first_arrived_->line != line || std::strcmp(first_arrived_->file, file) != 0) {
    const uint3 other = first_arrived_->index;
    fault_at(self, "is at the barrier of %s:%d, thread (%u, %u, %u) at that of %s:%d", file, line,
             other.x, other.y, other.z, first_arrived_->file, first_arrived_->line);
  }
  void* sync = barrier_sync_[generation_ % 2];
  release(sync);
  barrier_sum_ += value != 0;
  if (++arrived_ < count_) {
    self.state = State::kAtBarrier;
    park();
  } else {
    barrier_result_ = barrier_sum_;
    barrier_sum_ = 0;
    arrived_ = 0;
    ++generation_;
    // This one goes on, the others after it in their order.
    ready_first_ = ready_last_ = 0;
    for (unsigned i = 0; i < count_; ++i) {
      Thread& thread = threads_[reversed_ ? count_ - 1 - i : i];
      if (&thread != &self) ready_[ready_last_++] = &thread;
    }
  }
  acquire(sync);
  return barrier_result_;
}

void BlockRunner::exit_thread(Thread& thread) {
  thread.state = State::kExited;
  ++exited_;
  const unsigned at = number(thread);
  Warp& warp = warps_[at / 32];
  warp.exited |= 1U << at % 32;
  for (Meeting& meeting : warp.meetings) {
    if (meeting.arrived != 0 && ((meeting.arrived | warp.exited) & meeting.mask) == meeting.mask) {
      finish(at / 32, meeting);
    }
  }
}

BlockRunner::Meeting& BlockRunner::meeting(Warp& warp, unsigned mask) {
  for (Meeting& meeting : warp.meetings) {
    if (meeting.mask == mask) return meeting;
  }
  const IgnoreAccesses ignore;
  warp.meetings.push_back(
      {mask, 0, Collective::kSync, 0, {shared_.sync_word(), shared_.sync_word()}});
  return warp.meetings.back();
}

unsigned long long BlockRunner::collective(Collective kind, unsigned mask, unsigned long long value,
                                           int source, const char* file, int line) {
  Thread& self = *running_;
  const unsigned at = number(self);
  const unsigned lane = at % 32;
  self.file = file;
  self.line = line;
  self.mask = mask;
  self.value = value;
  self.source = source;
  if ((mask >> lane & 1U) == 0) {
    fault_at(self, "names the mask 0x%08x at %s:%d, without itself, lane %u", mask, file, line,
             lane);
  }
  Warp& warp = warps_[at / 32];
  Meeting& here = meeting(warp, mask);
  if (here.arrived != 0 && here.kind != kind) {
    const Thread& other = threads_[at / 32 * 32 + __builtin_ctz(here.arrived)];
    fault_at(self, "is at %s:%d, lane %u of its mask 0x%08x in another collective at %s:%d", file,
             line, __builtin_ctz(here.arrived), mask, other.file, other.line);
  }
  here.kind = kind;
  here.arrived |= 1U << lane;
  void* sync = here.sync[here.generation % 2];
  // Only __syncwarp orders memory; shuffles and votes promise their own results and no more (CUDA
  // C++ Programming Guide, "Warp Shuffle Functions" and "Warp Vote Functions").
  const bool orders = kind == Collective::kSync;
  if (orders) release(sync);
  if (((here.arrived | warp.exited) & mask) == mask) {
    here.arrived &= ~(1U << lane);
    finish(at / 32, here);
  } else {
    self.state = State::kAtCollective;
    park();
  }
  if (orders) acquire(sync);
  return self.result;
}

// Gives the lanes of a complete meeting their results and makes those that wait ready. The lane
// that completes it, which is running, is not in `arrived`.
void BlockRunner::finish(unsigned warp_number, Meeting& meeting) {
  Thread* lanes = &threads_[warp_number * 32];
  unsigned present = meeting.arrived;
  const unsigned running = number(*running_);
  if (running_->state == State::kRunning && running / 32 == warp_number) {
    present |= 1U << running % 32;
  }
  unsigned long long all =
      meeting.kind == Collective::kMin || meeting.kind == Collective::kAnd ? 0xFFFFFFFFU : 0;
  if (meeting.kind == Collective::kSignedMin) all = 0x7FFFFFFFU;
  if (meeting.kind == Collective::kSignedMax) all = 0x80000000U;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((present >> lane & 1U) == 0) continue;
    const unsigned value = static_cast<unsigned>(lanes[lane].value);
    const unsigned so_far = static_cast<unsigned>(all);
    const int signed_value = static_cast<int>(value);
    const int signed_so_far = static_cast<int>(so_far);
    switch (meeting.kind) {
      case Collective::kSync:
      case Collective::kShuffle:
        break;
      case Collective::kBallot:
        all = so_far | (value != 0 ? 1U << lane : 0U);
        break;
      case Collective::kAdd:
        all = so_far + value;
        break;
      case Collective::kMin:
        all = value < so_far ? value : so_far;
        break;
      case Collective::kMax:
        all = value > so_far ? value : so_far;
        break;
      case Collective::kSignedMin:
        all = signed_value < signed_so_far ? value : so_far;
        break;
      case Collective::kSignedMax:
        all = signed_value > signed_so_far ? value : so_far;
        break;
      case Collective::kAnd:
        all = so_far & value;
        break;
      case Collective::kOr:
        all = so_far | value;
        break;
      case Collective::kXor:
        all = so_far ^ value;
        break;
    }
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    if ((present >> lane & 1U) == 0) continue;
    Thread& thread = lanes[lane];
    thread.result = all;
    if (meeting.kind == Collective::kShuffle) {
      const unsigned source = static_cast<unsigned>(thread.source);
      const bool is_there = source < 32 && (present >> source & 1U) != 0;
      thread.result = is_there ? lanes[source].value : ~0ULL;
    }
    if ((meeting.arrived >> lane & 1U) == 0) continue;
    ready_[ready_last_] = &thread;
    ready_last_ = ready_last_ == count_ ? 0 : ready_last_ + 1;
  }
  meeting.arrived = 0;
  ++meeting.generation;
}

void* BlockRunner::shared_object(const SharedSite& site) {
  void* memory = shared_.object(site);
  if (shared_.static_bytes() > kStaticSharedBytes) {
    fault_at(*running_, "the block has more than %zu bytes of static shared memory with '%s'",
             kStaticSharedBytes, site.name);
  }
  return memory;
}

void* BlockRunner::dynamic_shared() { return shared_.dynamic(); }

void BlockRunner::fail(const char* what, const char* file, int line) {
  fault_at(*running_, "%s at %s:%d", what, file, line);
}

// Nobody can run, and somebody waits.
void BlockRunner::stuck() {
  const Thread* waiting = nullptr;
  const Thread* other = nullptr;  // what it waits for: a thread that waits elsewhere, or has exited
  unsigned at_barrier = 0;
  for (const Thread& thread : threads_) {
    const bool waits = thread.state == State::kAtBarrier || thread.state == State::kAtCollective;
    at_barrier += thread.state == State::kAtBarrier;
    if (waits && waiting == nullptr) waiting = &thread;
  }
  for (const Thread& thread : threads_) {
    const bool waits = thread.state == State::kAtBarrier || thread.state == State::kAtCollective;
    const bool has_other_mask =
        thread.state == State::kAtCollective && thread.mask != waiting->mask;
    const bool differs =
        waits && (thread.state != waiting->state || thread.line != waiting->line || has_other_mask);
    if (differs && other == nullptr) other = &thread;
  }
  const char* kind = waiting->state == State::kAtBarrier ? "the barrier" : "the warp collective";
  if (other != nullptr) {
    fault_at(*waiting, "waits for ever at %s of %s:%d: thread (%u, %u, %u) waits at %s of %s:%d",
             kind, waiting->file, waiting->line, other->index.x, other->index.y, other->index.z,
             other->state == State::kAtBarrier ? "the barrier" : "the warp collective", other->file,
             other->line);
  }
  for (const Thread& thread : threads_) {
    if (thread.state == State::kExited && other == nullptr) other = &thread;
  }
  const uint3 exited = other != nullptr ? other->index : uint3{0, 0, 0};
  fault_at(*waiting,
           "waits for ever at %s of %s:%d: %u of %u threads came, thread (%u, %u, %u) has exited",
           kind, waiting->file, waiting->line, at_barrier, count_, exited.x, exited.y, exited.z);
}

void BlockRunner::fault_at(const Thread& thread, const char* format, ...) {
  {
    const IgnoreAccesses ignore;
    const uint3 block = sinter_emulated_device.block;
    int length = std::snprintf(
        fault_, sizeof fault_, "%s, block (%u, %u, %u), thread (%u, %u, %u): ", kernel_name(),
        block.x, block.y, block.z, thread.index.x, thread.index.y, thread.index.z);
    length = length < int{sizeof fault_} ? length : int{sizeof fault_} - 1;
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(fault_ + length, sizeof fault_ - static_cast<std::size_t>(length), format,
                   arguments);
    va_end(arguments);
    faulted_ = true;
  }
  leave_context(host_);
}

const char* BlockRunner::kernel_name() {
  return launch_->name != nullptr ? launch_->name : function_name(launch_->function);
}

}  // namespace sinter_emulated
