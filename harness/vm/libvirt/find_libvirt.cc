#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "harness/spec/timeouts.h"
#include "harness/vm/libvirt/connection.h"
#include "harness/vm/libvirt/libvirt_vm.h"
#include "harness/vm/libvirt/orphans.h"
#include "harness/vm/libvirt/ssh.h"

namespace ktrial::vm {
namespace asio = boost::asio;

namespace {

std::string default_uri() {
  if (const char* named = std::getenv("LIBVIRT_DEFAULT_URI"); named != nullptr && *named != '\0')
    return named;
  return ::geteuid() == 0 ? "qemu:///system" : "qemu:///session";
}

}  // namespace

std::string libvirt_version_text(unsigned long version) {  // libvirt's coding: 1e6, 1e3, 1
  return fmt::format("{}.{}.{}", version / 1000000, version / 1000 % 1000, version % 1000);
}

std::string libvirt_uri(const std::string& named) {
  return without_questions(named.empty() ? default_uri() : named);
}

Result<LibvirtConnection> open_libvirt(asio::io_context& io, const std::string& uri,
                                       LibvirtConnection::Patience patience, std::stop_token stop) {
  auto connection = KTRIAL_TRY(LibvirtConnection::open(io, uri, patience, std::move(stop)));
  const char* type = virConnectGetType(connection.get());
  if (type == nullptr || std::string_view(type) != "QEMU")
    return usage_error(fmt::format("{} leads to {}, not to QEMU", uri, type ? type : "nothing"),
                       "use a URI that begins with qemu, e.g. qemu:///session");
  return connection;
}

Result<LibvirtInstall> find_libvirt(asio::io_context& io, const std::string& wanted,
                                    std::stop_token stop) {
  LibvirtInstall out{.uri = libvirt_uri(wanted)};
  auto connection = KTRIAL_TRY(
      open_libvirt(io, out.uri, spec::host_wait(spec::HostWait::libvirt_start), std::move(stop)));
  end_orphans(connection, spec::host_wait(spec::HostWait::libvirt_call));
  unsigned long qemu = 0, libvirt = 0;
  KTRIAL_TRY(connection.call("asking for QEMU's version",
                             spec::host_wait(spec::HostWait::libvirt_start), [&] {
                               return virConnectGetVersion(connection.get(), &qemu) == 0
                                          ? virConnectGetLibVersion(connection.get(), &libvirt)
                                          : -1;
                             }));
  out.qemu_version = libvirt_version_text(qemu);
  out.libvirt_version = libvirt_version_text(libvirt);
  if (char* host = virConnectGetHostname(connection.get())) {
    out.host = host;
    std::free(host);
  }
  // qemu:///session and qemu+unix:///session have no host between the slashes.
  const auto slashes = out.uri.find("://");
  const std::string path = slashes == std::string::npos ? "" : out.uri.substr(slashes + 3);
  out.local = path.starts_with("/");
  out.session = path.starts_with("/session");
  return out;
}

Result<bool> libvirt_offers_kvm(asio::io_context& io, const LibvirtInstall& libvirt) {
  auto connection = KTRIAL_TRY(
      LibvirtConnection::open(io, libvirt.uri, spec::host_wait(spec::HostWait::libvirt_start)));
  char* answer = nullptr;
  const auto offered =
      connection.call("asking for KVM", spec::host_wait(spec::HostWait::libvirt_start), [&] {
        const arch::Arch& arch = arch::native();
        answer = virConnectGetDomainCapabilities(connection.get(), nullptr, arch.name.c_str(),
                                                 arch.machine("")->name.c_str(), "kvm", 0);
        return answer != nullptr ? 0 : -1;
      });
  std::free(answer);
  return offered.has_value();  // the refusal is the answer
}

}  // namespace ktrial::vm
