// What Tensor and State handles point to.
#ifndef SINTER_TENSOR_IMPL_H_
#define SINTER_TENSOR_IMPL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ir/axis_origins.h"
#include "ir/graph.h"
#include "sinter/tensor.h"
#include "tensor/storage.h"

namespace sinter {

class Recorder;

// What a value is: memory, or a value of the graph that is being traced.
struct Payload {
  ir::TensorType type;
  std::shared_ptr<Storage> storage;  // null in a trace
  std::int64_t offset = 0;           // bytes into the storage; elements are dense and row-major
  ir::ValueId value = -1;            // in a trace: the graph's value
  std::uint64_t trace = 0;           // which trace; 0: none

  bool is_symbolic() const { return storage == nullptr; }
  std::byte* memory() const { return storage->memory() + offset; }
};

// How an op made its results, kept while one of them can still be reached: the tape of autograd.
// Results are held as payloads, so that a record does not keep itself alive.
struct Record {
  const ir::Op* op = nullptr;
  std::vector<Tensor> inputs;
  ir::Attributes attributes;
  std::vector<std::shared_ptr<const ir::Graph>> bodies;
  std::vector<Payload> results;
  std::uint64_t sequence = 0;  // ascending in recording order
  SourceLocation location;
  std::string scope;
};

struct TensorImpl {
  Payload payload;
  std::shared_ptr<const Record> record;  // null: a leaf or untracked
  std::int32_t result = 0;               // which of the record's results
  std::uint64_t leaf = 0;                // a watched Tensor or State read: its id; 0: none
  std::shared_ptr<const ir::AxisOrigins> origins;  // null: all axes are plain

  bool is_tracked() const { return record != nullptr || leaf != 0; }
};

inline Tensor make_tensor(Payload payload) {
  auto impl = std::make_shared<TensorImpl>();
  impl->payload = std::move(payload);
  return Tensor(std::move(impl));
}

// The same value, with other origins of its axes.
inline Tensor with_origins(const Tensor& x, std::shared_ptr<const ir::AxisOrigins> origins) {
  auto impl = std::make_shared<TensorImpl>(*x.impl());
  impl->origins = std::move(origins);
  return Tensor(std::move(impl));
}

// What follow_axes gives for these inputs; null where all axes are plain.
std::shared_ptr<const ir::AxisOrigins> origins_after(ir::AxisRule rule,
                                                     std::span<const Tensor> inputs,
                                                     const ir::Attributes& attributes,
                                                     const Shape& result);

// A concrete value of `type` with fresh memory on the current device, or on that of `backend`.
Payload allocate_payload(const ir::TensorType& type);
Payload allocate_payload(const ir::TensorType& type, backend::Backend* backend);

// Copies `bytes` from one back end's memory to another's, or the same one's.
void copy_memory(backend::Backend& to_backend, void* to, backend::Backend& from_backend,
                 const void* from, std::size_t bytes);

// The bytes of a concrete value where the host can read them: its own memory, or a copy that this
// holds.
class HostBytes {
 public:
  explicit HostBytes(const Payload& payload)
      : HostBytes(*payload.storage->backend(), payload.memory(),
                  static_cast<std::size_t>(payload.type.bytes())) {}
  HostBytes(backend::Backend& backend, const void* memory, std::size_t bytes);

  const std::byte* data() const { return data_; }

 private:
  std::vector<std::byte> copy_;
  const std::byte* data_;
};

struct StateImpl;

// A State's value rounded to a 16-bit type, for programs of lower precision (compile/low_copies.h).
// It is up to date while `version` is the State's total_version().
struct LowCopy {
  std::shared_ptr<StateImpl> state;
  std::uint64_t version = 0;
};

// The cell behind State handles. Its memory is its own, or a part of an arena's.
struct StateImpl {
  std::uint64_t id = 0;
  std::string name;
  ir::TensorType type;
  std::shared_ptr<Storage> storage;
  std::int64_t offset = 0;             // bytes
  std::shared_ptr<StateImpl> arena;    // the flat State that it is a part of; null: none
  std::int64_t arena_offset = 0;       // elements
  bool is_parameter = false;           // an optimizer updates it
  bool is_configuration = false;       // traces depend on its value
  std::uint64_t version = 0;           // counts writes
  std::atomic<int> users{0};           // how many read its memory now, or kWriter
  std::mutex snapshot_mutex;           // threads may read at once
  Payload snapshot;                    // the last one taken,
  std::uint64_t snapshot_version = 0;  // at this version; valid when snapshot.storage is set

  std::mutex low_mutex;             // guards
  std::vector<LowCopy> low_copies;  // at most one of each type

  static constexpr int kWriter = -1;

  std::byte* memory() const { return storage->memory() + offset; }
  // Writes of the arena change its parts too, and the other way round.
  std::uint64_t total_version() const { return version + (arena ? arena->version : 0); }
  void count_write() {
    ++version;
    if (arena) ++arena->version;
  }
};

// Takes a State's memory for reading, with any number of others, or for writing, alone; false when
// that cannot be now, and then *others says who has it: readers, or kWriter. For the cell that owns
// the memory: an arena rather than its parts.
bool begin_use(StateImpl& owner, bool writes, int* others);
void end_use(StateImpl& owner, bool writes);

// How many times States of this process have been moved into an arena.
std::uint64_t moved_states_version();

// What State::value() gives.
Tensor read_state(const std::shared_ptr<StateImpl>& state);

// Ids of States and watched tensors; never 0, never the same twice in a process.
std::uint64_t next_id();

// The name that ModuleScopes give to ops recorded now: "block1.conv2".
const std::string& current_module_scope();

// Whether the thread records for gradients.
bool tracking_enabled();
void set_tracking(bool enabled);

}  // namespace sinter

#endif  // SINTER_TENSOR_IMPL_H_
