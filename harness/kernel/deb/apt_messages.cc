#include "harness/kernel/deb/apt_messages.h"

#include <algorithm>

#include "harness/base/re2.h"
#include "harness/base/text.h"

namespace ktrial::kernel {

bool mirror_unreachable(std::string_view apt_messages) {
  for (const char* sign : {"Temporary failure resolving", "Could not resolve", "Could not connect",
                           "Unable to connect", "Network is unreachable", "Connection failed"})
    if (apt_messages.contains(sign)) return true;
  return false;
}

std::string apt_errors(std::string_view apt_messages) {
  std::string errors, first_warning;
  for (std::string_view rest = apt_messages; const auto line = take_line(rest);) {
    if (line->starts_with("E: ")) errors.append(errors.empty() ? "" : "; ").append(line->substr(3));
    if (line->starts_with("W: Failed to fetch") && first_warning.empty())
      first_warning = line->substr(3);
  }
  if (!errors.empty()) return errors;
  return first_warning.empty() ? last_line(apt_messages) : first_warning;
}

std::vector<std::string> suites_passed_over(std::string_view apt_messages) {
  static const RE2& absent =
      *new RE2(R"(E: The repository '\S+ (\S+) (?:In)?Release' does not have a Release file\.)");
  static const RE2& failed =
      *new RE2(R"([EW]: Failed to fetch \S+/dists/(\S+?)/\S*  (.+?)(?: - .*)?)");
  static const RE2& unsigned_one =
      *new RE2(R"(E: The repository '\S+ (\S+) (?:In)?Release' is (?:not|no longer) signed\.)");
  static const RE2& expired = *new RE2(
      R"(E: Release file for \S+/dists/(\S+)/(?:In)?Release is expired \(invalid since (.*)\)\..*)");
  std::vector<std::string> suites;
  const auto add = [&](std::string_view suite, std::string_view why) {
    std::string text = std::string(suite) + " (" + std::string(why) + ")";
    if (std::ranges::find(suites, text) == suites.end()) suites.push_back(std::move(text));
  };
  while (const auto line = take_line(apt_messages)) {
    std::string_view suite, since, why;
    if (full_match(*line, absent, &suite)) add(suite, "the mirror does not have it");
    if (full_match(*line, failed, &suite, &why)) add(suite, why);
    if (full_match(*line, unsigned_one, &suite)) add(suite, "its signature cannot be checked");
    if (full_match(*line, expired, &suite, &since))
      add(suite, "expired " + std::string(since) + " ago");
  }
  return suites;
}

}  // namespace ktrial::kernel
