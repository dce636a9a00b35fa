#include "workloads/nmi-backtrace/kmsg.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "workloads/common/arguments.h"

namespace ktrial::workload {

std::optional<KmsgLine> parse_kmsg_record(std::string_view record) {
  const std::size_t level_end = record.find(',');
  const std::size_t text_begin = record.find(';');
  if (level_end == record.npos || text_begin == record.npos || level_end > text_begin)
    return std::nullopt;
  const std::string_view head = record.substr(level_end + 1, text_begin - level_end - 1);
  KmsgLine line;
  auto [end, error] = std::from_chars(head.data(), head.data() + head.size(), line.sequence);
  if (error != std::errc() || end == head.data() + head.size() || *end != ',') return std::nullopt;
  const std::string_view text = record.substr(text_begin + 1);
  line.text = text.substr(0, text.find('\n'));
  return line;
}

KmsgReader::KmsgReader() : fd_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  if (fd_ < 0 || lseek(fd_, 0, SEEK_END) < 0) cannot_run("/dev/kmsg: %s", std::strerror(errno));
}

KmsgReader::~KmsgReader() { close(fd_); }

std::vector<KmsgLine> KmsgReader::read() {
  std::vector<KmsgLine> lines;
  char record[8192];  // CONSOLE_EXT_LOG_MAX, the longest
  while (lines.size() < kMost) {
    const ssize_t got = ::read(fd_, record, sizeof record);
    // EPIPE: overwritten before it was read. The gap shows in the sequence numbers.
    if (got < 0 && (errno == EINTR || errno == EPIPE)) continue;
    if (got <= 0) break;
    if (auto line = parse_kmsg_record({record, static_cast<std::size_t>(got)})) {
      next_ = line->sequence + 1;
      lines.push_back(std::move(*line));
    }
  }
  return lines;
}

}  // namespace ktrial::workload
