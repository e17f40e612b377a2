// emit_group(): a group as a sequence of stages of machine code.
//   map, inner with rows of one chunk   one RowsStage
//   inner with longer rows              values of rows that are wider than the loop, then for each
//                                       pass: chunks as the rows of a RowsStage, then folds
//   outer                               an OuterStage, then a map over the columns
#include "backend/cpu/groups/emitted_kernel.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "backend/cpu/groups/fold_partials.h"
#include "backend/cpu/groups/group_part.h"
#include "backend/cpu/groups/outer_stage.h"
#include "backend/cpu/groups/rows_stage.h"
#include "base/parallel.h"
#include "ir/reduction.h"

namespace sinter::backend::cpu {

namespace {

using ir::ScalarOp;

// Maps, and inner groups whose rows are one chunk.
class RowsKernel final : public GroupKernel {
 public:
  explicit RowsKernel(std::unique_ptr<RowsStage> stage) : stage_(std::move(stage)) {}

  void run(void* const* operands, void* scratch) const override {
    stage_->run(operands, static_cast<std::byte*>(scratch));
  }
  std::size_t scratch_bytes() const override { return stage_->scratch_bytes(); }

 private:
  std::unique_ptr<RowsStage> stage_;
};

// A part of a group with its code. Parts run one after the other and share scratch for their own
// needs.
struct PartStage {
  GroupPart part;
  std::unique_ptr<RowsStage> stage;

