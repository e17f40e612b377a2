#include "recipes/image/embedded.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/philox.h"

namespace sinter::recipes::image {
namespace {

constexpr int kSide = 28;
constexpr std::uint64_t kSeed = 0x676C79706873u;

struct Point {
  float x = 0;
  float y = 0;
};

struct Stroke {
  Point from;
  Point to;
  float brightness = 1;
};

// Letters in [-1, 1] x [-1, 1], y downwards; the last stroke of the second of a pair is what makes
// it so.
using Strokes = std::vector<Stroke>;
const std::array<Strokes, kGlyphClasses>& letters() {
  static const std::array<Strokes, kGlyphClasses> all = [] {
    const Strokes c = {{{0.7F, -0.8F}, {-0.2F, -1}},
                       {{-0.2F, -1}, {-0.8F, -0.4F}},
                       {{-0.8F, -0.4F}, {-0.8F, 0.4F}},
                       {{-0.8F, 0.4F}, {-0.2F, 1}},
                       {{-0.2F, 1}, {0.7F, 0.8F}}};
    const Strokes p = {{{-0.6F, -1}, {-0.6F, 1}},
                       {{-0.6F, -1}, {0.5F, -0.9F}},
                       {{0.5F, -0.9F}, {0.6F, -0.1F}},
                       {{0.6F, -0.1F}, {-0.6F, 0}}};
    const Strokes o = {{{-0.7F, -0.9F}, {0.7F, -0.9F}},
                       {{0.7F, -0.9F}, {0.7F, 0.9F}},
                       {{0.7F, 0.9F}, {-0.7F, 0.9F}},
                       {{-0.7F, 0.9F}, {-0.7F, -0.9F}}};
    const Strokes v = {{{-0.8F, -1}, {0, 1}}, {{0, 1}, {0.8F, -1}}};
    const Strokes t = {{{-0.8F, -1}, {0.8F, -1}}, {{0, -1}, {0, 1}}};
    const auto with = [](Strokes strokes, const Stroke& more) {
      strokes.push_back(more);
      return strokes;
    };
    return std::array<Strokes, kGlyphClasses>{
        c, with(c, {{0.7F, 0.8F}, {0.5F, 0.1F}}), p, with(p, {{-0.1F, 0}, {0.7F, 1}}),
        o, with(o, {{0.1F, 0.2F}, {1, 1.1F}}),    v, with(v, {{-0.5F, -0.3F}, {0.5F, -0.3F}}),
        t, with(t, {{-0.7F, 1}, {0.7F, 1}})};
  }();
  return all;
}

// Random numbers of one image: the position `index` of the split's sequence.
class Random {
 public:
  Random(GlyphSplit split, std::int64_t index)
      : stream_(static_cast<std::uint64_t>(index) * 2 + static_cast<std::uint64_t>(split)) {}

  std::uint32_t bits() {
    if (used_ == 4) {
      block_ =
          philox::generate(philox::counter_at(counter_++, stream_), philox::key_from_seed(kSeed));
      used_ = 0;
    }
    return block_.words[used_++];
  }
  // Uniform in [low, high).
  float between(float low, float high) {
    return low + (high - low) * (static_cast<float>(bits() >> 8) * 0x1p-24F);
  }

 private:
  std::uint64_t stream_;
  std::uint64_t counter_ = 0;
  philox::Block block_;
  int used_ = 4;
};

float distance_to(const Stroke& stroke, Point p) {
  const float dx = stroke.to.x - stroke.from.x;
  const float dy = stroke.to.y - stroke.from.y;
  const float px = p.x - stroke.from.x;
  const float py = p.y - stroke.from.y;
  const float along = std::clamp((px * dx + py * dy) / (dx * dx + dy * dy), 0.0F, 1.0F);
  const float ex = px - along * dx;
  const float ey = py - along * dy;
  return std::sqrt(ex * ex + ey * ey);
}

// The strokes of a letter in pixels of a randomly moved, turned, scaled and sheared picture. Sine
// and cosine come from the tangent of half the angle, so that every machine gets the same bits.
Strokes placed(const Strokes& letter, std::size_t count, Random& random) {
  const float tangent = random.between(-0.12F, 0.12F);
  const float size = random.between(6.0F, 9.0F);
  const float stretch = random.between(0.8F, 1.2F);
  const float shear = random.between(-0.2F, 0.2F);
  const float cosine = (1 - tangent * tangent) / (1 + tangent * tangent) * size;
  const float sine = 2 * tangent / (1 + tangent * tangent) * size;
  const float center_x = (kSide - 1) / 2.0F + random.between(-4, 4);
  const float center_y = (kSide - 1) / 2.0F + random.between(-4, 4);
  const auto place = [&](Point p) {
    const float x = p.x * stretch + p.y * shear;
    return Point{center_x + cosine * x - sine * p.y, center_y + sine * x + cosine * p.y};
  };
  Strokes result;
  for (std::size_t i = 0; i < count; ++i)
    result.push_back({place(letter[i].from), place(letter[i].to)});
  return result;
}

void add_dashes(Strokes& strokes, Random& random) {
  for (int i = 0; i < 3; ++i) {
    const Point from{random.between(0, kSide), random.between(0, kSide)};
    const Point to{from.x + random.between(-2.5F, 2.5F), from.y + random.between(0.5F, 2.5F)};
    strokes.push_back({from, to, random.between(0.2F, 0.5F)});
  }
}

void draw(const Strokes& strokes, Random& random, std::uint8_t* pixels) {
  const float half_width = random.between(0.6F, 1.5F);
  const bool inverted = (random.bits() & 1) != 0;
  const float contrast = random.between(0.6F, 1.0F);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      float ink = 0;
      for (const Stroke& stroke : strokes) {
        const float distance = distance_to(stroke, {static_cast<float>(x), static_cast<float>(y)});
        ink =
            std::max(ink, stroke.brightness * std::clamp(half_width + 0.5F - distance, 0.0F, 1.0F));
      }
      float value = ink * contrast;
      if (inverted) value = 1 - value;
      value += random.between(-0.1F, 0.1F);
      *pixels++ = static_cast<std::uint8_t>(std::clamp(value, 0.0F, 1.0F) * 255 + 0.5F);
    }
  }
}

}  // namespace

data::Images make_glyphs(GlyphSplit split, std::int64_t count) {
  data::Images images;
  images.height = kSide;
  images.width = kSide;
  images.classes = kGlyphClasses;
  images.pixels.resize(static_cast<std::size_t>(count) * kSide * kSide);
  images.labels.resize(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    Random random(split, i);
    const std::size_t label =
        (std::uint64_t{random.bits()} * static_cast<std::uint64_t>(kGlyphClasses)) >> 32;
    const Strokes& letter = letters()[label];
    const bool omitted = random.between(0, 1) < static_cast<float>(kStrokeOmitted);
    const bool is_second = label % 2 == 1;
    Strokes strokes = placed(letter, letter.size() - (is_second && omitted ? 1 : 0), random);
    add_dashes(strokes, random);
    draw(strokes, random, images.pixels.data() + i * kSide * kSide);
    images.labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(label);
  }
  return images;
}

}  // namespace sinter::recipes::image
