#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "sinter/autograd.h"
#include "sinter/ops.h"
#include "sinter/optim.h"
#include "sinter/state_arena.h"

namespace sinter::optim {
namespace {

std::vector<std::int64_t> ends_of(const std::vector<std::int64_t>& offsets, std::int64_t elements) {
  std::vector<std::int64_t> ends(offsets.begin() + 1, offsets.end());
  ends.push_back(elements);
  return ends;
}

std::string name_of_parameter(const State& state, std::size_t position) {
  return state.name().empty() ? "parameter " + std::to_string(position) : state.name();
}

void check_not_negative(const char* where, const char* what, double value) {
  if (value >= 0 && std::isfinite(value)) return;
  raise({.where = where,
         .what = std::string(what) + " must not be negative",
         .got = std::to_string(value),
         .expected = "a number of at least 0",
         .hint = ""});
}

void check_groups(const char* where, const std::vector<ParameterGroup>& groups) {
  std::vector<State> seen;
  for (const ParameterGroup& group : groups) {
    check_not_negative(where, "a group's learning rate scale", group.learning_rate_scale);
    if (group.weight_decay) check_not_negative(where, "weight decay", *group.weight_decay);
    if (group.parameters.empty()) {
      raise({.where = where,
             .what = "there is nothing to optimize",
             .got = "a group without parameters",
             .expected = "parameters of a model",
             .hint = ""});
    }
    for (const State& state : group.parameters) {
      if (state.dtype() != Dtype::f32) {
        raise({.where = where,
               .what = name_of_parameter(state, seen.size()) + " has the wrong type",
               .got = std::string(sinter::name_of(state.dtype())),
               .expected = "f32",
               .hint = ""});
      }
      for (const State& other : seen) {
        if (!(other == state)) continue;
        raise({.where = where,
               .what = name_of_parameter(state, seen.size()) + " is given twice",
               .got = "",
               .expected = "each parameter once",
               .hint = "model.parameters() lists tied parameters once"});
      }
      seen.push_back(state);
    }
  }
  if (seen.empty()) {
    raise({.where = where,
           .what = "there is nothing to optimize",
           .got = "no parameters",
           .expected = "parameters of a model",
           .hint = ""});
  }
}

// The vector made of `pieces` that lie at `offsets`; a single piece is the vector itself.
Tensor joined(const std::vector<Tensor>& pieces, const std::vector<std::int64_t>& offsets,
              std::int64_t elements) {
  return pieces.size() == 1 ? pieces.front() : pack(pieces, offsets, elements);
}

Tensor part(const Tensor& whole, std::int64_t begin, std::int64_t end) {
  return begin == 0 && end == whole.elements() ? whole : slice(whole, 0, begin, end);
}

}  // namespace

// Parameters [first, last), elements [begin, end) of the arena: all have gradients and have missed
// the same updates, or none has a gradient.
struct Optimizer::Run {
  std::size_t first = 0;
  std::size_t last = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  Tensor gradient = Tensor();  // (end - begin,), zeros in the gaps; undefined: none
};

Optimizer::Optimizer(const char* name, std::vector<ParameterGroup> groups, double learning_rate,
                     double weight_decay, const Method& method)
    : name_(name),
      learning_rate_(scalar(learning_rate, Dtype::f64), "optimizer.learning_rate"),
      step_(scalar(0, Dtype::i64), "optimizer.step") {
  check_not_negative(name_, "the learning rate", learning_rate);
  check_not_negative(name_, "weight decay", weight_decay);
  check_groups(name_, groups);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    ParameterGroup& given = groups[g];
    std::vector<std::int64_t> offsets;
    const State arena = make_arena(given.parameters, &offsets);
    const std::string prefix =
        groups.size() == 1 ? "optimizer." : "optimizer." + std::to_string(g) + ".";
    std::vector<State> states;
    for (const std::string& moment : method.moments) {
      states.emplace_back(zeros(arena.shape()), prefix + moment);
    }
    const auto count = static_cast<std::int64_t>(given.parameters.size());
    std::optional<State> missed;
    if (method.counts_updates) {
      missed.emplace(zeros({count}, Dtype::i64), prefix + "missed");
      mark_as_configuration(*missed);
    }
    groups_.push_back({.parameters = std::move(given.parameters),
                       .learning_rate_scale = given.learning_rate_scale,
                       .weight_decay = given.weight_decay.value_or(weight_decay),
                       .arena = arena,
                       .offsets = std::move(offsets),
                       .moments = std::move(states),
                       .missed = std::move(missed),
                       .histories = std::vector<int>(static_cast<std::size_t>(count), 0)});
  }
}

Tensor Optimizer::step(const std::vector<Tensor>& gradients, const Tensor& guard) {
  return take_step({.gradients = gradients, .norm = Tensor(), .scale = Tensor()}, guard);
}

Tensor Optimizer::step(const ClippedGradients& clipped, const Tensor& guard) {
  return take_step(clipped, guard);
}

