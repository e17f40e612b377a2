// A vendor's library is looked for where it may be, and what is wrong with it is said in one line.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "../base/temporary_folder.h"
#include "backend/cuda/vendor/library.h"

namespace sinter::backend::cuda::device {
namespace {

using Function = void (*)();

// CUDA_HOME with a value while this lives.
class CudaHome {
 public:
  explicit CudaHome(const std::string& folder) {
    if (const char* const before = std::getenv("CUDA_HOME")) before_.emplace(before);
    setenv("CUDA_HOME", folder.c_str(), 1);
  }
  ~CudaHome() {
    if (before_) {
      setenv("CUDA_HOME", before_->c_str(), 1);
    } else {
      unsetenv("CUDA_HOME");
    }
  }
  CudaHome(const CudaHome&) = delete;
  CudaHome& operator=(const CudaHome&) = delete;

 private:
  std::optional<std::string> before_;
};

TEST(VendorLibrary, IsAFileWhereTheNameHasASlash) {
  VendorLibrary library({SINTER_FAKE_CUDA});
  Function function = nullptr;
  library.find("sinter_cuda_api", function);
  EXPECT_NE(function, nullptr);
  EXPECT_EQ(library.problem(), "");

  VendorLibrary missing({"/nowhere/libmade_up.so"});
  EXPECT_EQ(missing.problem().find("/nowhere/libmade_up.so: "), 0U) << missing.problem();
  missing.find("sinter_cuda_api", function);
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(missing.problem().find("/nowhere/libmade_up.so: "), 0U) << missing.problem();
}

TEST(VendorLibrary, IsFoundInCudaHomeByTheFirstNameThatIsThere) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "lib64");
  std::filesystem::copy_file(SINTER_FAKE_CUDA, folder / "lib64/libsinter_made_up.so.12");
  const CudaHome home(folder.path());
  VendorLibrary library({"libsinter_made_up.so.13", "libsinter_made_up.so.12"});
  EXPECT_EQ(library.problem(), "");
  Function function = nullptr;
  library.find("sinter_cuda_api", function);
  EXPECT_NE(function, nullptr);
}

TEST(VendorLibrary, NotFoundNamesAllThatWereLookedFor) {
  const VendorLibrary library({"libsinter_made_up.so.15", "libsinter_made_up.so.14"});
  EXPECT_EQ(library.problem(),
            "libsinter_made_up.so.15 or libsinter_made_up.so.14 was not found by the loader, in "
            "CUDA_HOME or in /usr/local/cuda");
}

TEST(VendorLibrary, TheFirstThingThatIsWrongIsSaid) {
  const std::string path = SINTER_FAKE_CUDA;
  VendorLibrary library({path});
  library.require({2, 0}, {2, 0});
  library.require({3, 1}, {2, 9});
  EXPECT_EQ(library.problem(), "");
  library.require({1, 9}, {2, 0});
  const std::string old = path + " is version 1.9, at least 2.0 is needed";
  EXPECT_EQ(library.problem(), old);
  library.require({1, 1}, {1, 2});
  Function function = nullptr;
  library.find("not_there", function);
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(library.problem(), old);

  VendorLibrary other({path});
  other.find("not_there", function);
  other.find("sinter_cuda_api", function);
  EXPECT_NE(function, nullptr);
  EXPECT_EQ(other.problem(), path + " has no function not_there");
}

}  // namespace
}  // namespace sinter::backend::cuda::device
