// Many States in one flat piece of memory.
#ifndef SINTER_STATE_ARENA_H_
#define SINTER_STATE_ARENA_H_

#include <cstdint>
#include <vector>

#include "sinter/tensor.h"

namespace sinter {

// Moves the cells of `states` into one new State, the arena: a vector (E,) of their dtype that
// holds them one after the other in the given order, each from a 64-byte boundary on, with zeros
// in the gaps. offsets->at(i) becomes the position of the first element of states[i]; they ascend.
// Afterwards reading one of the states gives its slice of the arena, reshaped, and assigning it
// changes the arena; reading and assigning the arena does the same for all of them at once. Ids,
// names and values stay what they were. An optimizer updates its parameters as one vector this way.
// Throws Error when `states` is empty, when dtypes differ, and when a State is in an arena already
// ("is in another optimizer already"); then nothing has been moved.
State make_arena(const std::vector<State>& states, std::vector<std::int64_t>* offsets);

}  // namespace sinter

#endif  // SINTER_STATE_ARENA_H_
