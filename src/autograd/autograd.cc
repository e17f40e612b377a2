#include "sinter/autograd.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include "autograd/pull_back.h"
#include "ops/list.h"
#include "sinter/ops.h"
#include "tensor/apply.h"
#include "tensor/impl.h"

namespace sinter {

namespace {

void check_defined(const char* where, const Tensor& x) {
  if (x.defined()) return;
  raise({.where = where,
         .what = "the Tensor handle is empty",
         .got = {},
         .expected = {},
         .hint = {}});
}

// What a gradient belongs to: a result of a record, or a leaf.
struct Key {
  const Record* record = nullptr;
  std::uint64_t id = 0;  // the leaf's id, or which result

  friend bool operator<(const Key& a, const Key& b) {
    return std::pair(a.record, a.id) < std::pair(b.record, b.id);
  }
};

Key key_of(const Tensor& tensor) {
  const TensorImpl& impl = *tensor.impl();
  if (impl.record != nullptr) return {impl.record.get(), static_cast<std::uint64_t>(impl.result)};
  return {nullptr, impl.leaf};
}

// The records that the outputs depend on and that depend on something wanted, latest first.
// Iterative: chains may be longer than the stack is deep.
class ReachableRecords {
 public:
  ReachableRecords(const std::vector<Tensor>& outputs, const std::vector<Key>& wanted)
      : wanted_(wanted.begin(), wanted.end()) {
    visit(outputs);
    std::vector<std::shared_ptr<const Record>> found;
    for (const auto& record : all_) {
      if (depends(*record)) {
        needed_.insert(record.get());
        found.push_back(record);
      }
    }
    std::reverse(found.begin(), found.end());
    latest_first_ = std::move(found);
  }

  const std::vector<std::shared_ptr<const Record>>& latest_first() const { return latest_first_; }

  // Whether a gradient with respect to `tensor` is wanted or leads to one that is.
  bool is_needed(const Tensor& tensor) const {
    if (!tensor.impl()->is_tracked()) return false;
    return wanted_.count(key_of(tensor)) != 0 || needed_.count(tensor.impl()->record.get()) != 0;
  }

 private:
  void visit(const std::vector<Tensor>& outputs) {
    std::vector<std::shared_ptr<const Record>> stack;
    const auto push = [&](const std::shared_ptr<const Record>& record) {
      if (record != nullptr && seen_.insert(record.get()).second) stack.push_back(record);
    };
    for (const Tensor& output : outputs) push(output.impl()->record);
    while (!stack.empty()) {
      const std::shared_ptr<const Record> record = stack.back();
      stack.pop_back();
      all_.push_back(record);
      for (const Tensor& input : record->inputs) push(input.impl()->record);
    }
    std::sort(all_.begin(), all_.end(),
              [](const auto& a, const auto& b) { return a->sequence < b->sequence; });
  }

  // REQUIRES: called in recording order, so that inputs' records are decided.
  bool depends(const Record& record) const {
    return std::any_of(record.inputs.begin(), record.inputs.end(),
                       [&](const Tensor& input) { return is_needed(input); });
  }

  std::set<Key> wanted_;
  std::unordered_set<const Record*> seen_;
  std::unordered_set<const Record*> needed_;
  std::vector<std::shared_ptr<const Record>> all_;
  std::vector<std::shared_ptr<const Record>> latest_first_;
};

Tensor result_handle(const std::shared_ptr<const Record>& record, std::size_t index) {
  auto impl = std::make_shared<TensorImpl>();
  impl->payload = record->results[index];
  impl->record = record;
  impl->result = static_cast<std::int32_t>(index);
  return Tensor(std::move(impl));
}

std::vector<std::optional<Tensor>> gradient_of(const std::shared_ptr<const Record>& record,
                                               std::span<const std::optional<Tensor>> dy,
                                               std::span<const std::uint8_t> needed) {
  if (record->op->gradient == nullptr) {
    return std::vector<std::optional<Tensor>>(record->inputs.size());
  }
  std::vector<Tensor> results;
  for (std::size_t i = 0; i < record->results.size(); ++i) {
    results.push_back(result_handle(record, i));
  }
  return record->op->gradient(
      {record->inputs, results, dy, record->attributes, record->bodies, needed});
}

using Accumulated = std::map<Key, Tensor>;

// Fan-out sums are left folds in reverse recording order.
void accumulate(Accumulated& gradients, const Key& key, const Tensor& gradient) {
  const auto [entry, is_new] = gradients.emplace(key, gradient);
  if (!is_new) entry->second = entry->second + gradient;
}

// Walks back from `gradients` (already holding the seeds), latest record first.
void walk(const ReachableRecords& reachable, Accumulated& gradients) {
  for (const auto& record : reachable.latest_first()) {
    std::vector<std::optional<Tensor>> dy(record->results.size());
    bool any = false;
    for (std::size_t i = 0; i < dy.size(); ++i) {
      const auto found = gradients.find({record.get(), i});
      if (found == gradients.end()) continue;
      dy[i] = found->second;
      any = true;
    }
    if (!any) continue;
    const ModuleScope scope(record->scope);
    const LocationScope line(record->location);
    std::vector<std::uint8_t> needed;
    for (const Tensor& input : record->inputs) needed.push_back(reachable.is_needed(input) ? 1 : 0);
    const auto input_gradients = gradient_of(record, dy, needed);
    for (std::size_t i = 0; i < input_gradients.size(); ++i) {
      const Tensor& input = record->inputs[i];
      if (!input_gradients[i] || needed[i] == 0) continue;
      if (input_gradients[i]->shape() != input.shape()) {
        raise(
            {.where = record->op->name,
             .what = "internal: the gradient of input " + std::to_string(i) + " has another shape",
             .got = input_gradients[i]->to_string(),
             .expected = input.to_string(),
             .hint = {}});
      }
      accumulate(gradients, key_of(input), *input_gradients[i]);
    }
  }
}

// The gradients of the keys, given those of the outputs.
std::vector<Tensor> pull_back_to(const std::vector<Tensor>& outputs,
                                 const std::vector<Tensor>& seeds, const std::vector<Key>& wanted) {
  const ReachableRecords reachable(outputs, wanted);
  Accumulated gradients;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].impl()->is_tracked()) accumulate(gradients, key_of(outputs[i]), seeds[i]);
  }
  walk(reachable, gradients);
  std::vector<Tensor> found;
  for (const Key& key : wanted) {
    const auto entry = gradients.find(key);
    found.push_back(entry == gradients.end() ? Tensor() : entry->second);
  }
  return found;
}

