#include "recipes/tabular/tabular.h"
#include "sinter/error.h"

namespace sinter::recipes::tabular {
namespace {

constexpr std::int64_t kMostWidth = 1 << 16;
constexpr std::int64_t kMostLayers = 1000;

}  // namespace

std::string to_json(const TabularSpec& spec) {
  OrderedJson numbers = OrderedJson::array();
  for (const NumberColumn& column : spec.numbers) {
    numbers.push_back({{"name", column.name},
                       {"mean", column.mean},
                       {"deviation", column.deviation},
                       {"has_missing", column.has_missing}});
  }
  OrderedJson words = OrderedJson::array();
  for (const WordColumn& column : spec.words) {
    words.push_back({{"name", column.name}, {"words", column.words}});
  }
  return json_text({{"model", spec.model},
                    {"width", spec.width},
                    {"layers", spec.layers},
                    {"dropout", spec.dropout},
                    {"numbers", numbers},
                    {"words", words},
                    {"target",
                     {{"name", spec.target.name},
                      {"classes", spec.target.classes},
                      {"mean", spec.target.mean},
                      {"deviation", spec.target.deviation}}}});
}

TabularSpec spec_from_json(const std::string& text, const std::string& where) {
  const auto refuse = [&](const std::string& got) {
    raise({.where = where,
           .what = "this is no model of the recipe tabular",
           .got = got,
           .expected = "the model.safetensors of a run",
           .hint = {}});
  };
  const Json json = parse_json(text, where);
  TabularSpec spec;
  try {
    spec.model = json.at("model").get<std::string>();
    spec.width = json.at("width").get<std::int64_t>();
    spec.layers = json.at("layers").get<std::int64_t>();
    spec.dropout = json.at("dropout").get<double>();
    for (const Json& column : json.at("numbers")) {
      spec.numbers.push_back({.name = column.at("name").get<std::string>(),
                              .mean = column.at("mean").get<double>(),
                              .deviation = column.at("deviation").get<double>(),
                              .has_missing = column.at("has_missing").get<bool>()});
    }
    for (const Json& column : json.at("words")) {
      spec.words.push_back({.name = column.at("name").get<std::string>(),
                            .words = column.at("words").get<std::vector<std::string>>()});
    }
    const Json& target = json.at("target");
    spec.target = {.name = target.at("name").get<std::string>(),
                   .classes = target.at("classes").get<std::vector<std::string>>(),
                   .mean = target.at("mean").get<double>(),
                   .deviation = target.at("deviation").get<double>()};
  } catch (const Json::exception& error) {
    refuse(error.what());
  }
  if (spec.width < 1 || spec.width > kMostWidth || spec.layers < 1 || spec.layers > kMostLayers) {
    refuse("a network of " + std::to_string(spec.layers) + " layers of " +
           std::to_string(spec.width));
  }
  if (!(spec.dropout >= 0 && spec.dropout < 1))
    refuse("a dropout of " + std::to_string(spec.dropout));
  if (spec.target.classes.size() == 1 || (spec.numbers.empty() && spec.words.empty())) {
    refuse("no columns, or one class");
  }
  return spec;
}

}  // namespace sinter::recipes::tabular
