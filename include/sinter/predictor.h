// A trained network that answers.
//
//   const Predictor model = load("runs/image-1");  // recipes.h; or its model.safetensors
//   const Tensor p = model.predict(view(pixels, {1, 28, 28, 1}));
//   p.to_vector<float>();  // the probabilities of each row's classes
#ifndef SINTER_PREDICTOR_H_
#define SINTER_PREDICTOR_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sinter/recipe.h"
#include "sinter/view.h"

namespace sinter {

struct PredictorOptions {
  // Where it computes; empty: on the device that is current when it is made.
  std::string device = "";
  // Batches of at most so many rows are computed by the calling thread alone, so that callers do
  // not wait for each other's threads; larger ones by all threads (system.h).
  std::int64_t rows_in_caller = 32;
};

// Takes rows as they come (pixels from 0 to 255, columns in their units): what the network was
// trained on beside, such as a normalisation, is part of it. Gives what the recipe says of a row:
// probabilities of classes, or values in their unit, f32.
//
// Copies are handles to one model. Any number of threads may use it at once: its weights are only
// read, and each call that runs at the same time has a memory of its own, as planned, which is kept
// for the next. The bits of an answer depend on the shape of its batch, not on other calls. The
// first call of a shape compiles, which takes milliseconds.
class Predictor {
 public:
  // The weights are the task's States. Throws Error when the task does not say how rows enter it
  // (Task::raw), and for a device that cannot be used.
  explicit Predictor(train::Task task, const PredictorOptions& options = {});

  // The shape of one row: {28, 28, 1}.
  const Shape& row_shape() const;

  // (N, row...) of any dtype of numbers, in host memory or on the model's device -> (N, ...) on the
  // model's device. Throws Error for another shape.
  Tensor predict(const Tensor& rows) const;
  // The same into `answers`, in host memory, row by row. Once a shape was predicted nothing is
  // allocated, unless more threads than ever call at once; what oneDNN takes from the heap for a
  // run are blocks of less than 4 KiB. Throws Error, too, when `answers` has not as many elements
  // as there are answers; it is written last.
  void predict(const View& rows, std::span<float> answers) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// The network of a run's folder, or of its model.safetensors alone, of one of these recipes. Throws
// Error as train::open_trained() and the constructor.
Predictor load(const train::Recipes& recipes, const std::string& path,
               const PredictorOptions& options = {});

}  // namespace sinter

#endif  // SINTER_PREDICTOR_H_
