#include "harness/trial/own_modules.h"

#include "harness/guest_image/modules.h"
#include "harness/kernel/build/module_build.h"

namespace ktrial::trial {
namespace fs = std::filesystem;
namespace {

std::vector<std::string> own_modules(const spec::WorkloadInfo& info, const fs::path& source) {
  std::error_code error;
  if (!fs::exists(source / "Kbuild", error)) return {};
  if (fs::exists(source / "from-kernel", error)) return {"torture", info.name};
  return {"ktrial_" + info.name};
}

std::string place_of(const std::string& module) {
  return std::string(guest_image::kWorkloadsDir) + "/" + module + ".ko";
}

Result<bool> kernel_has(const kernel::Kernel& kernel, const std::vector<std::string>& modules,
                        std::vector<guest_image::Entry>& entries) {
  auto closure = KTRIAL_TRY(guest_image::closure(kernel, modules));
  if (closure.modules.size() != modules.size()) return false;
  for (guest_image::Module& module : closure.modules)
    entries.push_back(
        {place_of(module.name), guest_image::Bytes{std::move(module.contents)}, 0644});
  return true;
}

}  // namespace

Status add_own_modules(const spec::WorkloadInfo& workload, const kernel::Kernel& kernel,
                       const PrepareOptions& options, std::vector<guest_image::Entry>& entries) {
  const fs::path source = workload.directory / "module";
  const std::vector<std::string> modules = own_modules(workload, source);
  if (modules.size() > 1 && KTRIAL_TRY(kernel_has(kernel, modules, entries))) return {};
  for (const std::string& name : modules) {
    auto built = kernel::build_module(kernel, source, name,
                                      {.cache_dir = options.cache,
                                       .offline = options.offline,
                                       .progress = options.progress,
                                       .stop = options.stop});
    if (built) {
      entries.push_back({place_of(name), guest_image::HostFile{built->file}, 0644});
      if (!built->note.empty() && options.progress) options.progress(name + ".ko: " + built->note);
      continue;
    }
    if (built.error().kind != ErrorKind::environment) return std::unexpected(built.error());
    if (options.progress)
      options.progress(std::string(kNoModule) + built.error().message +
                       (built.error().hint.empty() ? "" : " (" + built.error().hint + ")"));
    return {};
  }
  return {};
}

}  // namespace ktrial::trial
