#include "harness/vm/libvirt/domain.h"

#include <fmt/format.h>
#include <libvirt/libvirt-qemu.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>

#include "harness/vm/libvirt/orphans.h"
#include "harness/vm/ram_dump.h"

namespace ktrial::vm {
using nlohmann::json;

namespace {

constexpr std::uint64_t kFourGiB = 1ull << 32;
constexpr std::uint64_t kMessage = 4u << 20;  // the most that libvirt's protocol carries at once

Status write_at(int to, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(to, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("a copy of guest RAM", n < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

}  // namespace

DomainIdentity new_identity() {
  std::random_device random;
  auto word = [&] { return static_cast<unsigned>(random()); };
  const unsigned a = word(), b = word(), c = word(), d = word();
  // RFC 4122, version 4.
  std::string uuid = fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{:08x}", a, b >> 16, b & 0xfff,
                                 0x8000 | (c >> 16 & 0x3fff), c & 0xffff, d);
  const std::string name = kDomainPrefix + uuid.substr(0, 8);
  return {name, uuid, domain_owner(), pool_name(name, results::this_process())};
}

Result<LibvirtDomain> LibvirtDomain::open(boost::asio::io_context& io, const std::string& uri,
                                          const std::string& uuid, Patience patience) {
  auto connection = KTRIAL_TRY(LibvirtConnection::open(io, uri, patience));
  auto domain = KTRIAL_TRY(connection.call("finding the domain", patience, [&] {
    return DomainHandle(virDomainLookupByUUIDString(connection.get(), uuid.c_str()));
  }));
  return LibvirtDomain(io, std::move(connection), std::move(domain));
}

Status LibvirtDomain::act(const std::string& what, Patience patience,
                          const std::function<int(virDomainPtr)>& action) {
  KTRIAL_TRY(connection_.call(what, patience, [&] { return action(domain_.get()); }));
  return {};
}

Result<std::string> LibvirtDomain::command(const std::string& text, unsigned flags,
                                           Patience patience) {
  char* answer = nullptr;
  KTRIAL_TRY(connection_.call("asking QEMU's monitor", patience, [&] {
    return virDomainQemuMonitorCommand(domain_.get(), text.c_str(), &answer, flags);
  }));
  std::string out = answer != nullptr ? answer : "";
  std::free(answer);
  return out;
}

Result<json> LibvirtDomain::execute(const std::string& name, const json& arguments,
                                    Patience patience) {
  json message = {{"execute", name}};
  if (!arguments.is_null()) message["arguments"] = arguments;
  const std::string text = KTRIAL_TRY(command(message.dump(), 0, patience));
  const json answer = json::parse(text, nullptr, false);
  if (!answer.is_object())
    return fail(ErrorKind::protocol, "QEMU's monitor: no JSON object in answer to " + name);
  if (auto error = answer.find("error"); error != answer.end())
    return fail(ErrorKind::environment, name + ": " + error->dump());
  auto value = answer.find("return");
  return value == answer.end() ? json::object() : *value;
}

Result<std::string> LibvirtDomain::human(const std::string& line, Patience patience) {
  return command(line, VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP, patience);
}

// A kernel pages, firmware does not.
bool LibvirtDomain::may_run_a_kernel(const arch::RegisterWords& words, Patience patience) {
  if (words.paging_on == 0) return true;
  const std::string text = human("info registers", patience).value_or("");
  const auto at = text.find(words.paging);
  return at == std::string::npos ||
         (std::strtoul(text.c_str() + at + words.paging.size(), nullptr, 16) & words.paging_on) !=
             0;
}

Status LibvirtDomain::copy_range(std::uint64_t address, std::uint64_t bytes, int to,
                                 std::uint64_t offset, Patience patience) {
  std::string piece;
  for (std::uint64_t done = 0; done < bytes; done += piece.size()) {
    piece.resize(std::min(kMessage, bytes - done));
    KTRIAL_TRY(act("copying guest RAM", patience, [&](virDomainPtr domain) {
      return virDomainMemoryPeek(domain, address + done, piece.size(), piece.data(),
                                 VIR_MEMORY_PHYSICAL);
    }));
    // What was never touched stays a hole.
    if (piece.find_first_not_of('\0') != std::string::npos)
      KTRIAL_TRY(write_at(to, piece, offset + done));
    io_->poll();
  }
  return {};
}

Result<GuestRam> LibvirtDomain::copy_ram(std::uint64_t bytes, const arch::Machine& machine,
                                         Patience patience) {
  Fd copy(::memfd_create("ktrial-ram-copy", MFD_CLOEXEC));
  if (!copy) return fail_errno("memfd_create", errno);
  if (::ftruncate(copy.get(), static_cast<off_t>(bytes)) != 0)
    return fail_errno("a copy of guest RAM", errno);
  const std::uint64_t low = machine.low_memory(bytes);
  KTRIAL_TRY(copy_range(machine.ram_base, low, copy.get(), 0, patience));
  if (bytes > low)
    KTRIAL_TRY(copy_range(machine.high_base, bytes - low, copy.get(), low, patience));
  return GuestRam{std::move(copy), bytes, &machine};
}

}  // namespace ktrial::vm
