#include "backend/cpu/groups/cache.h"

#include <asmjit/core.h>

#include <cstdio>
#include <string>
#include <utility>

#include "backend/cpu/groups/emitted_kernel.h"
#include "backend/cpu/machine_code.h"
#include "base/cache_limits.h"
#include "base/lru_cache.h"
#include "sinter/error.h"

namespace sinter::backend::cpu {

namespace {

constexpr int kDebugListing = 5;

void append(std::string* key, std::int64_t number) {
  key->append(reinterpret_cast<const char*>(&number), sizeof(number));
}

// All that a kernel depends on, as bytes.
std::string key_of(const ir::Group& group, const GroupTarget& target) {
  std::string key;
  append(&key, target.emits ? static_cast<int>(target.isa) : -1);
  append(&key, static_cast<int>(group.kind));
  append(&key, group.reduced_axes);
  append(&key, group.space.rank());
  for (const std::int64_t length : group.space) append(&key, length);
  append(&key, static_cast<std::int64_t>(group.operands.size()));
  for (const ir::GroupOperand& operand : group.operands) {
    append(&key, static_cast<int>(operand.dtype) * 2 + (operand.output ? 1 : 0));
    for (const std::int64_t stride : operand.strides) append(&key, stride);
  }
  for (const ir::ScalarInst& inst : group.body) {
    append(&key, static_cast<int>(inst.op) * 256 + static_cast<int>(inst.type));
    append(&key, inst.a);
    append(&key, inst.b);
    append(&key, inst.c);
    append(&key, inst.imm);
  }
  return key;
}

std::shared_ptr<const GroupKernel> make_kernel(const ir::Group& group, const GroupTarget& target) {
  const char* why =
      "SINTER_ISA, SINTER_DISABLE, the processor or the system rules machine code out";
  if (target.emits) {
    std::string listing;
    const bool wants_listing = switches().debug >= kDebugListing;
    std::shared_ptr<const GroupKernel> kernel =
        emit_group_listing(group, target.isa, wants_listing ? &listing : nullptr, &why);
    if (wants_listing) std::fputs(listing.c_str(), stderr);
    if (kernel != nullptr) return kernel;
  }
  std::unique_ptr<GroupKernel> kernel = interpret_group(group);
  kernel->set_interpreted_because(why);
  return kernel;
}

using KernelCache = LruCache<const GroupKernel>;

KernelCache& kernel_cache() {
  static auto* const cache = new KernelCache(limits::kGroupKernels);
  return *cache;
}

}  // namespace

bool supports(Isa isa) {
  using X86 = asmjit::CpuFeatures::X86;
  const auto& features = asmjit::CpuInfo::host().features().x86();
  if (isa == Isa::avx2) {
    return features.has(X86::kAVX2) && features.has(X86::kFMA) && features.has(X86::kF16C);
  }
  return features.has(X86::kAVX512_F) && features.has(X86::kAVX512_BW) &&
         features.has(X86::kAVX512_DQ) && features.has(X86::kAVX512_VL) && supports(Isa::avx2);
}

GroupTarget group_target_for(IsaChoice choice, bool has_avx2, bool has_avx512) {
  if (choice == IsaChoice::interpreter) return {};
  if (choice == IsaChoice::automatic) {
    return {.emits = has_avx2 || has_avx512, .isa = has_avx512 ? Isa::avx512 : Isa::avx2};
  }
  const bool wants_avx512 = choice == IsaChoice::avx512;
  if (wants_avx512 ? !has_avx512 : !has_avx2) {
    raise({.where = "SINTER_ISA",
           .what = "this processor lacks the instruction set",
           .got = wants_avx512 ? "avx512" : "avx2",
           .expected = has_avx2 ? "auto, avx2 or interpreter" : "auto or interpreter",
           .hint = {}});
  }
  return {.emits = true, .isa = wants_avx512 ? Isa::avx512 : Isa::avx2};
}

GroupTarget group_target() {
  if (switches().disabled("emit")) return {};
  if (switches().isa != IsaChoice::interpreter && !may_emit()) return {};
  return group_target_for(switches().isa, supports(Isa::avx2), supports(Isa::avx512));
}

std::shared_ptr<const GroupKernel> group_kernel(const ir::Group& group) {
  const GroupTarget target = group_target();
  std::string key = key_of(group, target);
  if (std::shared_ptr<const GroupKernel> known = kernel_cache().find(key)) return known;
  return kernel_cache().add(std::move(key), make_kernel(group, target));
}

}  // namespace sinter::backend::cpu
