#include <fmt/format.h>

#include "base/philox.h"
#include "recipes/tabular/tabular.h"

namespace sinter::recipes::tabular {
namespace {

constexpr std::uint64_t kSeed = 0x7461626C65u;
constexpr const char* kTowns[] = {"Ulm", "Kiel", "Bonn", "Jena", "Hof", "Trier"};

double unit(std::uint32_t bits) { return static_cast<double>(bits >> 8) * 0x1p-24; }

}  // namespace

data::Table make_table(std::int64_t rows) {
  data::Table table;
  for (const char* name : {"height", "weight", "age", "income", "town", "visits", "answer"}) {
    table.columns.emplace_back(name);
  }
  const philox::Key key = philox::key_from_seed(kSeed);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto at = static_cast<std::uint64_t>(row);
    const philox::Block a = philox::generate(philox::counter_at(at, 0), key);
    const philox::Block b = philox::generate(philox::counter_at(at, 1), key);
    const double height = 2 * unit(a.words[0]) - 1;
    const double weight = 2 * unit(a.words[1]) - 1;
    const std::size_t town = a.words[2] % std::size(kTowns);
    const bool yes = (height * weight > 0) != (town % 2 == 0);
    // Without the height nothing tells the sign of the product.
    const bool unknowable = unit(b.words[2]) < kUnknowable;
    table.columns[0].append(unknowable ? "" : fmt::format("{:.1f}", 170 + 25 * height));
    table.columns[1].append(fmt::format("{:.1f}", 70 + 30 * weight));
    table.columns[2].append(fmt::format("{}", 18 + a.words[3] % 70));
    table.columns[3].append(unit(b.words[1]) < 0.1 ? "NA"
                                                   : fmt::format("{:.0f}", 1e5 * unit(b.words[0])));
    table.columns[4].append(kTowns[town]);
    table.columns[5].append(fmt::format("{}", b.words[3] % 12));
    table.columns[6].append(yes ? "yes" : "no");
  }
  return table;
}

}  // namespace sinter::recipes::tabular
