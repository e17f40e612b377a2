#include "train/batch_function.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sinter::train {

BatchFunction::BatchFunction(Function function, std::string name, const CompileOptions& options)
    : function_(std::move(function)),
      name_(std::move(name)),
      compiled_(
          [this](const std::vector<Tensor>& arguments) {
            Batch batch;
            for (std::size_t i = 0; i < names_.size(); ++i) batch.add(names_[i], arguments[i]);
            batch.set_weight(arguments.back());
            return function_(batch);
          },
          name_, options) {}

std::vector<Tensor> BatchFunction::arguments(const Batch& batch) {
  if (names_.empty()) names_ = batch.names();
  const auto entries = batch.entries();
  bool same = entries.size() == names_.size();
  for (std::size_t i = 0; same && i < names_.size(); ++i) same = entries[i].name == names_[i];
  if (!same) {
    raise({.where = name_,
           .what = "the batch does not hold the tensors of the first one",
           .got = fmt::format("{}", fmt::join(batch.names(), ", ")),
           .expected = fmt::format("{}", fmt::join(names_, ", ")),
           .hint = {}});
  }
  std::vector<Tensor> arguments = batch.tensors();
  arguments.push_back(batch.weight());
  return arguments;
}

}  // namespace sinter::train
