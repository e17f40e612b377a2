// The recipes that come with Sinter.
#ifndef SINTER_RECIPES_H_
#define SINTER_RECIPES_H_

#include <string>

#include "sinter/predictor.h"
#include "sinter/recipe.h"

namespace sinter::recipes {

// All of them, in the order in which help lists them.
const train::Recipes& all();

}  // namespace sinter::recipes

namespace sinter {

// The network of a run of one of these recipes: see predictor.h.
Predictor load(const std::string& path, const PredictorOptions& options = {});

}  // namespace sinter

#endif  // SINTER_RECIPES_H_
