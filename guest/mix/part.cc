#include "guest/mix/part.h"

#include <algorithm>
#include <charconv>

namespace ktrial::mix {

namespace {
constexpr std::size_t kLongest = 4096;  // bytes of a line
}

std::vector<std::vector<std::string>> commands_of(const std::vector<std::string>& words) {
  std::vector<std::vector<std::string>> out(1);
  for (const std::string& word : words)
    if (word == "+")
      out.emplace_back();
    else
      out.back().push_back(word);
  return out;
}

Part::Part(std::string_view program) : name_(program.substr(program.rfind('/') + 1)) {}

void Part::hear_progress(std::string_view bytes) {
  for (const char c : bytes) {
    if (c != '\n') {
      if (line_.size() < kLongest) line_ += c;
      continue;
    }
    hear_line(line_);
    line_.clear();
  }
}

void Part::hear_line(std::string_view line) {
  std::uint64_t done = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), done);
  if (error != std::errc() || end == line.data() + line.size() || *end != ' ') return;
  done_ = done;
  moved_ = true;
  const std::size_t at = line.find("; ");
  if (at == std::string_view::npos) return;
  numbers_.clear();
  for (std::string_view rest = line.substr(at + 2); !rest.empty();) {
    const std::size_t space = std::min(rest.find(' '), rest.size());
    numbers_ += (numbers_.empty() ? "" : " ") + name_ + "." + std::string(rest.substr(0, space));
    rest.remove_prefix(std::min(space + 1, rest.size()));
  }
}

std::string Part::said(std::string_view bytes) {
  output_ += bytes;
  std::string out;
  for (std::size_t end; (end = output_.find('\n')) != std::string::npos;) {
    out += name_ + ": " + output_.substr(0, end + 1);
    output_.erase(0, end + 1);
  }
  if (output_.size() > kLongest) out += said_at_end();
  return out;
}

std::string Part::said_at_end() {
  if (output_.empty()) return {};
  std::string out = name_ + ": " + output_ + "\n";
  output_.clear();
  return out;
}

std::string merged(std::vector<Part>& parts, const std::vector<bool>& runs) {
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (runs[i] && !parts[i].moved()) return {};
  std::uint64_t sum = 0;
  std::string text, numbers;
  for (Part& part : parts) {
    part.settle();
    sum += part.done();
    text += (text.empty() ? "" : ", ") + part.name() + " " + std::to_string(part.done());
    if (!part.numbers().empty()) numbers += (numbers.empty() ? "" : " ") + part.numbers();
  }
  return std::to_string(sum) + " 0 " + text + (numbers.empty() ? "" : "; " + numbers) + "\n";
}

}  // namespace ktrial::mix
