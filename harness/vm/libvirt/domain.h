// What is asked of a running domain: its monitor, its memory. Has a connection of its own,
// so that a QEMU that does not answer costs this connection only (libvirt_connection.h).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "harness/vm/libvirt/connection.h"
#include "harness/vm/libvirt/xml.h"
#include "harness/vm/vm.h"

namespace ktrial::vm {

// A name and a UUID that no other domain has.
DomainIdentity new_identity();

class LibvirtDomain {
 public:
  using Patience = std::chrono::milliseconds;
  static Result<LibvirtDomain> open(boost::asio::io_context& io, const std::string& uri,
                                    const std::string& uuid, Patience patience);
  bool alive() const { return virConnectIsAlive(connection_.get()) == 1; }

  Status act(const std::string& what, Patience patience,
             const std::function<int(virDomainPtr)>& action);
  // A QMP command's "return"; of the human monitor its text.
  Result<nlohmann::json> execute(const std::string& command, const nlohmann::json& arguments,
                                 Patience patience);
  Result<std::string> human(const std::string& line, Patience patience);
  // False only if the boot CPU is known to translate no addresses: firmware runs, after a reset.
  bool may_run_a_kernel(const arch::RegisterWords& words, Patience patience);
  // What its host gave it.
  Result<FarTimes> times(Patience patience);
  // The guest's RAM, sent by libvirtd piece by piece into a memfd: seconds. Pause before.
  // Runs the io_context between the pieces.
  Result<GuestRam> copy_ram(std::uint64_t bytes, const arch::Machine& machine, Patience patience);

 private:
  LibvirtDomain(boost::asio::io_context& io, LibvirtConnection connection, DomainHandle domain)
      : io_(&io), connection_(std::move(connection)), domain_(std::move(domain)) {}
  Result<std::string> command(const std::string& text, unsigned flags, Patience patience);
  Status copy_range(std::uint64_t address, std::uint64_t bytes, int to, std::uint64_t offset,
                    Patience patience);

  boost::asio::io_context* io_;
  LibvirtConnection connection_;
  DomainHandle domain_;
};

}  // namespace ktrial::vm
