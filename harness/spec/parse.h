// Text of one value -> value. Shared by spec files and command line flags, so
// that both accept the same and complain alike. Errors are ErrorKind::usage.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/spec.h"

namespace ktrial::spec {

// "90s", "2m", "1h30m", "500ms", "1.5s"; a bare number is refused (which unit?)
// except "0". At most kMaxDuration.
Result<Milliseconds> parse_duration(std::string_view text);
// "90s", "1h30m", "500ms": parse_duration() reads it back.
std::string format_duration(Milliseconds value);

// "512M", "2G", "1024" (MiB), "1T"; units may be written M, MB or MiB, all
// 1024-based. The result is MiB, within kMinMemoryMib..kMaxMemoryMib.
Result<int> parse_size(std::string_view text);

// "KEY=VALUE": the key is [a-z0-9_-]+, the value may be empty or hold "=".
Result<std::pair<std::string, std::string>> parse_setting(std::string_view text);

// "12", "0x1f": all of the text.
std::optional<std::uint64_t> parse_number(std::string_view text);

// "auto", "kvm", "tcg" and so on; the error lists what is allowed.
Result<Accel> parse_accel(std::string_view text);
Result<Vmm> parse_vmm(std::string_view text);
Result<ChannelKind> parse_channel(std::string_view text);
Result<Start> parse_start(std::string_view text);
// kSeedBytes as hexadecimal digits.
Result<std::string> parse_guest_seed(std::string_view text);
Result<std::string> parse_machine(std::string_view text);  // of any architecture

// The candidate that `text` most likely meant, or "" when none is near.
std::string suggest(std::string_view text, const std::vector<std::string>& candidates);

// 'text' for a message: bounded, control characters masked.
std::string in_quotes(std::string_view text);

// kNotes, for a message.
std::string note_names();

}  // namespace ktrial::spec
