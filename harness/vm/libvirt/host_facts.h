// What a host has, and how busy it is, as its libvirt tells.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "harness/base/result.h"
#include "harness/vm/vm.h"

namespace ktrial::vm {

struct LibvirtHost {
  std::string name;             // as it calls itself
  int cpus = 0;                 // that are online
  std::int64_t memory_mib = 0;  // of it all
  // Nothing: it does not tell.
  std::optional<std::int64_t> free_mib = {};  // memory, with what its caches would give
  std::optional<double> busy_cpus = {};       // CPUs that worked, of late
  std::optional<double> others_cpus = {};     // of them for others than ktrial's machines
  std::string libvirt_version = {};
  int orphans_ended = 0;  // machines there whose ktrial is no more: orphans.h
};

// Connects, asks, and closes: a moment. An error if it does not answer in time. QEMU is not asked
// for: libvirt may have to examine it first, which takes half a minute where /dev/kvm lies.
Result<LibvirtHost> libvirt_host(boost::asio::io_context& io, const std::string& uri);

// What a host did at two instants, pure. `own_s`: CPU time of ktrial's machines.
struct HostLoad {
  FarTimes::Cpus cpus;
  double own_s = 0;
};
void add_load(const HostLoad& before, const HostLoad& after, LibvirtHost& host);

}  // namespace ktrial::vm
