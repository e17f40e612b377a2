// Random numbers: Philox4x32-10 by position (Salmon et al. 2011), so that every element's bits
// follow from the seed and the order in which the ops were recorded, on every device and with any
// number of threads.
#ifndef SINTER_RANDOM_H_
#define SINTER_RANDOM_H_

#include <cstdint>

#include "sinter/tensor.h"

namespace sinter {

// A stream of random numbers: a State {seed, position}. Ops that draw advance it; a compiled step
// draws fresh numbers at every call, and a checkpoint that holds the State resumes the stream.
// Copies share the State, so they draw from one stream. Its state belongs to one thread at a time,
// as every State does.
//
//   Generator random(7);
//   const Tensor noise = random.normal({128, 64}) * 0.1;
class Generator {
 public:
  // On the current device. Equal seeds give equal streams. Made before compile(): within a traced
  // function it would be another one at every trace, which the second call refuses.
  explicit Generator(std::uint64_t seed);

  // A boolean mask, true with probability p, in steps of 2^-16. Throws Error unless 0 <= p <= 1.
  Tensor bernoulli(const Shape& shape, double p,
                   SourceLocation location = SourceLocation::current());
  // f32, uniform in [0, 1), in steps of 2^-24.
  Tensor uniform(const Shape& shape, SourceLocation location = SourceLocation::current());
  // f32, standard normal (Box and Muller 1958).
  Tensor normal(const Shape& shape, SourceLocation location = SourceLocation::current());

  // The State {seed, position}, i64 (2,).
  const State& state() const { return state_; }

 private:
  Tensor draw(std::int64_t counters);

  State state_;
};

// x (...) with each element zeroed with probability p and the others divided by 1 - p, whatever
// is_training() says: nn::Dropout asks that. (Srivastava et al. 2014.) Floating dtypes. Throws
// Error unless 0 <= p < 1.
Tensor dropout(Operand x, double p, Generator& generator);

}  // namespace sinter

#endif  // SINTER_RANDOM_H_
