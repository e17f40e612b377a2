#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <cstdlib>

#include "base/file.h"
#include "sinter/autograd.h"
#include "sinter/io.h"
#include "sinter/ops.h"
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

void check_text(const char* what, const std::string& recorded, const std::string& now,
                const std::string& hint) {
  if (recorded == now) return;
  raise({.where = "resume", .what = what, .got = now, .expected = recorded, .hint = hint});
}

}  // namespace

std::string last_checkpoint_path(const std::string& folder) {
  return folder + "/checkpoints/last.safetensors";
}

struct Trainer::Impl {
  Job job;
  Options options;
  CompiledFunction step;
  Progress progress;
  std::optional<data::Loader> loader;
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
        step([this](const std::vector<Tensor>& batch) { return train_step(batch); }, "train step") {
  }

  std::vector<Tensor> train_step(const std::vector<Tensor>& batch) const {
    const Tensor loss = job.loss(batch[0], batch[1]);
    const std::vector<Tensor> dx = gradients(loss, job.optimizer->parameters());
    job.optimizer->step(dx, isfinite(loss));
    return {loss};
  }

  std::vector<NamedState> all_states() const {
    std::vector<NamedState> states = job.states;
    for (NamedState& state : job.optimizer->states()) states.push_back(std::move(state));
    return states;
  }

  std::string best_path() const { return options.folder + "/checkpoints/best.safetensors"; }

  Observer::Step current(double loss) const {
    const double seconds = seconds_since(run_start);
    const auto samples = static_cast<double>(result.steps_run * job.batch);
    return {.step = progress.step,
            .steps = job.steps,
            .epoch = progress.epochs + 1,
            .loss = loss,
            .samples_per_second = seconds > 0 ? samples / seconds : 0};
  }

  void save(const std::string& path) {
    metrics_log.sync();
    progress.position = loader->position();
    progress.metrics_bytes = metrics_log.bytes();
    progress.seconds = earlier_seconds + seconds_since(run_start);
    io::Texts texts = to_texts(progress);
    texts["config"] = options.config;
    texts["environment"] = options.environment;
    io::save_checkpoint(path, all_states(), texts);
  }

  void save_last() {
    save(last_checkpoint_path(options.folder));
    last_checkpoint = Clock::now();
    timing_log.append(fmt::format("{{\"step\":{},\"seconds\":{:.3f},\"samples_per_s\":{:.1f}}}\n",
                                  progress.step, progress.seconds, current(0).samples_per_second));
  }

  // Reads the last checkpoint, if there is one to go on from.
  void restore() {
    const std::string path = last_checkpoint_path(options.folder);
    const io::Texts texts = io::read_texts(path);
    const auto text = [&](const char* name) {
      const auto found = texts.find(name);
      return found == texts.end() ? std::string() : found->second;
    };
    check_text("the settings are not those of the checkpoint", text("config"), options.config,
               "a run goes on with the settings that it began with");
    if (!options.force) {
      check_text("this is not the environment of the checkpoint", text("environment"),
                 options.environment,
                 "the same bits cannot be promised; --force goes on all the same");
    }
    progress = progress_from_texts(path, texts);
    io::load_checkpoint(path, all_states());
    earlier_seconds = progress.seconds;
    result.resumed_from = progress.step;
  }

  void log_metrics(const std::string& split, const Metrics& metrics) {
    std::string line = fmt::format("{{\"step\":{},\"epoch\":{},\"split\":\"{}\"", progress.step,
                                   progress.epochs, split);
    for (const Metric& metric : metrics) {
      // JSON has no number that is not finite.
      line += std::isfinite(metric.value) ? fmt::format(",\"{}\":{}", metric.name, metric.value)
                                          : fmt::format(",\"{}\":null", metric.name);
    }
    metrics_log.append(line + "}\n");
  }

  void evaluate(const std::string& split, const Metrics& metrics) {
    log_metrics(split, metrics);
    Observer::Step at = current(metrics.front().value);
    at.epoch = progress.epochs;
    observer->on_evaluation(at, split, metrics);
  }

