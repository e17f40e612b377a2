#include "backend/cuda/emulated/stream.h"

#include <algorithm>
#include <map>
#include <utility>

#include "backend/cuda/emulated/memory.h"

namespace sinter_emulated {
namespace {

const std::shared_ptr<Stream>& default_stream() {
  static const auto& stream = *new std::shared_ptr<Stream>(std::make_shared<Stream>(true));
  return stream;
}

// Destroyed streams stay until what is in them is done, as in CUDA.
struct Streams {
  std::map<Stream*, std::shared_ptr<Stream>> live;
  std::vector<std::shared_ptr<Stream>> destroyed;
};
Streams& streams() {
  static Streams& the_streams = *new Streams;
  return the_streams;
}

std::vector<std::shared_ptr<Stream>> all_streams() {
  std::vector<std::shared_ptr<Stream>> all{default_stream()};
  for (const auto& [handle, stream] : streams().live) all.push_back(stream);
  for (const auto& stream : streams().destroyed) all.push_back(stream);
  return all;
}

void push(Stream& stream, Task task) {
  stream.tasks.push_back(std::move(task));
  ++stream.enqueued;
}

// A task that waits for what is in `other` now.
void push_wait(Stream& stream, std::shared_ptr<Stream> other, std::uint64_t position) {
  if (other.get() == &stream || other->completed >= position) return;
  push(stream, [other = std::move(other), position] { drain(*other, position); });
}

std::map<Event*, std::shared_ptr<Event>>& events() {
  static auto& the_events = *new std::map<Event*, std::shared_ptr<Event>>;
  return the_events;
}

std::shared_ptr<Event> find_event(cudaEvent_t handle) {
  const auto found = events().find(handle);
  return found == events().end() ? nullptr : found->second;
}

// What a call that waits for one stream returns when that is captured.
cudaError_t refuse_capturing(Stream& stream) {
  if (stream.capture == nullptr) return cudaSuccess;
  if (stream.capture->is_invalid) return cudaErrorStreamCaptureInvalidated;
  stream.capture->is_invalid = true;
  return cudaErrorStreamCaptureUnsupported;
}

void merge(std::vector<std::size_t>& into, const std::vector<std::size_t>& more) {
  for (const std::size_t node : more) {
    if (std::find(into.begin(), into.end(), node) == into.end()) into.push_back(node);
  }
}

cudaError_t wait_in_capture(Stream& stream, const Event& event) {
  if (event.capture == nullptr) {
    if (event.stream == nullptr) return cudaSuccess;
    stream.capture->is_invalid = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (event.capture->has_ended) return cudaErrorCapturedEvent;
  if (event.capture->is_invalid) return cudaErrorStreamCaptureInvalidated;
  if (stream.capture == nullptr) {
    // The stream may still have work of before; that is not part of the graph.
    stream.capture = event.capture;
    stream.frontier = event.frontier;
    return cudaSuccess;
  }
  if (stream.capture != event.capture) {
    stream.capture->is_invalid = true;
    event.capture->is_invalid = true;
    return cudaErrorStreamCaptureMerge;
  }
  merge(stream.frontier, event.frontier);
  return cudaSuccess;
}

// Nodes are numbered in the order of capture, so that dependencies have smaller numbers.
bool all_nodes_lead_to(const Graph& graph, const std::vector<std::size_t>& frontier) {
  std::vector<bool> is_reached(graph.nodes.size());
  for (const std::size_t node : frontier) is_reached[node] = true;
  for (std::size_t node = graph.nodes.size(); node-- > 0;) {
    if (!is_reached[node]) return false;
    for (const std::size_t dependency : graph.nodes[node].dependencies)
      is_reached[dependency] = true;
  }
  return true;
}

}  // namespace

std::shared_ptr<Stream> find_stream(cudaStream_t handle) {
  if (handle == nullptr) return default_stream();
  const auto found = streams().live.find(handle);
  return found == streams().live.end() ? nullptr : found->second;
}

cudaError_t submit(cudaStream_t handle, Task task) {
  const std::shared_ptr<Stream> stream = find_stream(handle);
  if (stream == nullptr) return cudaErrorInvalidResourceHandle;
  if (stream->capture != nullptr) {
    Capture& capture = *stream->capture;
    if (capture.is_invalid) return cudaErrorStreamCaptureInvalidated;
    capture.graph->nodes.push_back({std::move(task), stream->frontier});
    stream->frontier = {capture.graph->nodes.size() - 1};
    return cudaSuccess;
  }
  if (handle == nullptr) {
    for (const auto& [other_handle, other] : streams().live) {
      if (!other->is_blocking) continue;
      if (other->capture != nullptr) {
        other->capture->is_invalid = true;
        return cudaErrorStreamCaptureImplicit;
      }
      push_wait(*stream, other, other->enqueued);
    }
  } else if (stream->is_blocking) {
    push_wait(*stream, default_stream(), default_stream()->enqueued);
  }
  push(*stream, std::move(task));
  return cudaSuccess;
}

void drain(Stream& stream, std::uint64_t position) {
  if (stream.completed >= position) return;
  const DeviceAccess access;
  while (stream.completed < position && !stream.tasks.empty()) {
    const Task task = std::move(stream.tasks.front());
    stream.tasks.pop_front();
    if (sticky_error() == cudaSuccess) task();
    ++stream.completed;
  }
}

void drain_for_host(Stream& stream) { drain(stream, stream.enqueued); }

void drain_all() {
  for (const auto& stream : all_streams()) drain(*stream, stream->enqueued);
  streams().destroyed.clear();
}

void drop_all_tasks() {
  for (const auto& stream : all_streams()) {
    stream->completed += stream->tasks.size();
    stream->tasks.clear();
  }
  streams().destroyed.clear();
}

std::uint64_t tasks_not_run() {
  std::uint64_t count = 0;
  for (const auto& stream : all_streams()) count += stream->tasks.size();
  return count;
}

bool spoil_captures(InCapture in_capture) {
  bool is_spoiled = false;
  for (const auto& [handle, stream] : streams().live) {
    if (stream->capture == nullptr) continue;
    Capture& capture = *stream->capture;
    const bool is_mine = capture.thread == std::this_thread::get_id();
    const bool forbids = in_capture == InCapture::kForbidden ||
                         capture.mode == cudaStreamCaptureModeGlobal ||
                         (capture.mode == cudaStreamCaptureModeThreadLocal && is_mine);
    if (!forbids) continue;
    capture.is_invalid = true;
    is_spoiled = true;
  }
  return is_spoiled;
}

}  // namespace sinter_emulated

using namespace sinter_emulated;

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return call("cudaStreamCreate", InCapture::kAllowed, [&] {
    if (stream == nullptr || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
    auto made = std::make_shared<Stream>(flags == cudaStreamDefault);
    *stream = made.get();
    streams().live[made.get()] = std::move(made);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return call("cudaStreamDestroy", InCapture::kAllowed, [&] {
    const auto found = streams().live.find(handle);
    if (found == streams().live.end()) return cudaErrorInvalidResourceHandle;
    if (found->second->capture != nullptr) found->second->capture->is_invalid = true;
    if (!found->second->tasks.empty()) streams().destroyed.push_back(found->second);
    streams().live.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return call("cudaStreamSynchronize", InCapture::kAllowed, [&] {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    const cudaError_t error = refuse_capturing(*stream);
    if (error == cudaSuccess) drain_for_host(*stream);
    return error;
  });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  return call("cudaStreamQuery", InCapture::kAllowed, [&] {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    const cudaError_t error = refuse_capturing(*stream);
    if (error != cudaSuccess || stream->tasks.empty()) return error;
    drain(*stream, stream->completed + 1);
    return cudaErrorNotReady;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return call("cudaDeviceSynchronize", InCapture::kForbidden, [] {
    drain_all();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned flags) {
  return call("cudaStreamWaitEvent", InCapture::kAllowed, [&] {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    const std::shared_ptr<Event> event = find_event(event_handle);
    if (stream == nullptr || event == nullptr) return cudaErrorInvalidResourceHandle;
    if (flags != cudaEventWaitDefault) return cudaErrorNotSupported;
    if (stream->capture != nullptr && stream->capture->is_invalid) {
      return cudaErrorStreamCaptureInvalidated;
    }
    if (stream->capture != nullptr || event->capture != nullptr) {
      return wait_in_capture(*stream, *event);
    }
    if (event->stream != nullptr) push_wait(*stream, event->stream, event->position);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call("cudaEventCreate", InCapture::kAllowed, [&] {
    const unsigned known = cudaEventBlockingSync | cudaEventDisableTiming;
    if (event == nullptr || (flags & ~known) != 0) return cudaErrorInvalidValue;
    auto made = std::make_shared<Event>((flags & cudaEventDisableTiming) == 0);
    *event = made.get();
    events()[made.get()] = std::move(made);
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call("cudaEventDestroy", InCapture::kAllowed, [&] {
    return events().erase(event) == 1 ? cudaSuccess : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
  return call("cudaEventRecord", InCapture::kAllowed, [&] {
    const std::shared_ptr<Event> event = find_event(handle);
    const std::shared_ptr<Stream> stream = find_stream(stream_handle);
    if (event == nullptr || stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (stream->capture != nullptr) {
      if (stream->capture->is_invalid) return cudaErrorStreamCaptureInvalidated;
      event->capture = stream->capture;
      event->frontier = stream->frontier;
      event->stream = nullptr;
      return cudaSuccess;
    }
    auto time = std::make_shared<std::chrono::steady_clock::time_point>();
    const cudaError_t error =
        submit(stream_handle, [time] { *time = std::chrono::steady_clock::now(); });
    if (error != cudaSuccess) return error;
    event->capture = nullptr;
    event->stream = stream;
    event->position = stream->enqueued;
    event->time = std::move(time);
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  return call("cudaEventSynchronize", InCapture::kAllowed, [&] {
    const std::shared_ptr<Event> event = find_event(handle);
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    if (event->capture != nullptr) {
      event->capture->is_invalid = true;
      return cudaErrorCapturedEvent;
    }
    if (event->stream != nullptr) drain(*event->stream, event->position);
    return cudaSuccess;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  return call("cudaEventQuery", InCapture::kUnsafe, [&] {
    const std::shared_ptr<Event> event = find_event(handle);
    if (event == nullptr) return cudaErrorInvalidResourceHandle;
    if (event->capture != nullptr) return cudaErrorCapturedEvent;
    if (event->stream == nullptr || event->stream->completed >= event->position) return cudaSuccess;
    drain(*event->stream, event->stream->completed + 1);
    return cudaErrorNotReady;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return call("cudaEventElapsedTime", InCapture::kAllowed, [&] {
    const std::shared_ptr<Event> from = find_event(start);
    const std::shared_ptr<Event> to = find_event(end);
    if (milliseconds == nullptr || from == nullptr || to == nullptr) return cudaErrorInvalidValue;
    for (const Event* event : {from.get(), to.get()}) {
      if (!event->is_timed || event->stream == nullptr) return cudaErrorInvalidResourceHandle;
      if (event->stream->completed < event->position) return cudaErrorNotReady;
    }
    *milliseconds = std::chrono::duration<float, std::milli>(*to->time - *from->time).count();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return call("cudaStreamBeginCapture", InCapture::kAllowed, [&] {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (handle == nullptr) return cudaErrorStreamCaptureUnsupported;
    if (stream->capture != nullptr) return cudaErrorIllegalState;
    stream->capture = std::make_shared<Capture>();
    stream->capture->origin = stream.get();
    stream->capture->mode = mode;
    stream->capture->thread = std::this_thread::get_id();
    stream->frontier.clear();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  return call("cudaStreamEndCapture", InCapture::kAllowed, [&] {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (graph == nullptr) return cudaErrorInvalidValue;
    *graph = nullptr;
    const std::shared_ptr<Capture> capture = stream->capture;
    if (capture == nullptr) return cudaErrorIllegalState;
    if (capture->origin != stream.get()) {
      capture->is_invalid = true;
      return cudaErrorStreamCaptureUnmatched;
    }
    const bool is_mine = capture->thread == std::this_thread::get_id();
    if (!is_mine && capture->mode != cudaStreamCaptureModeRelaxed) {
      return cudaErrorStreamCaptureWrongThread;
    }
    capture->has_ended = true;
    for (const auto& [other_handle, other] : streams().live) {
      if (other->capture == capture) other->capture = nullptr;
    }
    if (capture->is_invalid) return cudaErrorStreamCaptureInvalidated;
    if (!all_nodes_lead_to(*capture->graph, stream->frontier))
      return cudaErrorStreamCaptureUnjoined;
    *graph = capture->graph.release();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return call("cudaStreamIsCapturing", InCapture::kAllowed, [&] {
    const std::shared_ptr<Stream> stream = find_stream(handle);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (status == nullptr) return cudaErrorInvalidValue;
    *status = stream->capture == nullptr    ? cudaStreamCaptureStatusNone
              : stream->capture->is_invalid ? cudaStreamCaptureStatusInvalidated
                                            : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}
