#include "workloads/common/system.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "workloads/common/arguments.h"

namespace ktrial::workload {
namespace {

constexpr std::size_t kMaxFile = 16 << 20;  // bytes

// "7" from the front of the text.
std::optional<int> take_cpu(std::string_view& text) {
  int cpu = -1;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpu);
  if (error != std::errc() || cpu < 0 || cpu >= kMaxCpus) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return cpu;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<std::string> read_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string all;
  char buffer[8192];
  for (;;) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      close(fd);
      errno = error;
      return std::nullopt;
    }
    if (got == 0 || all.size() > kMaxFile) break;
    all.append(buffer, static_cast<std::size_t>(got));
  }
  close(fd);
  return all;
}

int write_file(const std::string& path, std::string_view text, int flags) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | flags);
  if (fd < 0) return errno;
  ssize_t written;
  do {
    written = write(fd, text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  const int error = written < 0                                        ? errno
                    : static_cast<std::size_t>(written) != text.size() ? EIO
                                                                       : 0;
  close(fd);
  return error;
}

std::optional<std::set<int>> parse_cpu_list(std::string_view text) {
  std::set<int> cpus;
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.empty()) return cpus;
  int last = -1;
  do {
    const std::optional<int> first = take_cpu(text);
    if (!first || *first <= last) return std::nullopt;
    last = *first;
    if (take(text, '-')) {
      const std::optional<int> end = take_cpu(text);
      if (!end || *end <= *first) return std::nullopt;
      last = *end;
    }
    for (int cpu = *first; cpu <= last; ++cpu) cpus.insert(cpus.end(), cpu);
  } while (take(text, ','));
  if (!text.empty()) return std::nullopt;
  return cpus;
}

std::string cpu_list(const std::set<int>& cpus) {
  std::string text;
  for (auto it = cpus.begin(); it != cpus.end();) {
    const int first = *it;
    int last = first;
    while (++it != cpus.end() && *it == last + 1) last = *it;
    if (!text.empty()) text += ',';
    text += std::to_string(first);
    if (last != first) text += '-' + std::to_string(last);
  }
  return text;
}

std::set<int> online_cpus() {
  constexpr char kPath[] = "/sys/devices/system/cpu/online";
  const std::optional<std::string> text = read_file(kPath);
  if (!text) cannot_run("%s: %s", kPath, std::strerror(errno));
  std::optional<std::set<int>> cpus = parse_cpu_list(*text);
  if (!cpus || cpus->empty()) cannot_run("%s holds no list of CPUs", kPath);
  return std::move(*cpus);
}

void require_trial_guest() {
  const std::optional<std::string> line = read_file("/proc/cmdline");
  if (!line || line->find("ktrial.channel=") == std::string::npos)
    cannot_run("this would disturb the machine: it runs in the guest of a trial only");
}

}  // namespace ktrial::workload
