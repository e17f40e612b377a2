// The idx format, in which MNIST and its relatives are distributed.
#ifndef SINTER_DATA_IDX_H_
#define SINTER_DATA_IDX_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sinter/dtype.h"

namespace sinter::data {

// An array as it stands in memory: row-major, in this machine's byte order.
struct IdxArray {
  Dtype dtype = Dtype::u8;
  std::vector<std::int64_t> shape;  // 1 to 8 axes; lengths may be 0
  std::vector<std::uint8_t> bytes;  // product of shape times size_of(dtype)
};

// Reads an idx file, plain or compressed (gzip, xz, zstd or bzip2). The element types u8, i32, f32
// and f64 are kept, i8 and i16 become i32.
//
// The file is not trusted: a wrong magic number, lengths that overflow or say more than the file
// can hold, missing or surplus bytes and damaged compression are Errors that name the file and the
// byte, and memory is taken only as the data arrives.
IdxArray read_idx(const std::string& path);

}  // namespace sinter::data

#endif  // SINTER_DATA_IDX_H_
