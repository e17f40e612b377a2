// Copies between the host's memory and the device's, through pinned memory of the library's own.
#ifndef SINTER_BACKEND_CUDA_DEVICE_STAGING_H_
#define SINTER_BACKEND_CUDA_DEVICE_STAGING_H_

#include <cstddef>

#include "backend/cuda/device/language.h"

namespace sinter::backend::cuda::device {

// Pinned memory; freed with the object.
class PinnedMemory {
 public:
  explicit PinnedMemory(std::size_t bytes);
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  std::byte* data() const { return static_cast<std::byte*>(memory_); }

 private:
  void* memory_ = nullptr;
};

// An event; destroyed with the object.
class Event {
 public:
  explicit Event(bool timed = false);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(cudaStream_t stream);
  void wait() const;
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

// Host to device: a ring of pinned memory in which pieces wait for their copies. A piece is taken
// again once the event after its copy has passed, so that the host runs ahead of the device by
// kPieces copies or kBytes, whichever comes first.
class StagingRing {
 public:
  static constexpr std::size_t kBytes = 8 << 20;
  static constexpr std::size_t kPieceBytes = 1 << 20;  // a longer copy is cut
  static constexpr int kPieces = 32;

  StagingRing() : memory_(kBytes) {}

  // `from` may change when this returns; the copy itself is enqueued.
  void copy_in(cudaStream_t stream, void* to, const void* from, std::size_t bytes);

 private:
  struct Piece {
    std::size_t begin = 0, end = 0;  // of the ring's memory; begin == end: free
    Event copied;
  };

  // Waits until the range lies over no piece in flight.
  Piece& take(std::size_t bytes);

  PinnedMemory memory_;
  Piece pieces_[kPieces];
  int next_ = 0;  // the piece that is used next: the oldest one
  std::size_t head_ = 0;
};

// Device to host: two pinned halves, so that one is copied out while the other is filled.
class ReadBack {
 public:
  static constexpr std::size_t kHalfBytes = 1 << 20;

  ReadBack() : memory_(2 * kHalfBytes) {}

  // After everything enqueued before; waits.
  void copy_out(cudaStream_t stream, void* to, const void* from, std::size_t bytes);

 private:
  PinnedMemory memory_;
  Event filled_[2];
};

}  // namespace sinter::backend::cuda::device

#endif  // SINTER_BACKEND_CUDA_DEVICE_STAGING_H_
