// Streams: queues of closures that run when somebody waits. Events; capture into graphs.
#ifndef SINTER_BACKEND_CUDA_EMULATED_STREAM_H_
#define SINTER_BACKEND_CUDA_EMULATED_STREAM_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "backend/cuda/emulated/include/cuda_runtime.h"
#include "backend/cuda/emulated/runtime.h"

namespace sinter_emulated {

using Task = std::function<void()>;

// A captured sequence, as a graph of tasks.
class Graph {
 public:
  struct Node {
    Task task;
    std::vector<std::size_t> dependencies;
  };
  std::vector<Node> nodes;
};

class GraphExec {
 public:
  std::vector<Task> tasks;  // in the order in which they run
};

class Stream;

// What goes on between cudaStreamBeginCapture and cudaStreamEndCapture.
struct Capture {
  Stream* origin;
  cudaStreamCaptureMode mode;
  std::thread::id thread;
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  bool is_invalid = false;
  bool has_ended = false;
};

class Stream {
 public:
  explicit Stream(bool is_blocking_stream) : is_blocking(is_blocking_stream) {}

  const bool is_blocking;  // ordered with the default stream
  std::deque<Task> tasks;
  std::uint64_t enqueued = 0;
  std::uint64_t completed = 0;
  // While it captures: into what, and the nodes that the next one comes after.
  std::shared_ptr<Capture> capture;
  std::vector<std::size_t> frontier;
};

class Event {
 public:
  explicit Event(bool is_timed_event) : is_timed(is_timed_event) {}

  const bool is_timed;
  // What it was recorded behind: the first `position` tasks of a stream ...
  std::shared_ptr<Stream> stream;
  std::uint64_t position = 0;
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
  // ... or nodes of a capture.
  std::shared_ptr<Capture> capture;
  std::vector<std::size_t> frontier;
};

// The stream of a handle (null: the default stream), or null when there is none.
std::shared_ptr<Stream> find_stream(cudaStream_t handle);

// Enqueues the task, or makes a node of the graph that the stream captures.
cudaError_t submit(cudaStream_t handle, Task task);

// Runs the stream's tasks until `position` of them are done. Tasks behind an error do not run.
void drain(Stream& stream, std::uint64_t position);
void drain_all();
// Runs what is in the stream, and in those that the default stream is ordered with.
void drain_for_host(Stream& stream);
void drop_all_tasks();
std::uint64_t tasks_not_run();

// Whether a capture goes on that forbids such a call; it is invalid from then on.
bool spoil_captures(InCapture in_capture);

}  // namespace sinter_emulated

#endif  // SINTER_BACKEND_CUDA_EMULATED_STREAM_H_
