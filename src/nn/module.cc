#include "sinter/module.h"

#include <algorithm>
#include <optional>

namespace sinter::nn {

// What all handles of a module share.
struct Module::Registry {
  static constexpr int kNoAxis = -1;

  struct Entry {
    std::string name;
    State state;
    StateRole role;
    FileLayout layout;
    int feature_axis = kNoAxis;  // which runs along the features of what the module is given
  };
  struct Child {
    std::string name;
    std::shared_ptr<Registry> registry;
  };

  std::string name;
  std::string path;
  std::vector<Entry> entries;
  std::vector<Child> children;
  ChannelFlow flow = ChannelFlow::unknown;
  std::int64_t made_channels = 0;  // by ChannelFlow::make
  FeatureOrder order;
  bool is_order_found = false;  // not stated by the user

  bool has(const std::string& wanted) const {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const Entry& entry) { return entry.name == wanted; }) ||
           std::any_of(children.begin(), children.end(),
                       [&](const Child& child) { return child.name == wanted; });
  }

  bool contains(const Registry* wanted) const {
    return this == wanted || std::any_of(children.begin(), children.end(), [&](const Child& child) {
             return child.registry->contains(wanted);
           });
  }

  void collect(const std::string& prefix, std::vector<NamedState>* found) const {
    for (const Entry& entry : entries) {
      const bool tied = std::any_of(found->begin(), found->end(), [&](const NamedState& other) {
        return other.state == entry.state;
      });
      if (!tied) found->push_back({prefix + entry.name, entry.state, entry.role, entry.layout});
    }
    for (const Child& child : children) child.registry->collect(prefix + child.name + ".", found);
  }

  void set_path(const std::string& new_path) {
    path = new_path;
    for (const Child& child : children) child.registry->set_path(path + "." + child.name);
  }

  // The number of features, by the parameters along them; 0 without any.
  std::int64_t features() const {
    for (const Entry& entry : entries) {
      if (entry.feature_axis != kNoAxis) return entry.state.shape()[entry.feature_axis];
    }
    return 0;
  }

  void set_order(const FeatureOrder& new_order) {
    order = new_order;
    for (Entry& entry : entries) {
      if (entry.feature_axis == kNoAxis) continue;
      entry.layout = {};
      if (!order.is_flattened()) continue;
      entry.layout = FileLayout::flattened(entry.state.shape(), entry.feature_axis,
                                           order.positions(), order.channels());
    }
  }

  // What is known of the features on their way through modules.
  struct Known {
    std::int64_t channels = 0;  // innermost; 0: not known
    bool is_flattened = false;
  };

  // What is known behind this module, and meanwhile finds out the orders in it.
  Known follow(const Known& before) {
    switch (flow) {
      case ChannelFlow::keep:
        return before;
      case ChannelFlow::make:
        return {made_channels, false};
      case ChannelFlow::flatten:
        return {before.channels, before.channels > 0};
      case ChannelFlow::read:
        find_order(before);
        return {};
      case ChannelFlow::children: {
        Known known = before;
        for (const Child& child : children) known = child.registry->follow(known);
        return known;
      }
      case ChannelFlow::unknown:
        break;
    }
    return {};
  }

  void find_order(const Known& before) {
    if (!before.is_flattened || (order.is_stated() && !is_order_found)) return;
    if (features() % before.channels != 0) return;
    set_order(FeatureOrder::flattened(features() / before.channels, before.channels));
    is_order_found = true;
  }
};

namespace {

void check_name(const char* where, const std::string& name, bool taken) {
  if (name.empty() || name.find('.') != std::string::npos) {
    raise({.where = where,
           .what = "a name in a module must not be empty or contain a dot",
           .got = "\"" + name + "\"",
           .expected = "a name like \"conv1\"",
           .hint = ""});
  }
  if (taken) {
    raise({.where = where,
           .what = "the module has a part of this name already",
           .got = "\"" + name + "\"",
           .expected = "another name",
           .hint = ""});
  }
}

std::string image_text(std::int64_t positions, std::int64_t channels) {
  return std::to_string(positions) + " positions of " + std::to_string(channels) + " channels";
}

}  // namespace

FeatureOrder FeatureOrder::flattened(std::int64_t positions, std::int64_t channels) {
  if (positions < 1 || channels < 1) {
    raise({.where = "FeatureOrder::flattened",
           .what = "an image has at least one position and one channel",
           .got = image_text(positions, channels),
           .expected = {},
           .hint = {}});
  }
  FeatureOrder order;
  order.kind_ = Kind::flattened;
  order.positions_ = positions;
  order.channels_ = channels;
  return order;
}

FeatureOrder FeatureOrder::in_memory() {
  FeatureOrder order;
  order.kind_ = Kind::in_memory;
  return order;
}

Module::Module() : registry_(std::make_shared<Registry>()) {}

std::vector<State> Module::parameters() const {
  std::vector<State> found;
  for (const NamedState& each : states()) {
    if (each.role == StateRole::parameter) found.push_back(each.state);
  }
  return found;
}

std::vector<NamedState> Module::states() const {
  std::vector<NamedState> found;
  registry_->collect("", &found);
  return found;
}

