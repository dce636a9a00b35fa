#include "harness/cli/kernel_documents.h"

namespace ktrial::cli {
using results::Json;

Json list_document(const std::vector<kernel::PackagedKernel>& kernels) {
  Json list = Json::array();
  for (const auto& kernel : kernels)
    list.push_back({{"reference", kernel.reference()},
                    {"package", kernel.package},
                    {"version", kernel.version},
                    {"bytes", kernel.size},
                    {"cached", kernel.cached}});
  return results::document({{"kernels", std::move(list)}});
}

Json get_document(const std::vector<FetchedKernel>& kernels) {
  Json list = Json::array();
  for (const auto& [reference, kernel, companions] : kernels) {
    Json one{{"reference", reference},         {"release", kernel.release},
             {"arch", kernel.arch->name},      {"source", kernel.source},
             {"image", kernel.image.string()}, {"sha256", kernel.sha256}};
    for (const Companion& companion : companions)
      one[companion.name] = companion.path.empty() ? Json() : Json(companion.path);
    list.push_back(std::move(one));
  }
  return results::document({{"kernels", std::move(list)}});
}

Json build_document(const kernel::Built& built) {
  return results::document({{"kernel", built.directory.string()},
                            {"commit", built.commit},
                            {"cached", built.cached},
                            {"compiled", built.compiled},
                            {"seconds", static_cast<double>(built.took.count()) / 1000}});
}

Json check_document(const std::string& config, const std::vector<WorkloadLacks>& lacks) {
  Json list = Json::array();
  for (const auto& [name, options] : lacks) {
    Json missing = Json::array();
    for (const auto& option : options) missing.push_back(kernel::describe(option));
    list.push_back({{"name", name}, {"missing", std::move(missing)}});
  }
  return results::document({{"config", config}, {"workloads", std::move(list)}});
}

}  // namespace ktrial::cli
