// A recommender of two towers: users and items, known by numbers, meet in a module that takes two
// tensors and gives two. It learns which of 40 items each of 60 users likes.
#include <sinter/sinter.h>

#include <cstdio>
#include <cstdlib>
#include <tuple>
#include <utility>

namespace si = sinter;

// Each side scaled by a gate that sees both. A module says what it takes and gives; its parameters
// are named, its calls appear in plans, and errors in it name it, as with one tensor.
using Pair = std::pair<si::Tensor, si::Tensor>;
struct GatedCross : si::nn::ModuleOf<Pair(const si::Tensor&, const si::Tensor&)> {
  si::nn::Linear gate;

  explicit GatedCross(std::int64_t size) : gate(add("gate", si::nn::Linear(2 * size, size))) {}

  Pair forward(const si::Tensor& a, const si::Tensor& b) const override {
    const si::Tensor g = si::sigmoid(gate(si::concatenate({a, b}, 1)));
    return {a * g, b * (1.0 - g)};
  }
};

// Numbers of users and of items (N,) -> logits (N,).
struct Towers : si::nn::ModuleOf<si::Tensor(const si::Tensor&, const si::Tensor&)> {
  si::nn::Embedding users = add("users", si::nn::Embedding(60, 16));
  si::nn::Embedding items = add("items", si::nn::Embedding(40, 16));
  GatedCross cross = add("cross", GatedCross(16));

  si::Tensor forward(const si::Tensor& user, const si::Tensor& item) const override {
    const si::Tensor of_user = users(user);
    const auto [a, b] = cross(of_user, items(item));
    return si::sum(a * b, {1});
  }
};

// A user likes the items of its own kind, of which there are five.
si::Tensor kind(const si::Tensor& number) {
  const si::Tensor x = si::cast(number, si::Dtype::f32);
  return x - si::floor(x / 5.0) * 5.0;
}

int main() {
  si::manual_seed(1);
  const Towers towers;
  for (const si::NamedState& each : towers.states()) std::printf("%s ", each.name.c_str());
  std::printf("\n");

  si::optim::AdamW optimizer(towers.parameters(), {.lr = 2e-2});
  auto step = si::compile([&](const si::Tensor& user, const si::Tensor& item) {
    const si::Tensor kind_of_user = kind(user);
    const si::Tensor likes = si::cast(si::equal(kind_of_user, kind(item)), si::Dtype::f32);
    const si::Tensor logits = towers(user, item);
    const si::Tensor loss = si::binary_cross_entropy_with_logits(logits, likes);
    optimizer.step(si::gradients(loss, towers.parameters()));
    const si::Tensor right = si::equal(si::cast(logits > 0.0, si::Dtype::f32), likes);
    return std::tuple(loss, si::mean(si::cast(right, si::Dtype::f32)));
  });
  si::Generator random(2);
  const auto draw = [&](double count) {
    return si::cast(si::floor(random.uniform({512}) * count), si::Dtype::i32);
  };
  float share = 0;
  for (int i = 0; i <= 300; ++i) {
    const si::Tensor user = draw(60);
    const auto [loss, right] = step(user, draw(40));
    share = right.item<float>();
    if (i % 100 == 0)
      std::printf("step %3d  loss %.3f  right %.3f\n", i, loss.item<float>(), share);
  }
  return share > 0.95F ? EXIT_SUCCESS : EXIT_FAILURE;
}
