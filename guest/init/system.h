// Small things that every part of the agent needs from the running kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::init {

// One line on the console (by /dev/kmsg, so that it does not land inside a line
// of the kernel's), prefixed `ktrial-init: `. For problems only: the console
// belongs to the kernel under trial. Falls back to stderr.
void say(std::string_view text);

// A whole small file (at most 64 KiB), or nothing if it cannot be read.
std::optional<std::string> read_small_file(const std::string& path);

// "0-3,8" as found in /sys/devices/system/cpu/online. Stops at the first
// malformed entry; CPUs above 8191 are left out.
std::vector<std::uint32_t> parse_cpu_list(std::string_view text);
std::vector<std::uint32_t> online_cpus();
std::vector<std::uint32_t> possible_cpus();

// The value of `name=` on a kernel command line; the last one counts.
std::optional<std::string> command_line_value(std::string_view command_line, std::string_view name);
// Decimal digits only, nothing else.
std::optional<std::uint64_t> parse_number(std::string_view text);

std::uint64_t uptime_ns();     // CLOCK_BOOTTIME
std::uint64_t monotonic_ns();  // CLOCK_MONOTONIC

// "text: strerror(error)".
std::string with_errno(std::string_view text, int error);

}  // namespace ktrial::init
