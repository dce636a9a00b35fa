#include "harness/vm/libvirt/host_facts.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "harness/spec/timeouts.h"
#include "harness/vm/libvirt/connection.h"
#include "harness/vm/libvirt/host_cpu_times.h"
#include "harness/vm/libvirt/libvirt_vm.h"
#include "harness/vm/libvirt/orphans.h"
#include "harness/vm/libvirt/xml.h"

namespace ktrial::vm {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{500};
constexpr std::uint64_t kKibOfMib = 1024;

// Of all of ktrial's machines that are there, whoever runs them; those that ended count no more.
double own_cpu_seconds(virConnectPtr connection) {
  virDomainStatsRecordPtr* records = nullptr;
  const int count = virConnectGetAllDomainStats(
      connection, VIR_DOMAIN_STATS_CPU_TOTAL, &records,
      VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
  double out = 0;
  for (int i = 0; i < count; ++i) {
    const char* name = virDomainGetName(records[i]->dom);
    unsigned long long ns = 0;
    if (name != nullptr && std::string_view(name).starts_with(kDomainPrefix) &&
        virTypedParamsGetULLong(records[i]->params, records[i]->nparams, "cpu.time", &ns) == 1)
      out += static_cast<double>(ns) * 1e-9;
  }
  virDomainStatsRecordListFree(records);
  return out;
}

std::optional<HostLoad> load_of(virConnectPtr connection) {
  const auto cpus = host_cpu_times(connection);
  if (!cpus) return std::nullopt;
  return HostLoad{*cpus, own_cpu_seconds(connection)};
}

// Guests' RAM is a file in memory, so it is among the caches, free as far as ktrial's own go.
std::optional<std::int64_t> free_mib(virConnectPtr connection) {
  int count = 0;
  constexpr int kAll = VIR_NODE_MEMORY_STATS_ALL_CELLS;
  if (virNodeGetMemoryStats(connection, kAll, nullptr, &count, 0) < 0 || count <= 0)
    return std::nullopt;
  std::vector<virNodeMemoryStats> stats(static_cast<std::size_t>(count));
  if (virNodeGetMemoryStats(connection, kAll, stats.data(), &count, 0) < 0) return std::nullopt;
  std::uint64_t kib = 0;
  for (const virNodeMemoryStats& one : stats) {
    const std::string_view name = one.field;
    if (name == VIR_NODE_MEMORY_STATS_FREE || name == VIR_NODE_MEMORY_STATS_BUFFERS ||
        name == VIR_NODE_MEMORY_STATS_CACHED)
      kib += one.value;
  }
  return kib == 0 ? std::nullopt : std::optional(static_cast<std::int64_t>(kib / kKibOfMib));
}

}  // namespace

void add_load(const HostLoad& before, const HostLoad& after, LibvirtHost& host) {
  const double busy = after.cpus.busy_s - before.cpus.busy_s;
  const double all = busy + after.cpus.idle_s - before.cpus.idle_s;
  if (all <= 0) return;
  const double seconds = all / std::max(1, host.cpus);
  const double own = std::max(0.0, after.own_s - before.own_s);
  host.busy_cpus = busy / seconds;
  host.others_cpus = std::max(0.0, busy - own) / seconds;
}

Result<LibvirtHost> libvirt_host(boost::asio::io_context& io, const std::string& uri) {
  const auto patience = spec::host_wait(spec::HostWait::host_answer);
  auto connection = KTRIAL_TRY(open_libvirt(io, libvirt_uri(uri), patience));
  virNodeInfo info{};
  unsigned long version = 0;
  KTRIAL_TRY(connection.call("asking what the host has", patience, [&] {
    return virNodeGetInfo(connection.get(), &info) == 0
               ? virConnectGetLibVersion(connection.get(), &version)
               : -1;
  }));
  LibvirtHost out{.cpus = static_cast<int>(info.cpus),
                  .memory_mib = static_cast<std::int64_t>(info.memory / kKibOfMib),
                  .libvirt_version = libvirt_version_text(version)};
  out.orphans_ended = end_orphans(connection, patience);
  // What follows may be refused, but not for lack of an answer.
  std::optional<HostLoad> before;
  (void)connection.call("asking how busy the host is", patience, [&] {
    if (char* host = virConnectGetHostname(connection.get())) {
      out.name = host;
      std::free(host);
    }
    out.free_mib = free_mib(connection.get());
    before = load_of(connection.get());
    return 0;
  });
  if (!before) return out;
  std::this_thread::sleep_for(kBetweenLooks);
  (void)connection.call("asking how busy the host is", patience, [&] {
    if (const auto after = load_of(connection.get())) add_load(*before, *after, out);
    return 0;
  });
  return out;
}

}  // namespace ktrial::vm
