// fused.cuh and wrap_angle.cuh with the headers that they include, as text: made by CMake.
#include "backend/cuda/groups/fused.h"

namespace sinter::backend::cuda {

std::string_view fused_prelude() {
  static constexpr std::string_view text =
#include "fused_text.h"
      ;
  return text;
}

std::string_view angle_prelude() {
  static constexpr std::string_view text =
#include "wrap_angle_text.h"
      ;
  return text;
}

}  // namespace sinter::backend::cuda
