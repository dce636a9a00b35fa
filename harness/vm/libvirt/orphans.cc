#include "harness/vm/libvirt/orphans.h"

#include <cstdlib>
#include <string_view>
#include <vector>

#include "harness/vm/libvirt/xml.h"
#include "results/store/owner.h"

namespace ktrial::vm {
namespace {

constexpr char kOwner[] = "ktrial_owner";

bool is_orphan(virDomainPtr domain) {
  const char* name = virDomainGetName(domain);
  if (name == nullptr || !std::string_view(name).starts_with(kDomainPrefix)) return false;
  char* text = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_DESCRIPTION, nullptr, 0);
  const std::string description = text != nullptr ? text : "";
  std::free(text);
  return is_orphaned(description);
}

}  // namespace

std::string domain_owner() {
  return results::Json{{kOwner, results::to_json(results::this_process())}}.dump();
}

bool is_orphaned(const std::string& description) {
  const auto parsed = results::Json::parse(description, nullptr, false);
  if (!parsed.is_object() || !parsed.contains(kOwner)) return false;
  const results::Owner owner = results::owner_from_json(parsed[kOwner]);
  return owner.pid > 0 && !results::may_be_alive(owner);
}

int end_orphans(LibvirtConnection& connection, LibvirtConnection::Patience patience) {
  std::vector<DomainHandle> orphans;
  (void)connection.call("looking for machines that nobody waits for", patience, [&] {
    virDomainPtr* domains = nullptr;
    const int count =
        virConnectListAllDomains(connection.get(), &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    for (int i = 0; i < count; ++i) {
      DomainHandle one(domains[i]);
      if (is_orphan(one.get())) orphans.push_back(std::move(one));
    }
    std::free(domains);
    return count;
  });
  int ended = 0;
  for (const DomainHandle& one : orphans)
    ended += connection
                 .call("ending a machine that nobody waits for", patience,
                       [&] { return virDomainDestroy(one.get()); })
                 .has_value();
  return ended;
}

}  // namespace ktrial::vm
