// Rows of many lengths through few programs, with the numbers that they have without padding.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "sinter/autograd.h"
#include "sinter/collate.h"
#include "sinter/compile.h"
#include "sinter/error.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

using data::Collate;
using data::length_buckets;
using data::unpad;
using Lengths = std::vector<std::int64_t>;

constexpr std::int64_t kWords = 13;
constexpr std::int64_t kWidth = 5;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<float> wave(std::int64_t count, double step) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(std::sin(step * static_cast<double>(i + 1)));
  }
  return values;
}

Batch text_of(std::int64_t length) {
  std::vector<std::int32_t> ids(static_cast<std::size_t>(length));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<std::int32_t>((i * i + 3 * i + static_cast<std::size_t>(length)) % kWords);
  }
  return Batch{{"ids", tensor(ids, {length})}};
}

// Embeddings, their mean, and their mean by attention; the loss and its gradients. With `lengths`
// undefined, of rows without padding.
class Network {
 public:
  std::vector<Tensor> operator()(const Tensor& ids, const Tensor& lengths) const {
    const std::int64_t rows = ids.dim(0);
    const std::int64_t length = ids.dim(1);
    const Tensor x = gather(table_, ids);  // (B, L, D)
    Tensor scores = sum(x * score_, {2});  // (B, L)
    Tensor average;                        // (B, D)
    if (lengths.defined()) {
      const Tensor valid = sequence_mask(lengths, length);
      scores = where(valid, scores, -kInfinity);
      const Tensor counts = reshape(cast(lengths, Dtype::f32), {rows, 1});
      average = sum(where(reshape(valid, {rows, length, 1}), x, 0.0), {1}) / counts;
    } else {
      average = mean(x, {1});
    }
    const Tensor shares = softmax(scores);
    const Tensor y = tanh(average + sum(x * reshape(shares, {rows, length, 1}), {1}));
    std::vector<Tensor> results = gradients(mean(y * y), std::vector<State>{table_, score_});
    results.push_back(y);
    results.push_back(shares);
    return results;
  }

 private:
  State table_{tensor(wave(kWords * kWidth, 0.7), {kWords, kWidth})};
  State score_{tensor(wave(kWidth, 1.3), {kWidth})};
};

TEST(Buckets, ServeAThousandLengthsByFewPrograms) {
  const Network network;
  const Lengths buckets = length_buckets(1, 1000);
  ASSERT_LE(buckets.size(), 24U);
  const std::vector<Collate> how = {{.field = "ids",
                                     .kind = Collate::Kind::pad,
                                     .fill = 1,
                                     .buckets = buckets,
                                     .lengths = "lengths"}};
  int traces = 0;
  CompiledFunction padded(
      [&](const std::vector<Tensor>& inputs) {
        ++traces;
        return network(inputs[0], inputs[1]);
      },
      "padded", {.programs = static_cast<int>(buckets.size()), .retraces = false});
  CompiledFunction exact(
      [&](const std::vector<Tensor>& inputs) { return network(inputs[0], Tensor()); }, "exact",
      {.retraces = false});
  for (int round = 0; round < 2; ++round) {
    for (std::int64_t length = 1; length <= 1000; ++length) {
      const Batch text = text_of(length);
      const Batch batch = data::collate({&text, 1}, how);
      std::vector<Tensor> got = padded.call(batch.tensors());
      if (round > 0) continue;
      const std::vector<Tensor> expected = exact.call({reshape(text["ids"], {1, length})});
      got.back() = reshape(unpad(got.back(), batch["lengths"])[0], {1, length});
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].to_vector<float>(), expected[i].to_vector<float>()) << length << " " << i;
      }
    }
  }
  EXPECT_EQ(traces, static_cast<int>(buckets.size()));
}

TEST(Buckets, KeepEachRowOfABatchAsItIsAlone) {
  const Network network;
  std::vector<Batch> texts;
  for (const std::int64_t length : {17, 1, 40, 33, 200}) texts.push_back(text_of(length));
  const std::vector<Collate> how = {{.field = "ids",
                                     .kind = Collate::Kind::pad,
                                     .buckets = length_buckets(1, 300),
                                     .lengths = "lengths"}};
  const Batch batch = data::collate(texts, how);
  EXPECT_EQ(batch["ids"].dim(1), 216);
  CompiledFunction padded(
      [&](const std::vector<Tensor>& inputs) { return network(inputs[0], inputs[1]); });
  const std::vector<Tensor> got = padded.call(batch.tensors());
  const std::vector<Tensor> shares = unpad(got[3], batch["lengths"]);
  for (std::size_t row = 0; row < texts.size(); ++row) {
    const Tensor ids = texts[row]["ids"];
    const std::vector<Tensor> alone = network(reshape(ids, {1, ids.dim(0)}), Tensor());
    const auto at = static_cast<std::int64_t>(row);
    EXPECT_EQ(slice(got[2], 0, at, at + 1).to_vector<float>(), alone[2].to_vector<float>()) << row;
    EXPECT_EQ(shares[row].to_vector<float>(), alone[3].to_vector<float>()) << row;
  }
}

