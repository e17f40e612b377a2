#include "sinter/nn.h"

namespace sinter::nn {

void Sequential::append_module(const std::string& name, std::shared_ptr<Module> module) {
  add_child(name, *module);
  modules_->push_back(std::move(module));
  follow({});
}

std::size_t Sequential::size() const { return modules_->size(); }

const Module& Sequential::operator[](std::size_t index) const { return *modules_->at(index); }

Tensor Sequential::forward(const Tensor& x) const {
  Tensor y = x;
  for (const std::shared_ptr<Module>& module : *modules_) y = (*module)(y);
  return y;
}

Module::Features Sequential::follow(const Features& before) const {
  Features features = before;
  for (const std::shared_ptr<Module>& module : *modules_) features = module->follow(features);
  return features;
}

}  // namespace sinter::nn
