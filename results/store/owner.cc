#include "results/store/owner.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <sstream>

#include "harness/base/file.h"

namespace ktrial::results {
namespace {

std::string host_name() {
  utsname names{};
  return ::uname(&names) == 0 ? names.nodename : "";
}

std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", 4096);
  if (!text) return {};
  while (text->ends_with('\n')) text->pop_back();
  return *text;
}

// Start time of a process that has not ended; a zombie has.
std::optional<std::uint64_t> start_ticks(std::int64_t pid) {
  auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!text) return std::nullopt;
  // The name, field 2, is in parentheses and may hold anything.
  std::size_t end = text->rfind(')');
  if (end == std::string::npos) return std::nullopt;
  std::istringstream fields(text->substr(end + 1));
  std::string field;
  fields >> field;
  if (field == "Z" || field == "X") return std::nullopt;
  for (int i = 4; i <= 22; ++i) fields >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

}  // namespace

Owner this_process() {
  const std::int64_t pid = ::getpid();
  return {host_name(), boot_id(), pid, start_ticks(pid).value_or(0)};
}

bool may_be_alive(const Owner& owner) {
  if (owner.pid <= 0) return false;
  if (owner.host != host_name()) return true;
  if (owner.boot_id != boot_id()) return false;
  auto ticks = start_ticks(owner.pid);
  return ticks && *ticks == owner.start_ticks;
}

Json to_json(const Owner& owner) {
  return {{"host", owner.host},
          {"boot_id", owner.boot_id},
          {"pid", owner.pid},
          {"start_ticks", owner.start_ticks}};
}

Owner owner_from_json(const Json& json) {
  Owner owner;
  auto read = [&](const char* key, auto& into, auto is) {
    if (!json.is_object()) return;
    auto it = json.find(key);
    if (it != json.end() && ((*it).*is)()) it->get_to(into);
  };
  read("host", owner.host, &Json::is_string);
  read("boot_id", owner.boot_id, &Json::is_string);
  read("pid", owner.pid, &Json::is_number_integer);
  read("start_ticks", owner.start_ticks, &Json::is_number_unsigned);
  return owner;
}

}  // namespace ktrial::results
