// Records of /dev/kmsg. Format: Documentation/ABI/testing/dev-kmsg,
// "LEVEL,SEQUENCE,USECONDS,FLAGS[,...];TEXT\n" and indented lines with more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::workload {

struct KmsgLine {
  std::uint64_t sequence = 0;
  std::string text;
};

// One record as read(2) gives it. Nothing if it is none.
std::optional<KmsgLine> parse_kmsg_record(std::string_view record);

class KmsgReader {
 public:
  KmsgReader();  // begins at the end of the log; exits with kCannotRun without /dev/kmsg
  ~KmsgReader();
  KmsgReader(const KmsgReader&) = delete;
  KmsgReader& operator=(const KmsgReader&) = delete;

  // What was logged since the last call, without waiting. At most kMost lines: a
  // log that grows as fast as it is read must not hold us.
  std::vector<KmsgLine> read();
  static constexpr std::size_t kMost = 100'000;
  // Sequence number of the line that comes next; nothing before the first line.
  std::optional<std::uint64_t> next() const { return next_; }

 private:
  int fd_;
  std::optional<std::uint64_t> next_;
};

}  // namespace ktrial::workload
