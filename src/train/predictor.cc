#include "sinter/predictor.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "base/parallel.h"
#include "sinter/autograd.h"
#include "sinter/compile.h"
#include "sinter/ops.h"
#include "sinter/run.h"
#include "sinter/system.h"

namespace sinter {

namespace {

constexpr const char* kWhere = "predict";

// A task that reads fields of rows, and only one, takes that.
train::RawRows raw_rows_of(const train::Task& task) {
  if (task.raw) return *task.raw;
  if (task.inputs.size() != 1) {
    raise({.where = kWhere,
           .what = "this network does not take its rows as one array",
           .got = {},
           .expected = {},
           .hint = "sinter predict reads files and JSON lines"});
  }
  const train::InputField field = task.inputs.front();
  return {.shape = field.shape,
          .batch =
              [field](const Tensor& rows) {
                return Batch{{field.name, cast(rows, field.dtype)}};
              },
          .result = [](const Batch& outputs) { return outputs.entries().front().tensor; }};
}

std::string device_for(const PredictorOptions& options) {
  if (options.device.empty()) return current_device();
  const DeviceScope scope(options.device);
  return current_device();
}

}  // namespace

struct Predictor::Impl {
  Impl(train::Task of, const PredictorOptions& chosen)
      : task(std::move(of)),
        raw(raw_rows_of(task)),
        device(device_for(chosen)),
        options(chosen),
        forward(
            [this](const std::vector<Tensor>& rows) -> std::vector<Tensor> {
              const Tensor answers = raw.result(task.forward(raw.batch(rows.front())));
              return {cast(answers, Dtype::f32)};
            },
            "predict",
            {.programs = task.programs, .retraces = false, .precision = task.precision}) {}

  void check(const Shape& shape, Dtype dtype) const {
    bool fits = shape.rank() == raw.shape.rank() + 1;
    for (int axis = 0; fits && axis < raw.shape.rank(); ++axis) {
      fits = shape[axis + 1] == raw.shape[axis];
    }
    if (fits) return;
    std::string expected = "(rows";
    for (const std::int64_t length : raw.shape) expected += fmt::format(", {}", length);
    raise({.where = kWhere,
           .what = "these are no rows that the network takes",
           .got = std::string(name_of(dtype)) + shape.to_string(),
           .expected = expected + (raw.shape.rank() == 0 ? ",)" : ")"),
           .hint = {}});
  }

  const train::Task task;
  const train::RawRows raw;
  const std::string device;
  const PredictorOptions options;
  CompiledFunction forward;
};

namespace {

// What holds in the calling thread during a call.
class Calling {
 public:
  Calling(const std::string& device, bool alone) : device_(device) {
    if (alone) caller_only_.emplace();
  }

 private:
  DeviceScope device_;
  TrainingScope evaluating_{false};
  NoGradScope untracked_;
  std::optional<parallel::CallerOnly> caller_only_;
};

}  // namespace

Predictor::Predictor(train::Task task, const PredictorOptions& options)
    : impl_(std::make_shared<Impl>(std::move(task), options)) {}

const Shape& Predictor::row_shape() const { return impl_->raw.shape; }

Tensor Predictor::predict(const Tensor& rows) const {
  impl_->check(rows.shape(), rows.dtype());
  const Calling calling(impl_->device, rows.dim(0) <= impl_->options.rows_in_caller);
  return impl_->forward.call({rows}).front();
}

void Predictor::predict(const View& rows, std::span<float> answers) const {
  impl_->check(rows.shape(), rows.dtype());
  const Calling calling(impl_->device, rows.shape()[0] <= impl_->options.rows_in_caller);
  const std::span<std::byte> result = std::as_writable_bytes(answers);
  impl_->forward.call_into({&rows, 1}, {&result, 1});
}

Predictor load(const train::Recipes& recipes, const std::string& path,
               const PredictorOptions& options) {
  const DeviceScope scope(device_for(options));
  return Predictor(train::open_trained(recipes, path).task, options);
}

}  // namespace sinter
