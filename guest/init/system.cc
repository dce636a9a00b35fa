#include "guest/init/system.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <charconv>

namespace ktrial::init {
namespace {

constexpr std::size_t kMaxFile = 64 * 1024;
constexpr std::uint32_t kMaxCpu = 8191;  // NR_CPUS of the largest x86 configuration, less one

std::uint64_t clock_ns(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::vector<std::uint32_t> cpus_of(const char* path) {
  return parse_cpu_list(read_small_file(path).value_or("0"));
}

}  // namespace

void say(std::string_view text) {
  std::string line = "<3>ktrial-init: ";  // KERN_ERR: shown even with `quiet`
  line.append(text.substr(0, 900));       // a kmsg record holds about 1000 bytes
  line += '\n';
  if (int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC); fd >= 0 && getpid() == 1) {
    const ssize_t written = write(fd, line.data(), line.size());
    close(fd);
    if (written > 0) return;
  } else if (fd >= 0) {
    close(fd);
  }
  [[maybe_unused]] ssize_t ignored = write(STDERR_FILENO, line.data() + 3, line.size() - 3);
}

std::optional<std::string> read_small_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string text;
  char chunk[4096];
  ssize_t got = 0;
  while (text.size() < kMaxFile && (got = read(fd, chunk, sizeof(chunk))) > 0) {
    text.append(chunk, static_cast<std::size_t>(got));
  }
  close(fd);
  if (got < 0) return std::nullopt;
  return text;
}

std::vector<std::uint32_t> parse_cpu_list(std::string_view text) {
  std::vector<std::uint32_t> cpus;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    std::uint32_t first = 0;
    auto parsed = std::from_chars(at, end, first);
    if (parsed.ec != std::errc()) break;
    std::uint32_t last = first;
    if (parsed.ptr != end && *parsed.ptr == '-') {
      parsed = std::from_chars(parsed.ptr + 1, end, last);
      if (parsed.ec != std::errc()) break;
    }
    for (std::uint32_t cpu = first; cpu <= last && cpu <= kMaxCpu; ++cpu) cpus.push_back(cpu);
    at = parsed.ptr;
    if (at == end || *at != ',') break;
    ++at;
  }
  return cpus;
}

std::vector<std::uint32_t> online_cpus() { return cpus_of("/sys/devices/system/cpu/online"); }
std::vector<std::uint32_t> possible_cpus() { return cpus_of("/sys/devices/system/cpu/possible"); }

std::optional<std::string> command_line_value(std::string_view line, std::string_view name) {
  std::optional<std::string> value;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find_first_of(" \n"), line.size());
    const std::string_view word = line.substr(0, end);
    if (word.size() > name.size() && word.starts_with(name) && word[name.size()] == '=') {
      value = word.substr(name.size() + 1);
    }
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return value;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::uint64_t uptime_ns() { return clock_ns(CLOCK_BOOTTIME); }
std::uint64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }

std::string with_errno(std::string_view text, int error) {
  std::string line(text);
  const char* words = strerrordesc_np(error);
  return line + ": " + (words ? words : "unknown error");
}

}  // namespace ktrial::init
