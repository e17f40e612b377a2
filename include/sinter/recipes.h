// The recipes that come with Sinter.
#ifndef SINTER_RECIPES_H_
#define SINTER_RECIPES_H_

#include "sinter/recipe.h"

namespace sinter::recipes {

// All of them, in the order in which help lists them.
const train::Recipes& all();

}  // namespace sinter::recipes

#endif  // SINTER_RECIPES_H_
