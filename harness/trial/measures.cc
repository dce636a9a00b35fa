#include "harness/trial/measures.h"

#include <algorithm>

#include "harness/base/text.h"

namespace ktrial::trial {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= Measures::kLongest &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                  c == '.';
         });
}

}  // namespace

void Measures::add(std::string_view word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) return;
  const std::string_view name = word.substr(0, equals);
  const auto value = to_number<std::uint64_t>(word.substr(equals + 1));
  if (!value || !is_name(name)) return;
  if (const auto known = values_.find(name); known != values_.end())
    known->second = *value;
  else if (values_.size() < kMost)
    values_.emplace(name, *value);
}

void Measures::take(std::string& text) {
  const std::size_t end = text.find("; ");
  if (end == std::string::npos) return;
  std::string_view rest = std::string_view(text).substr(end + 2);
  while (!rest.empty()) {
    const std::size_t space = std::min(rest.find(' '), rest.size());
    add(rest.substr(0, space));
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
  text.resize(end);
}

std::map<std::string, std::uint64_t> Measures::of(std::string_view workload) const {
  std::map<std::string, std::uint64_t> out;
  for (const auto& [name, value] : values_)
    out.emplace(name.find('.') == std::string::npos ? std::string(workload) + "." + name : name,
                value);
  return out;
}

}  // namespace ktrial::trial
