#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "sinter/io.h"
#include "sinter/system.h"
#include "sinter/train.h"
#include "train/append_log.h"
#include "train/progress.h"

namespace sinter::train {

using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

std::shared_ptr<const data::Dataset> rows_of(const Task& task, Split split) {
  std::shared_ptr<const data::Dataset> rows = task.data(split);
  if (rows && rows->size() > 0) return rows;
  raise({.where = "data",
         .what = std::string("there is no row for ") + name_of(split),
         .got = {},
         .expected = "at least one",
         .hint = {}});
}

const Metric& objective_of(const std::vector<Metric>& metrics, const std::string& name) {
  for (const Metric& metric : metrics) {
    if (metric.name == name) return metric;
  }
  raise({.where = "task",
         .what = "the objective is none of the metrics",
         .got = "'" + name + "'",
         .expected = {},
         .hint = {}});
}

}  // namespace

std::string last_checkpoint_path(const std::string& folder) {
  return folder + "/checkpoints/last.safetensors";
}

struct Trainer::Impl {
  // A step whose loss has not been looked at.
  struct Pending {
    Batch batch;
    TrainingStep::Outcome outcome;
    std::int64_t step = 0;  // updates done with it
  };

  Job job;
  Options options;
  std::shared_ptr<const data::Dataset> train_rows;
  TrainingStep step;
  Evaluator evaluator;
  Metric objective;
  Progress progress;
  std::optional<data::Loader> loader;
  std::vector<Pending> pending;
  std::size_t look_every;
  std::string kernels;           // that run the step (ProgramReport::chosen)
  std::string recorded_kernels;  // of the checkpoint that the run goes on from
  double units_run = 0;
  AppendLog metrics_log;
  AppendLog timing_log;
  Observer* observer = nullptr;
  Result result;
  Clock::time_point run_start;
  Clock::time_point last_checkpoint;
  double earlier_seconds = 0;  // of processes before this one

  Impl(Job given_job, Options given_options)
      : job(std::move(given_job)),
        options(std::move(given_options)),
        train_rows(rows_of(job.task, Split::train)),
        step([&task =
                  job.task](const Batch& batch) { return task.loss(task.forward(batch), batch); },
             *job.optimizer, job.step),
        evaluator(make_evaluator(job.task)),
        objective(objective_of(evaluator.metrics(), job.task.objective)) {
    constexpr std::int64_t kLookEvery = 16;
    const std::int64_t every =
        options.look_every > 0 ? options.look_every : (current_device() == "cpu" ? 1 : kLookEvery);
    look_every = static_cast<std::size_t>(every);
  }

  std::vector<NamedState> all_states() const {
    std::vector<NamedState> states = job.task.states;
    for (NamedState& state : job.optimizer->states()) states.push_back(std::move(state));
    for (NamedState& state : step.states()) states.push_back(std::move(state));
    return states;
  }

  std::string best_path() const { return options.folder + "/checkpoints/best.safetensors"; }

  Observer::Step current(double loss) const {
    const double seconds = seconds_since(run_start);
    return {.step = progress.step,
            .steps = job.steps,
            .epoch = progress.epochs + 1,
            .loss = loss,
            .units_per_second = seconds > 0 ? units_run / seconds : 0};
  }

  void save(const std::string& path) {
    metrics_log.sync();
    progress.position = loader->position();
    progress.accumulated = step.accumulated();
    progress.metrics_bytes = metrics_log.bytes();
    progress.seconds = earlier_seconds + seconds_since(run_start);
    io::Texts texts = to_texts(progress);
    texts["config"] = options.config.to_toml();
    texts["environment"] = options.environment;
    texts["kernels"] = kernels;
    io::save_checkpoint(path, all_states(), texts);
  }

  void save_last() {
    look();
    save(last_checkpoint_path(options.folder));
    last_checkpoint = Clock::now();
    timing_log.append(fmt::format("{{\"step\":{},\"seconds\":{:.3f},\"samples_per_s\":{:.1f}}}\n",
                                  progress.step, progress.seconds, current(0).units_per_second));
  }

