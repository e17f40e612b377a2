// What tests of a reader share: a file with given bytes, the message that refuses it, and every
// truncation and change of one byte. Needs largest_allocation.cc among the program's sources.
#ifndef SINTER_TESTS_BASE_DAMAGED_FILE_H_
#define SINTER_TESTS_BASE_DAMAGED_FILE_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>

#include "largest_allocation.h"
#include "sinter/error.h"
#include "temporary_folder.h"

namespace sinter {

inline constexpr std::size_t kMegabyte = std::size_t{1} << 20;

class DamagedFileTest : public testing::Test {
 protected:
  // Makes path_ hold `content`, and begins to watch allocations.
  void put(const std::string& content) const {
    // Neither write_file() nor writing over the old file, which would both wait for the disk.
    std::filesystem::remove(path_);
    std::ofstream(path_, std::ios::binary) << content;
    largest_allocation = 0;
  }

  // The message with which `read` refuses the file, without the path that it must start with.
  template <class Read>
  std::string message_of(const Read& read) const {
    try {
      read();
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.substr(0, path_.size() + 2), path_ + ": ");
      EXPECT_EQ(message.find('\n'), std::string::npos);
      return message.substr(path_.size() + 2);
    }
    return "nothing was thrown";
  }

  // Whether `use`, which reads the file and checks what it got, accepts `content`. It takes little
  // memory whatever the file says.
  template <class Use>
  bool attack(const std::string& content, const Use& use) const {
    bool accepted = false;
    put(content);
    try {
      use();
      accepted = true;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).substr(0, path_.size()), path_);
    }
    EXPECT_LT(largest_allocation, kMegabyte);
    return accepted;
  }

  // Every truncation must be refused. Returns how many changes of one byte are accepted.
  template <class Use>
  int attack_everywhere(const std::string& content, const Use& use) const {
    for (std::size_t size = 0; size < content.size(); ++size) {
      EXPECT_FALSE(attack(content.substr(0, size), use)) << "truncated to " << size;
    }
    int accepted = 0;
    for (std::size_t at = 0; at < content.size(); ++at) {
      for (const int change : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
        std::string mutant = content;
        mutant[at] = static_cast<char>(mutant[at] ^ change);
        if (attack(mutant, use)) ++accepted;
      }
    }
    return accepted;
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_ / "file";
};

}  // namespace sinter

#endif  // SINTER_TESTS_BASE_DAMAGED_FILE_H_
