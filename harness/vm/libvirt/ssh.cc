#include "harness/vm/libvirt/ssh.h"

#include <fmt/format.h>

#include <vector>

#include "harness/base/text.h"

namespace ktrial::vm {
namespace {

struct Address {
  std::string_view user, host, port, query;
};

Address address_of(std::string_view uri) {
  Address out;
  if (const auto mark = uri.find('?'); mark != uri.npos) {
    out.query = uri.substr(mark + 1);
    uri = uri.substr(0, mark);
  }
  if (const auto slashes = uri.find("://"); slashes != uri.npos) uri.remove_prefix(slashes + 3);
  uri = uri.substr(0, uri.find('/'));
  if (const auto at = uri.rfind('@'); at != uri.npos) {
    out.user = uri.substr(0, at);
    uri.remove_prefix(at + 1);
  }
  // [::1]:22 has colons in its host.
  const auto bracket = uri.rfind(']');
  const auto colon = uri.rfind(':');
  if (colon != uri.npos && (bracket == uri.npos || colon > bracket)) {
    out.port = uri.substr(colon + 1);
    uri = uri.substr(0, colon);
  }
  if (uri.starts_with('[') && uri.ends_with(']')) uri = uri.substr(1, uri.size() - 2);
  out.host = uri;
  return out;
}

// The value of ?NAME=VALUE, as it is written; "" if there is none.
std::string_view parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = query.find_first_of("&;");
    const std::string_view one = query.substr(0, end);
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=')
      return one.substr(name.size() + 1);
    query = end == query.npos ? "" : query.substr(end + 1);
  }
  return "";
}

}  // namespace

bool is_over_ssh(std::string_view uri) {
  return uri.substr(0, uri.find("://")).ends_with("+ssh") && uri.contains("://");
}

std::string without_questions(const std::string& uri) {
  const std::string_view query = address_of(uri).query;
  if (!is_over_ssh(uri) || !parameter(query, "no_tty").empty()) return uri;
  if (uri.find('?') == uri.npos) return uri + "?no_tty=1";
  return uri + (query.empty() ? "no_tty=1" : "&no_tty=1");
}

bool asks_nothing(std::string_view uri) {
  return is_over_ssh(uri) && parameter(address_of(uri).query, "no_tty") == "1";
}

std::string ssh_command(std::string_view uri) {
  const Address address = address_of(uri);
  const auto command = parameter(address.query, "command");
  std::string out = fmt::format("{} -o BatchMode=yes", command.empty() ? "ssh" : command);
  if (!address.port.empty()) out += fmt::format(" -p {}", address.port);
  if (const auto key = parameter(address.query, "keyfile"); !key.empty())
    out += fmt::format(" -i {}", key);
  out += ' ';
  if (!address.user.empty()) out += fmt::format("{}@", address.user);
  return out + fmt::format("{} true", address.host);
}

std::string in_one_line(std::string_view message) {
  std::vector<std::string_view> lines;
  while (auto line = take_line(message)) {
    while (line->ends_with('\r') || line->ends_with(' ')) line->remove_suffix(1);
    if (!line->empty()) lines.push_back(*line);
  }
  if (lines.empty()) return "";
  constexpr std::size_t kFew = 2;
  if (lines.size() > kFew) return std::string(lines.back());
  return lines.size() == 1 ? std::string(lines[0]) : fmt::format("{}; {}", lines[0], lines[1]);
}

std::string ssh_hint(std::string_view uri, std::string_view message) {
  const std::string by_hand = ssh_command(uri);
  const std::string_view host = address_of(uri).host;
  // First what was said by those whom ssh had reached already.
  if (message.contains("nc: not found") || message.contains("nc: command not found"))
    return fmt::format(
        "{} has no virt-ssh-helper: install libvirt's daemon there (Debian: "
        "libvirt-daemon-system); "
        "with socket= or netcat= in the URI it needs nc",
        host);
  if (message.contains("virt-ssh-helper: not found"))
    return fmt::format("install libvirt's daemon on {} (Debian: libvirt-daemon-system)", host);
  if (message.contains("libvirt-sock") || message.contains("virtqemud-sock"))
    return message.contains("Permission denied")
               ? fmt::format("that user may not use libvirt on {}: add it to the group libvirt",
                             host)
               : fmt::format("is libvirtd running on {}? try `systemctl start libvirtd` there",
                             host);
  if (message.contains("IDENTIFICATION HAS CHANGED"))
    return fmt::format(
        "the host's key is another than before: if that is right, forget the old one with "
        "`ssh-keygen -R {}`",
        address_of(uri).port.empty() ? std::string(host)
                                     : fmt::format("[{}]:{}", host, address_of(uri).port));
  if (message.contains("Host key verification failed"))
    return "the host's key is not known yet: log in by hand once, which shows and keeps it; then "
           "this must work: " +
           by_hand;
  if (message.contains("Permission denied"))
    return "ssh must get in without asking, by a key without passphrase or one that an ssh-agent "
           "holds (keyfile=FILE in the URI names it); this must work: " +
           by_hand;
  if (message.contains("Could not resolve"))
    return fmt::format("no host has the name {}; see the URI", host);
  if (message.contains("cannot execute binary"))
    return "there is no such ssh here: install it (Debian: openssh-client)";
  if (message.contains("Connection refused"))
    return "is sshd running there, on that port? this must work: " + by_hand;
  return "ssh must get in without asking; this must work: " + by_hand;
}

}  // namespace ktrial::vm
