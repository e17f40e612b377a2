#include "ir/symbolic.h"

namespace sinter::ir {
namespace {

constexpr std::size_t kFirstSlots = 128;

std::size_t hash_of(const ScalarInst& instruction) {
  std::uint64_t hash = static_cast<std::uint64_t>(instruction.op) |
                       static_cast<std::uint64_t>(instruction.type) << 8;
  for (const std::int64_t part : {std::int64_t{instruction.a}, std::int64_t{instruction.b},
                                  std::int64_t{instruction.c}, instruction.imm}) {
    hash = (hash ^ static_cast<std::uint64_t>(part)) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  return static_cast<std::size_t>(hash);
}

}  // namespace

std::int32_t BodyBuilder::append(const ScalarInst& instruction) {
  const std::int32_t next = static_cast<std::int32_t>(body_.size());
  assert(instruction.a < next && instruction.b < next && instruction.c < next);
  if (instruction.op == ScalarOp::store) {
    body_.push_back(instruction);
    return next;
  }
  if (2 * (body_.size() + 1) > slots_.size()) grow();
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash_of(instruction) & mask;
  while (slots_[slot] >= 0) {
    if (body_[static_cast<std::size_t>(slots_[slot])] == instruction) return slots_[slot];
    slot = (slot + 1) & mask;
  }
  slots_[slot] = next;
  body_.push_back(instruction);
  return next;
}

void BodyBuilder::grow() {
  slots_.assign(slots_.empty() ? kFirstSlots : 2 * slots_.size(), -1);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < body_.size(); ++i) {
    if (body_[i].op == ScalarOp::store) continue;
    std::size_t slot = hash_of(body_[i]) & mask;
    while (slots_[slot] >= 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<std::int32_t>(i);
  }
}

}  // namespace sinter::ir
