#include "sinter/print.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <sstream>
#include <vector>

#include "sinter/compile.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

using Floats = std::vector<float>;

TEST(Print, WritesElementsAndType) {
  EXPECT_EQ(to_string(tensor(Floats{1, 2.5f, 3, NAN}, {2, 2})),
            "tensor([[1.0000, 2.5000],\n"
            "        [3.0000,    nan]], f32(2, 2))");
  EXPECT_EQ(to_string(tensor(Floats{1, -20, 3}, {3})), "tensor([  1., -20.,   3.], f32(3,))");
  EXPECT_EQ(to_string(tensor(Floats{1e-6f, 1, INFINITY}, {3})),
            "tensor([1.0000e-06, 1.0000e+00,        inf], f32(3,))");
  EXPECT_EQ(to_string(tensor(std::vector<std::int64_t>{1, -12345678901}, {2})),
            "tensor([           1, -12345678901], i64(2,))");
  EXPECT_EQ(to_string(scalar(1, Dtype::boolean)), "tensor(true, bool scalar)");
  EXPECT_EQ(to_string(scalar(0.25, Dtype::f64)), "tensor(0.2500, f64 scalar)");
  EXPECT_EQ(to_string(zeros({0, 3})), "tensor([], f32(0, 3))");
  EXPECT_EQ(to_string(Tensor()), "tensor(empty handle)");
}

TEST(Print, SeparatesMatricesByAnEmptyLine) {
  EXPECT_EQ(to_string(reshape(iota({8}, 0), {2, 2, 2})),
            "tensor([[[0, 1],\n"
            "         [2, 3]],\n"
            "\n"
            "        [[4, 5],\n"
            "         [6, 7]]], i32(2, 2, 2))");
}

TEST(Print, SummarisesBeyondAThousandElements) {
  EXPECT_EQ(to_string(iota({1001}, 0)),
            "tensor([   0,    1,    2, ...,  998,  999, 1000], i32(1001,))");
  EXPECT_NE(to_string(iota({1000}, 0)).find(" 500,"), std::string::npos);
  const std::string matrix = to_string(reshape(iota({1200}, 0), {4, 300}));
  EXPECT_NE(matrix.find("[ 900,  901,  902, ..., 1197, 1198, 1199]]"), std::string::npos) << matrix;
}

TEST(Print, BreaksLongRows) {
  const std::string text = to_string(iota({100}, 0));
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    EXPECT_LE(end - begin, 80u);
    begin = end + 1;
  }
  EXPECT_GT(begin, 0u);
}

TEST(Print, ReadsHalves) {
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16}) {
    const std::uint16_t two = dtype == Dtype::bf16 ? 0x4000 : 0x4000;
    const Tensor x =
        filled({1}, dtype, [&](std::byte* memory) { std::memcpy(memory, &two, sizeof(two)); });
    EXPECT_EQ(to_string(x), "tensor([2.], " + std::string(name_of(dtype)) + "(1,))");
  }
}

TEST(Print, GoesThroughStreams) {
  std::ostringstream out;
  out << ones({2});
  EXPECT_EQ(out.str(), "tensor([1., 1.], f32(2,))");
}

TEST(Print, IsAnErrorInATrace) {
  CompiledFunction traced([](const std::vector<Tensor>& in) {
    to_string(in[0]);
    return in;
  });
  try {
    traced.call({ones({2})});
    ADD_FAILURE() << "printed a value that does not exist";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("print_test.cc"), std::string::npos) << message;
    EXPECT_NE(message.find("while its function is traced"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace sinter
