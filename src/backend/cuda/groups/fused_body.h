// The bodies of fused groups as statements of CUDA C++; what the kernels of all kinds of groups
// share.
//
// A group is seen as `rows` of `points`: the points of a row differ along the reduced axes; a map
// is one row. Values that are the same for a whole row are row values, the others point values.
// Names in the text: x3 is the address of operand 3's first element in this row; v5 the value of
// instruction 5; a5 its lanes, if it is a reduction; in5 and out5 four elements that are loaded and
// stored at once; h5 the values of four points that a later pass uses again.
#ifndef SINTER_BACKEND_CUDA_GROUPS_FUSED_BODY_H_
#define SINTER_BACKEND_CUDA_GROUPS_FUSED_BODY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backend/cuda/groups/kernel_text.h"
#include "ir/group.h"

namespace sinter::backend::cuda {

// "float": an element in memory, and a value in a register (boolean: "unsigned char" and "bool").
std::string_view memory_type(Dtype dtype);
std::string_view value_type(Dtype dtype);

// For each instruction, whether it has a property.
using Marks = std::vector<std::uint8_t>;

class FusedBody {
 public:
  explicit FusedBody(const ir::Group& group);

  std::int64_t rows() const { return rows_; }
  std::int64_t points() const { return points_; }
  int pass_count() const { return pass_count_; }
  const ir::ScalarInst& inst(std::size_t i) const { return group_.body[i]; }
  std::size_t size() const { return group_.body.size(); }
  std::size_t operand_count() const { return group_.operands.size(); }
  bool is_point_value(std::size_t i) const { return varies_[i] != 0; }
  int pass_of(std::size_t i) const { return pass_of_[i]; }

  // The reductions of a pass that anything uses, in order.
  std::vector<std::size_t> reductions(int pass) const;
  bool has_row_stores() const;

  // What the points of a pass compute: its reductions' arguments, its stores, and the point values
  // that these need, without looking past `held` values. All zeros when the pass has nothing to
  // do there.
  Marks point_work(int pass) const { return point_work(pass, Marks(size(), 0)); }
  Marks point_work(int pass, const Marks& held) const;
  // The row values that `work` needs, or the row stores too. Reductions count as such.
  Marks row_values(const Marks& work) const;
  Marks row_values_of_stores() const;
  static bool any(const Marks& marks);

  // Types of positions (never negative) and of distances between elements; 64 bits where 32 may not
  // do. number(7) is "7u": for what is a part of a kernel's form.
  std::string_view position_type() const { return wide_ ? "unsigned long long" : "unsigned"; }
  std::string number(std::int64_t value) const;
  // What only counts, as an argument of the kernel where positions have 32 bits and there is room
  // for another one: "(unsigned)n3".
  // `role`: see KernelText::argument().
  std::string length(KernelText& text, const std::string& role, std::int64_t value) const;
  std::string all_points(KernelText& text) const { return length(text, "points", points_); }
  std::string all_rows(KernelText& text) const { return length(text, "rows", rows_); }
  // A position, divided by a length or modulo it; without the processor's division where the length
  // is an argument.
  std::string quotient(KernelText& text, const std::string& role, const std::string& position,
                       std::int64_t value) const;
  std::string remainder(KernelText& text, const std::string& role, const std::string& position,
                        std::int64_t value) const;
  // How many of the four points from the one in the variable `p` on lie before `end`; always four
  // where threads go through `step` points at a time and that divides the row.
  std::string count(const std::string& p, const std::string& end, std::int64_t step) const;

  // "const float* const x0 = ..." for every operand that an instruction of `work` moves, or that a
  // row load or store of `values` does; the row's number is in the variable `row`.
  void write_addresses(KernelText& text, const Marks& work, const Marks& values) const;
  // The row values of `values` that are there once the passes before `pass` are done, but not
  // earlier. `condition`, unless empty, says whether this thread has a row.
  void write_row_values(KernelText& text, const Marks& values, int pass,
                        std::string_view condition) const;
  void write_row_stores(KernelText& text) const;

  // Four neighbouring points, from the one in the variable `p` on, of which `count` exist.
  // Reductions go into their lanes.
  // `held`: marks of the values that an earlier pass has left (h5) and this one must not compute;
  // `keep`: of those that it must leave.
  void write_four_points(KernelText& text, const Marks& work, const Marks& held,
                         const Marks& keep) const;
  // The point in the variable `p`; a reduction has one lane.
  void write_point(KernelText& text, const Marks& work) const;
  // Whether four neighbouring points lie so in every operand that moving them at once pays.
  bool moves_in_fours() const;

  // "float a5[4] = {...};" or, for one lane, "float a5 = ...;" for each of the reductions.
  void write_lanes(KernelText& text, const std::vector<std::size_t>& reductions, int lanes) const;
  // "SinterSum", and the literal of its identity.
  std::string_view reduction_type(std::size_t i) const;
  std::string identity(std::size_t i) const;

 private:
  // How four neighbouring points lie in an operand.
  enum class Four : std::uint8_t {
    scattered,
    same,        // all at one address
    contiguous,  // one after the other
  };
  // Axes of an operand, merged where they chain.
  struct Lengths {
    std::vector<std::int64_t> lengths;
    std::vector<std::int64_t> strides;
    std::vector<int> first;  // axis of the group
    std::vector<int> last;
  };

  bool is_moving(int axis) const;
  Lengths merged(const std::vector<std::int64_t>& strides, bool moving) const;
  std::vector<std::int64_t> index_strides(const ir::ScalarInst& index) const;
  std::string distance(KernelText& text, const std::string& operand,
                       const std::vector<std::int64_t>& strides, bool moving,
                       std::string_view position) const;
  // Whether the next number is written into the text.
  bool takes_literals(const KernelText& text) const;
  std::string stride_of(KernelText& text, const std::string& role, std::int64_t stride) const;
  std::string point_distance(KernelText& text, const ir::ScalarInst& inst,
                             std::string_view position) const;
  Four four_of(const ir::ScalarInst& inst) const;
  std::string expression(const ir::ScalarInst& inst) const;
  std::string conversion(const ir::ScalarInst& inst) const;
  std::string index_value(KernelText& text, const ir::ScalarInst& inst, bool moving,
                          std::string_view position) const;
  void write_value(KernelText& text, std::size_t i, std::string_view value) const;
  void mark_needed(Marks& marks, const Marks& held, bool rows) const;
  void write_loads_of_four(KernelText& text, const Marks& work, const Marks& held) const;
  void write_four_point_value(KernelText& text, std::size_t i) const;
  void write_stores_of_four(KernelText& text, const Marks& work) const;

  ir::Group group_;
  bool map_ = false;
  std::int64_t rows_ = 1;
  std::int64_t points_ = 1;
  int pass_count_ = 1;
  bool wide_ = false;
  Marks varies_;
  Marks used_;  // reaches a store
  std::vector<int> pass_of_;
};

// The literal of a constant, by its bits.
std::string literal(Dtype dtype, std::int64_t bits);

}  // namespace sinter::backend::cuda

#endif  // SINTER_BACKEND_CUDA_GROUPS_FUSED_BODY_H_
