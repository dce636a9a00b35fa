#include "harness/trace/marks.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>

namespace ktrial::trace {

namespace {

using nlohmann::json;

constexpr std::array<const char*, 5> kTracks = {"events", "phases", "progress", "beats", "host"};

// Nothing: it is no mark.
bool take(const json& one, Mark& mark) {
  if (!one.is_object()) return false;
  const auto number = [&](const char* key, std::uint64_t& value) {
    const auto it = one.find(key);
    if (it == one.end()) return true;
    if (!it->is_number_unsigned()) return false;
    value = *it;
    return true;
  };
  const auto text = one.find("text"), track = one.find("track"), cpu = one.find("cpu");
  if (!one.contains("ns") || !number("ns", mark.ns) || !number("until_ns", mark.until_ns) ||
      text == one.end() || !text->is_string() || track == one.end() || !track->is_string())
    return false;
  mark.text = *text;
  if (cpu != one.end()) {
    constexpr std::uint64_t kMostCpus = 1u << 16;
    if (!cpu->is_number_unsigned() || *cpu > kMostCpus) return false;
    mark.cpu = *cpu;
  }
  const auto* name = std::ranges::find_if(
      kTracks, [&](const char* known) { return *track == std::string_view(known); });
  if (name == kTracks.end()) return false;
  mark.track = static_cast<Track>(std::distance(kTracks.begin(), name));
  return true;
}

}  // namespace

std::string marks_to_json(const std::vector<Mark>& marks) {
  json out = json::array();
  for (const Mark& mark : marks) {
    if (out.size() == kMostMarks) break;
    json one = {{"ns", mark.ns},
                {"text", mark.text},
                {"track", kTracks[static_cast<std::size_t>(mark.track)]}};
    if (mark.cpu >= 0) one["cpu"] = static_cast<unsigned>(mark.cpu);
    if (mark.until_ns != 0) one["until_ns"] = mark.until_ns;
    out.push_back(std::move(one));
  }
  return out.dump(0, ' ', true, json::error_handler_t::replace) + "\n";
}

Result<std::vector<Mark>> marks_from_json(std::string_view text) {
  const json all = json::parse(text, nullptr, false);
  if (!all.is_array()) return usage_error("no list of marks");
  if (all.size() > kMostMarks) return usage_error("more marks than are drawn");
  std::vector<Mark> out(all.size());
  for (std::size_t i = 0; i < all.size(); ++i)
    if (!take(all[i], out[i])) return usage_error("mark " + std::to_string(i) + " is none");
  return out;
}

}  // namespace ktrial::trace