[[noreturn]] void fail_gradients(SourceLocation location, std::string what, std::string got,
                                 std::string hint) {
  const std::string place = users_location(location).to_string();
  raise({.where = place.empty() ? "gradients" : "gradients [" + place + "]",
         .what = std::move(what),
         .got = std::move(got),
         .expected = {},
         .hint = std::move(hint)});
}

// The gradients of the keys, an undefined Tensor where the loss does not depend on one.
std::vector<Tensor> gradients_of_keys(const Tensor& loss, const std::vector<Key>& wanted,
                                      SourceLocation location) {
  check_defined("gradients", loss);
  const auto fail = [&](std::string what, std::string got, std::string hint) {
    fail_gradients(location, std::move(what), std::move(got), std::move(hint));
  };
  if (loss.elements() != 1 || !is_floating(loss.dtype())) {
    fail("the loss is not one floating-point number", loss.to_string(),
         "reduce it with mean() or sum()");
  }
  if (!loss.impl()->is_tracked()) {
    fail("the loss depends on nothing that is tracked", "",
         "read parameters from States, or watch() a Tensor, outside of NoGradScope");
  }
  return pull_back_to({loss}, {full(loss.shape(), 1.0, loss.dtype(), location)}, wanted);
}

}  // namespace

Tensor watch(const Tensor& x) {
  check_defined("watch", x);
  if (x.impl()->is_tracked()) return x;
  auto impl = std::make_shared<TensorImpl>(*x.impl());
  impl->leaf = next_id();
  return Tensor(std::move(impl));
}

Tensor detach(const Tensor& x) {
  check_defined("detach", x);
  return with_origins(make_tensor(x.impl()->payload), x.impl()->origins);
}

std::vector<Tensor> gradients(const Tensor& loss, const std::vector<State>& parameters,
                              SourceLocation location) {
  std::vector<Key> wanted;
  for (const State& parameter : parameters) wanted.push_back({nullptr, parameter.id()});
  return gradients_of_keys(loss, wanted, location);
}

std::vector<Tensor> gradients(const Tensor& loss, const std::vector<Tensor>& watched,
                              SourceLocation location) {
  std::vector<Key> wanted;
  for (const Tensor& tensor : watched) {
    check_defined("gradients", tensor);
    if (!tensor.impl()->is_tracked() && loss.defined() && loss.impl()->is_tracked()) {
      fail_gradients(location, "Tensor " + std::to_string(wanted.size()) + " is not watched",
                     tensor.to_string(),
                     "take x = watch(x), outside of NoGradScope, and compute the loss from that "
                     "very handle");
    }
    wanted.push_back(key_of(tensor));
  }
  return gradients_of_keys(loss, wanted, location);
}

std::vector<Tensor> pull_back(const std::vector<Tensor>& outputs, const std::vector<Tensor>& seeds,
                              const std::vector<Tensor>& watched) {
  std::vector<Key> wanted;
  for (const Tensor& tensor : watched) wanted.push_back(key_of(tensor));
  return pull_back_to(outputs, seeds, wanted);
}

NoGradScope::NoGradScope() : previous_(tracking_enabled()) { set_tracking(false); }
NoGradScope::~NoGradScope() { set_tracking(previous_); }

bool is_tracking() { return tracking_enabled(); }

}  // namespace sinter
