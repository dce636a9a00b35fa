#include "harness/vm/libvirt/orphans.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "harness/base/text.h"
#include "harness/vm/libvirt/files.h"
#include "harness/vm/libvirt/xml.h"

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

constexpr char kBetween = '@';  // the parts of a pool's name

bool is_plain(const std::string& text) {
  return std::ranges::all_of(
      text, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.'; });
}

void remove_orphaned_pools(LibvirtConnection& connection, LibvirtConnection::Patience patience) {
  std::vector<StoragePoolHandle> orphans;
  (void)connection.call("looking for files that nobody waits for", patience, [&] {
    virStoragePoolPtr* pools = nullptr;
    const int count = virConnectListAllStoragePools(connection.get(), &pools, 0);
    for (int i = 0; i < count; ++i) {
      StoragePoolHandle one(pools[i]);
      const char* name = virStoragePoolGetName(one.get());
      if (name != nullptr && is_orphaned_pool(name)) orphans.push_back(std::move(one));
    }
    std::free(pools);
    return count;
  });
  for (const StoragePoolHandle& one : orphans)
    (void)connection.call("removing files that nobody waits for", patience,
                          [&] { return remove_pool(one.get()); });
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

std::string pool_name(const std::string& machine, const results::Owner& owner) {
  if (!is_plain(owner.host) || !is_plain(owner.boot_id)) return machine;
  return fmt::format("{1}{0}{2}{0}{3}{0}{4}{0}{5}", kBetween, machine, owner.host, owner.boot_id,
                     owner.pid, owner.start_ticks);
}

bool is_orphaned_pool(const std::string& name) {
  const auto parts = split(name, kBetween);
  if (!name.starts_with(kDomainPrefix) || parts.size() != 5) return false;
  const auto pid = to_number<std::int64_t>(parts[3]);
  const auto ticks = to_number<std::uint64_t>(parts[4]);
  return pid && *pid > 0 && ticks &&
         !results::may_be_alive({.host = std::string(parts[1]),
                                 .boot_id = std::string(parts[2]),
                                 .pid = *pid,
                                 .start_ticks = *ticks});
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
  remove_orphaned_pools(connection, patience);
  return ended;
}

}  // namespace ktrial::vm
