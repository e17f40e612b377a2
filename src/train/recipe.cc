#include "sinter/recipe.h"

#include "sinter/error.h"
#include "train/suggest.h"

namespace sinter::train {

const char* name_of(Split split) {
  switch (split) {
    case Split::train:
      return "train";
    case Split::validation:
      return "validation";
    default:
      return "test";
  }
}

Better better_of_objective(const Task& task) {
  for (const Metric& metric : task.metrics) {
    if (metric.name == task.objective) return metric.better;
  }
  return Better::lower;  // the loss
}

Evaluator make_evaluator(const Task& task) {
  std::vector<Metric> metrics{mean_metric("loss", Better::lower, task.loss)};
  metrics.insert(metrics.end(), task.metrics.begin(), task.metrics.end());
  return Evaluator(task.forward, std::move(metrics),
                   {.programs = task.programs, .precision = task.precision});
}

const Recipe& find_recipe(const Recipes& recipes, std::string_view name) {
  std::vector<std::string> names;
  for (const Recipe* recipe : recipes) {
    if (name == recipe->name()) return *recipe;
    names.push_back(recipe->name());
  }
  raise({.where = "recipe",
         .what = "there is no recipe '" + std::string(name) + "'",
         .got = {},
         .expected = list_text(names),
         .hint = suggestion(name, names)});
}

}  // namespace sinter::train
