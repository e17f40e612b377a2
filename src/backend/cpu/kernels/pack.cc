// Several tensors of one type side by side in one flat tensor, zeros in the gaps.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "backend/cpu/kernels/kernel.h"
#include "base/parallel.h"

namespace sinter::backend::cpu {
namespace {

constexpr std::int64_t kGrainBytes = 32 * 1024;

class Pack final : public PreparedKernel {
 public:
  explicit Pack(const KernelCall& call) {
    const auto size = static_cast<std::int64_t>(size_of(call.output_dtypes[0]));
    const auto& offsets = call.attributes.integers("offsets");
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
      const std::int64_t begin = offsets[i] * size;
      parts_.push_back({begin, begin + call.inputs[i].shape.elements() * size});
    }
    bytes_ = call.outputs[0].shape.elements() * size;
  }

  void run(void* const* inputs, void* const* outputs, void*) const override {
    auto* to = static_cast<char*>(outputs[0]);
    parallel_for(bytes_, kGrainBytes,
                 [&](std::int64_t begin, std::int64_t end) { write(inputs, to, begin, end); });
  }

 private:
  struct Part {
    std::int64_t begin, end;  // bytes of the result
  };

  // Bytes [begin, end) of the result.
  void write(void* const* inputs, char* to, std::int64_t begin, std::int64_t end) const {
    const auto first = std::partition_point(parts_.begin(), parts_.end(),
                                            [&](const Part& part) { return part.end <= begin; });
    std::int64_t at = begin;
    for (auto part = first; part != parts_.end() && part->begin < end; ++part) {
      if (part->begin == part->end) continue;
      if (at < part->begin) {
        std::memset(to + at, 0, static_cast<std::size_t>(part->begin - at));
        at = part->begin;
      }
      const std::int64_t stop = std::min(end, part->end);
      const auto* from =
          static_cast<const char*>(inputs[part - parts_.begin()]) + (at - part->begin);
      // What was made in its place stays there.
      if (from != to + at) std::memcpy(to + at, from, static_cast<std::size_t>(stop - at));
      at = stop;
    }
    std::memset(to + at, 0, static_cast<std::size_t>(end - at));
  }

  std::vector<Part> parts_;
  std::int64_t bytes_ = 0;
};

std::unique_ptr<PreparedKernel> prepare_pack(const KernelCall& call) {
  return std::make_unique<Pack>(call);
}

}  // namespace

const Kernel kPack{.accepts = nullptr, .prepare = prepare_pack};

}  // namespace sinter::backend::cpu