Tensor Optimizer::take_step(const ClippedGradients& given, const Tensor& guard) {
  const NoGradScope untracked;
  const ModuleScope scope("optimizer");
  check(given.gradients, guard);
  follow_histories(given.gradients);
  std::vector<std::vector<Run>> runs;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    runs.push_back(runs_of(groups_[g], gradients_of(g, given.gradients)));
  }
  const Tensor done = step_.value();
  Tensor count;
  Tensor learning_rate;
  Tensor go;
  if (guard.defined()) {
    // All scalars of the update follow the pass over the gradients, and so stand in its kernel.
    const Tensor sound = logical_and(guard, are_sound(runs, given));
    count = done + cast(sound, Dtype::i64);
    const Tensor base = learning_rate_.value();
    learning_rate = base * schedule_(count - 1);
    go = logical_and(sound, isfinite(learning_rate));
  } else {
    count = done + 1;
    learning_rate = scheduled_learning_rate();
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    const Tensor scaled =
        group.learning_rate_scale == 1 ? learning_rate : learning_rate * group.learning_rate_scale;
    update_group(group, runs[g], given.scale, go,
                 {.learning_rate = scaled, .weight_decay = group.weight_decay, .count = count});
    count_missed(group, gradients_of(g, given.gradients), go);
  }
  step_.assign(go.defined() ? where(go, count, done) : count);
  return go;
}

void Optimizer::check(const std::vector<Tensor>& gradients, const Tensor& guard) const {
  const std::vector<State> all = parameters();
  if (gradients.size() != all.size()) {
    raise({.where = name_,
           .what = "the number of gradients differs from the number of parameters",
           .got = std::to_string(gradients.size()),
           .expected = std::to_string(all.size()),
           .hint = "pass gradients(loss, optimizer.parameters())"});
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Tensor& gradient = gradients[i];
    if (!gradient.defined()) continue;
    if (gradient.shape() != all[i].shape() || gradient.dtype() != all[i].dtype()) {
      raise({.where = name_,
             .what = "the gradient does not fit " + name_of_parameter(all[i], i),
             .got = gradient.to_string(),
             .expected = std::string(sinter::name_of(all[i].dtype())) + all[i].shape().to_string(),
             .hint = "gradients belong to optimizer.parameters() in their order"});
    }
  }
  if (guard.defined() && (guard.rank() != 0 || guard.dtype() != Dtype::boolean)) {
    raise({.where = name_,
           .what = "the guard is not a boolean scalar",
           .got = guard.to_string(),
           .expected = "bool()",
           .hint = "isfinite(loss) is one"});
  }
}

std::span<const Tensor> Optimizer::gradients_of(std::size_t group,
                                                const std::vector<Tensor>& all) const {
  std::size_t first = 0;
  for (std::size_t g = 0; g < group; ++g) first += groups_[g].parameters.size();
  return {all.data() + first, groups_[group].parameters.size()};
}

// Which parameters have missed the same updates is known without reading their counts: they begin
// alike, and part when a step reaches some of them. A step already compiled then has to treat them
// apart as well. Only counts that were assigned from outside, by a checkpoint, have to be read.
void Optimizer::follow_histories(const std::vector<Tensor>& gradients) {
  const std::uint64_t version = configuration_version();
  bool parted = false;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    if (!group.missed) continue;
    const std::span<const Tensor> own = gradients_of(g, gradients);
    std::vector<std::int64_t> missed(own.size(), 0);
    if (version != seen_configuration_) {
      missed = value_between_steps(*group.missed).to_vector<std::int64_t>();
    }
    const std::set<int> before(group.histories.begin(), group.histories.end());
    std::map<std::tuple<int, std::int64_t, bool>, int> numbers;
    for (std::size_t i = 0; i < own.size(); ++i) {
      const auto number = static_cast<int>(numbers.size());
      const std::tuple key{group.histories[i], missed[i], own[i].defined()};
      group.histories[i] = numbers.emplace(key, number).first->second;
    }
    parted = parted || numbers.size() > before.size();
  }
  if (parted) configuration_changed();
  seen_configuration_ = version + (parted ? 1 : 0);
}

std::vector<Optimizer::Run> Optimizer::runs_of(const Group& group,
                                               std::span<const Tensor> gradients) const {
  const std::vector<std::int64_t> ends = ends_of(group.offsets, group.arena.shape().elements());
  const auto belong_together = [&](std::size_t a, std::size_t b) {
    if (gradients[a].defined() != gradients[b].defined()) return false;
    return !gradients[a].defined() || !group.missed || group.histories[a] == group.histories[b];
  };
  std::vector<Run> runs;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (runs.empty() || !belong_together(runs.back().first, i)) {
      runs.push_back({.first = i, .last = i, .begin = group.offsets[i], .end = 0});
    }
    runs.back().last = i + 1;
    runs.back().end = ends[i];
  }
  for (Run& run : runs) {
    if (!gradients[run.first].defined()) continue;
    std::vector<Tensor> inputs;
    std::vector<std::int64_t> positions;
    for (std::size_t i = run.first; i < run.last; ++i) {
      inputs.push_back(gradients[i]);
      positions.push_back(group.offsets[i] - run.begin);
    }
    run.gradient = pack(inputs, positions, run.end - run.begin);
  }
  return runs;
}