TEST(Buckets, GrowByAFactorInMultiples) {
  EXPECT_EQ(length_buckets(20, 400, 1.5), (Lengths{24, 32, 48, 72, 104, 152, 224, 336, 400}));
  EXPECT_EQ(length_buckets(0, 5, 2, 1), (Lengths{1, 2, 4, 5}));
  EXPECT_EQ(length_buckets(0, 0), (Lengths{8}));
  EXPECT_EQ(length_buckets(64, 64), (Lengths{64}));
  for (const double growth : {1.01, 1.1, 1.25, 2.0, 10.0}) {
    for (const std::int64_t multiple : {1, 8, 64}) {
      const Lengths buckets = length_buckets(3, 2000, growth, multiple);
      ASSERT_GE(buckets.back(), 2000);
      std::size_t at = 0;
      for (std::int64_t n = 3; n <= 2000; ++n) {
        while (buckets[at] < n) ++at;
        EXPECT_EQ(buckets[at] % multiple, 0);
        EXPECT_LT(static_cast<double>(buckets[at]),
                  growth * static_cast<double>(n) + static_cast<double>(multiple))
            << n << " growth " << growth << " multiple " << multiple;
      }
    }
  }
}

TEST(Buckets, RefuseRangesThatAreNone) {
  EXPECT_EQ(error_of([] { length_buckets(5, 4); }),
            "length_buckets: no range of lengths; got 5 to 4; expected 0 <= shortest <= longest");
  EXPECT_NE(error_of([] { length_buckets(-1, 4); }).find("no range"), std::string::npos);
  for (const double growth : {1.0, 0.5, std::nan(""), kInfinity}) {
    EXPECT_NE(error_of([&] { length_buckets(1, 4, growth); }).find("do not grow"),
              std::string::npos);
  }
  EXPECT_EQ(error_of([] { length_buckets(1, 4, 2, 0); }),
            "length_buckets: no multiple; got 0; expected 1 or more");
}

TEST(Unpad, TakesRowsApart) {
  const Tensor padded = iota({2, 3, 2}, 1);
  const std::vector<Tensor> rows = unpad(padded, tensor(std::vector<std::int32_t>{3, 1}, {2}));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].shape(), (Shape{3, 2}));
  EXPECT_EQ(rows[0].to_vector<std::int32_t>(), (std::vector<std::int32_t>{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(rows[1].to_vector<std::int32_t>(), (std::vector<std::int32_t>{0, 0}));
  const Tensor empty = unpad(padded, tensor(std::vector<std::int64_t>{0, 2}, {2}))[0];
  EXPECT_EQ(empty.shape(), (Shape{0, 2}));
  EXPECT_TRUE(unpad(zeros({0, 3}), zeros({0}, Dtype::i32)).empty());
}

TEST(Unpad, GivesBackWhatWasCollated) {
  std::vector<Batch> texts;
  for (const std::int64_t length : {4, 0, 9}) texts.push_back(text_of(length));
  const std::vector<Collate> how = {
      {.field = "ids", .kind = Collate::Kind::pad, .fill = -1, .lengths = "lengths"}};
  const Batch batch = data::collate(texts, how);
  const std::vector<Tensor> rows = unpad(batch["ids"], batch["lengths"]);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(rows[i].shape(), texts[i]["ids"].shape());
    EXPECT_EQ(rows[i].to_vector<std::int32_t>(), texts[i]["ids"].to_vector<std::int32_t>());
  }
}

TEST(Unpad, RefusesOtherLengths) {
  const Tensor padded = zeros({2, 3});
  const auto lengths = [](std::vector<std::int32_t> values) {
    const auto count = static_cast<std::int64_t>(values.size());
    return tensor(values, {count});
  };
  EXPECT_EQ(error_of([&] {
              unpad(padded, lengths({3, 4}));
            }),
            "unpad: a row's length is outside of what was padded; got 4; expected 0 to 3");
  EXPECT_NE(error_of([&] { unpad(padded, lengths({-1, 1})); }).find("outside"), std::string::npos);
  EXPECT_EQ(error_of([&] { unpad(padded, lengths({1})); }),
            "unpad: not a length for each row; got i32(1,); expected i32 or i64 (2,)");
  EXPECT_NE(error_of([&] { unpad(padded, zeros({2})); }).find("not a length"), std::string::npos);
  EXPECT_EQ(error_of([] { unpad(zeros({2}), zeros({2}, Dtype::i32)); }),
            "unpad: no padded rows; got f32(2,); expected (B, L, ...)");
}

}  // namespace
}  // namespace sinter
