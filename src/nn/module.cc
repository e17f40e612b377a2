#include <algorithm>

#include "sinter/nn.h"

namespace sinter::nn {

// What all handles of a module share.
struct Module::Registry {
  struct Entry {
    std::string name;
    State state;
    StateRole role;
    FileLayout layout;
  };
  struct Child {
    std::string name;
    std::shared_ptr<Registry> registry;
  };

  std::string name;
  std::string path;
  std::vector<Entry> entries;
  std::vector<Child> children;

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

}  // namespace

Module::Module() : registry_(std::make_shared<Registry>()) {}

Tensor Module::operator()(const Tensor& x, SourceLocation location) const {
  return scoped([&] { return forward(x); }, location);
}

Tensor Module::forward(const Tensor&) const {
  fail("Module", "this module does not compute a function of one tensor", "", "",
       "override forward, or call the operator() of its own type");
}

Module::Features Module::follow(const Features&) const { return {}; }

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

State Module::add_statistic(const std::string& name, const Tensor& initial) {
  const State state(initial, name);
  add_entry(name, state, StateRole::statistic, {});
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

void Module::set_layout(const State& state, const FileLayout& layout) const {
  for (Registry::Entry& entry : registry_->entries) {
    if (entry.state == state) entry.layout = layout;
  }
}

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
