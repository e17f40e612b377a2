#include <cmath>
#include <string>

#include "sinter/autograd.h"
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

// Parameters [first, last) of a group, which all have gradients or all have none.
struct Run {
  std::size_t first;
  std::size_t last;
  bool reached;
};

std::vector<Run> runs_of(const std::vector<Tensor>& gradients) {
  std::vector<Run> runs;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const bool reached = gradients[i].defined();
    if (runs.empty() || runs.back().reached != reached) runs.push_back({i, i, reached});
    runs.back().last = i + 1;
  }
  return runs;
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

Optimizer::Optimizer(const char* name, std::vector<ParameterGroup> groups, double learning_rate,
                     double weight_decay, std::vector<std::string> moments)
    : name_(name),
      moment_names_(std::move(moments)),
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
    for (const std::string& moment : moment_names_) {
      states.emplace_back(zeros(arena.shape()), prefix + moment);
    }
    groups_.push_back({std::move(given.parameters), given.learning_rate_scale,
                       given.weight_decay.value_or(weight_decay), arena, std::move(offsets),
                       std::move(states)});
  }
}

Tensor Optimizer::step(const std::vector<Tensor>& gradients, const Tensor& guard) {
  return step(gradients, Tensor(), guard);
}

Tensor Optimizer::step(const ClippedGradients& clipped, const Tensor& guard) {
  return step(clipped.gradients, clipped.scale, guard);
}

Tensor Optimizer::step(const std::vector<Tensor>& gradients, const Tensor& scale,
                       const Tensor& guard) {
  const NoGradScope untracked;
  const ModuleScope scope("optimizer");
  check(gradients, guard);
  const Tensor done = step_.value();
  const Tensor count = done + 1;
  const Tensor learning_rate = scheduled_learning_rate();
  auto next = gradients.begin();
  for (const Group& group : groups_) {
    const auto end = next + static_cast<std::ptrdiff_t>(group.parameters.size());
    const Tensor scaled =
        group.learning_rate_scale == 1 ? learning_rate : learning_rate * group.learning_rate_scale;
    update_group(group, {next, end}, scale, guard,
                 {.learning_rate = scaled, .weight_decay = group.weight_decay, .count = count});
    next = end;
  }
  step_.assign(guard.defined() ? where(guard, count, done) : count);
  return guard;
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

void Optimizer::update_group(const Group& group, const std::vector<Tensor>& gradients,
                             const Tensor& scale, const Tensor& guard, const Update& update) const {
  const std::vector<Run> runs = runs_of(gradients);
  if (runs.size() == 1 && !runs.front().reached) return;
  const Tensor arena = group.arena.value();
  const std::int64_t elements = arena.elements();
  const std::vector<std::int64_t> ends = ends_of(group.offsets, elements);
  std::vector<Tensor> old_moments;
  for (const State& moment : group.moments) old_moments.push_back(moment.value());

  // Unreached runs go into the new vectors as they are.
  std::vector<std::int64_t> starts;
  std::vector<Tensor> parameter_pieces;
  std::vector<std::vector<Tensor>> moment_pieces(old_moments.size());
  for (const Run& run : runs) {
    const std::int64_t begin = group.offsets[run.first];
    const std::int64_t end = ends[run.last - 1];
    Piece before{.parameters = part(arena, begin, end), .moments = {}};
    for (const Tensor& moment : old_moments) before.moments.push_back(part(moment, begin, end));
    Piece after = before;
    if (run.reached) {
      std::vector<Tensor> inputs;
      std::vector<std::int64_t> positions;
      for (std::size_t i = run.first; i < run.last; ++i) {
        inputs.push_back(gradients[i]);
        positions.push_back(group.offsets[i] - begin);
      }
      Tensor gradient = pack(inputs, positions, end - begin);
      if (scale.defined()) gradient = gradient * scale;
      after = updated(before, gradient, update);
      if (guard.defined()) {
        after.parameters = where(guard, after.parameters, before.parameters);
        for (std::size_t m = 0; m < after.moments.size(); ++m) {
          after.moments[m] = where(guard, after.moments[m], before.moments[m]);
        }
      }
    }
    starts.push_back(begin);
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

double Optimizer::learning_rate() const { return learning_rate_.value().item<double>(); }

void Optimizer::set_learning_rate(double learning_rate) {
  check_not_negative(name_, "the learning rate", learning_rate);
  learning_rate_.assign(scalar(learning_rate, Dtype::f64));
}

void Optimizer::set_schedule(Schedule schedule) { schedule_ = std::move(schedule); }

Tensor Optimizer::scheduled_learning_rate() const {
  const NoGradScope untracked;
  return learning_rate_ * schedule_(step_);
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
  return found;
}

}  // namespace sinter::optim
