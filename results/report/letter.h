// A mail being written: every line fits 72 columns, and none can be taken for a header, the
// beginning of a message in an mbox, or a patch. Internal to this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ktrial::results {

class Letter {
 public:
  static constexpr std::size_t kColumns = 72;

  // The text need not be safe: it becomes one line of printable ASCII.
  explicit Letter(std::string_view subject);

  void blank();
  // Wrapped at blanks.
  void paragraph(std::string_view text);
  // "  name      value", nothing for an empty value.
  void field(std::string_view name, std::string_view value);
  // As it stands, indented; what is too long goes on in the next line.
  void lines(const std::vector<std::string>& block);
  void lines(std::string_view block) { lines(std::vector<std::string>{std::string(block)}); }
  // The command, to be copied into a shell.
  void command(const std::vector<std::string>& argv, const std::string& working_dir);
  std::string take();

 private:
  void put(std::string_view line);
  void wrapped(std::string_view text, const std::string& first, const std::string& rest);
  std::string out_;
};

}  // namespace ktrial::results
