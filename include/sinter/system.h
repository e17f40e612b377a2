// What this library is and runs on: threads and devices.
//
//   set_device("auto");  // the first GPU if there is one, before the model is made
//   std::puts(describe_device(current_device()).model.c_str());
#ifndef SINTER_SYSTEM_H_
#define SINTER_SYSTEM_H_

#include <cstdint>
#include <string>
#include <vector>

namespace sinter {

// "0.1.0"
const char* version();

// The number of threads that ops may use, the calling one included: what set_thread_count() said,
// else SINTER_THREADS, else what OpenMP offers (the CPUs that the process may run on,
// OMP_NUM_THREADS, OMP_THREAD_LIMIT), but no more than the quotas of its control groups pay for.
// Where OpenMP grants fewer, fewer compute, and small work is always the caller's alone. A process
// made by fork() computes in the thread that forked without others; threads that it starts use
// all. Throws Error when the switch SINTER_THREADS is not a number.
int thread_count();
// For the ops of all threads. Pointwise ops, reductions and random numbers have the same bits with
// any number; matrix products and convolutions repeat theirs for the same number. Throws Error
// unless 1 <= count <= 1024.
void set_thread_count(int count);

// A device that programs run on.
struct Device {
  std::string name = {};          // "cpu", "cuda:0"
  std::string model = {};         // "NVIDIA H200"; of the CPU its instruction set: see SystemInfo
  std::string architecture = {};  // "sm_90"; the same as `model` for the CPU
  std::int64_t memory_total = 0;  // bytes
  std::int64_t memory_free = 0;   // bytes, when asked
  bool emulated = false;          // the CPU stands in for a GPU, for tests
  std::string driver = {};        // of a GPU: the CUDA version that its driver supports, "13.0"
  std::string runtime = {};  // of a GPU: the CUDA version that Sinter's CUDA library was built with
};

struct DeviceList {
  std::vector<Device> devices;  // the CPU first
  std::string why_no_cuda;      // one line; empty when there is a GPU
  std::string cuda_library;     // the file; empty when none was found
  std::string cuda_compiler;    // "nvrtc 13.0", or why there is none; empty without a library
};
// Looks for GPUs, for which the CUDA library is loaded if it is there.
DeviceList devices();

// The device that Tensors and States are made on and ops run on: "cpu" at the start, unless the
// switch SINTER_DEVICE says otherwise.
std::string current_device();
// Makes another device the current one of all threads: "cpu", "cuda" (the first GPU), "cuda:N", or
// "auto" (what SINTER_DEVICE says, else the first GPU, else the CPU). Tensors and States stay where
// they were made, so call it before a model is made. Throws Error for any other name, and when the
// device cannot be used, saying why; then nothing has changed.
void set_device(const std::string& device);

// While one of these lives, its thread's current device is another one.
class DeviceScope {
 public:
  // Throws Error as set_device().
  explicit DeviceScope(const std::string& device);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  void* previous_;
};

// Whether a text has the form of a device's name: "auto", "cpu", "cuda" or "cuda:N".
bool is_device_name(const std::string& device);
// Throws Error, saying why, unless `device` names a device that programs can run on here.
void check_device(const std::string& device);

// A library that results depend on: "oneDNN", "2.6.3".
struct Library {
  std::string name;
  std::string version;
};

// What may change the last bits of a result besides the program itself.
struct SystemInfo {
  std::string device;  // current_device()
  std::string isa;     // "avx512", "avx2", "baseline" or "interpreter"; of a GPU "sm_90"
  int threads = 1;
  std::vector<Library> libraries;  // that the current device uses
};
SystemInfo system_info();

// The current device's entry of devices(), or that of another one. Throws Error, saying why, when
// programs cannot run on it here.
Device describe_device(const std::string& device);

}  // namespace sinter

#endif  // SINTER_SYSTEM_H_