// The largest magnitude, in one pass over each vector of gradients, shows at once whether one of
// them is not finite and whether its square is. Clipping has made such a pass already.
Tensor Optimizer::are_sound(const std::vector<std::vector<Run>>& runs,
                            const ClippedGradients& given) const {
  if (given.scaled_norm.defined()) return keeps_finite(given.scaled_norm);
  Tensor sound;
  for (const std::vector<Run>& group : runs) {
    for (const Run& run : group) {
      if (!run.gradient.defined() || run.gradient.elements() == 0) continue;
      Tensor magnitude = max(abs(run.gradient));
      if (given.scale.defined()) magnitude = magnitude * given.scale;
      const Tensor own = keeps_finite(magnitude);
      sound = sound.defined() ? logical_and(sound, own) : own;
    }
  }
  return sound.defined() ? sound : full({}, 1, Dtype::boolean);
}

Tensor Optimizer::keeps_finite(const Tensor& magnitude) const { return isfinite(magnitude); }

void Optimizer::update_group(const Group& group, const std::vector<Run>& runs, const Tensor& scale,
                             const Tensor& go, const Update& update) const {
  if (runs.size() == 1 && !runs.front().gradient.defined()) return;
  const Tensor arena = group.arena.value();
  const std::int64_t elements = arena.elements();
  std::vector<Tensor> old_moments;
  for (const State& moment : group.moments) old_moments.push_back(moment.value());

  // Unreached runs go into the new vectors as they are.
  std::vector<std::int64_t> starts;
  std::vector<Tensor> parameter_pieces;
  std::vector<std::vector<Tensor>> moment_pieces(old_moments.size());
  for (const Run& run : runs) {
    Piece before{.parameters = part(arena, run.begin, run.end), .moments = {}};
    for (const Tensor& moment : old_moments) {
      before.moments.push_back(part(moment, run.begin, run.end));
    }
    Piece after = before;
    if (run.gradient.defined()) {
      Update own = update;
      if (group.missed) {
        const auto first = static_cast<std::int64_t>(run.first);
        own.count = update.count - reshape(slice(*group.missed, 0, first, first + 1), Shape{});
      }
      after = updated(before, scale.defined() ? run.gradient * scale : run.gradient, own);
      if (go.defined()) {
        after.parameters = where(go, after.parameters, before.parameters);
        for (std::size_t m = 0; m < after.moments.size(); ++m) {
          after.moments[m] = where(go, after.moments[m], before.moments[m]);
        }
      }
    }
    starts.push_back(run.begin);
    parameter_pieces.push_back(after.parameters);
    for (std::size_t m = 0; m < moment_pieces.size(); ++m) {
      moment_pieces[m].push_back(after.moments[m]);
    }
  }
  group.arena.assign(joined(parameter_pieces, starts, elements));
  for (std::size_t m = 0; m < moment_pieces.size(); ++m) {
    group.moments[m].assign(joined(moment_pieces[m], starts, elements));
  }
}

void Optimizer::count_missed(const Group& group, std::span<const Tensor> gradients,
                             const Tensor& go) const {
  if (!group.missed) return;
  std::vector<std::int64_t> missed;
  for (const Tensor& gradient : gradients) missed.push_back(gradient.defined() ? 0 : 1);
  if (std::all_of(missed.begin(), missed.end(), [](std::int64_t each) { return each == 0; })) {
    return;
  }
  Tensor more = tensor(missed, group.missed->shape());
  if (go.defined()) more = more * cast(go, Dtype::i64);
  group.missed->assign(*group.missed + more);
}

double Optimizer::learning_rate() const { return learning_rate_.value().item<double>(); }

void Optimizer::set_learning_rate(double learning_rate) {
  check_not_negative(name_, "the learning rate", learning_rate);
  learning_rate_.assign(scalar(learning_rate, Dtype::f64));
}

void Optimizer::set_schedule(Schedule schedule) {
  schedule_ = std::move(schedule);
  configuration_changed();
}

Tensor Optimizer::scheduled_learning_rate() const {
  const NoGradScope untracked;
  const Tensor factor = schedule_(step_);
  return learning_rate_ * factor;
}

std::int64_t Optimizer::step_count() const { return step_.value().item<std::int64_t>(); }

std::vector<State> Optimizer::parameters() const {
  std::vector<State> all;
  for (const Group& group : groups_) {
    all.insert(all.end(), group.parameters.begin(), group.parameters.end());
  }
  return all;
}

std::vector<NamedState> Optimizer::states() const {
  std::vector<NamedState> found;
  const auto list = [&](const State& state) {
    found.push_back(
        {.name = state.name(), .state = state, .role = StateRole::progress, .layout = {}});
  };
  list(step_);
  list(learning_rate_);
  for (const Group& group : groups_) {
    for (const State& moment : group.moments) list(moment);
  }
  for (const Group& group : groups_) {
    if (!group.missed) continue;
    list(*group.missed);
    found.back().may_be_missing = true;
  }
  return found;
}

}  // namespace sinter::optim
