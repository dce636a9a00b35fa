#include "harness/root/mounts.h"

#include <algorithm>

#include "harness/base/text.h"

namespace ktrial::root {
namespace {

// "\040" is a blank: mangle_path() of the kernel writes blanks, newlines and backslashes in octal.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digits = text.substr(i + 1, 3);
    const auto code = to_number<unsigned>(digits, 8);
    if (text[i] != '\\' || digits.size() != 3 || !code) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(*code);
    i += 3;
  }
  return out;
}

}  // namespace

std::vector<MountPoint> parse_mountinfo(std::string_view text) {
  std::vector<MountPoint> out;
  while (const auto line = take_line(text)) {
    // "36 35 98:0 /root /point rw,noatime shared:1 - ext3 /dev/root rw"
    const std::size_t dash = line->find(" - ");
    if (dash == line->npos) continue;
    const auto before = split(line->substr(0, dash), ' ');
    const auto after = split(line->substr(dash + 3), ' ');
    if (before.size() < 6 || after.empty()) continue;
    out.push_back({unescaped(before[4]), std::string(after[0]), std::string(before[5])});
  }
  return out;
}

bool is_of_the_kernel(std::string_view type) {
  constexpr std::string_view kTypes[] = {
      "proc",    "sysfs",      "devtmpfs",  "devpts",     "cgroup",     "cgroup2",
      "debugfs", "tracefs",    "bpf",       "configfs",   "securityfs", "binfmt_misc",
      "mqueue",  "pstore",     "efivarfs",  "fusectl",    "selinuxfs",  "nsfs",
      "autofs",  "rpc_pipefs", "hugetlbfs", "functionfs", "nfsd"};
  return std::ranges::find(kTypes, type) != std::end(kTypes);
}

}  // namespace ktrial::root
