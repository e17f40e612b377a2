#include "backend/cuda/groups/groups.h"

#include <array>
#include <utility>

#include "backend/cuda/backend.h"
#include "backend/cuda/groups/kernel_cache.h"

namespace sinter::backend::cuda {

bool takes_operand(const ir::Layout& layout) {
  for (int axis = layout.shape.rank() - 1; axis >= 0; --axis) {
    if (layout.shape[axis] == 1) continue;
    const std::int64_t stride = layout.strides[static_cast<std::size_t>(axis)];
    return stride == 0 || stride == 1;
  }
  return true;
}

std::int64_t group_workspace_bytes(const ir::Group& group) {
  return group_source(group).workspace_bytes;
}

Groups::Groups(CudaBackend& backend, const std::vector<const ir::Group*>& groups)
    : backend_(backend), module_(nullptr, ModuleDeleter{&backend.api()}) {
  std::vector<GroupSource> sources;
  bool has_launches = false;
  for (const ir::Group* group : groups) {
    sources.push_back(group_source(*group));
    has_launches = has_launches || !sources.back().launches.empty();
  }
  if (has_launches) load(program_source(sources));
  for (GroupSource& source : sources) {
    for (GroupLaunch& launch : source.launches) launch.text.clear();  // needed no more
    launches_.push_back(std::move(source.launches));
  }
}

void Groups::load(const std::string& source) {
  const SinterCudaApi& api = backend_.api();
  std::array<char, 64> version{};
  // Without a compiler, images from before serve; api.compile() says what is missing if there is
  // none.
  const std::int32_t status = api.compiler_version(version.data(), version.size());
  if (status != kSinterCudaNoCompiler) backend_.check(status, "compiling fused groups");
  const KernelKey key{.source = source,
                      .architecture = backend_.architecture(),
                      .is_emulated = backend_.is_emulated(),
                      .compiler_version = version.data()};
  const KernelImage image = KernelCache::instance().get(key, [&] {
    const void* made = nullptr;
    std::size_t bytes = 0;
    backend_.check(api.compile(source.c_str(), key.architecture, &made, &bytes),
                   "compiling fused groups");
    return std::string(static_cast<const char*>(made), bytes);
  });
  const std::lock_guard lock(backend_.mutex());
  SinterCudaModule* module = nullptr;
  backend_.check(api.load_module(backend_.context(), image->data(), image->size(), &module),
                 "loading fused groups");
  module_.reset(module);
}

void Groups::launch(std::size_t group, std::span<void* const> operands, void* workspace,
                    const std::string& place) const {
  arguments_.assign(1, workspace);
  arguments_.insert(arguments_.end(), operands.begin(), operands.end());
  for (const GroupLaunch& launch : launches_[group]) {
    const SinterCudaLaunch shape{
        .grid = {launch.grid, 1, 1}, .block = {launch.block, 1, 1}, .shared_bytes = 0};
    backend_.check(
        backend_.api().launch_module(backend_.context(), module_.get(), launch.kernel.c_str(),
                                     &shape, arguments_.data(), argument_bytes(operands.size())),
        place);
  }
}

}  // namespace sinter::backend::cuda
