#include "sinter/recipes.h"

namespace sinter {

Predictor load(const std::string& path, const PredictorOptions& options) {
  return load(recipes::all(), path, options);
}

}  // namespace sinter
