#include "harness/vm/libvirt/host_facts.h"

#include "harness/spec/timeouts.h"
#include "harness/vm/libvirt/connection.h"
#include "harness/vm/libvirt/libvirt_vm.h"

namespace ktrial::vm {

Result<LibvirtHost> libvirt_host(boost::asio::io_context& io, const std::string& uri) {
  const LibvirtInstall found = KTRIAL_TRY(find_libvirt(io, uri));
  const auto patience = spec::host_wait(spec::HostWait::libvirt_call);
  auto connection = KTRIAL_TRY(LibvirtConnection::open(io, found.uri, patience));
  virNodeInfo info{};
  KTRIAL_TRY(connection.call("asking what the host has", patience,
                             [&] { return virNodeGetInfo(connection.get(), &info); }));
  LibvirtHost out{.name = found.host,
                  .cpus = static_cast<int>(info.cpus),
                  .memory_mib = static_cast<std::int64_t>(info.memory / 1024),
                  .libvirt_version = found.libvirt_version,
                  .qemu_version = found.qemu_version};
  const auto free = connection.call("asking for free memory", patience, [&]() -> long long {
    const unsigned long long bytes = virNodeGetFreeMemory(connection.get());
    return bytes == 0 ? -1 : static_cast<long long>(bytes >> 20);
  });
  out.free_mib = free.value_or(0);
  return out;
}

}  // namespace ktrial::vm
