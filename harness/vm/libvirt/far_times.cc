// What a domain's host gave it, from libvirt's own counters.
//
// vcpu.N.time is the thread's CPU time, vcpu.N.delay its wait on a run queue (run_delay of
// schedstat). Where the host's kernel keeps no schedstat, libvirt tells a delay of 0.
#include <libvirt/libvirt.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string_view>

#include "harness/vm/libvirt/domain.h"
#include "harness/vm/libvirt/host_cpu_times.h"

namespace ktrial::vm {
namespace {

constexpr double kNs = 1e-9;

std::vector<FarTimes::Vcpu> vcpus_of(const virDomainStatsRecord& record) {
  std::map<unsigned, FarTimes::Vcpu> found;
  bool any_wait = false;
  for (int i = 0; i < record.nparams; ++i) {
    const virTypedParameter& one = record.params[i];
    unsigned cpu = 0;
    int end = 0;  // of what comes before the name
    if (one.type != VIR_TYPED_PARAM_ULLONG ||
        std::sscanf(one.field, "vcpu.%u.%n", &cpu, &end) != 1 || end == 0)
      continue;
    const double seconds = static_cast<double>(one.value.ul) * kNs;
    const std::string_view name = one.field + end;
    if (name == "time") found[cpu].ran_s = seconds;
    if (name == "delay") found[cpu].waited_s = seconds;
    any_wait = any_wait || (name == "delay" && seconds > 0);
  }
  std::vector<FarTimes::Vcpu> out;
  for (auto& [cpu, vcpu] : found) {
    vcpu.cpu = cpu;
    if (!any_wait) vcpu.waited_s.reset();
    out.push_back(vcpu);
  }
  return out;
}

}  // namespace

std::optional<FarTimes::Cpus> host_cpu_times(virConnectPtr connection) {
  int count = 0;
  if (virNodeGetCPUStats(connection, VIR_NODE_CPU_STATS_ALL_CPUS, nullptr, &count, 0) < 0 ||
      count <= 0)
    return std::nullopt;
  std::vector<virNodeCPUStats> stats(static_cast<std::size_t>(count));
  if (virNodeGetCPUStats(connection, VIR_NODE_CPU_STATS_ALL_CPUS, stats.data(), &count, 0) < 0)
    return std::nullopt;
  FarTimes::Cpus out;
  bool idle_told = false;
  for (const virNodeCPUStats& one : stats) {
    const std::string_view name = one.field;
    const double seconds = static_cast<double>(one.value) * kNs;
    if (name == VIR_NODE_CPU_STATS_IDLE || name == VIR_NODE_CPU_STATS_IOWAIT)
      out.idle_s += seconds;
    else if (name != VIR_NODE_CPU_STATS_UTILIZATION)
      out.busy_s += seconds;
    idle_told = idle_told || name == VIR_NODE_CPU_STATS_IDLE;
  }
  return idle_told ? std::optional(out) : std::nullopt;
}

Result<FarTimes> LibvirtDomain::times(Patience patience) {
  virDomainStatsRecordPtr* records = nullptr;
  virDomainPtr domains[] = {domain_.get(), nullptr};
  KTRIAL_TRY(connection_.call("asking what the host gave the domain", patience, [&] {
    // Without waiting for QEMU, which may be busy or stopped.
    return virDomainListGetStats(domains, VIR_DOMAIN_STATS_VCPU, &records,
                                 VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
  }));
  FarTimes out;
  if (records != nullptr && records[0] != nullptr) out.vcpus = vcpus_of(*records[0]);
  virDomainStatsRecordListFree(records);
  // What it cannot tell is no error: others may.
  (void)connection_.call("asking how busy the host is", patience, [&] {
    out.host = host_cpu_times(connection_.get());
    return out.host ? 0 : -1;
  });
  return out;
}

}  // namespace ktrial::vm
