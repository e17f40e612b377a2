// Whether this process may make machine code. Some may not: under SELinux without execmem,
// systemd's MemoryDenyWriteExecute, PaX, and in hardened containers no page that was written can be
// executed. Then the interpreter runs fused groups and compiled loops contractions, with the same
// code paths as SINTER_ISA=interpreter.
#ifndef SINTER_BACKEND_CPU_MACHINE_CODE_H_
#define SINTER_BACKEND_CPU_MACHINE_CODE_H_

namespace sinter::backend::cpu {

// Whether our emitter may: pages are written, then made executable. Tried out at the first call,
// by running such a page; where it cannot be, a line on standard error says so, once.
bool may_emit();

// Whether oneDNN may serve, all of whose fast kernels are made at run time, in pages that are
// writable and executable at once. Not with SINTER_ISA=interpreter or SINTER_DISABLE=onednn either.
bool may_use_onednn();

}  // namespace sinter::backend::cpu

#endif  // SINTER_BACKEND_CPU_MACHINE_CODE_H_
