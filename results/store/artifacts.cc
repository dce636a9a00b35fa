#include "results/store/artifacts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "harness/base/file.h"
#include "results/store/advice.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::nanoseconds kTimesResolution{1'000'000};

std::string times_line(std::uint64_t offset, std::chrono::nanoseconds time) {
  return std::to_string(offset) + " " + std::to_string(time.count()) + "\n";
}

// Empty, and appended to.
Result<Fd> create_file(const fs::path& path, int access = O_WRONLY) {
  return advised(open_file(path, access | O_CREAT | O_TRUNC | O_APPEND));
}

Status append_to(const Fd& file, std::string_view bytes, const fs::path& path) {
  return advised(write_all(file.get(), bytes, path));
}

}  // namespace

Result<ConsoleLog> ConsoleLog::create(const fs::path& directory, std::uint64_t head,
                                      std::uint64_t tail) {
  ConsoleLog log;
  log.directory_ = directory;
  log.head_ = head;
  log.tail_ = std::max<std::uint64_t>(tail, 1);
  log.log_ = KTRIAL_TRY(create_file(directory / "console.log"));
  log.times_ = KTRIAL_TRY(create_file(directory / "console.times"));
  return log;
}

ConsoleLog::~ConsoleLog() { (void)finish(); }

fs::path ConsoleLog::segment_path(int which) const {
  return directory_ / ("console.tail." + std::to_string(which));
}

Status ConsoleLog::append(std::string_view bytes, std::chrono::nanoseconds since_start) {
  if (!log_ || bytes.empty()) return {};
  if (seen_ < head_) {
    const std::string_view first = bytes.substr(0, head_ - seen_);
    KTRIAL_TRY(append_to(log_, first, directory_ / "console.log"));
    if (since_start - last_time_ >= kTimesResolution) {
      last_time_ = since_start;
      KTRIAL_TRY(append_to(times_, times_line(seen_, since_start), directory_ / "console.times"));
    }
    seen_ += first.size();
    bytes.remove_prefix(first.size());
  }
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, tail_);
    KTRIAL_TRY(append_tail(part, since_start));
    bytes.remove_prefix(part.size());
  }
  return {};
}

// Two segments take turns: when one holds `tail_` bytes, the other, older one is
// emptied and written next. So the last `tail_` bytes are always on disk.
Status ConsoleLog::append_tail(std::string_view bytes, std::chrono::nanoseconds since_start) {
  while (!bytes.empty()) {
    Segment* segment = &segments_[current_];
    if (segment->size == tail_) {
      current_ ^= 1;
      segment = &segments_[current_];
      *segment = Segment{};
    }
    if (!segment->file) segment->file = KTRIAL_TRY(create_file(segment_path(current_), O_RDWR));
    const std::string_view part = bytes.substr(0, tail_ - segment->size);
    KTRIAL_TRY(append_to(segment->file, part, segment_path(current_)));
    if (segment->times.empty() || since_start - segment->times.back().time >= kTimesResolution)
      segment->times.push_back({seen_, since_start});
    segment->size += part.size();
    seen_ += part.size();
    bytes.remove_prefix(part.size());
  }
  return {};
}

std::uint64_t ConsoleLog::bytes_dropped() const {
  const std::uint64_t beyond = seen_ - std::min(seen_, head_);
  return beyond - std::min(beyond, tail_);
}

// All of the segment but its first `skip` bytes, and their times.
Status ConsoleLog::copy_tail(const Segment& segment, std::uint64_t skip, int which) {
  if (!segment.file || skip >= segment.size) return {};
  struct stat info{};
  if (::fstat(log_.get(), &info) != 0)
    return advised(fail_errno("stat " + (directory_ / "console.log").string(), errno));
  // From offsets of the guest's output to offsets of the file.
  const std::uint64_t start = segment.times.front().offset + skip;
  const std::uint64_t at = static_cast<std::uint64_t>(info.st_size);
  for (std::size_t i = 0; i < segment.times.size(); ++i) {
    const bool covers_start = i + 1 == segment.times.size() || segment.times[i + 1].offset > start;
    if (!covers_start) continue;
    const std::uint64_t offset = std::max(segment.times[i].offset, start);
    KTRIAL_TRY(append_to(times_, times_line(offset - start + at, segment.times[i].time),
                         directory_ / "console.times"));
  }
  char buffer[1 << 16];
  for (std::uint64_t from = skip; from < segment.size;) {
    ssize_t n = ::pread(segment.file.get(), buffer, sizeof buffer, static_cast<off_t>(from));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return advised(fail_errno("read " + segment_path(which).string(), n < 0 ? errno : EIO));
    KTRIAL_TRY(append_to(log_, {buffer, static_cast<std::size_t>(n)}, directory_ / "console.log"));
    from += static_cast<std::uint64_t>(n);
  }
  return {};
}

Status ConsoleLog::finish() {
  if (!log_) return {};
  Status done = [&]() -> Status {
    const std::uint64_t dropped = bytes_dropped();
    if (dropped > 0)
      KTRIAL_TRY(append_to(log_,
                           std::string(kDroppedMark) + std::to_string(dropped) +
                               " bytes of console output here **\n",
                           directory_ / "console.log"));
    const int older = current_ ^ 1;
    const Segment& newer = segments_[current_];
    const std::uint64_t kept_older = std::min(segments_[older].size, tail_ - newer.size);
    KTRIAL_TRY(copy_tail(segments_[older], segments_[older].size - kept_older, older));
    return copy_tail(newer, 0, current_);
  }();
  log_ = Fd();
  times_ = Fd();
  for (int which : {0, 1}) {
    // A tail that could not be copied stays where it is.
    if (segments_[which].file && done) ::unlink(segment_path(which).c_str());
    segments_[which] = Segment{};
  }
  return done;
}

Result<EventLog> EventLog::create(const fs::path& directory) {
  EventLog log;
  log.path_ = directory / "events.jsonl";
  log.file_ = KTRIAL_TRY(create_file(log.path_));
  return log;
}

Status EventLog::add(std::chrono::nanoseconds since_start, std::string_view type,
                     const Fields& fields) {
  Json json;
  json["t"] = std::chrono::duration<double>(since_start).count();
  json["type"] = type;
  for (const auto& [key, value] : fields)
    std::visit([&, &name = key](const auto& v) { json[name] = v; }, value);
  return append_to(file_, dump_line(json), path_);
}

Status write_artifact(const fs::path& path, std::string_view bytes, bool executable) {
  KTRIAL_TRY(advised(write_file_atomically(path, bytes)));
  if (executable && ::chmod(path.c_str(), 0755) != 0)
    return advised(fail_errno("chmod " + path.string(), errno));
  return {};
}

}  // namespace ktrial::results
