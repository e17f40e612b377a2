#include "backend/cuda/device/staging.h"

#include <algorithm>
#include <cstring>

#include "backend/cuda/device/failure.h"

namespace sinter::backend::cuda::device {
namespace {

constexpr std::size_t kAlignment = 256;  // of pieces, as of device memory

}  // namespace

PinnedMemory::PinnedMemory(std::size_t bytes) {
  check(cudaMallocHost(&memory_, bytes), "cudaMallocHost");
}
PinnedMemory::~PinnedMemory() { static_cast<void>(cudaFreeHost(memory_)); }

Event::Event(bool timed) {
  check(cudaEventCreateWithFlags(&event_, timed ? cudaEventDefault : cudaEventDisableTiming),
        "cudaEventCreateWithFlags");
}
Event::~Event() { static_cast<void>(cudaEventDestroy(event_)); }
void Event::record(cudaStream_t stream) {
  check(cudaEventRecord(event_, stream), "cudaEventRecord");
}
void Event::wait() const { check(cudaEventSynchronize(event_), "cudaEventSynchronize"); }

StagingRing::Piece& StagingRing::take(std::size_t bytes) {
  const std::size_t length = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (head_ + length > kBytes) head_ = 0;
  // Pieces are freed in the order in which they were taken: the oldest first, until none lies over
  // the range and one is free.
  for (int i = 0; i < kPieces; ++i) {
    Piece& oldest = pieces_[(next_ + i) % kPieces];
    const bool overlaps = oldest.begin < head_ + length && head_ < oldest.end;
    const bool in_flight = oldest.begin < oldest.end;
    if (!in_flight || (!overlaps && i > 0)) continue;
    oldest.copied.wait();
    oldest.begin = oldest.end = 0;
  }
  Piece& piece = pieces_[next_];
  next_ = (next_ + 1) % kPieces;
  piece.begin = head_;
  piece.end = head_ + length;
  head_ = piece.end;
  return piece;
}

void StagingRing::copy_in(cudaStream_t stream, void* to, const void* from, std::size_t bytes) {
  const auto* source = static_cast<const std::byte*>(from);
  auto* target = static_cast<std::byte*>(to);
  while (bytes > 0) {
    const std::size_t length = std::min(bytes, kPieceBytes);
    Piece& piece = take(length);
    std::byte* pinned = memory_.data() + piece.begin;
    std::memcpy(pinned, source, length);
    check(cudaMemcpyAsync(target, pinned, length, cudaMemcpyHostToDevice, stream),
          "cudaMemcpyAsync to the device");
    piece.copied.record(stream);
    source += length;
    target += length;
    bytes -= length;
  }
}

void ReadBack::copy_out(cudaStream_t stream, void* to, const void* from, std::size_t bytes) {
  const auto* source = static_cast<const std::byte*>(from);
  auto* target = static_cast<std::byte*>(to);
  const std::size_t pieces = (bytes + kHalfBytes - 1) / kHalfBytes;
  const auto length = [&](std::size_t piece) {
    return std::min(kHalfBytes, bytes - piece * kHalfBytes);
  };
  const auto half = [&](std::size_t piece) { return memory_.data() + piece % 2 * kHalfBytes; };
  for (std::size_t piece = 0; piece <= pieces; ++piece) {
    if (piece < pieces) {
      check(cudaMemcpyAsync(half(piece), source + piece * kHalfBytes, length(piece),
                            cudaMemcpyDeviceToHost, stream),
            "cudaMemcpyAsync to the host");
      filled_[piece % 2].record(stream);
    }
    if (piece > 0) {
      filled_[(piece - 1) % 2].wait();
      std::memcpy(target + (piece - 1) * kHalfBytes, half(piece - 1), length(piece - 1));
    }
  }
}

}  // namespace sinter::backend::cuda::device
