// One of the workloads that run beside each other: what it says, and where it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::mix {

// "A --x=1 + B --y=2" -> its commands.
std::vector<std::vector<std::string>> commands_of(const std::vector<std::string>& words);

class Part {
 public:
  // `program`: a path; its last part is the name.
  explicit Part(std::string_view program);

  const std::string& name() const { return name_; }
  // Bytes of its progress pipe: lines "DONE TOTAL text; NUMBER=VALUE ...".
  void hear_progress(std::string_view bytes);
  // Bytes of its output: whole lines, each with its name in front.
  std::string said(std::string_view bytes);
  std::string said_at_end();  // a last line without an end

  std::uint64_t done() const { return done_; }
  const std::string& numbers() const { return numbers_; }  // "A.x=1 A.y=2"
  // Whether it has shown progress since the last call of settle().
  bool moved() const { return moved_; }
  void settle() { moved_ = false; }

 private:
  void hear_line(std::string_view line);

  std::string name_, line_, output_, numbers_;
  std::uint64_t done_ = 0;
  bool moved_ = false;
};

// One line of all: progress is only where each part that still runs has some, so that silence of
// one is silence of all. Empty: not yet. `runs` is as long as `parts`.
std::string merged(std::vector<Part>& parts, const std::vector<bool>& runs);

}  // namespace ktrial::mix
