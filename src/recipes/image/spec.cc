#include "base/json.h"
#include "recipes/image/image.h"

namespace sinter::recipes::image {

std::string to_json(const ImageSpec& spec) {
  return json_text(OrderedJson{{"model", spec.model},
                               {"height", spec.height},
                               {"width", spec.width},
                               {"channels", spec.channels},
                               {"classes", spec.classes},
                               {"dropout", spec.dropout},
                               {"mean", spec.normalization.mean},
                               {"deviation", spec.normalization.deviation}});
}

ImageSpec spec_from_json(const std::string& text, const std::string& where) {
  const auto refuse = [&](const std::string& got) {
    raise({.where = where,
           .what = "this file does not hold a model of the recipe image",
           .got = got,
           .expected = "the model.safetensors of a run",
           .hint = {}});
  };
  const Json json = parse_json(text, where);
  if (!json.is_object()) refuse("a damaged \"sinter\" entry");
  ImageSpec spec;
  try {
    spec.model = json.at("model").get<std::string>();
    spec.height = json.at("height").get<std::int64_t>();
    spec.width = json.at("width").get<std::int64_t>();
    spec.channels = json.at("channels").get<std::int64_t>();
    spec.classes = json.at("classes").get<std::int64_t>();
    spec.dropout = json.at("dropout").get<double>();
    spec.normalization.mean = json.at("mean").get<double>();
    spec.normalization.deviation = json.at("deviation").get<double>();
  } catch (const Json::exception& error) {
    refuse(error.what());
  }
  constexpr std::int64_t kMost = 1 << 14;
  for (const std::int64_t length : {spec.height, spec.width, spec.channels, spec.classes}) {
    if (length < 1 || length > kMost) refuse("a length of " + std::to_string(length));
  }
  return spec;
}

}  // namespace sinter::recipes::image
