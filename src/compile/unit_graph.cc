#include "compile/unit_graph.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace sinter::compile_detail {

UnitGraph::UnitGraph(std::size_t count) : links_(count), order_(count) {
  std::iota(order_.begin(), order_.end(), 0);
  for (std::size_t i = 0; i < count; ++i) links_[i].position = order_[i];
}

void UnitGraph::add_edge(std::int32_t producer, std::int32_t reader) {
  if (producer == reader) return;
  at(producer).readers.insert(reader);
  at(reader).producers.insert(producer);
}

// Whether a path leads from `first` through other units to `last`, which stands after it. Marks all
// units up to there that `first` reaches.
bool UnitGraph::reaches(std::int32_t first, std::int32_t last) {
  ++search_;
  std::vector<std::int32_t> stack = {first};
  while (!stack.empty()) {
    const std::int32_t unit = stack.back();
    stack.pop_back();
    for (const std::int32_t reader : at(unit).readers) {
      if (reader == last) {
        if (unit != first) return true;
        continue;
      }
      Links& links = at(reader);
      if (links.position > at(last).position || links.seen == search_) continue;
      links.seen = search_;
      stack.push_back(reader);
    }
  }
  return false;
}

std::int32_t UnitGraph::merge(std::int32_t a, std::int32_t b) {
  if (at(a).position > at(b).position) std::swap(a, b);
  if (reaches(a, b)) return -1;
  // The one with fewer edges goes.
  const auto degree = [&](std::int32_t unit) {
    return at(unit).producers.size() + at(unit).readers.size();
  };
  const std::int32_t kept = degree(a) > degree(b) ? a : b;
  const std::int32_t gone = kept == a ? b : a;
  close_ranks(a, b, kept);
  const Links old = std::exchange(at(gone), {});
  for (const std::int32_t producer : old.producers) {
    at(producer).readers.erase(gone);
    add_edge(producer, kept);
  }
  for (const std::int32_t reader : old.readers) {
    at(reader).producers.erase(gone);
    add_edge(kept, reader);
  }
  at(kept).producers.erase(gone);
  at(kept).readers.erase(gone);
  return kept;
}

// Between the two: what the first does not reach, then the merged unit, then what it does reach.
void UnitGraph::close_ranks(std::int32_t first, std::int32_t last, std::int32_t kept) {
  const std::int32_t begin = at(first).position;
  const std::int32_t end = at(last).position;
  std::vector<std::int32_t> later = {kept};
  std::int32_t position = begin;
  const auto put = [&](std::int32_t unit) {
    order_[static_cast<std::size_t>(position)] = unit;
    at(unit).position = position++;
  };
  for (std::int32_t from = begin; from <= end; ++from) {
    const std::int32_t unit = order_[static_cast<std::size_t>(from)];
    if (unit < 0 || unit == first || unit == last) continue;
    if (at(unit).seen == search_) {
      later.push_back(unit);
    } else {
      put(unit);
    }
  }
  for (const std::int32_t unit : later) put(unit);
  while (position <= end) order_[static_cast<std::size_t>(position++)] = -1;
}

}  // namespace sinter::compile_detail