  // Reads the last checkpoint, if there is one to go on from.
  void restore() {
    const std::string path = last_checkpoint_path(options.folder);
    const io::Texts texts = io::read_texts(path);
    const auto text = [&](const char* name) {
      const auto found = texts.find(name);
      return found == texts.end() ? std::string() : found->second;
    };
    Config recorded = options.config.defaults();
    recorded.read_toml(text("config"), path + ", its config");
    const std::string changed = options.config.first_difference(recorded);
    if (!changed.empty()) {
      raise({.where = "resume",
             .what = "'" + changed + "' is not what the checkpoint was made with",
             .got = options.config.value_text(changed),
             .expected = recorded.value_text(changed),
             .hint = "a run goes on with the settings that it began with"});
    }
    const std::string environment = text("environment");
    if (environment != options.environment && !options.force) {
      raise({.where = "resume",
             .what = "this is not the environment of the checkpoint",
             .got = options.environment,
             .expected = environment,
             .hint = "the same bits cannot be promised; --force goes on all the same"});
    }
    recorded_kernels = text("kernels");
    progress = progress_from_texts(path, texts);
    io::load_checkpoint(path, all_states());
    step.set_accumulated(progress.accumulated);
    earlier_seconds = progress.seconds;
    result.resumed_from = progress.step;
  }

  void log_metrics(const std::string& split, const MetricValues& values) {
    OrderedJson line{{"step", progress.step}, {"epoch", progress.epochs}, {"split", split}};
    for (const MetricValue& metric : values) line[metric.name] = metric.value;
    metrics_log.append(json_text(line) + "\n");
  }

  void report(const std::string& split, const MetricValues& values) {
    log_metrics(split, values);
    Observer::Step at = current(values.front().value);
    at.epoch = progress.epochs;
    observer->on_evaluation(at, split, values);
  }

  MetricValues evaluate(Split split) {
    if (step.averages()) step.swap_averages();
    MetricValues values = evaluator.evaluate(rows_of(job.task, split));
    if (step.averages()) step.swap_averages();
    return values;
  }

  // After an epoch's last step: what training gave, a validation, and checkpoints.
  void finish_epoch() {
    look();
    ++progress.epochs;
    const MetricValues trained = {{"loss", progress.loss_sum / progress.loss_weight}};
    progress.loss_sum = 0;
    progress.loss_weight = 0;
    progress.loss_count = 0;
    report("train", trained);
    const MetricValues validated = evaluate(Split::validation);
    report("validation", validated);
    const double value = *find_metric(validated, objective.name);
    if (!progress.best || objective.is_better(value, *progress.best)) {
      progress.best = value;
      save(best_path());
    }
    save_last();
  }

  [[noreturn]] void fail(const Pending& at, optim::Fault fault, double loss) {
    const std::string first = step.find_first_nonfinite(at.batch);
    const bool is_loss = fault == optim::Fault::loss;
    raise({.where = "step " + std::to_string(at.step),
           .what = is_loss ? "the loss is not finite" : "the gradients are not finite",
           .got = fmt::format("{}{}", is_loss ? "" : "a loss of ", loss),
           .expected = {},
           .hint = (first.empty() ? "" : "the first such value comes from " + first + "; ") +
                   std::string("the weights and the last checkpoint are as before; try a smaller "
                               "learning rate")});
  }

  // Looks at the losses of the steps since the last time, in their order.
  void look() {
    const std::vector<Pending> steps = std::exchange(pending, {});
    for (const Pending& each : steps) {
      const auto loss = static_cast<double>(each.outcome.loss.item<float>());
      const auto fault = each.outcome.fault.defined()
                             ? static_cast<optim::Fault>(each.outcome.fault.item<std::int32_t>())
                             : optim::Fault::none;
      if (fault != optim::Fault::none) fail(each, fault, loss);
      const double weight = each.batch.count();
      progress.loss_sum += loss * weight;
      progress.loss_weight += weight;
      ++progress.loss_count;
      units_run += weight;
      Observer::Step at = current(loss);
      at.step = each.step;
      observer->on_step(at);
    }
  }

  // Notes which kernels run the step. A run that goes on has those that it began with, since others
  // may give other bits; what checkpoints of before say nothing about is taken as it comes.
  void choose_kernels(const Batch& batch) {
    for (const std::string& line : step.report(batch).chosen) {
      kernels += (kernels.empty() ? "" : ", ") + line;
    }
    if (recorded_kernels.empty() || recorded_kernels == kernels || options.force) return;
    raise({.where = "resume",
           .what = "other kernels run the step than those that the checkpoint was made with",
           .got = kernels,
           .expected = recorded_kernels,
           .hint = "the same bits cannot be promised; --force goes on all the same"});
  }

