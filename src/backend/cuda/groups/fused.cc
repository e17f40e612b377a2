#include "backend/cuda/groups/fused.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>

#include "backend/cuda/groups/content_hash.h"
#include "backend/cuda/groups/fused_kinds.h"
#include "ir/internal_error.h"

namespace sinter::backend::cuda {

namespace {

constexpr std::uint32_t kMapThreads = 128;
constexpr std::int64_t kWorkspaceAlignment = 64;

}  // namespace

GroupLaunch make_launch(const FusedBody& body, const char* kind, std::int64_t blocks,
                        std::uint32_t block, const KernelText& statements) {
  if (blocks > std::numeric_limits<std::int32_t>::max()) {
    throw ir::InternalError("fused: a grid of " + std::to_string(blocks) + " blocks");
  }
  GroupLaunch launch;
  launch.grid = static_cast<std::uint32_t>(blocks);
  launch.block = block;
  const std::size_t slots = body.operand_count() + statements.numbers().size();
  std::string parameters =
      fmt::format("(const SinterArguments<{}> arguments) {{\n", std::max<std::size_t>(1, slots));
  for (std::size_t i = 0; i < statements.numbers().size(); ++i) {
    parameters +=
        fmt::format("  const unsigned long long n{} = ", i) +
        fmt::format("(unsigned long long)arguments.operands[{}];\n", body.operand_count() + i);
  }
  const std::string bounds = fmt::format("__launch_bounds__({})", block);
  launch.kernel =
      fmt::format("fused_{}_{}", kind, content_hash(bounds + parameters + statements.text()));
  launch.text = fmt::format("extern \"C\" __global__ void {} {}{}{}}}\n", bounds, launch.kernel,
                            parameters, statements.text());
  launch.numbers = statements.numbers();
  return launch;
}

PartialLayout::PartialLayout(const FusedBody& body, std::int64_t values_per_reduction)
    : offsets_(body.size(), 0) {
  for (int pass = 0; pass < body.pass_count(); ++pass) {
    for (const std::size_t i : body.reductions(pass)) {
      offsets_[i] = bytes_;
      const auto size = static_cast<std::int64_t>(size_of(body.inst(i).type));
      bytes_ += divide_up(values_per_reduction * size, kWorkspaceAlignment) * kWorkspaceAlignment;
    }
  }
}

void PartialLayout::write_address(KernelText& text, const FusedBody& body,
                                  std::size_t reduction) const {
  const std::int64_t offset = offsets_[reduction];
  text.line(
      "{0}* const r{1} = ({0}*)(arguments.workspace + {2});", value_type(body.inst(reduction).type),
      reduction,
      text.argument(fmt::format("workspace {}", reduction), static_cast<std::uint64_t>(offset)));
}

std::string tree_call(const FusedBody& body, std::size_t reduction, std::int64_t places,
                      const std::string& from, const std::string& stride,
                      const std::string& count) {
  const std::string_view type = body.reduction_type(reduction);
  const std::string identity = body.identity(reduction);
  if (places <= kMostUnrolledPlaces) {
    return fmt::format("SinterTree<{}, {}>::fold({}, {}, {}, {})", type, places, from, stride,
                       count, identity);
  }
  return fmt::format("sinter_fold_many<{}>({}, {}, {}, {}, {})", type, from, stride, places, count,
                     identity);
}

GroupSource map_source(const FusedBody& body) {
  KernelText text;
  const bool fours = body.moves_in_fours();
  const std::int64_t threads = fours ? divide_up(body.points(), 4) : body.points();
  const Marks work = body.point_work(0);
  const Marks values = body.row_values(work);
  const std::string_view type = body.position_type();
  text.line("const {0} p = (({0})blockIdx.x * {1} + threadIdx.x){2};", type,
            body.number(kMapThreads), fours ? " * " + body.number(4) : "");
  text.line("if (p >= {}) return;", body.all_points(text));
  body.write_addresses(text, work, values);
  body.write_row_values(text, values, 0, "");
  if (fours) {
    const Marks none(body.size(), 0);
    text.line("const int count = {};", body.count("p", body.all_points(text), 4));
    body.write_four_points(text, work, none, none);
  } else {
    body.write_point(text, work);
  }
  GroupSource source;
  source.launches.push_back(
      make_launch(body, "map", divide_up(threads, kMapThreads), kMapThreads, text));
  return source;
}

GroupSource group_source(const ir::Group& group) {
  const FusedBody body(group);
  if (group.kept_elements() == 0) return {};
  switch (group.kind) {
    case ir::GroupKind::map:
      return map_source(body);
    case ir::GroupKind::inner:
      return rows_source(body);
    default:
      return outer_source(body);
  }
}

std::string program_source(std::span<const GroupSource> groups) {
  std::string text(fused_prelude());
  const auto wraps_angles = [](const GroupLaunch& launch) {
    return launch.text.find("sinter_wrap_angle(") != std::string::npos;
  };
  if (std::any_of(groups.begin(), groups.end(), [&](const GroupSource& group) {
        return std::any_of(group.launches.begin(), group.launches.end(), wraps_angles);
      })) {
    text += angle_prelude();
  }
  std::set<std::string_view> known;
  for (const GroupSource& group : groups) {
    for (const GroupLaunch& launch : group.launches) {
      if (known.insert(launch.kernel).second) text += "\n" + launch.text;
    }
  }
  return text;
}

}  // namespace sinter::backend::cuda
