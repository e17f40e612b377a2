// The kernels of each kind of group; group_source() chooses.
#ifndef SINTER_BACKEND_CUDA_GROUPS_FUSED_KINDS_H_
#define SINTER_BACKEND_CUDA_GROUPS_FUSED_KINDS_H_

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "backend/cuda/groups/fused.h"
#include "backend/cuda/groups/fused_body.h"
#include "backend/cuda/groups/kernel_text.h"

namespace sinter::backend::cuda {

// A map: four neighbouring points a thread where all operands allow it, else one.
GroupSource map_source(const FusedBody& body);
// An inner group: a few threads, a warp, a block or several blocks a row, by the row's length.
GroupSource rows_source(const FusedBody& body);
// An outer group: four threads a column and 256 rows; another launch where there are more rows.
GroupSource outer_source(const FusedBody& body);

// The launch of a kernel with these statements. `kind` becomes a part of its name, and a hash of
// the statements the other.
GroupLaunch make_launch(const FusedBody& body, const char* kind, std::int64_t blocks,
                        std::uint32_t block, const KernelText& statements);

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t power_of_two_from(std::int64_t least) {
  return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(least)));
}

// Where the chunks' values of each reduction lie in the workspace.
class PartialLayout {
 public:
  PartialLayout(const FusedBody& body, std::int64_t values_per_reduction);

  std::int64_t bytes() const { return bytes_; }
  // "float* const r5 = (float*)(arguments.workspace + 64);"
  void write_address(KernelText& text, const FusedBody& body, std::size_t reduction) const;

 private:
  std::vector<std::int64_t> offsets_;
  std::int64_t bytes_ = 0;
};

// Places that one thread folds unrolled; more are folded in a loop.
inline constexpr std::int64_t kMostUnrolledPlaces = 64;

// "SinterTree<SinterSum, 4>::fold(from, stride, count, identity)"
std::string tree_call(const FusedBody& body, std::size_t reduction, std::int64_t places,
                      const std::string& from, const std::string& stride, const std::string& count);

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_GROUPS_FUSED_KINDS_H_