  void train_batch(const Batch& batch) {
    const bool is_first = result.first_step_ms == 0;
    const auto start = Clock::now();
    if (is_first) choose_kernels(batch);
    TrainingStep::Outcome outcome = step(batch);
    const bool has_updated = step.accumulated() == 0;
    if (has_updated) {
      ++progress.step;
      ++result.steps_run;
    }
    pending.push_back({.batch = batch,
                       .outcome = std::move(outcome),
                       .step = progress.step + (has_updated ? 0 : 1)});
    if (is_first || pending.size() >= look_every) look();
    if (is_first) result.first_step_ms = 1000 * seconds_since(start);
    const bool due_by_steps = has_updated && options.checkpoint_steps > 0 &&
                              progress.step % options.checkpoint_steps == 0;
    if (due_by_steps || seconds_since(last_checkpoint) >= options.checkpoint_seconds) save_last();
  }

  void stop_if_asked() {
    if (options.stop == nullptr || !options.stop->load()) return;
    save_last();
    throw Interrupted("interrupted at step " + std::to_string(progress.step) +
                      "; the checkpoint is written, --resume goes on from it");
  }

  bool is_at_end_of_epoch() const {
    return progress.loss_count > 0 && progress.position.batch == loader->batches_per_epoch();
  }

  void train_all() {
    Batch batch;
    // A checkpoint made right after an epoch's last step.
    if (is_at_end_of_epoch()) finish_epoch();
    while (progress.step < job.steps) {
      stop_if_asked();
      if (loader->next(&batch)) {
        train_batch(batch);
      } else {
        finish_epoch();
      }
    }
    look();
    if (progress.loss_count > 0) finish_epoch();
  }

  // The model that did best is tested and written.
  void finish() {
    if (progress.best) io::load_checkpoint(best_path(), all_states());
    result.test = evaluate(Split::test);
    report("test", result.test);
    metrics_log.sync();
    if (step.averages()) step.swap_averages();
    io::save_weights(options.folder + "/model.safetensors", job.task.states,
                     {{"sinter", options.description}, {"settings", options.config.to_toml()}});
  }
};

Trainer::Trainer(Job job, Options options)
    : impl_(std::make_unique<Impl>(std::move(job), std::move(options))) {}
Trainer::~Trainer() = default;

ProgramReport Trainer::plan() {
  const std::vector<std::int32_t> rows(static_cast<std::size_t>(impl_->job.batch), 0);
  const Batch batch = impl_->train_rows->batch(rows, {});
  const TrainingScope training(true);
  return impl_->step.report(batch);
}

Result Trainer::run(Observer& observer) {
  Impl& impl = *impl_;
  impl.observer = &observer;
  create_directories(impl.options.folder + "/checkpoints");
  if (impl.options.resume) impl.restore();
  impl.metrics_log.open(impl.options.folder + "/metrics.jsonl", impl.progress.metrics_bytes);
  impl.timing_log.open_at_end(impl.options.folder + "/timing.jsonl");
  impl.loader.emplace(impl.train_rows, data::LoaderOptions{.batch = impl.job.batch,
                                                           .shuffle = true,
                                                           .drop_last = true,
                                                           .seed = impl.job.seed,
                                                           .start = impl.progress.position});
  observer.on_start(impl.result.resumed_from);
  impl.run_start = Clock::now();
  impl.last_checkpoint = impl.run_start;
  {
    const TrainingScope training(true);
    impl.train_all();
  }
  const double seconds = seconds_since(impl.run_start);
  Result& result = impl.result;
  result.units_per_second = impl.current(0).units_per_second;
  result.planned_bytes = plan().memory.total;
  result.kernels = impl.kernels;
  impl.finish();
  result.steps = impl.progress.step;
  result.epochs = impl.progress.epochs;
  result.train_seconds = impl.earlier_seconds + seconds;
  result.seconds_run = seconds;
  result.peak_bytes = peak_resident_bytes();
  return result;
}

}  // namespace sinter::train
