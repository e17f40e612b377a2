// The user function of the op scan. It stands here and not beside the op (ops/scan.cc) because it
// traces.
#include "sinter/scan.h"

#include "compile/scan/body_trace.h"

namespace sinter {

namespace {

[[noreturn]] void fail(SourceLocation location, std::string what, std::string got,
                       std::string expected, std::string hint = {}) {
  const std::string place = location.to_string();
  raise({.where = place.empty() ? "scan" : "scan [" + place + "]",
         .what = std::move(what),
         .got = std::move(got),
         .expected = std::move(expected),
         .hint = std::move(hint)});
}

void check_defined(SourceLocation location, const std::vector<Tensor>& tensors, const char* what) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].defined()) continue;
    fail(location, std::string(what) + " " + std::to_string(i) + " is an empty Tensor handle", "",
         "");
  }
}

std::int64_t length_of(const std::vector<Tensor>& xs, const ScanOptions& options,
                       SourceLocation location) {
  std::int64_t length = options.length;
  if (length < -1) fail(location, "a negative length", std::to_string(length), "");
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const std::string name = "sequence " + std::to_string(i);
    if (xs[i].rank() == 0) {
      fail(location, name + " has no leading axis to step along", xs[i].to_string(), "(T, ...)");
    }
    if (length >= 0 && xs[i].dim(0) != length) {
      fail(location, name + " has another number of steps", xs[i].to_string(),
           std::to_string(length) + " along the leading axis");
    }
    length = xs[i].dim(0);
  }
  if (length < 0) {
    fail(location, "the number of steps is not given", "no sequences and no length", "",
         "set ScanOptions::length");
  }
  return length;
}

void check_step(const ScanStep& step, const std::vector<Tensor>& carries, SourceLocation location) {
  if (step.carries.size() != carries.size()) {
    fail(location, "the body returns another number of carries",
         std::to_string(step.carries.size()), std::to_string(carries.size()));
  }
  if (step.carries.empty() && step.ys.empty()) {
    fail(location, "the body returns nothing", "", "carries or ys");
  }
  check_defined(location, step.carries, "the body's carry");
  check_defined(location, step.ys, "the body's y");
  for (std::size_t i = 0; i < carries.size(); ++i) {
    if (step.carries[i].shape() == carries[i].shape() &&
        step.carries[i].dtype() == carries[i].dtype()) {
      continue;
    }
    fail(location, "the body changes the type of carry " + std::to_string(i),
         step.carries[i].to_string(), carries[i].to_string());
  }
}

}  // namespace

ScanResult scan(const ScanBody& body, const std::vector<Tensor>& carries,
                const std::vector<Tensor>& xs, const ScanOptions& options,
                SourceLocation location) {
  check_defined(location, carries, "carry");
  check_defined(location, xs, "sequence");
  const std::size_t count = carries.size();
  const auto flat_body = [&](const std::vector<Tensor>& inputs) {
    const auto middle = inputs.begin() + static_cast<std::ptrdiff_t>(count);
    const ScanStep step = body({inputs.begin(), middle}, {middle, inputs.end()});
    check_step(step, carries, location);
    std::vector<Tensor> outputs = step.carries;
    outputs.insert(outputs.end(), step.ys.begin(), step.ys.end());
    return outputs;
  };
  const std::vector<Tensor> results = compile_detail::apply_scan(
      {carries, xs, {}, length_of(xs, options, location), options.reverse}, flat_body, location);
  const auto middle = results.begin() + static_cast<std::ptrdiff_t>(count);
  return {{results.begin(), middle}, {middle, results.end()}};
}

}  // namespace sinter
