#include <algorithm>
#include <charconv>

#include "workloads/common/torture/torture.h"

namespace ktrial::workload {
namespace {

constexpr std::size_t kMostNumbers = 24;

std::string_view word_at(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

// Names as a record has them; statistics have others, too.
std::string name_of(std::string_view word) {
  std::string name;
  for (const char c : word) {
    if (c >= 'A' && c <= 'Z')
      name += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')
      name += c;
    else
      return {};
  }
  return name;
}

}  // namespace

bool TortureLog::hear(std::string_view line) {
  const std::size_t at = line.find(sign_);
  if (at == std::string_view::npos) return false;
  ++lines_;
  std::string_view rest = line.substr(at + sign_.size());
  constexpr std::string_view kEnd = "--- End of test: ";
  if (const std::size_t end = rest.find(kEnd); end != std::string_view::npos) {
    rest.remove_prefix(end + kEnd.size());
    end_ = rest.substr(0, rest.find_first_of(": "));
    return true;
  }
  for (std::string_view key; !rest.empty();) {
    const std::string_view word = word_at(rest);
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    const bool number = error == std::errc() && stop == word.data() + word.size();
    if (number && !key.empty()) {
      key.remove_suffix(1);
      const std::string name = name_of(key);
      if (name == count_) done_ = std::max(done_, value);
      if (!name.empty() && (numbers_.size() < kMostNumbers || numbers_.contains(name)))
        numbers_[name] = value;
    }
    key = word.ends_with(':') ? word : std::string_view();
  }
  return true;
}

}  // namespace ktrial::workload
