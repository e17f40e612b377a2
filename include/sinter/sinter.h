// All of Sinter: include this, or only the headers that you use.
//
//   #include <sinter/sinter.h>
//   namespace si = sinter;
//
// tensor.h     Tensors and States           ops.h, scan.h  what is computed with them
// autograd.h   gradients                    compile.h      a function as one program
// nn.h         layers, module.h one's own   optim.h        optimizers, schedules, clipping
// data.h       data sets and loaders        train.h        training with exact resume
// io.h         weights and checkpoints      system.h       devices and threads
// predictor.h  trained networks             view.h         memory of the caller's
// random.h     streams of random numbers    error.h        the one exception
#ifndef SINTER_SINTER_H_
#define SINTER_SINTER_H_

#include "sinter/autograd.h"
#include "sinter/batch.h"
#include "sinter/collate.h"
#include "sinter/command.h"
#include "sinter/compile.h"
#include "sinter/config.h"
#include "sinter/cost.h"
#include "sinter/data.h"
#include "sinter/dtype.h"
#include "sinter/error.h"
#include "sinter/file_layout.h"
#include "sinter/images.h"
#include "sinter/io.h"
#include "sinter/machine.h"
#include "sinter/metric.h"
#include "sinter/module.h"
#include "sinter/named_state.h"
#include "sinter/nn.h"
#include "sinter/ops.h"
#include "sinter/optim.h"
#include "sinter/predictor.h"
#include "sinter/print.h"
#include "sinter/random.h"
#include "sinter/recipe.h"
#include "sinter/recipes.h"
#include "sinter/run.h"
#include "sinter/scan.h"
#include "sinter/settings.h"
#include "sinter/shape.h"
#include "sinter/state_arena.h"
#include "sinter/state_scope.h"
#include "sinter/step.h"
#include "sinter/system.h"
#include "sinter/table.h"
#include "sinter/tensor.h"
#include "sinter/train.h"
#include "sinter/view.h"

#endif  // SINTER_SINTER_H_
