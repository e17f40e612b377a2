// The CUDA library is found and checked, and every reason why there is none is said in one line.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "../base/temporary_folder.h"
#include "backend/cuda/library.h"
#include "backend/cuda/status.h"
#include "base/switches.h"
#include "fake_cuda.h"
#include "ir/internal_error.h"
#include "sinter/error.h"

namespace sinter::backend::cuda {
namespace {

// The fake library as a file of its own, with its own state.
FakeCuda& state_of_file() {
  void* const handle = dlopen(SINTER_FAKE_CUDA, RTLD_NOW | RTLD_LOCAL);
  auto* const find = reinterpret_cast<FakeCuda* (*)()>(dlsym(handle, "fake_cuda_state"));
  return *find();
}

class CudaLibraryTest : public testing::Test {
 protected:
  void SetUp() override { state_of_file().reset(); }
};

void expect_one_line(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

TEST_F(CudaLibraryTest, IsLoadedWhenItIsThere) {
  const Library library = load_library({"/nowhere/libsinter_cuda.so", SINTER_FAKE_CUDA});
  ASSERT_NE(library.api, nullptr) << library.problem;
  EXPECT_EQ(library.path, SINTER_FAKE_CUDA);
  const DeviceTable table = list_devices(library);
  EXPECT_EQ(table.problem, "");
  ASSERT_EQ(table.devices.size(), 2u);
  EXPECT_STREQ(table.devices[1].name, "Fake GPU 1");
}

TEST_F(CudaLibraryTest, NoLibrary) {
  const Library library = load_library({"/nowhere/libsinter_cuda.so", "/lib/x/libsinter_cuda.so"});
  EXPECT_EQ(library.api, nullptr);
  EXPECT_EQ(library.problem,
            "libsinter_cuda.so was not found in /nowhere, /lib/x (SINTER_CUDA_LIBRARY names it "
            "elsewhere)");
  EXPECT_EQ(list_devices(library).problem, library.problem);
  EXPECT_EQ(load_library({"/nowhere/my.so"}).problem, "/nowhere/my.so: there is no such file");
}

TEST_F(CudaLibraryTest, FilesThatAreNoLibrary) {
  const TemporaryFolder folder;
  std::ofstream(folder / "text.so") << "this is no library\n";
  expect_one_line(load_library({folder / "text.so"}).problem, "text.so");
  Dl_info info{};
  ASSERT_NE(dladdr(reinterpret_cast<void*>(static_cast<double (*)(double)>(std::cos)), &info), 0);
  expect_one_line(load_library({info.dli_fname}).problem, "no CUDA library of Sinter");
}

TEST_F(CudaLibraryTest, AbiThatDiffers) {
  state_of_file().abi = 3;
  const Library library = load_library({SINTER_FAKE_CUDA});
  EXPECT_EQ(library.api, nullptr);
  expect_one_line(library.problem, "made for another version of Sinter (ABI 3, expected " +
                                       std::to_string(kSinterCudaAbi) + ")");
  state_of_file().reset();
  state_of_file().table_bytes = 8;
  EXPECT_EQ(load_library({SINTER_FAKE_CUDA}).api, nullptr);
  expect_one_line(load_library({SINTER_FAKE_CUDA}).problem, "a table of 8 bytes, expected");
}

TEST_F(CudaLibraryTest, NoDriver) {
  state_of_file().count_status = kSinterCudaNoDriver;
  const DeviceTable table = list_devices(load_library({SINTER_FAKE_CUDA}));
  EXPECT_TRUE(table.devices.empty());
  expect_one_line(table.problem, "there is no NVIDIA driver");
}

TEST_F(CudaLibraryTest, DriverTooOld) {
  state_of_file().count_status = kSinterCudaOldDriver;
  state_of_file().text = "it supports CUDA 12.2, 13.0 is needed";
  expect_one_line(list_devices(load_library({SINTER_FAKE_CUDA})).problem,
                  "the NVIDIA driver is too old (it supports CUDA 12.2, 13.0 is needed)");
}

TEST_F(CudaLibraryTest, NoDevice) {
  state_of_file().device_count = 0;
  EXPECT_EQ(list_devices(load_library({SINTER_FAKE_CUDA})).problem, "there is no NVIDIA GPU");
}

TEST_F(CudaLibraryTest, TheSwitchNamesTheFile) {
  setenv("SINTER_CUDA_LIBRARY", "/some/where.so", 1);
  reload_switches();
  EXPECT_EQ(library_paths(), std::vector<std::string>{"/some/where.so"});
  unsetenv("SINTER_CUDA_LIBRARY");
  reload_switches();
  const std::vector<std::string> paths = library_paths();
  ASSERT_EQ(paths.size(), 3u);
  for (const std::string& path : paths) EXPECT_EQ(path.front(), '/') << path;
  EXPECT_TRUE(paths[2].ends_with("/../lib/sinter/libsinter_cuda.so")) << paths[2];
}

TEST(CudaStatus, EveryOneIsALineThatSaysWhatToDo) {
  for (int status = kSinterCudaNoDriver; status <= kSinterCudaNotTaken; ++status) {
    const std::string text = problem_text(status, "the\nlibrary's words");
    expect_one_line(text, "(the library's words)");
    EXPECT_EQ(text.find("failed ("), std::string::npos) << text << ": has no meaning of its own";
    if (status == kSinterCudaCompileError) {
      EXPECT_THROW(raise_status(status, "here", "words"), ir::InternalError);
    } else {
      EXPECT_THROW(raise_status(status, "here", "words"), Error);
    }
  }
  expect_one_line(hint_for(kSinterCudaNoCompiler), "libnvrtc.so");
}

}  // namespace
}  // namespace sinter::backend::cuda
