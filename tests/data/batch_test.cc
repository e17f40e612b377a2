#include "sinter/batch.h"

#include <gtest/gtest.h>

#include "sinter/collate.h"
#include "sinter/compile.h"
#include "sinter/data.h"
#include "sinter/error.h"
#include "sinter/ops.h"

namespace sinter {
namespace {

Tensor floats(std::vector<float> values, const Shape& shape) { return tensor(values, shape); }

std::string error_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Batch, holds_tensors_by_name_in_their_order) {
  const Batch batch{{"x", zeros({3, 2})}, {"y", zeros({3})}};
  EXPECT_EQ(batch["y"].shape(), (Shape{3}));
  EXPECT_EQ(batch.names(), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(batch.bytes(), 3 * 2 * 4 + 3 * 4);
  EXPECT_EQ(error_of([&] { batch["z"]; }), "batch: there is no tensor 'z'; expected x, y");
}

TEST(Batch, refuses_names_and_tensors_that_are_none) {
  EXPECT_NE(error_of([] { Batch{{"", zeros({1})}}; }).find("no name"), std::string::npos);
  EXPECT_NE(error_of([] {
              Batch{{"x", zeros({1})}, {"x", zeros({1})}};
            }).find("one name"),
            std::string::npos);
  EXPECT_NE(error_of([] { Batch{{"x", Tensor()}}; }).find("undefined"), std::string::npos);
}

TEST(Batch, counts_rows_unless_told_otherwise) {
  Batch batch{{"x", zeros({3, 2})}, {"y", zeros({5})}};
  EXPECT_EQ(batch.count(), 3);
  EXPECT_FALSE(batch.has_own_weight());
  batch.set_weight(7.5);
  EXPECT_EQ(batch.count(), 7.5);
  EXPECT_EQ(batch.weight().dtype(), Dtype::f64);
  EXPECT_EQ((Batch{{"x", scalar(1)}}).count(), 1);
  EXPECT_EQ(Batch().count(), 0);
}

TEST(TensorDataset, gives_rows_of_every_tensor) {
  const data::TensorDataset set(Batch{{"x", floats({0, 1, 10, 11, 20, 21}, {3, 2})},
                                      {"y", tensor(std::vector<std::int32_t>{5, 6, 7}, {3})}});
  EXPECT_EQ(set.size(), 3);
  EXPECT_EQ(set.bytes(), 6 * 4 + 3 * 4);
  const std::vector<std::int32_t> rows = {2, 0, 2};
  const Batch batch = set.batch(rows, {});
  EXPECT_EQ(batch["x"].to_vector<float>(), (std::vector<float>{20, 21, 0, 1, 20, 21}));
  EXPECT_EQ(batch["y"].to_vector<std::int32_t>(), (std::vector<std::int32_t>{7, 5, 7}));
}

TEST(TensorDataset, refuses_what_has_no_rows) {
  EXPECT_THROW(data::TensorDataset{Batch()}, Error);
  EXPECT_THROW(data::TensorDataset(Batch{{"x", scalar(1)}}), Error);
  EXPECT_EQ(error_of([] {
              data::TensorDataset(Batch{{"x", zeros({3})}, {"y", zeros({4})}});
            }),
            "tensor data set, 'y': the tensors do not have equally many rows; got 4; expected 3; "
            "rows lie along the first axis of every tensor");
}

using data::Collate;

std::vector<Batch> two_rows() {
  return {Batch{{"text", tensor(std::vector<std::int32_t>{1, 2, 3}, {3})}, {"label", scalar(1)}},
          Batch{{"text", tensor(std::vector<std::int32_t>{4}, {1})}, {"label", scalar(0)}}};
}

TEST(Collate, pads_stacks_and_tells_lengths) {
  const std::vector<Collate> how = {
      {.field = "text", .kind = Collate::Kind::pad, .fill = -1, .lengths = "lengths"},
      {.field = "label"}};
  const Batch batch = data::collate(two_rows(), how);
  EXPECT_EQ(batch["text"].shape(), (Shape{2, 3}));
  EXPECT_EQ(batch["text"].to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{1, 2, 3, 4, -1, -1}));
  EXPECT_EQ(batch["lengths"].to_vector<std::int32_t>(), (std::vector<std::int32_t>{3, 1}));
  EXPECT_EQ(batch["label"].to_vector<float>(), (std::vector<float>{1, 0}));
  EXPECT_EQ(batch.count(), 2);
}

TEST(Collate, pads_to_the_least_bucket_that_holds_all) {
  std::vector<Collate> how = {{.field = "text", .kind = Collate::Kind::pad, .buckets = {2, 4, 8}}};
  EXPECT_EQ(data::collate(two_rows(), how)["text"].shape(), (Shape{2, 4}));
  how[0].buckets = {1, 2};
  EXPECT_EQ(error_of([&] { data::collate(two_rows(), how); }),
            "collate, 'text': a row is longer than every bucket; got 3; expected at most 2");
}

TEST(Collate, concatenates_with_offsets_and_sums_weights) {
  std::vector<Batch> rows = two_rows();
  rows[0].set_weight(3);
  rows[1].set_weight(1);
  const std::vector<Collate> how = {
      {.field = "text", .kind = Collate::Kind::concatenate, .lengths = "offsets"}};
  const Batch batch = data::collate(rows, how);
  EXPECT_EQ(batch["text"].to_vector<std::int32_t>(), (std::vector<std::int32_t>{1, 2, 3, 4}));
  EXPECT_EQ(batch["offsets"].to_vector<std::int32_t>(), (std::vector<std::int32_t>{0, 3, 4}));
  EXPECT_EQ(batch.count(), 4);
}

TEST(Collate, keeps_inner_axes_and_empty_rows) {
  const std::vector<Batch> rows = {Batch{{"x", zeros({0, 2})}}, Batch{{"x", ones({2, 2})}}};
  const std::vector<Collate> pad = {{.field = "x", .kind = Collate::Kind::pad, .fill = 5}};
  EXPECT_EQ(data::collate(rows, pad)["x"].to_vector<float>(),
            (std::vector<float>{5, 5, 5, 5, 1, 1, 1, 1}));
  const std::vector<Collate> all = {{.field = "x", .kind = Collate::Kind::concatenate}};
  EXPECT_EQ(data::collate(rows, all)["x"].shape(), (Shape{2, 2}));
}

TEST(Collate, refuses_rows_that_do_not_go_together) {
  const std::vector<Collate> stack = {{.field = "text"}};
  EXPECT_NE(error_of([&] { data::collate(two_rows(), stack); }).find("do not go together"),
            std::string::npos);
  const std::vector<Collate> none = {{.field = "sound"}};
  EXPECT_NE(error_of([&] { data::collate(two_rows(), none); }).find("a row lacks this field"),
            std::string::npos);
  EXPECT_THROW(data::collate({}, stack), Error);
  const std::vector<Collate> pad = {{.field = "label", .kind = Collate::Kind::pad}};
  EXPECT_NE(error_of([&] { data::collate(two_rows(), pad); }).find("a scalar has no length"),
            std::string::npos);
}

}  // namespace
}  // namespace sinter