std::int64_t Module::parameter_count() const {
  std::int64_t count = 0;
  for (const State& each : parameters()) count += each.shape().elements();
  return count;
}

const std::string& Module::name() const { return registry_->name; }

const std::string& Module::path() const { return registry_->path; }

State Module::add_parameter(const std::string& name, const Tensor& initial,
                            const FileLayout& layout) {
  const State state(initial, name);
  add_entry(name, state, StateRole::parameter, layout);
  return state;
}

State Module::add_statistic(const std::string& name, const Tensor& initial,
                            const FileLayout& layout) {
  const State state(initial, name);
  add_entry(name, state, StateRole::statistic, layout);
  return state;
}

Generator Module::add_generator(const std::string& name, const Generator& generator) {
  add_entry(name, generator.state(), StateRole::progress, {});
  return generator;
}

State Module::add_tied(const std::string& name, const State& state, const FileLayout& layout) {
  add_entry(name, state, StateRole::parameter, layout);
  return state;
}

void Module::add_entry(const std::string& name, const State& state, StateRole role,
                       const FileLayout& layout) {
  check_name("add_parameter", name, registry_->has(name));
  registry_->entries.push_back({name, state, role, layout});
}

void Module::add_child(const std::string& name, const Module& module) {
  check_name("add", name, registry_->has(name));
  Registry& child = *module.registry_;
  if (child.contains(registry_.get())) {
    raise({.where = "add",
           .what = "a module cannot contain itself",
           .got = "\"" + name + "\"",
           .expected = "another module",
           .hint = ""});
  }
  // A module in two places keeps the name of its first place, and so do its States.
  if (child.name.empty()) {
    child.name = name;
    child.set_path(registry_->path.empty() ? name : registry_->path + "." + name);
  }
  std::vector<NamedState> earlier = states();
  registry_->children.push_back({name, module.registry_});
  for (const NamedState& each : states()) {
    const bool known = std::any_of(earlier.begin(), earlier.end(), [&](const NamedState& other) {
      return other.state == each.state;
    });
    if (!known) each.state.set_name(each.name);
  }
}

State Module::add_feature_parameter(const std::string& name, const Tensor& initial, int axis) {
  const State state = add_parameter(name, initial);
  add_feature_entry(normalize_axis("add_feature_parameter", axis, initial.rank()));
  return state;
}

State Module::add_feature_statistic(const std::string& name, const Tensor& initial, int axis) {
  const State state = add_statistic(name, initial);
  add_feature_entry(normalize_axis("add_feature_statistic", axis, initial.rank()));
  return state;
}

void Module::add_feature_entry(int axis) { registry_->entries.back().feature_axis = axis; }

void Module::set_feature_order(const char* type, const FeatureOrder& order) {
  const std::int64_t features = registry_->features();
  if (order.is_flattened() && order.positions() * order.channels() != features) {
    fail(type, "the flattened image does not have as many elements as the layer has features",
         image_text(order.positions(), order.channels()) + " for " + std::to_string(features) +
             " features",
         "FeatureOrder::flattened(H * W, C) with H * W * C features");
  }
  registry_->set_order(order);
  registry_->is_order_found = false;
}

void Module::check_features(const char* type, const Tensor& x) const {
  const std::optional<FlattenedImage> image = flattened_image(x);
  if (!image.has_value()) return;
  const FeatureOrder& order = registry_->order;
  if (order.is_stated() && !order.is_flattened()) return;  // as in memory
  if (!image->is_whole) {
    fail(type, "the features are parts of images, for which files have no order of their own",
         x.shape().to_string(), "order = FeatureOrder::in_memory()",
         "then files hold the parameters as memory does; or flatten whole images");
  }
  const std::string got = image_text(image->positions, image->channels);
  if (!order.is_stated()) {
    fail(type, "the features are a flattened image, and their order in files is not stated", got,
         "order = FeatureOrder::flattened(" + std::to_string(image->positions) + ", " +
             std::to_string(image->channels) + "), which is PyTorch's",
         "or FeatureOrder::in_memory(), for files that hold them as memory does");
  }
  if (order.positions() == image->positions && order.channels() == image->channels) return;
  fail(type, "the features are another flattened image than the one whose order files have", got,
       image_text(order.positions(), order.channels()),
       registry_->is_order_found
           ? "a module in front of it does not keep channels in their places: state the order"
           : "");
}

void Module::set_channel_flow(ChannelFlow flow, std::int64_t channels) {
  registry_->flow = flow;
  registry_->made_channels = channels;
}

void Module::find_feature_orders() { registry_->follow({}); }

void Module::fail(const char* type, const std::string& what, const std::string& got,
                  const std::string& expected, const std::string& hint) const {
  const std::string& known = registry_->path;
  std::string where = known.empty() ? std::string(type) : known + " (" + type + ")";
  const SourceLocation own = SourceLocation::current();
  const SourceLocation call = users_location(own);
  if (call.file != own.file) where += " [" + call.to_string() + "]";
  raise({.where = where, .what = what, .got = got, .expected = expected, .hint = hint});
}

}  // namespace sinter::nn
