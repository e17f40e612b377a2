#include "recipes/recipe.h"

#include <array>

#include "recipes/image.h"
#include "train/suggest.h"

namespace sinter::recipes {

std::span<const Recipe> recipe_list() {
  static const std::array<Recipe, 1> recipes = {
      Recipe{.name = "image",
             .text = "classes of images: MNIST and its relatives, or drawn letters",
             .config = image_config,
             .prepare = prepare_image,
             .predict = predict_images}};
  return recipes;
}

const Recipe& find_recipe(const std::string& name) {
  std::vector<std::string> names;
  for (const Recipe& recipe : recipe_list()) {
    if (name == recipe.name) return recipe;
    names.push_back(recipe.name);
  }
  raise({.where = "sinter train",
         .what = "there is no recipe '" + name + "'",
         .got = {},
         .expected = train::list_text(names),
         .hint = train::suggestion(name, names)});
}

}  // namespace sinter::recipes