  bool emit(PartBuilder* builder, Isa isa, std::string* listing) {
    part = builder->take();
    stage = RowsStage::make(part.group, isa, listing);
    if (part.operands.size() > kMaxArgs) throw NotEmitted{"it has too many operands"};
    return stage != nullptr;
  }
  void run(void* const* operands, std::byte* shared, std::byte* own) const {
    void* addresses[kMaxArgs];
    part.locate(operands, shared, addresses);
    stage->run(addresses, own);
  }
};

std::size_t cache_lines(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

// Row-major strides over the kept axes, of elements `step` apart.
std::vector<std::int64_t> kept_strides(const std::vector<PartAxis>& kept, std::int64_t step) {
  std::vector<std::int64_t> strides(kept.size());
  for (std::size_t i = kept.size(); i-- > 0;) {
    strides[i] = step;
    step *= kept[i].length;
  }
  return strides;
}

// The values of a row that loops read and that are computed in a type of eight bytes, where the
// loops themselves have none: they would have half as many elements in a vector.
std::vector<std::int32_t> wide_row_values(const ir::Group& group) {
  const std::vector<std::uint8_t> varies = ir::varies_along_reduced(group);
  const std::vector<int> passes = ir::passes(group);
  std::vector<std::uint8_t> is_wide(group.body.size());
  std::vector<std::uint8_t> is_wanted(group.body.size());
  for (std::size_t i = 0; i < group.body.size(); ++i) {
    const ir::ScalarInst& inst = group.body[i];
    const bool loops = varies[i] != 0 || ir::is_reduction(inst.op);
    is_wide[i] = size_of(inst.type) == 8 && inst.op != ScalarOp::constant ? 1 : 0;
    if (loops && is_wide[i] != 0) return {};
    for (const std::int32_t source : {inst.a, inst.b, inst.c}) {
      if (source < 0) continue;
      const auto value = static_cast<std::size_t>(source);
      if (varies[value] != 0 || passes[value] != 0 || ir::is_reduction(group.body[value].op)) {
        continue;
      }
      if (loops) is_wanted[value] = 1;
      if (!loops && is_wide[value] != 0) is_wide[i] = 1;
    }
  }
  std::vector<std::int32_t> values;
  for (std::size_t i = 0; i < group.body.size(); ++i) {
    if (is_wanted[i] != 0 && is_wide[i] != 0) values.push_back(static_cast<std::int32_t>(i));
  }
  return values;
}

// An inner group with rows of several chunks, or with wide values of rows.
class ChunkedKernel final : public GroupKernel {
 public:
  static std::unique_ptr<GroupKernel> make(const ir::Group& group, Isa isa, std::string* listing);

  void run(void* const* operands, void* scratch) const override;
  std::size_t scratch_bytes() const override { return shared_bytes_ + own_bytes_; }

 private:
  static constexpr int kBefore = -1;  // the pass of values that are computed before all
  struct Partials {
    std::int32_t reduction = -1;  // or a value of the row
    std::int64_t offset = 0;      // in scratch: the chunks' values, row by row
    std::int64_t result = 0;      // in scratch: the rows' values
    ScalarOp op = ScalarOp::reduce_sum;
    Dtype type = Dtype::f32;
    int pass = 0;
  };
  struct Pass {
    std::vector<PartStage> stages;
    std::vector<Partials> folds;
  };

  bool add_row_values(Isa isa, std::string* listing);
  bool add_pass(int at, Isa isa, std::string* listing);
  bool add_row_stores(Isa isa, std::string* listing);
  void replace_known(PartBuilder* builder, int at, std::size_t more_axes) const;
  bool add(PartBuilder* builder, Pass* pass, Isa isa, std::string* listing);

  ir::Group group_;
  std::vector<PartAxis> kept_;
  std::int64_t rows_ = 1;
  std::int64_t length_ = 1;
  std::int64_t chunks_ = 1;
  std::vector<int> passes_;
  std::vector<std::uint8_t> varies_;
  std::vector<Partials> partials_;
  std::vector<Pass> plan_;
  std::size_t shared_bytes_ = 0;
  std::size_t own_bytes_ = 0;
};

std::unique_ptr<GroupKernel> ChunkedKernel::make(const ir::Group& original, Isa isa,
                                                 std::string* listing) {
  auto kernel = std::make_unique<ChunkedKernel>();
  kernel->group_ = ir::collapse(original);
  const ir::Group& group = kernel->group_;
  const int rank = group.space.rank();
  if (group.space.elements() == 0) throw NotEmitted{"it has no elements"};
  if (group.reduced_axes != 1 || rank == Shape::kMaxRank) {
    throw NotEmitted{"its axes cannot be collapsed into few enough"};
  }
  for (int axis = 0; axis + 1 < rank; ++axis) {
    kernel->kept_.push_back({group.space[axis], axis, 1});
  }
  kernel->length_ = group.space[rank - 1];
  kernel->rows_ = group.space.elements() / kernel->length_;
  kernel->chunks_ = (kernel->length_ + ir::kInnerChunk - 1) / ir::kInnerChunk;
  kernel->passes_ = ir::passes(group);
  kernel->varies_ = ir::varies_along_reduced(group);
  int pass_count = 1;
  for (std::size_t i = 0; i < group.body.size(); ++i) {
    const ir::ScalarInst& inst = group.body[i];
    const bool full_store = inst.op == ScalarOp::store && kernel->varies_[i] != 0;
    if (ir::is_reduction(inst.op) || full_store) {
      pass_count = std::max(pass_count, kernel->passes_[i] + 1);
    }
    if (!ir::is_reduction(inst.op)) continue;
    const auto take = [&](std::int64_t values) {
      const auto offset = static_cast<std::int64_t>(kernel->shared_bytes_);
      kernel->shared_bytes_ += cache_lines(static_cast<std::size_t>(values) * size_of(inst.type));
      return offset;
    };
    kernel->partials_.push_back({.reduction = static_cast<std::int32_t>(i),
                                 .offset = take(kernel->rows_ * kernel->chunks_),
                                 .result = take(kernel->rows_),
                                 .op = inst.op,
                                 .type = inst.type,
                                 .pass = kernel->passes_[i]});
  }
  if (!kernel->add_row_values(isa, listing)) return nullptr;
  for (int at = 0; at < pass_count; ++at) {
    if (!kernel->add_pass(at, isa, listing)) return nullptr;
  }
  if (!kernel->add_row_stores(isa, listing)) return nullptr;
  return kernel;
}

bool ChunkedKernel::add_row_values(Isa isa, std::string* listing) {
  const std::vector<std::int32_t> values = wide_row_values(group_);
  if (values.empty()) return true;
  const std::vector<std::int64_t> first(static_cast<std::size_t>(group_.space.rank()), 0);
  PartBuilder builder(group_, ir::GroupKind::map, 0, kept_, first);
  for (const std::int32_t value : values) {
    const Dtype type = group_.body[static_cast<std::size_t>(value)].type;
    const auto place = static_cast<std::int64_t>(shared_bytes_);
    shared_bytes_ += cache_lines(static_cast<std::size_t>(rows_) * size_of(type));
    builder.add_result(value, place, kept_strides(kept_, 1));
    partials_.push_back({.reduction = value, .result = place, .type = type, .pass = kBefore});
  }
  Pass pass;
  if (!add(&builder, &pass, isa, listing)) return false;
  plan_.push_back(std::move(pass));
  return true;
}

// What passes before `at` have computed is loaded.
void ChunkedKernel::replace_known(PartBuilder* builder, int at, std::size_t more_axes) const {
  for (const Partials& it : partials_) {
    if (it.pass >= at) continue;
    std::vector<std::int64_t> strides = kept_strides(kept_, 1);
    strides.resize(kept_.size() + more_axes, 0);
    builder->replace(it.reduction, it.result, std::move(strides));
  }
}

bool ChunkedKernel::add(PartBuilder* builder, Pass* pass, Isa isa, std::string* listing) {
  PartStage& stage = pass->stages.emplace_back();
  if (!stage.emit(builder, isa, listing)) return false;
  own_bytes_ = std::max(own_bytes_, stage.stage->scratch_bytes());
  return true;
}

bool ChunkedKernel::add_pass(int at, Isa isa, std::string* listing) {
  Pass pass;
  for (const Partials& it : partials_) {
    if (it.pass == at) pass.folds.push_back(it);
  }
  const int last = group_.space.rank() - 1;
  const auto fill = [&](PartBuilder* builder, std::int64_t first_chunk) {
    for (const Partials& it : pass.folds) {
      std::vector<std::int64_t> strides = kept_strides(kept_, chunks_);
      strides.push_back(1);
      strides.push_back(0);
      builder->add_result(it.reduction,
                          it.offset + first_chunk * static_cast<std::int64_t>(size_of(it.type)),
                          std::move(strides));
    }
    for (std::size_t i = 0; i < group_.body.size(); ++i) {
      if (group_.body[i].op == ScalarOp::store && varies_[i] != 0 && passes_[i] == at) {
        builder->add_store(static_cast<std::int32_t>(i));
      }
    }
  };
  std::vector<std::int64_t> first(static_cast<std::size_t>(last) + 1, 0);
  if (pass.folds.empty()) {
    std::vector<PartAxis> axes = kept_;
    axes.push_back({length_, last, 1});
    PartBuilder builder(group_, ir::GroupKind::map, 0, axes, first);
    replace_known(&builder, at, 1);
    fill(&builder, 0);
    if (!add(&builder, &pass, isa, listing)) return false;
  } else {
    // Whole chunks, then the rest.
    const std::int64_t whole = length_ / ir::kInnerChunk;
    const std::int64_t rest = length_ % ir::kInnerChunk;
    for (const bool is_rest : {false, true}) {
      if (is_rest ? rest == 0 : whole == 0) continue;
      std::vector<PartAxis> axes = kept_;
      axes.push_back({is_rest ? 1 : whole, last, ir::kInnerChunk});
      axes.push_back({is_rest ? rest : ir::kInnerChunk, last, 1});
      first.back() = is_rest ? whole * ir::kInnerChunk : 0;
      PartBuilder builder(group_, ir::GroupKind::inner, 1, axes, first);
      replace_known(&builder, at, 2);
      fill(&builder, is_rest ? whole : 0);
      if (!add(&builder, &pass, isa, listing)) return false;
    }
  }
  plan_.push_back(std::move(pass));
  return true;
}

bool ChunkedKernel::add_row_stores(Isa isa, std::string* listing) {
  const std::vector<std::int64_t> first(static_cast<std::size_t>(group_.space.rank()), 0);
  PartBuilder builder(group_, ir::GroupKind::map, 0, kept_, first);
  constexpr int kAfterAll = 1 << 30;
  replace_known(&builder, kAfterAll, 0);
  bool stores = false;
  for (std::size_t i = 0; i < group_.body.size(); ++i) {
    if (group_.body[i].op != ScalarOp::store || varies_[i] != 0) continue;
    builder.add_store(static_cast<std::int32_t>(i));
    stores = true;
  }
  if (!stores) return true;
  Pass pass;
  if (!add(&builder, &pass, isa, listing)) return false;
  plan_.push_back(std::move(pass));
  return true;
}

void ChunkedKernel::run(void* const* operands, void* scratch) const {
  auto* const shared = static_cast<std::byte*>(scratch);
  for (const Pass& pass : plan_) {
    for (const PartStage& stage : pass.stages) stage.run(operands, shared, shared + shared_bytes_);
    for (const Partials& it : pass.folds) {
      const auto size = static_cast<std::int64_t>(size_of(it.type));
      for (std::int64_t row = 0; row < rows_; ++row) {
        std::byte* const values = shared + it.offset + row * chunks_ * size;
        fold_partials(it.op, it.type, values, chunks_, 1, 0, 1);
        std::memcpy(shared + it.result + row * size, values, size_of(it.type));
      }
    }
  }
}

class OuterKernel final : public GroupKernel {
 public:
  static std::unique_ptr<GroupKernel> make(const ir::Group& group, Isa isa, std::string* listing);

  void run(void* const* operands, void* scratch) const override {
    auto* const shared = static_cast<std::byte*>(scratch);
    stage_->run(operands, shared);
    if (finish_.stage != nullptr) finish_.run(operands, shared, shared + stage_->scratch_bytes());
  }
  std::size_t scratch_bytes() const override {
    return stage_->scratch_bytes() +
           (finish_.stage != nullptr ? finish_.stage->scratch_bytes() : 0);
  }

 private:
  std::unique_ptr<OuterStage> stage_;
  PartStage finish_;  // what follows from the reductions, over the columns
};

// One reduced axis first, at least one kept one, and no stride along axes of length 1.
ir::Group with_both_axes(ir::Group group) {
  if (group.reduced_axes == group.space.rank()) group = with_unit_axis(group);
  if (group.reduced_axes == 0) {
    std::vector<std::int64_t> lengths = group.space.to_vector();
    lengths.insert(lengths.begin(), 1);
    group.space = Shape(lengths);
    group.reduced_axes = 1;
    for (ir::GroupOperand& operand : group.operands) {
      operand.strides.insert(operand.strides.begin(), 0);
    }
    for (ir::ScalarInst& inst : group.body) {
      if (inst.op == ScalarOp::index) ++inst.imm;
    }
  }
  for (ir::GroupOperand& operand : group.operands) {
    for (std::size_t axis = 0; axis < operand.strides.size(); ++axis) {
      if (group.space[static_cast<int>(axis)] == 1) operand.strides[axis] = 0;
    }
  }
  return group;
}

std::unique_ptr<GroupKernel> OuterKernel::make(const ir::Group& original, Isa isa,
                                               std::string* listing) {
  ir::Group group = ir::collapse(original);
  if (group.space.elements() == 0) throw NotEmitted{"it has no elements"};
  if (group.reduced_axes > 1 || group.space.rank() + 2 > Shape::kMaxRank) {
    throw NotEmitted{"its axes cannot be collapsed into few enough"};
  }
  group = with_both_axes(std::move(group));
  auto kernel = std::make_unique<OuterKernel>();
  kernel->stage_ = OuterStage::make(group, isa, listing);
  if (kernel->stage_ == nullptr) return nullptr;

  std::vector<PartAxis> kept;
  for (int axis = 1; axis < group.space.rank(); ++axis)
    kept.push_back({group.space[axis], axis, 1});
  const std::vector<std::int64_t> first(static_cast<std::size_t>(group.space.rank()), 0);
  PartBuilder builder(group, ir::GroupKind::map, 0, kept, first);
  for (std::size_t i = 0; i < kernel->stage_->reductions().size(); ++i) {
    builder.replace(kernel->stage_->reductions()[i], kernel->stage_->result_offset(i),
                    kept_strides(kept, 1));
  }
  bool stores = false;
  for (std::size_t i = 0; i < group.body.size(); ++i) {
    const ir::ScalarInst& inst = group.body[i];
    if (inst.op != ScalarOp::store) continue;
    if (group.operands[static_cast<std::size_t>(inst.imm)].strides[0] != 0) continue;
    builder.add_store(static_cast<std::int32_t>(i));
    stores = true;
  }
  if (stores && !kernel->finish_.emit(&builder, isa, listing)) return nullptr;
  return kernel;
}

std::unique_ptr<GroupKernel> make_emitted(const ir::Group& group, Isa isa, std::string* listing) {
  if (group.kind == ir::GroupKind::outer) return OuterKernel::make(group, isa, listing);
  const bool reduces = std::any_of(group.body.begin(), group.body.end(),
                                   [](const auto& inst) { return ir::is_reduction(inst.op); });
  if (group.kind == ir::GroupKind::inner && (group.reduced_elements() > ir::kInnerChunk ||
                                             (!reduces && !wide_row_values(group).empty()))) {
    return ChunkedKernel::make(group, isa, listing);
  }
  std::unique_ptr<RowsStage> stage = RowsStage::make(group, isa, listing);
  if (stage == nullptr) return nullptr;
  return std::make_unique<RowsKernel>(std::move(stage));
}

}  // namespace

std::unique_ptr<GroupKernel> emit_group_listing(const ir::Group& group, Isa isa,
                                                std::string* listing, const char** why) {
  try {
    return make_emitted(group, isa, listing);
  } catch (const NotEmitted& reason) {
    if (why != nullptr) *why = reason.why;
    return nullptr;
  }
}

std::unique_ptr<GroupKernel> emit_group(const ir::Group& group, Isa isa) {
  return emit_group_listing(group, isa, nullptr);
}

}  // namespace sinter::backend::cpu
