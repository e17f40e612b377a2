#include "sinter/nn.h"

namespace sinter::nn {

Sequential::Sequential() { set_channel_flow(ChannelFlow::children); }

void Sequential::append_module(const std::string& name, std::shared_ptr<UnaryModule> module) {
  add_child(name, *module);
  modules_->push_back(std::move(module));
  find_feature_orders();
}

std::size_t Sequential::size() const { return modules_->size(); }

const UnaryModule& Sequential::operator[](std::size_t index) const { return *modules_->at(index); }

Tensor Sequential::forward(const Tensor& x) const {
  Tensor y = x;
  for (const std::shared_ptr<UnaryModule>& module : *modules_) y = (*module)(y);
  return y;
}

}  // namespace sinter::nn
