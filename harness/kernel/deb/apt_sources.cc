#include "harness/kernel/deb/apt_sources.h"

#include <algorithm>
#include <array>
#include <map>
#include <sstream>

#include "harness/base/text.h"

namespace ktrial::kernel {
namespace {

// Releases that carry kernels worth a trial, newest last; what a mirror lacks of them is passed
// over. `sid` and `experimental` are added by themselves.
constexpr std::array<std::string_view, 4> kReleases = {"bullseye", "bookworm", "trixie", "forky"};

std::vector<std::string> words(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> result;
  for (std::string word; in >> word;) result.push_back(word);
  return result;
}

bool is_true(std::string_view value) { return value == "yes" || value == "true" || value == "1"; }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

using Stanza = std::map<std::string, std::string>;

void add_stanza(const Stanza& stanza, std::vector<AptSource>& into) {
  auto field = [&](const char* name) {
    auto found = stanza.find(name);
    return found == stanza.end() ? std::string() : found->second;
  };
  const std::vector<std::string> types = words(field("types"));
  if (std::ranges::find(types, "deb") == types.end()) return;
  const std::string enabled = field("enabled");
  if (!enabled.empty() && !is_true(trimmed(enabled))) return;
  AptSource source{words(field("uris")), words(field("suites")), words(field("components")),
                   field("signed-by"), is_true(trimmed(field("trusted")))};
  if (!source.uris.empty() && !source.suites.empty()) into.push_back(std::move(source));
}

void add_unique(std::vector<std::string>& list, const std::string& item) {
  if (std::ranges::find(list, item) == list.end()) list.push_back(item);
}

std::string write_stanza(const AptSource& source) {
  auto join = [](const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) text += " " + item;
    return text;
  };
  std::string text = "Types: deb\nURIs:" + join(source.uris) + "\nSuites:" + join(source.suites) +
                     "\nComponents:" + join(source.components) + "\n";
  if (!source.signed_by.empty()) text += "Signed-By: " + source.signed_by + "\n";
  if (source.trusted) text += "Trusted: yes\n";
  return text + "\n";
}

const AptSource* source_of(const std::vector<AptSource>& sources, const std::string& suite) {
  for (const AptSource& source : sources)
    if (std::ranges::find(source.suites, suite) != source.suites.end()) return &source;
  return nullptr;
}

}  // namespace

std::vector<AptSource> parse_one_line_sources(std::string_view text) {
  std::vector<AptSource> sources;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) {
    line = line.substr(0, line.find('#'));
    AptSource source;
    std::istringstream fields{line};
    std::string word, uri, suite;
    if (!(fields >> word) || word != "deb" || !(fields >> word)) continue;
    if (word.starts_with('[')) {  // [ signed-by=X arch=Y ], with or without inner spaces
      for (bool last = false; !last;) {
        last = word.ends_with(']');
        std::string option = word;
        std::erase_if(option, [](char c) { return c == '[' || c == ']'; });
        if (option.starts_with("signed-by=")) source.signed_by = option.substr(10);
        if (option.starts_with("trusted=")) source.trusted = is_true(option.substr(8));
        if (!last && !(fields >> word)) break;
      }
      if (!(fields >> word)) continue;
    }
    uri = word;
    if (!(fields >> suite)) continue;
    source.uris = {uri};
    source.suites = {suite};
    while (fields >> word) source.components.push_back(word);
    sources.push_back(std::move(source));
  }
  return sources;
}

std::vector<AptSource> parse_deb822_sources(std::string_view text) {
  std::vector<AptSource> sources;
  std::istringstream in{std::string(text)};
  Stanza stanza;
  std::string key;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    if (trimmed(line).empty()) {
      add_stanza(stanza, sources);
      stanza.clear();
      key.clear();
    } else if (line[0] == ' ' || line[0] == '\t') {
      // Kept as written: an embedded key needs its own line structure.
      if (!key.empty()) stanza[key] += "\n" + line;
    } else if (const std::size_t colon = line.find(':'); colon != std::string::npos) {
      key = lower(trimmed(line.substr(0, colon)));
      stanza[key] = trimmed(line.substr(colon + 1));
    }
  }
  add_stanza(stanza, sources);
  return sources;
}

WiderSources widen(const std::vector<AptSource>& machine) {
  WiderSources result;
  const AptSource* base = nullptr;
  for (std::string_view release : {"bullseye", "bookworm", "trixie", "forky", "sid"}) {
    base = source_of(machine, std::string(release));
    if (base == nullptr) continue;
    result.own_release = release;
    break;
  }
  if (base == nullptr) return result;

  AptSource archive = *base;
  archive.uris = {base->uris.front()};
  archive.components = {"main"};
  archive.suites = {result.own_release};
  const AptSource* own_security = source_of(machine, result.own_release + "-security");
  AptSource security;
  if (own_security != nullptr) {
    security = *own_security;
    security.uris = {own_security->uris.front()};
    security.components = {"main"};
    security.suites = {result.own_release + "-security"};
  }
  for (std::string_view name : kReleases) {
    const std::string release(name);
    add_unique(archive.suites, release);
    add_unique(archive.suites, release + "-backports");
    if (own_security != nullptr) add_unique(security.suites, release + "-security");
  }
  add_unique(archive.suites, "sid");
  add_unique(archive.suites, "experimental");
  result.text = write_stanza(archive);
  if (own_security != nullptr) result.text += write_stanza(security);
  return result;
}

}  // namespace ktrial::kernel
