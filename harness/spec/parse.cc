#include "harness/spec/parse.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "harness/base/text.h"

namespace ktrial::spec {
namespace {

constexpr std::array<std::string_view, 3> kAccels = {"auto", "kvm", "tcg"};
constexpr std::array<std::string_view, 2> kVmms = {"qemu", "libvirt"};
constexpr std::array<std::string_view, 4> kChannels = {"auto", "vhost-vsock", "vhost-user-vsock",
                                                       "virtio-serial"};

constexpr std::array<std::string_view, 3> kStarts = {"auto", "cold", "warm"};

std::unexpected<Error> not_one_of(std::string_view text, const auto& names) {
  std::string allowed;
  for (std::string_view name : names) allowed += (allowed.empty() ? "" : ", ") + std::string(name);
  return usage_error(in_quotes(text) + " is not one of " + allowed);
}

template <class E, std::size_t N>
Result<E> parse_name(const std::array<std::string_view, N>& names, std::string_view text) {
  if (auto it = std::ranges::find(names, text); it != names.end())
    return static_cast<E>(it - names.begin());
  return not_one_of(text, names);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A decimal number without sign or exponent at the front of `text`, cut off it.
std::optional<double> take_number(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && (is_digit(text[end]) || text[end] == '.')) ++end;
  double value = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + end, value);
  if (end == 0 || error != std::errc() || stop != text.data() + end || !is_digit(text[end - 1]) ||
      !is_digit(text[0]))
    return std::nullopt;
  text.remove_prefix(end);
  return value;
}

struct Unit {
  std::string_view name;
  double milliseconds;
};
constexpr Unit kUnits[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};

}  // namespace

std::string_view name(Accel accel) { return kAccels[static_cast<std::size_t>(accel)]; }
std::string_view name(Vmm vmm) { return kVmms[static_cast<std::size_t>(vmm)]; }
std::string_view name(ChannelKind channel) { return kChannels[static_cast<std::size_t>(channel)]; }
std::string_view name(Start start) { return kStarts[static_cast<std::size_t>(start)]; }

std::string cell_name(const TrialSpec& spec) {
  std::string out;
  for (const auto& [axis, value] : spec.axes) out += (out.empty() ? "" : " ") + axis + "=" + value;
  return out;
}

Result<Accel> parse_accel(std::string_view text) { return parse_name<Accel>(kAccels, text); }
Result<Vmm> parse_vmm(std::string_view text) { return parse_name<Vmm>(kVmms, text); }
Result<ChannelKind> parse_channel(std::string_view text) {
  return parse_name<ChannelKind>(kChannels, text);
}
Result<Start> parse_start(std::string_view text) { return parse_name<Start>(kStarts, text); }
Result<std::string> parse_guest_seed(std::string_view text) {
  const bool hex = text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  if (hex && text.size() == 2 * kSeedBytes) return std::string(text);
  return usage_error(in_quotes(text) + " is not a seed; it has " + std::to_string(2 * kSeedBytes) +
                         " hexadecimal digits",
                     "take the fact guest.seed of a warm trial's record");
}
Result<std::string> parse_machine(std::string_view text) {
  const std::vector<std::string> known = arch::machine_names();
  if (std::ranges::find(known, text) == known.end()) return not_one_of(text, known);
  return std::string(text);
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string out = "'";
  for (char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return out + (text.size() > kLongest ? "...'" : "'");
}

Result<Milliseconds> parse_duration(std::string_view text) {
  const std::string shown = in_quotes(text);
  auto wrong = [&] {
    return usage_error(shown + " is not a duration; write it like 90s, 2m, 1h30m or 500ms");
  };
  if (text == "0") return Milliseconds(0);
  double total = 0, last_unit = 1e300;
  if (text.empty()) return wrong();
  while (!text.empty()) {
    auto number = take_number(text);
    if (!number) return wrong();
    std::size_t letters = 0;
    while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') ++letters;
    auto unit = std::ranges::find(kUnits, text.substr(0, letters), &Unit::name);
    // Each unit once, larger ones first: "30m1h" is more likely a slip.
    if (unit == std::end(kUnits) || unit->milliseconds >= last_unit) return wrong();
    last_unit = unit->milliseconds;
    total += *number * unit->milliseconds;
    text.remove_prefix(letters);
  }
  if (total > static_cast<double>(kMaxDuration.count()))
    return usage_error(shown + " is longer than 30 days");
  return Milliseconds(std::llround(total));
}

std::string format_duration(Milliseconds value) {
  std::int64_t rest = value.count();
  if (rest <= 0) return rest == 0 ? "0" : "-" + format_duration(-value);
  std::string out;
  for (auto unit = std::rbegin(kUnits); unit != std::rend(kUnits); ++unit) {
    const auto size = static_cast<std::int64_t>(unit->milliseconds);
    if (rest / size > 0) out += std::to_string(rest / size) + std::string(unit->name);
    rest %= size;
  }
  return out;
}

Result<int> parse_size(std::string_view text) {
  const std::string shown = in_quotes(text);
  auto wrong = [&] { return usage_error(shown + " is not a size; write it like 512M or 2G"); };
  auto number = take_number(text);
  if (!number) return wrong();
  double mib = 0;
  if (text.empty() || text == "M" || text == "MB" || text == "MiB") {
    mib = *number;
  } else if (text == "K" || text == "KB" || text == "KiB") {
    mib = *number / 1024;
  } else if (text == "G" || text == "GB" || text == "GiB") {
    mib = *number * 1024;
  } else if (text == "T" || text == "TB" || text == "TiB") {
    mib = *number * 1024 * 1024;
  } else {
    return wrong();
  }
  if (mib < kMinMemoryMib || mib > kMaxMemoryMib)
    return usage_error(shown + " is outside " + std::to_string(kMinMemoryMib) + "M..4T");
  if (mib != std::floor(mib)) return usage_error(shown + " is not a whole number of MiB");
  return static_cast<int>(mib);
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  return to_number<std::uint64_t>(text, hex ? 16 : 10);
}

Result<std::pair<std::string, std::string>> parse_setting(std::string_view text) {
  const std::size_t equals = text.find('=');
  std::string_view key = text.substr(0, equals);
  const bool plain = !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || c == '-';
  });
  if (equals == std::string_view::npos || !plain)
    return usage_error(in_quotes(text) +
                       " is not KEY=VALUE (a key is lower-case letters, digits, _ and -)");
  return std::pair(std::string(key), std::string(text.substr(equals + 1)));
}

std::string suggest(std::string_view text, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance =
      std::max<std::size_t>(1, std::min<std::size_t>(text.size(), 64) / 3) + 1;
  if (text.size() > 64) return {};
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(text, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string note_names() {
  std::string out;
  for (const std::string_view note : kNotes) out += (out.empty() ? "" : ", ") + std::string(note);
  return out;
}

}  // namespace ktrial::spec
