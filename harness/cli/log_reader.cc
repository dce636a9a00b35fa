#include "harness/cli/log_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "harness/base/fd.h"
#include "harness/base/file.h"

namespace ktrial::cli {
namespace {

bool is_compressed(std::string_view start) {
  using namespace std::string_view_literals;
  for (const std::string_view magic : {"\x1f\x8b"sv,
                                       "\xfd"
                                       "7zXZ\0"sv,
                                       "\x28\xb5\x2f\xfd"sv, "BZh"sv})
    if (start.starts_with(magic)) return true;
  return false;
}

}  // namespace

struct LogReader::Impl {
  std::string path;
  Fd opened;
  int fd = STDIN_FILENO;
  Fd watch;  // of a regular file that grows
  std::vector<char> buffer = std::vector<char>(1 << 20);
  std::string first;  // bytes that were read to know the file's kind
  bool started = false;
  std::unique_ptr<archive, decltype(&archive_read_free)> unpacker{nullptr, archive_read_free};
  std::vector<char> packed;

  Result<std::size_t> read_raw(char* to, std::size_t size) {
    for (;;) {
      const ssize_t n = ::read(fd, to, size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("read " + path, errno, ErrorKind::usage);
      if (n == 0 && watch) {
        std::array<char, 4096> events;
        if (::read(watch.get(), events.data(), events.size()) > 0) continue;
      }
      return static_cast<std::size_t>(n);
    }
  }

  static la_ssize_t feed_unpacker(archive* reader, void* context, const void** block) {
    auto& self = *static_cast<Impl*>(context);
    if (!self.first.empty()) {
      self.packed.assign(self.first.begin(), self.first.end());
      self.first.clear();
      *block = self.packed.data();
      return static_cast<la_ssize_t>(self.packed.size());
    }
    self.packed.resize(1 << 16);
    const auto n = self.read_raw(self.packed.data(), self.packed.size());
    if (!n) {
      archive_set_error(reader, EIO, "%s", n.error().message.c_str());
      return -1;
    }
    *block = self.packed.data();
    return static_cast<la_ssize_t>(*n);
  }

  std::unexpected<Error> damaged() {
    const char* text = archive_error_string(unpacker.get());
    return usage_error(path + ": the compressed data are damaged or end early: " +
                           (text != nullptr ? text : "unknown error"),
                       "what came before was read; unpack the file by hand to see more");
  }

  // Never all filters: some start other programs.
  Status start_unpacker() {
    unpacker.reset(archive_read_new());
    archive* reader = unpacker.get();
    archive_read_support_filter_gzip(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_zstd(reader);
    archive_read_support_filter_bzip2(reader);
    archive_read_support_format_raw(reader);
    archive_read_support_format_empty(reader);
    archive_entry* entry = nullptr;
    if (archive_read_open(reader, this, nullptr, feed_unpacker, nullptr) != ARCHIVE_OK ||
        archive_read_next_header(reader, &entry) < ARCHIVE_WARN)
      return damaged();
    return {};
  }

  Status start() {
    started = true;
    while (first.size() < 6) {
      const std::size_t n = KTRIAL_TRY(read_raw(buffer.data(), buffer.size()));
      if (n == 0) break;
      first.append(buffer.data(), n);
      if (!is_compressed(first) && first[0] != '\x1f' && first[0] != '\xfd' && first[0] != '\x28' &&
          first[0] != 'B')
        break;  // do not wait for more: it may be a console
    }
    return is_compressed(first) ? start_unpacker() : Status();
  }
};

LogReader::LogReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogReader::LogReader(LogReader&&) noexcept = default;
LogReader& LogReader::operator=(LogReader&&) noexcept = default;
LogReader::~LogReader() = default;

Result<LogReader> LogReader::open(const std::string& path, bool follow) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  if (path == "-") return LogReader(std::move(impl));
  auto file = open_file(path, O_RDONLY);
  if (!file) return usage_error(file.error().message, "name a saved log, a folder, or - for stdin");
  impl->opened = std::move(*file);
  impl->fd = impl->opened.get();
  struct stat about{};
  if (follow && ::fstat(impl->fd, &about) == 0 && S_ISREG(about.st_mode)) {
    impl->watch = Fd(::inotify_init1(IN_CLOEXEC));
    if (!impl->watch || ::inotify_add_watch(impl->watch.get(), path.c_str(), IN_MODIFY) < 0)
      return fail_errno("watch " + path, errno, ErrorKind::environment);
  }
  return LogReader(std::move(impl));
}

Result<std::string_view> LogReader::read() {
  Impl& self = *impl_;
  if (!self.started) KTRIAL_TRY(self.start());
  if (self.unpacker) {
    const la_ssize_t n =
        archive_read_data(self.unpacker.get(), self.buffer.data(), self.buffer.size());
    if (n < 0) return self.damaged();
    return std::string_view(self.buffer.data(), static_cast<std::size_t>(n));
  }
  if (!self.first.empty()) {
    const std::size_t size = self.first.copy(self.buffer.data(), self.buffer.size());
    self.first.clear();
    return std::string_view(self.buffer.data(), size);
  }
  const std::size_t n = KTRIAL_TRY(self.read_raw(self.buffer.data(), self.buffer.size()));
  return std::string_view(self.buffer.data(), n);
}

bool LogReader::wait(std::chrono::milliseconds time) {
  Impl& self = *impl_;
  if (!self.first.empty()) return true;
  if (self.watch) {
    // More of a file can always be asked for; only at its end the watch tells.
    const off_t at = ::lseek(self.fd, 0, SEEK_CUR);
    struct stat about{};
    if (::fstat(self.fd, &about) == 0 && at < about.st_size) return true;
  }
  pollfd ready = {.fd = self.watch ? self.watch.get() : self.fd, .events = POLLIN, .revents = 0};
  return ::poll(&ready, 1, static_cast<int>(time.count())) != 0;
}

}  // namespace ktrial::cli
