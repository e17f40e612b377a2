// The data set of the recipe `image` that needs no file: drawn letters.
//
// Ten classes in five pairs (C G, P R, O Q, V A, T I): the second letter of a pair is the first one
// with one stroke more. Each letter is moved, turned, scaled, sheared, drawn with a pen of random
// width, light on dark or dark on light, among random dashes and noise; so no pixel by itself tells
// anything about the class, and a linear model stays near chance.
//
// The ceiling is known: of the second letters, a share of kStrokeOmitted is drawn without the
// stroke that makes them so, and then nothing tells them from the first ones. The best any model
// can do is to call all such images by the first letter, and it is wrong on half of that share:
// kCeiling is the highest accuracy that can be expected.
#ifndef SINTER_RECIPES_IMAGE_EMBEDDED_H_
#define SINTER_RECIPES_IMAGE_EMBEDDED_H_

#include <cstdint>

#include "sinter/images.h"

namespace sinter::recipes::image {

inline constexpr double kStrokeOmitted = 0.03;
inline constexpr double kCeiling = 1 - kStrokeOmitted / 2;
inline constexpr std::int64_t kGlyphClasses = 10;
inline constexpr const char* kGlyphNames = "CGPROQVATI";

enum class GlyphSplit : std::uint8_t { train, test };

// `count` images 28 x 28 x 1 of the split, always the same ones; fewer are the first of more.
data::Images make_glyphs(GlyphSplit split, std::int64_t count);

}  // namespace sinter::recipes::image

#endif  // SINTER_RECIPES_IMAGE_EMBEDDED_H_