  // Behind an epoch's last step: what training gave, a validation, and checkpoints.
  void finish_epoch() {
    ++progress.epochs;
    const Metrics trained = {
        {"loss", progress.loss_sum / static_cast<double>(progress.loss_count)}};
    progress.loss_sum = 0;
    progress.loss_count = 0;
    evaluate("train", trained);
    Metrics validated;
    {
      const TrainingScope evaluating(false);
      const NoGradScope untracked;
      validated = job.validate();
    }
    evaluate("validation", validated);
    double objective = -HUGE_VAL;
    for (const Metric& metric : validated) {
      if (metric.name == job.objective) objective = metric.value;
    }
    if (!progress.best || objective > *progress.best) {
      progress.best = objective;
      save(best_path());
    }
    save_last();
  }

  [[noreturn]] void fail_not_finite(const data::Batch& batch, double loss) {
    const std::string first = step.find_first_nonfinite({batch.inputs, batch.targets});
    raise({.where = "step " + std::to_string(progress.step + 1),
           .what = "the loss is not finite",
           .got = fmt::format("{}", loss),
           .expected = {},
           .hint = (first.empty() ? "" : "the first such value comes from " + first + "; ") +
                   std::string("the weights and the last checkpoint are as before; try a smaller "
                               "learning rate")});
  }

  void train_batch(const data::Batch& batch) {
    const auto start = Clock::now();
    const double loss = step.call({batch.inputs, batch.targets})[0].item<float>();
    if (result.steps_run == 0) result.first_step_ms = 1000 * seconds_since(start);
    if (!std::isfinite(loss)) fail_not_finite(batch, loss);
    ++progress.step;
    ++result.steps_run;
    progress.loss_sum += loss;
    ++progress.loss_count;
    observer->on_step(current(loss));
    const bool due_by_steps =
        options.checkpoint_steps > 0 && progress.step % options.checkpoint_steps == 0;
    if (due_by_steps || seconds_since(last_checkpoint) >= options.checkpoint_seconds) save_last();
  }

  void stop_if_asked() {
    if (options.stop == nullptr || !options.stop->load()) return;
    save_last();
    throw Interrupted("interrupted at step " + std::to_string(progress.step) +
                      "; the checkpoint is written, --resume goes on from it");
  }

  void train_all() {
    data::Batch batch;
    // A checkpoint made right behind an epoch's last step.
    if (progress.loss_count > 0 && progress.position.batch == loader->batches_per_epoch()) {
      finish_epoch();
    }
    while (progress.step < job.steps) {
      stop_if_asked();
      if (loader->next(&batch)) {
        train_batch(batch);
      } else {
        finish_epoch();
      }
    }
    if (progress.loss_count > 0) finish_epoch();
  }

  // The model that did best is tested and written.
  void finish() {
    if (progress.best) io::load_checkpoint(best_path(), all_states());
    {
      const TrainingScope evaluating(false);
      const NoGradScope untracked;
      result.test = job.test();
    }
    evaluate("test", result.test);
    metrics_log.sync();
    io::save_weights(options.folder + "/model.safetensors", job.states,
                     {{"sinter", options.description}});
  }
};

Trainer::Trainer(Job job, Options options)
    : impl_(std::make_unique<Impl>(std::move(job), std::move(options))) {}
Trainer::~Trainer() = default;

ProgramReport Trainer::plan() {
  std::vector<std::int32_t> rows(static_cast<std::size_t>(impl_->job.batch), 0);
  const data::Batch batch = impl_->job.data->batch(rows, {});
  const TrainingScope training(true);
  return impl_->step.report({batch.inputs, batch.targets});
}

Result Trainer::run(Observer& observer) {
  Impl& impl = *impl_;
  impl.observer = &observer;
  create_directories(impl.options.folder + "/checkpoints");
  if (impl.options.resume) impl.restore();
  impl.metrics_log.open(impl.options.folder + "/metrics.jsonl", impl.progress.metrics_bytes);
  impl.timing_log.open_at_end(impl.options.folder + "/timing.jsonl");
  impl.loader.emplace(impl.job.data, data::LoaderOptions{.batch = impl.job.batch,
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
  result.samples_per_second = impl.current(0).samples_per_second;
  result.planned_bytes = plan().memory.total;
  impl.finish();
  result.steps = impl.progress.step;
  result.epochs = impl.progress.epochs;
  result.train_seconds = impl.earlier_seconds + seconds;
  result.seconds_run = seconds;
  result.peak_bytes = peak_resident_bytes();
  return result;
}

}  // namespace sinter::train
