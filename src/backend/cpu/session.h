// One memory of a CpuCode: its runs, step after step.
#ifndef SINTER_BACKEND_CPU_SESSION_H_
#define SINTER_BACKEND_CPU_SESSION_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/cpu/code.h"

namespace sinter::backend::cpu {

class ScanSession;

class CpuSession : public Session {
 public:
  // `arena`: see Code::new_session().
  CpuSession(std::shared_ptr<const CpuCode> code, std::byte* arena);
  ~CpuSession() override;

  void run(const Bindings& bindings) override;
  void run_watched(const Bindings& bindings,
                   const std::function<void(int, std::span<void* const>)>& after) override;
  void run_some(const Bindings& bindings, std::span<const std::uint8_t> chosen) override;

 private:
  // Memory that goes back with its owner.
  struct ArenaDeleter {
    Backend* backend;
    std::size_t bytes;
    void operator()(std::byte* memory) const { backend->release(memory, bytes); }
  };

  // Runs steps 0, 1, ...; one that wants(i), with done(i) after it.
  template <class Wants, class Done>
  void run_steps(const Bindings& bindings, Wants wants, Done done);

  std::shared_ptr<const CpuCode> code_;
  std::unique_ptr<std::byte, ArenaDeleter> own_arena_;  // null: another's
  std::byte* arena_;
  std::vector<void*> table_;
  std::vector<std::unique_ptr<ScanSession>> scans_;  // by step; empty when there are none
};

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_SESSION_H_
